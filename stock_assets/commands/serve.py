"""`serve`: forecasts over HTTP."""

import dataclasses
import ipaddress
import socket
from typing import NoReturn

from stock_assets.commands import home
from stock_assets.commands.ui import CannotListenError
from stock_assets.serving.config import Config
from stock_assets.settings import Settings

_BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; 0 takes any port that is free. Raises `CannotListenError`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            # A port whose last user has just left counts as free.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise CannotListenError(
            f"forecasts can't be served on {host}, port {port}: {error.strerror or error}; choose others with --host, "
            "--port"
        ) from error
    return listener


def address(listener: socket.socket) -> str:
    """Where it listens, as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def warning(listener: socket.socket, settings: Settings) -> str | None:
    """What to say when others than this machine can reach it and nobody has to show a token."""
    if settings.serve_token is not None or _is_local(listener):
        return None
    host = listener.getsockname()[0]
    return f"ANYBODY WHO REACHES {host} IS SERVED: SET STOCK_ASSETS_SERVE_TOKEN TO ASK FOR A TOKEN"


def _is_local(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def place(settings: Settings, source: str | None) -> Settings:
    """The settings with the source to serve: `source`, or else that of the data folder with the newest forecast."""
    from stock_assets.serving.forecasts import Forecasts
    from stock_assets.storage.artefacts import ArtefactStore

    places = settings.places(source)
    if len(places) == 1:
        return places[0]
    newest = [max(Forecasts(ArtefactStore(one.data_dir)).newest_sessions().values(), default=None) for one in places]
    found = [(session, -n) for n, session in enumerate(newest) if session is not None]
    return places[-max(found)[1]] if found else settings


def serve(settings: Settings, listener: socket.socket, workers: int | None) -> NoReturn:
    """Serve until told to stop, and end this process.

    Raises `SettingsError` when the folder for logs can't be used.
    """
    home.prepare_logs(settings.log_dir)
    from stock_assets.serving import processes

    config = Config.from_settings(settings)
    config = dataclasses.replace(config, local_names_only=config.token is None and _is_local(listener))

    def make_app():
        # Imported where gunicorn has set what prometheus_client looks for.
        from stock_assets.serving import app

        return app.create_app(config)

    processes.serve(make_app, listener, settings.log_dir, workers or processes.default_workers())
