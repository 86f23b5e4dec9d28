"""`ui`: what Dagster is given, and that nothing of it stays behind."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from stock_assets import cli
from stock_assets.commands import home, ui
from stock_assets.core.errors import SettingsError
from stock_assets.settings import Settings, project_root
from stock_assets_tests.place import PATIENCE, PROGRAM, Place, free_port


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of loopback that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_free_port_is_free_and_stays_so() -> None:
    port = free_port()
    ui.require_free("127.0.0.1", port)
    ui.require_free("localhost", port)


def test_a_port_that_is_taken_is_told_before_anything_starts(taken: int, tmp_path: Path) -> None:
    done = Place(tmp_path).run("ui", "--port", str(taken), "--source", "simulated")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"error: the UI can't listen on 127.0.0.1, port {taken}: Address already in use; choose others with --host, "
        "--port\n"
    )
    assert not (tmp_path / "home").exists()


def test_an_address_that_is_not_this_machines() -> None:
    # Of a range that is kept for documentation.
    with pytest.raises(
        ui.CannotListenError, match=r"the UI can't listen on 192\.0\.2\.1, port 3000: .*; choose others"
    ):
        ui.require_free("192.0.2.1", 3000)


class Became(Exception):
    """In the place of the process that would be another one now."""


def test_dagster_gets_the_settings_with_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {}

    def become(program: str, words: list[str], environment: dict[str, str]) -> None:
        given.update(program=program, words=words, environment=environment, folder=Path.cwd())
        raise Became

    monkeypatch.setattr(os, "execve", become)
    monkeypatch.setenv("STOCK_ASSETS_DATA_DIR", "out")
    monkeypatch.setenv("SOMETHING_ELSE", "stays")
    monkeypatch.chdir(tmp_path)
    variables = {"STOCK_ASSETS_DATA_DIR": "out", "STOCK_ASSETS_LOG_DIR": "logs", "DAGSTER_HOME": "home"}
    settings = Settings.from_environment(variables).with_source("simulated")
    with pytest.raises(Became):
        ui.serve(settings, "127.0.0.1", 3456)

    assert given["program"] == sys.executable
    assert given["words"][3:] == [
        *("-m", "dagster", "dev", "-m", "stock_assets.definitions", "-d", str(project_root())),
        *("-h", "127.0.0.1", "-p", "3456"),
    ]
    environment = given["environment"]
    assert environment["DAGSTER_HOME"] == str(tmp_path / "home")
    assert environment["STOCK_ASSETS_DATA_DIR"] == str(tmp_path / "out")
    assert environment["STOCK_ASSETS_LOG_DIR"] == str(tmp_path / "logs")
    assert environment["STOCK_ASSETS_SOURCE"] == "simulated"
    assert environment["SOMETHING_ELSE"] == "stays"
    # Relative paths are gone, so it may start anywhere.
    assert given["folder"] == tmp_path / "home"
    assert (tmp_path / "home" / "dagster.yaml").is_file()
    assert (tmp_path / "logs").is_dir()


@pytest.mark.parametrize(("database", "warned"), [("", True), ("postgresql://me:hush@host/monitoring", False)])
def test_a_bucket_without_a_database_is_told_to_give_no_alerts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str, warned: bool
) -> None:
    monkeypatch.setattr(ui, "serve", lambda *_: None)
    place = Place(tmp_path, {"STOCK_ASSETS_DATA_DIR": "s3://bucket", "STOCK_ASSETS_DATABASE_URL": database})
    words = ["ui", "--port", str(free_port()), "--source", "simulated"]
    done = CliRunner(env=place.variables).invoke(cli.commands, words)
    assert done.exit_code == 0
    assert ("NO ALERTS: set STOCK_ASSETS_DATABASE_URL" in done.output) is warned
    assert "hush" not in done.output


def test_a_home_that_can_not_be_used_is_told_instead_of_dagsters_trace(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("no_such_thing: 1")
    variables = {"STOCK_ASSETS_LOG_DIR": str(tmp_path / "logs"), "DAGSTER_HOME": str(tmp_path)}
    with pytest.raises(SettingsError, match=r"DAGSTER_HOME .* can't be used"):
        ui.serve(Settings.from_environment(variables), "127.0.0.1", 3456)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see who is left")
def test_one_signal_to_one_process_ends_all_of_them(tmp_path: Path) -> None:
    """As a service manager stops it; Ctrl-C in a terminal reaches every process and is easier.

    And its first words: that prices are simulated, and that somebody has changed Dagster's configuration.
    """
    port = free_port()
    place = Place(tmp_path)
    with (home.prepare(tmp_path / "home") / "dagster.yaml").open("a") as configuration:
        configuration.write("# mine\n")
    with (tmp_path / "ui.log").open("wb") as log:
        process = subprocess.Popen(
            [str(PROGRAM), "ui", "--port", str(port), "--source", "simulated"],
            env=place.environment(),
            cwd=tmp_path,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None, (tmp_path / "ui.log").read_text()
        assert len(members(process.pid)) > 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE) == 0
        wait_for(lambda: not members(process.pid))
        assert members(process.pid) == []
    finally:
        for member in members(process.pid):
            os.kill(member, signal.SIGKILL)
    first, second = (tmp_path / "ui.log").read_text().splitlines()[:2]
    assert first.startswith(" SIMULATED PRICES, NOT REAL ONES")
    assert second == "home/dagster.yaml differs from stock_assets/dagster.yaml, and is left as it is"


def wait_for(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def members(group: int) -> list[int]:
    """The living processes of a process group; those that only wait to be buried don't count."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # `pid (name) state parent group ...`; the name may hold anything.
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue  # gone meanwhile
        if int(of) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found
