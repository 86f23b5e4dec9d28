"""A Redis server of one's own on loopback, which a test may kill and start again. No test lives here."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from stock_assets_tests.place import free_port

_START_SECONDS = 30


class RedisServer:
    """On a free port, with its file in `folder`: what it held is there when it is started again."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("needs the program redis-server: apt-get install redis-server")
        folder.mkdir()
        self._port = free_port()
        options = {"port": self._port, "bind": "127.0.0.1", "dir": folder, "appendonly": "yes", "appendfsync": "always"}
        self._words = [program, *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
        self._log = folder / "log"
        self._process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it; it answers on return."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._words, stdout=log, stderr=log)
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self._port), timeout=5) as asked:
                    asked.sendall(b"PING\r\n")
                    if asked.recv(64).startswith(b"+PONG"):
                        return
            except ConnectionError:
                pass
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < end, self._log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
