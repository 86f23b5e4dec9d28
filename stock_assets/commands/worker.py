"""`worker`: makes the runs that are handed over by a queue, on this machine, for the Dagster of another one."""

import importlib.util
import os
import socket
from typing import TYPE_CHECKING

from stock_assets.commands import home
from stock_assets.core.errors import SettingsError
from stock_assets.settings import Settings

if TYPE_CHECKING:
    from celery import Celery


def application(settings: Settings) -> "Celery":
    """What takes runs from the queue that the `dagster.yaml` of DAGSTER_HOME names.

    Raises `SettingsError` when it names none, or when there is nothing installed to use one.
    """
    if importlib.util.find_spec("dagster_celery") is None:
        raise SettingsError("a worker needs what is not installed; expected: pip install 'stock-assets[cluster]'")
    from stock_assets.defs import worker_launcher

    instance = home.instance(settings.dagster_home)
    try:
        launcher = instance.run_launcher
        if not isinstance(launcher, worker_launcher.WorkerRunLauncher):
            raise SettingsError(
                f"the dagster.yaml of DAGSTER_HOME {settings.dagster_home} has runs launched by "
                f"{type(launcher).__name__}; expected WorkerRunLauncher, as in deploy/celery/dagster.yaml"
            )
        worker_launcher.make_runs(launcher.celery)
        return launcher.celery
    finally:
        # Each run's process opens what it needs: connections don't live through a fork.
        instance.dispose()


def work(settings: Settings, runs: int) -> None:
    """Make runs, `runs` at once, until told to stop (SIGTERM, Ctrl-C): those under way are finished first.

    Raises `SettingsError` as `application`, and when the folder for logs can't be used.
    """
    home.prepare_logs(settings.log_dir)
    words = ["worker", "--pool=prefork", f"--concurrency={runs}", "--queues=dagster", "--without-gossip"]
    # By machine and process: two workers on a machine have names of their own, and one started anew another.
    name = f"--hostname=stock-assets-{os.getpid()}@{socket.gethostname()}"
    application(settings).worker_main([*words, "--without-mingle", "--loglevel=INFO", name])
