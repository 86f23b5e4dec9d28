"""A PostgreSQL server of one's own in a temporary folder, reached through a Unix socket. No test lives here."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from stock_assets_tests.place import PATIENCE

_START_SECONDS = PATIENCE


def _binaries() -> Path:
    """The folder with `initdb` and `postgres`; skips the test where there is none."""
    found = shutil.which("initdb")
    # Debian keeps them off the path, a folder a version.
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        pytest.skip("needs the programs initdb and postgres: apt-get install postgresql")
    return folders[-1]


def _user() -> str | None:
    """Whom the server runs as: it refuses to run as root."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres")


@contextmanager
def server() -> Iterator[Path]:
    """The folder of the socket of a running server, whose user `postgres` needs no password; gone afterwards."""
    binaries, user = _binaries(), _user()
    # Not under pytest's folder: only its owner may enter that, and a socket's path has 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if user:
            shutil.chown(folder, user)
        data = folder / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
            user=user,
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        settings = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off", "full_page_writes=off")
        options = [word for setting in settings for word in ("-c", setting)]
        with (folder / "log").open("wb") as log:
            running = subprocess.Popen(
                [binaries / "postgres", "-D", data, *options], user=user, cwd=folder, stdout=log, stderr=log
            )
        try:
            _wait(running, folder)
            yield folder
        finally:
            running.terminate()
            try:
                running.wait(5)
            except subprocess.TimeoutExpired:
                # Terminating waits for connections to end by themselves, SIGQUIT does not.
                running.send_signal(subprocess.signal.SIGQUIT)
                running.wait(30)
    finally:
        shutil.rmtree(folder)


def _wait(running: subprocess.Popen, folder: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
        except psycopg.OperationalError:
            if running.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start: {(folder / 'log').read_text()}") from None
            time.sleep(0.05)
        else:
            return


def create_database(socket: Path, name: str) -> str:
    """A new database on the server; its URL."""
    with psycopg.connect(host=str(socket), user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"postgresql+psycopg://postgres@/{name}?host={socket}"
