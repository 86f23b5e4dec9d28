"""`worker` where there is no queue; with one it works in end_to_end."""

from pathlib import Path

import pytest

from stock_assets.commands import worker
from stock_assets.core.errors import SettingsError
from stock_assets.settings import Settings
from stock_assets_tests.place import Place


def test_a_home_without_a_queue_is_told(tmp_path: Path) -> None:
    pytest.importorskip("dagster_celery", reason="needs the extra cluster: dagster-celery[redis]")
    settings = Settings.from_environment(Place(tmp_path).variables)
    with pytest.raises(
        SettingsError, match=r"DAGSTER_HOME .* has runs launched by DefaultRunLauncher; expected Worker"
    ):
        worker.application(settings)


def test_what_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.importlib.util, "find_spec", lambda name: None)
    settings = Settings.from_environment(Place(tmp_path).variables)
    with pytest.raises(SettingsError, match=r"expected: pip install 'stock-assets\[cluster\]'"):
        worker.application(settings)
