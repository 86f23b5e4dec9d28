"""`ui`: Dagster's web server and daemon on our settings."""

import os
import socket
import sys
from typing import NoReturn

from stock_assets.commands import home
from stock_assets.core.errors import StockAssetsError
from stock_assets.settings import Settings, project_root


class CannotListenError(StockAssetsError):
    """An address that is taken, or not one of this machine."""


def require_free(host: str, port: int) -> None:
    """Raises `CannotListenError` when nothing could listen there now: Dagster would say so after half a minute."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the web server does: a port whose last user has just left counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        raise CannotListenError(
            f"the UI can't listen on {host}, port {port}: {error.strerror or error}; choose others with --host, --port"
        ) from error


def serve(settings: Settings, host: str, port: int) -> NoReturn:
    """Become `dagster dev`: its web server, daemon and code server end with it, however it is told to stop.

    Raises `SettingsError` when DAGSTER_HOME or the folder for logs can't be used.
    """
    home.prepare_logs(settings.log_dir)
    home.instance(settings.dagster_home).dispose()
    # Its advice to use another command, which is not part of what we install, would be the first thing a user reads.
    python = [sys.executable, "-W", "ignore:Function `dev_command` is superseded"]
    words = ["dev", "-m", "stock_assets.definitions", "-d", str(project_root()), "-h", host, "-p", str(port)]
    # Started beside a dagster.yaml other than that of DAGSTER_HOME, it would warn that it does not use that one.
    os.chdir(settings.dagster_home)
    os.execve(sys.executable, [*python, "-m", "dagster", *words], os.environ | settings.as_environment())
