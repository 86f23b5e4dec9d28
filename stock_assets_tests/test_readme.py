"""The README is true: every command in it is run as written, and shows what the README shows."""

import csv
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from stock_assets.settings import Settings, project_root
from stock_assets_tests.end_to_end.ui_server import stop
from stock_assets_tests.place import PATIENCE, free_port

README = project_root() / "README.md"
BIN = Path(sys.executable).parent

# The Makefile sets up an environment, which a test must not do: it has the one that runs the tests, called installed.
VENV = Path(sys.prefix)
MAKE = ["make", "--no-print-directory", f"VENV={VENV}"]
MAKE += [word for name in (".installed", ".installed-test") for word in ("-o", str(VENV / name))]


def console_commands() -> list[tuple[str, list[str]]]:
    """(command, lines shown below it) of each `$` line in the console blocks, in order."""
    commands: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                commands[-1][1].append(line)
    return commands


SHOWN = dict(console_commands())
TRIED = {
    "make run",
    "make ui",
    "stock-assets watchlist list",
    "stock-assets watchlist add NVDA",
    "stock-assets watchlist remove NVDA",
    "stock-assets run TSLA --as-of 2024-03-08 --source simulated",
    "stock-assets export TSLA --as-of 2024-03-08 --to exported",
    'stock-assets summary TSLA --narrative note.md --as-of 2024-03-08 --author "A. Analyst"',
    "stock-assets inspect TSLA --as-of 2024-03-08",
    "stock-assets predict --input questions.csv --output predictions.csv",
    "stock-assets alerts test",
    "stock-assets monitor",
    "stock-assets alerts list",
    "stock-assets settings",
    "stock-assets ui --port 3000",
    "stock-assets predict TSLA STX",
    "stock-assets serve",
    *(command for command in SHOWN if command.startswith("curl ")),
}


def test_every_command_of_the_readme_is_tried_here():
    assert set(SHOWN) == TRIED


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> dict[str, str]:
    """Environment of a user whose data, logs and watchlist are a folder of their own, and who has no network."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "watchlist.yaml").write_bytes((project_root() / "watchlist.yaml").read_bytes())
    given = {name: value for name, value in os.environ.items() if not name.startswith(("STOCK_ASSETS_", "DAGSTER_"))}
    return given | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "STOCK_ASSETS_WATCHLIST": str(folder / "watchlist.yaml"),
        "STOCK_ASSETS_DATA_DIR": str(folder / "data"),
        "STOCK_ASSETS_LOG_DIR": str(folder / "logs"),
        "DAGSTER_HOME": str(folder / "home"),
        # Nothing listens on the discard port of loopback.
        "STOCK_ASSETS_YAHOO_URL": "http://127.0.0.1:9",
    }


def run(command: list[str], place: dict[str, str], cwd: Path | None = None) -> list[str]:
    done = subprocess.run(
        command, cwd=cwd or project_root(), env=place, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def folder(place: dict[str, str]) -> Path:
    return Path(place["DAGSTER_HOME"]).parent


def comparable(lines: list[str]) -> list[str]:
    """Without what differs from machine to machine: seconds, and where the project's folder is."""
    lines = [re.sub(r"\d+\.\d s", "0.0 s", line.rstrip()) for line in lines]
    lines = [re.sub(r"report    .*/(?=report/)", "report    data/simulated/", line) for line in lines]
    return [re.sub(r"page      .*/(?=watchlist_page/)", "page      data/simulated/", line) for line in lines]


def test_make_run_shows_what_the_readme_shows_and_then_reuses_it(place):
    shown = SHOWN["make run"]
    # The first two lines are those of the installation.
    expected = comparable([line for line in shown if not line.startswith(("Setting up", "Installing"))])
    command = [*MAKE, "run", "ARGS=--as-of 2026-11-20"]
    assert comparable(run(command, place)) == expected
    again = run(command, place)
    assert [line for line in again if "re-used" in line] == [
        f"{ticker}  re-used: complete and whole already (--force computes again)" for ticker in ("TSLA", "STX")
    ]


@pytest.mark.parametrize("command", [command for command in SHOWN if command.startswith("stock-assets watchlist")])
def test_watchlist(command, place):
    assert run(shlex.split(command), place) == SHOWN[command]


def test_run_export_inspect_and_settings(place):
    here = folder(place)
    shown = run(shlex.split("stock-assets run TSLA --as-of 2024-03-08 --source simulated"), place, here)
    assert "SIMULATED PRICES, NOT REAL ONES" in shown[1]
    run(shlex.split("stock-assets export TSLA --as-of 2024-03-08 --to exported"), place, here)
    listed = README.read_text().split("writes plain files")[1].split("\n- ")[0]
    named = re.findall(r"`([\w.]+\.(?:csv|json|txt|png|html))`", listed)
    assert sorted(path.name for path in (here / "exported").iterdir()) == sorted(named)
    (here / "note.md").write_text("# A quiet week\n\nThe share moved **with the market**; nothing else happened.\n")
    [summary] = [command for command in SHOWN if command.startswith("stock-assets summary")]
    shown = run(shlex.split(summary), place, here)
    shown = [re.sub(r"summary   .*(?=summary/)", "summary   data/simulated/", line.rstrip()) for line in shown]
    assert shown == SHOWN[summary]
    run(shlex.split("stock-assets export TSLA --as-of 2024-03-08 --to exported"), place, here)
    assert (here / "exported" / "tsla_summary.pdf").read_bytes().startswith(b"%PDF-")
    shown = run(shlex.split("stock-assets inspect TSLA --as-of 2024-03-08"), place, here)
    assert shown[0].startswith("TSLA 2024-03-08, source simulated: ")
    settings = "\n".join(run(["stock-assets", "settings"], place))
    for variable, _, default, _ in Settings.from_environment({}).table():
        assert f"{variable} = " in settings
        assert re.search(rf"\| `{variable}` \| `?{re.escape(default)}`? \|", README.read_text()), (variable, default)


def test_forecasts_for_others(place):
    """Without a server and with one, as written but for the port."""
    here, port = folder(place), free_port()
    # The session that is the newest today: an older one would be refused as stale.
    run(["stock-assets", "run"], place, here)
    shown = run(["stock-assets", "predict", "TSLA", "STX"], place, here)
    assert [line.split()[0] for line in shown if " after the close of " in line] == ["TSLA", "STX"]
    (here / "questions.csv").write_text("ticker\nSTX\n\nTSLA\n")
    run(shlex.split("stock-assets predict --input questions.csv --output predictions.csv"), place, here)
    rows = list(csv.DictReader((here / "predictions.csv").read_text().splitlines()))
    assert [(row["row"], row["ticker"], row["error"] == "") for row in rows] == [
        ("2", "STX", True),
        ("3", "", False),
        ("4", "TSLA", True),
    ]
    (here / "predictions.csv").unlink()

    log = here / "serve.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            ["stock-assets", "serve", "--port", str(port)],
            cwd=here,
            env=place,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        assert answers(f"http://127.0.0.1:{port}/health", server), log.read_text()
        [told] = SHOWN["stock-assets serve"]
        shown = told.replace("8000", str(port)).replace("data/simulated", "data")
        assert shown in log.read_text().splitlines()
        for command in SHOWN:
            if command.startswith("curl "):
                run(shlex.split(command.replace("8000", str(port))), place, here)
        assert list(csv.DictReader((here / "predictions.csv").read_text().splitlines())) == rows
        [program] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
        [line] = run([sys.executable, "-c", program.replace("8000", str(port))], place, here)
        assert line == f"{rows[2]['target_session']} {rows[2]['predicted_close']} naive: {rows[2]['naive_close']}"
    finally:
        server.terminate()
        server.wait(timeout=PATIENCE)


@pytest.mark.parametrize("command", [command for command in SHOWN if command.startswith("stock-assets alerts")])
def test_alerts(command, place):
    def without_folders(lines: list[str]) -> list[str]:
        return [re.sub(r"/\S*/", "", line) for line in lines]

    assert without_folders(run(shlex.split(command), place)) == without_folders(SHOWN[command])


def test_monitor(place):
    def comparable(lines: list[str]) -> list[str]:
        lines = [re.sub(r"page +.*/", "page ", line) for line in lines]
        # Whether the tickers are up to date depends on the clock.
        return [re.sub(r"  Nothing .*; \d of", "  so many of", line) for line in lines]

    assert comparable(run(["stock-assets", "monitor"], place)) == comparable(SHOWN["stock-assets monitor"])


@pytest.mark.parametrize("command", [["stock-assets", "ui"], [*MAKE, "ui"]], ids=["stock-assets ui", "make ui"])
def test_ui(command, place):
    """Both ways of starting it, on a port that is free."""
    port = free_port()
    port_words = ["--port", str(port)]
    words = [*command, f"ARGS={' '.join(port_words)}"] if command[0] == "make" else [*command, *port_words]
    log = folder(place) / "ui.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            words, cwd=project_root(), env=place, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        assert answers(f"http://127.0.0.1:{port}/server_info", server), log.read_text()
    finally:
        # It may have ended by itself, of which the assertion tells.
        stop(server)


def answers(url: str, server: subprocess.Popen) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    return False


def test_make_knows_what_the_readme_says_of_it(place):
    assert any("pytest" in line for line in run([*MAKE, "-n", "test"], place))
    assert any("make run" in line for line in run([*MAKE, "help"], place))
    assert any("uv pip compile" in line for line in run([*MAKE, "-n", "lock"], place))
    assert any("lint-imports" in line for line in run([*MAKE, "-n", "check"], place))
