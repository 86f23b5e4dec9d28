"""`stock-assets serve` as a process of its own, which a test may torment, and clients of it. No test lives here."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import sqlalchemy as sa

from stock_assets.monitoring import tables
from stock_assets.monitoring.database import open_database
from stock_assets_tests.place import PATIENCE, PROGRAM, Place

_POLL = 0.01


class Answer(NamedTuple):
    """What came of a request; `body` as JSON where it is some."""

    status: int
    body: Any
    headers: dict[str, str]


class ForecastServer:
    """A server on a free port of loopback with `workers` processes."""

    def __init__(self, place: Place, workers: int = 2, **settings: str) -> None:
        self.place = place
        self.settings = {"STOCK_ASSETS_SOURCE": "csv"} | settings
        self.workers = workers
        self.url = ""
        self.answers: list[Answer] = []
        """To what was asked with `ask` and `get`."""

    def __enter__(self) -> "ForecastServer":
        self._errors = (self.place.folder / "errors.txt").open("w+b")
        self.process = subprocess.Popen(
            [str(PROGRAM), "serve", "--port", "0", "--workers", str(self.workers)],
            cwd=self.place.folder,
            env=self.place.environment(**self.settings),
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r" on (http://127\.0\.0\.1:\d+);", line):
                self.url = found[1]
                break
        assert self.url, self.errors()
        wait_until(lambda: len(self.pids()) == self.workers, "the workers did not start")
        wait_until(lambda: self.get("/health").status == 200, "nothing is served")
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def stop(self, signal_: int = signal.SIGTERM) -> int:
        """Tell the server to stop; its exit code."""
        self.process.send_signal(signal_)
        return self.process.wait(PATIENCE)

    def pids(self) -> list[int]:
        """The living workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            found = [int(pid) for pid in children.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            return []
        return [pid for pid in found if not _is_dead(pid)]

    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode()

    def log(self) -> str:
        return self.place.log("serving")

    def get(self, target: str, **headers: str) -> Answer:
        """On a connection of its own."""
        return self.ask("GET", target, headers=headers)

    def ask(self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, target, body, headers or {})
            answer = read(connection)
            self.answers.append(answer)
            return answer
        finally:
            connection.close()

    def served(self) -> dict[tuple[str, str], int]:
        """(Checksum of a forecast, route) -> how often it was served, by the database."""
        database = open_database(f"sqlite:///{self.place.data / 'monitoring.db'}")
        table = tables.served
        query = sa.select(table.c.checksum, table.c.route, sa.func.sum(table.c.times)).group_by(
            table.c.checksum, table.c.route
        )
        with database.reading() as connection:
            found = {(row[0], row[1]): int(row[2]) for row in connection.execute(query)}
        database.close()
        return found


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def read(connection: http.client.HTTPConnection) -> Answer:
    """The answer to what was asked."""
    answer = connection.getresponse()
    text = answer.read()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    is_json = text and "json" in headers.get("content-type", "")
    return Answer(answer.status, json.loads(text) if is_json else text, headers)


def wait_until(true: Callable[[], Any], otherwise: str) -> float:
    """Poll until `true`; how many seconds that took."""
    start = time.monotonic()
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if true():
                return time.monotonic() - start
        assert time.monotonic() - start < PATIENCE, otherwise
        time.sleep(_POLL)


class Failed(NamedTuple):
    """A request without an answer, and the client's port it was asked on."""

    port: int
    error: str


class Load:
    """Clients that ask one thing after the other, each on a connection that it keeps while it can.

    `targets` in turn; `answers` and `failures` in the end hold everything that came.
    """

    def __init__(self, server: ForecastServer, targets: list[str], clients: int = 4) -> None:
        self._server, self._targets = server, targets
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]
        self.answers: list[Answer] = []
        self.failures: list[Failed] = []

    @contextlib.contextmanager
    def running(self) -> Iterator["Load"]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(PATIENCE)
            assert not any(thread.is_alive() for thread in self._threads)

    def _ask(self, n: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=PATIENCE)
        while not self._stop.is_set():
            n += 1
            port = 0
            try:
                if connection.sock is None:
                    connection.connect()
                port = connection.sock.getsockname()[1]
                connection.request("GET", self._targets[n % len(self._targets)])
                self.answers.append(read(connection))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(Failed(port, repr(error)))
                connection.close()
        connection.close()


def ports_of_clients(pid: int, port: int) -> set[int]:
    """The clients' ports of the connections to `port` that a process has accepted."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if found := re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink())):
                inodes.add(found[1])
    ports = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, *rest = line.split()
        if int(here.rpartition(":")[2], 16) == port and rest[6] in inodes:
            ports.add(int(there.rpartition(":")[2], 16))
    return ports
