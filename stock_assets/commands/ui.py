"""`ui`: Dagster's web server and daemon on our settings."""

import os
import subprocess
import sys
from pathlib import Path

from stock_assets.commands import home
from stock_assets.settings import Settings, project_root


def serve(settings: Settings, host: str, port: int) -> int:
    """Run `dagster dev` until it ends; its exit code."""
    dagster = Path(sys.executable).with_name("dagster")
    home.prepare(settings.dagster_home)
    process = subprocess.Popen(
        [str(dagster), "dev", "-m", "stock_assets.definitions", "-h", host, "-p", str(port)],
        cwd=project_root(),
        env=os.environ | settings.as_environment(),
    )
    try:
        return process.wait()
    except KeyboardInterrupt:
        # The terminal has sent Ctrl-C to dagster too; it ends its own children.
        return process.wait()
