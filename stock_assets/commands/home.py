"""Dagster's own folder: made when absent, with our configuration, so that nothing phones home by default."""

from pathlib import Path

from stock_assets.core.errors import SettingsError

_CONFIGURATION = Path(__file__).resolve().parents[1] / "dagster.yaml"


def prepare(dagster_home: Path) -> Path:
    """`dagster_home`, existing and with a `dagster.yaml`; one that is there already is left as it is."""
    try:
        dagster_home.mkdir(parents=True, exist_ok=True)
        configuration = dagster_home / "dagster.yaml"
        if not configuration.exists():
            configuration.write_bytes(_CONFIGURATION.read_bytes())
    except OSError as error:
        raise SettingsError(f"DAGSTER_HOME {dagster_home} can't be used: {error}") from error
    return dagster_home
