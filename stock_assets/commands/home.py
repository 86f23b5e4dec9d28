"""The folders that a command needs before Dagster starts: Dagster's own, and that of the logs.

Dagster's is made when absent, with our configuration, so that nothing phones home by default. That of an earlier
version of ours is renewed; what somebody has changed is his.
"""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from stock_assets.core.errors import SettingsError
from stock_assets.storage import atomic

if TYPE_CHECKING:
    import dagster as dg

_CONFIGURATION = Path(__file__).resolve().parents[1] / "dagster.yaml"
_SHOWN_CHARACTERS = 200

OURS = (
    "7a77af901ef19495e5cdf57dd93cefd749414d010accca509c2252e14690110c",
    "89726244e5af133d6ce71bb0ac4e15de0788387e84a5ccb418a810978047fd61",
    "dd7f4259322f1e8f9ab777322570d6f015d482cb1a886c1eb35c72349245ffb0",
    "fe536e58d0e866ef73f844624843b1770a3876edcb14563def14813fcc72614e",
    "a6f4f3c3758f53853bc98e038b0c22f892e64429860c8014b193537a0cf8d7e5",
    "56d04bda8c103c82027e0c266cb04408b3cb59fcc7585baec12075d45cf07678",
    "41003c18a4440c00748f8fa7220eb8ea01c585e6a3f5322f9c182d145cfa72b9",
)
"""SHA-256 of each dagster.yaml of ours there has been, the newest last: a test asks for it when the file changes."""


def prepare(dagster_home: Path) -> Path:
    """`dagster_home`, existing and with a `dagster.yaml`: one of an earlier version of ours is replaced by the newest,
    one that somebody has changed is left as it is (`is_changed`).

    Raises `SettingsError` when there can't be such a folder.
    """
    try:
        dagster_home.mkdir(parents=True, exist_ok=True)
        configuration = dagster_home / "dagster.yaml"
        if not configuration.exists() or _checksum(configuration) in OURS[:-1]:
            # Whole or not at all: another command may be starting at the same moment.
            atomic.write_bytes(configuration, _CONFIGURATION.read_bytes())
    except OSError as error:
        raise unusable(dagster_home, error) from error
    return dagster_home


def is_changed(dagster_home: Path) -> bool:
    """Whether there is a `dagster.yaml` that somebody has changed, so that what is new in ours does not hold.

    Raises `SettingsError` when it can't be read.
    """
    configuration = dagster_home / "dagster.yaml"
    try:
        return configuration.exists() and _checksum(configuration) not in OURS
    except OSError as error:
        raise unusable(dagster_home, error) from error


def _checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def instance(dagster_home: Path) -> "dg.DagsterInstance":
    """Dagster's instance of that folder, which is prepared first.

    Its databases are made by one process at a time: two that do it at once leave some that Dagster refuses for ever.
    Raises `SettingsError` when the folder, its `dagster.yaml` or its databases can't be used.
    """
    import alembic.util
    import dagster as dg
    import sqlalchemy.exc
    import yaml

    prepare(dagster_home)
    try:
        with atomic.alone(dagster_home / ".lock"):
            return dg.DagsterInstance.from_config(str(dagster_home))
    except (
        yaml.YAMLError,
        dg.DagsterError,
        sqlalchemy.exc.SQLAlchemyError,
        alembic.util.CommandError,
        OSError,
    ) as error:
        raise unusable(dagster_home, error) from error


def prepare_logs(log_dir: Path) -> None:
    """Make the folder for logs when it is absent. Raises `SettingsError` when none can be made, or written to."""
    reason = "it is not writable"
    try:
        log_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = str(error.strerror)
    if not log_dir.is_dir() or not os.access(log_dir, os.W_OK | os.X_OK):
        raise SettingsError(f"STOCK_ASSETS_LOG_DIR {log_dir} can't be used: {reason}; expected a folder to write to")


def unusable(dagster_home: Path, error: Exception) -> SettingsError:
    """The error to raise when something in that folder, or the folder itself, is not what Dagster needs."""
    # Dagster's own text recites everything that a dagster.yaml may hold: 10,000 characters.
    reason = " ".join(str(error).split())
    shown = reason[:_SHOWN_CHARACTERS] + (" ..." if len(reason) > _SHOWN_CHARACTERS else "")
    return SettingsError(
        f"DAGSTER_HOME {dagster_home} can't be used: {shown}; expected a folder that Dagster can use; made when absent"
    )
