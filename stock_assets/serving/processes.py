"""The server's processes: gunicorn with threaded workers, each forked from one that has everything loaded.

A worker that dies is started again at once; a request that it was at work on is lost with its connection, others are
not. SIGTERM, SIGINT and SIGHUP end the server: it takes no more connections, finishes what it is at for up to
`GRACEFUL_SECONDS`, and stores what was served. A second SIGINT ends it without waiting.

How a request is answered is in app, how long a client may take in slow_clients.
"""

import gc
import importlib
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from stock_assets.core.errors import StockAssetsError
from stock_assets.serving import around, slow_clients
from stock_assets.serving.access_log import AccessLog, Handler

if TYPE_CHECKING:
    import flask

    from stock_assets.serving.serving import Serving

THREADS = 24
GRACEFUL_SECONDS = 30

_LOG = logging.getLogger(__name__)

_CONNECTIONS = 400
_KEEP_ALIVE_SECONDS = 15
_STUCK_SECONDS = 60
_LONGEST_LINE = 4094
_MOST_FIELDS = 64
_PATIENCE_AT_THE_END = 5.0
_LOADED_FIRST = 16

# What the first request would have to wait for. All of it is there before the first worker is, and shared by all.
_NEEDED = (
    *("stock_assets.core.features", "stock_assets.core.prediction", "stock_assets.storage.models"),
    *("stock_assets.serving.histories", "stock_assets.monitoring.database", "alembic.command"),
    *("skops.io", "sklearn.ensemble", "sklearn.linear_model", "pyarrow.parquet", "pyarrow.pandas_compat"),
)


def default_workers() -> int:
    """As many as there are processors, up to four; two at least: one serves while the other is started again."""
    return max(2, min(4, os.cpu_count() or 1))


def serve(make_app: "Callable[[], flask.Flask]", listener: socket.socket, log_dir: Path, workers: int) -> NoReturn:
    """Serve the application on `listener`, bound already, until told to stop; then this process ends.

    Exit code 0: stopped when told to; another: gunicorn's own, when its workers can't be started.
    """
    log = AccessLog(log_dir)
    package = logging.getLogger("stock_assets")
    package.addHandler(Handler(log))
    package.setLevel(logging.INFO)
    counts = tempfile.mkdtemp(prefix="stock-assets-metrics-")
    arbiter = os.getpid()
    try:
        _Server(make_app, _options(listener, log, workers, counts)).run()
    finally:
        # Workers leave through here too.
        if os.getpid() == arbiter:
            shutil.rmtree(counts, ignore_errors=True)
    sys.exit(0)


def _options(listener: socket.socket, log: AccessLog, workers: int, counts: str) -> dict[str, Any]:
    """gunicorn's settings."""
    memory = Path("/dev/shm")
    return {
        "bind": f"fd://{listener.detach()}",
        "workers": workers,
        "worker_class": slow_clients.Worker,
        "threads": THREADS,
        "worker_connections": _CONNECTIONS,
        "preload_app": True,
        "timeout": _STUCK_SECONDS,
        "graceful_timeout": GRACEFUL_SECONDS,
        "keepalive": _KEEP_ALIVE_SECONDS,
        "limit_request_line": _LONGEST_LINE,
        "limit_request_fields": _MOST_FIELDS,
        "logger_class": type("Log", (_Log,), {"file": log}),
        # Before prometheus_client is imported, which looks there.
        "raw_env": [f"PROMETHEUS_MULTIPROC_DIR={counts}"],
        # A worker says that it lives by touching a file: not on a disk that may be slow.
        "worker_tmp_dir": str(memory) if memory.is_dir() else None,
        # Its own thread in the arbiter, and a socket in the user's home, for a tool that is not used here.
        "control_socket_disable": True,
        # Its way around `sendall`, where nobody would look how long the client takes.
        "sendfile": False,
        "proc_name": "stock-assets",
        "post_worker_init": _begin_worker,
        "worker_exit": _end_worker,
        "child_exit": _after_worker,
        "on_exit": _end_server,
    }


class _Server(BaseApplication):
    """gunicorn, set up by a program and not by its command line."""

    def __init__(self, make_app: "Callable[[], flask.Flask]", options: dict[str, Any]) -> None:
        self._make_app, self._options = make_app, options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        app = self._make_app()
        for module in _NEEDED:
            importlib.import_module(module)
        # What is there now stays: workers need not look through it, nor copy the pages it lies on by doing so.
        gc.collect()
        gc.freeze()
        return app

    def run(self) -> None:
        _Arbiter(self).run()


class _Arbiter(Arbiter):
    """Starts workers and ends them; finishes what is in progress however it is told to stop."""

    log: Any

    def init_signals(self) -> None:
        """Started with nohup, the end of its terminal is still not its own."""
        ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        super().init_signals()
        if ignored:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def handle_int(self) -> None:
        """Ctrl-C, or a terminal that is closed."""
        raise StopIteration

    handle_hup = handle_int

    def handle_usr2(self) -> None:
        """gunicorn would start itself anew beside the old one, which could not be told apart from the port's user."""
        self.log.warning("SIGUSR2 is not supported; stop the server and start it again")

    def spawn_worker(self) -> Any:
        """A new worker; where there is no room for a process now, it is tried again in a second."""
        try:
            return super().spawn_worker()
        except OSError as error:
            self.log.error("no worker can be started: %s", error.strerror or error)
            return None


class _Log(Logger):
    """gunicorn's log, in our file; what is an error also on the terminal."""

    file: AccessLog

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self.error_log.setLevel(logging.INFO)
        terminal = logging.StreamHandler(sys.stderr)
        terminal.setLevel(logging.ERROR)
        self.error_log.handlers[:] = [Handler(self.file), terminal]

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """An answer, once it is sent, or its client gone."""
        status = getattr(resp, "status_code", None) or HTTPStatus.INTERNAL_SERVER_ERROR
        self.file.answered(
            environ.get("REMOTE_ADDR", ""),
            req.method,
            environ.get("PATH_INFO", ""),
            int(status),
            resp.sent,
            request_time.total_seconds(),
            environ.get(around.TICKER, ""),
        )

    def refused(self, client: str, req: Any, status: int, size: int, detail: str) -> None:
        """An answer that was given without asking the application."""
        method, path = getattr(req, "method", None) or "-", getattr(req, "path", None) or "-"
        self.file.answered(client, method, path, status, size, 0.0)
        self.file.told("WARNING", f"refused {client}: {detail}")


def _serving(app: Any) -> "Serving | None":
    """None for an application that is not ours, as benchmarks compare with."""
    return getattr(app.wsgi(), "extensions", {}).get("stock_assets")


def _begin_worker(worker: Any) -> None:
    serving = _serving(worker.app)
    if serving is not None:
        serving.recorder.start()
        threading.Thread(target=_load_first, args=(serving,), name="loading", daemon=True).start()


def _load_first(serving: "Serving") -> None:
    """The newest forecasts of some tickers, so that the first who asks need not wait for a model."""
    try:
        tickers = list(serving.listings.now().followed)
        for ticker in tickers[:_LOADED_FIRST]:
            if serving.forecasts.known(ticker):
                serving.forecasts.newest(ticker)
    except StockAssetsError as error:
        # Whoever asks is told, and /health tells.
        _LOG.warning("not loaded in advance: %s", error)


def _end_worker(_: Any, worker: Any) -> None:
    # gunicorn also calls this in the arbiter, for a worker that it can't find.
    if worker.pid == os.getpid() and (serving := _serving(worker.app)) is not None:
        serving.recorder.close(patience=_PATIENCE_AT_THE_END)


def _after_worker(_: Any, worker: Any) -> None:
    if _serving(worker.app) is not None:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)


def _end_server(arbiter: Any) -> None:
    """What workers left that were killed."""
    if (serving := _serving(arbiter.app)) is not None:
        serving.recorder.close(patience=_PATIENCE_AT_THE_END)
