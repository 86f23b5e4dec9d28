"""The command line as people and scripts meet it: help, exit codes, colours, pipes and terminals."""

import os
import pty
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import click
import pytest

from stock_assets import cli
from stock_assets.commands import run as running
from stock_assets.settings import project_root
from stock_assets.sources.simulated import SimulatedSource
from stock_assets.storage import formats
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.place import PATIENCE, PROGRAM, Place

ESCAPE = "\x1b"
README = project_root() / "README.md"


def every_command(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """(words, command) of each command and command of a command."""
    for name, command in sorted(group.commands.items()):
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from every_command(command, f"{path}{name} ")


COMMANDS = dict(every_command(cli.commands))


def test_the_commands_are_those_of_the_contract() -> None:
    assert {
        "run",
        "export",
        "summary",
        "inspect",
        "predict",
        "ui",
        "settings",
        "alerts test",
        "alerts list",
        "watchlist add",
        "watchlist remove",
        "watchlist list",
    } <= set(COMMANDS)


@pytest.mark.parametrize(
    "words", [words for words, command in COMMANDS.items() if not isinstance(command, click.Group)]
)
def test_every_command_is_in_the_readme(words: str) -> None:
    assert f"stock-assets {words}" in README.read_text(), f"README.md does not show how to use: stock-assets {words}"


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("run", ["[TICKER ...]", "--as-of DATE", "--source [auto|yahoo|csv|simulated]", "--force"]),
        ("export", ["TICKER", "--as-of DATE", "--to DIRECTORY", "--source [yahoo|csv|simulated]"]),
        (
            "summary",
            [
                "TICKER",
                "--narrative FILE",
                "--as-of DATE",
                "--title TEXT",
                "--author TEXT",
                "--source [yahoo|csv|simulated]",
            ],
        ),
        ("inspect", ["TICKER", "--as-of DATE", "--source [yahoo|csv|simulated]", "--limit"]),
        ("predict", ["[TICKER ...]", "--as-of DATE", "--allow-stale", "--json", "--input FILE", "--output FILE"]),
        ("ui", ["--host", "127.0.0.1", "--port", "3000", "--source [auto|yahoo|csv|simulated]"]),
    ],
)
def test_help_lists_the_options_of_the_contract(words: str, options: list[str]) -> None:
    shown = help_of(words)
    for option in options:
        assert option in shown


@pytest.mark.parametrize("words", ["", *COMMANDS])
def test_help_is_whole_sentences_within_eighty_columns(words: str) -> None:
    shown = help_of(words)
    assert "..." not in shown.replace("[TICKER ...]", "").replace("[ARGS]...", "")  # nothing was cut short
    assert max(map(len, shown.splitlines())) <= 80
    for line in shown.split("Commands:\n")[1:]:
        assert line.strip().endswith(".")


def help_of(words: str) -> str:
    command = COMMANDS[words] if words else cli.commands
    context = click.Context(command, info_name=f"stock-assets {words}".strip(), terminal_width=80)
    return command.get_help(context)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("cli"))


def test_help_and_version_are_done_at_once(place: Place) -> None:
    done = place.run("run", "-h")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Usage: stock-assets run [OPTIONS] [TICKER ...]\n")
    assert place.run("--version").out == "stock-assets, version 0.1.0\n"


def test_nothing_at_all_shows_the_help_and_is_wrong_usage(place: Place) -> None:
    done = place.run()
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: stock-assets [OPTIONS] COMMAND [ARGS]...\n")


def test_settings_in_a_pipe_are_plain_and_told_with_their_meaning(place: Place) -> None:
    done = place.run("settings")
    assert (done.code, done.err) == (0, "")
    assert ESCAPE not in done.out
    assert f"STOCK_ASSETS_DATA_DIR = {place.data}\n" in done.out
    assert "STOCK_ASSETS_ALERT_WEBHOOK = not set\n" in done.out
    assert "    Seconds before the first retry of a price fetch; doubles each time  default: 5\n" in done.out


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "dumb"}, False)],
    ids=["a pipe", "FORCE_COLOR", "NO_COLOR"],
)
def test_colours_are_for_terminals_and_those_who_ask(place: Place, variables: dict[str, str], coloured: bool) -> None:
    done = place.run("run", "NVDA", **variables)
    assert done.code == 2
    assert ("\x1b[1;31m" in done.err) == coloured
    plain = re.sub(r"\x1b\[[\d;]*m", "", done.err)
    assert plain.startswith("error: NVDA is not on the watchlist ")
    # However long, it stays one line for whoever reads it with a program.
    assert plain.count("\n") == 1
    assert len(plain) > 120


def test_what_a_file_holds_is_shown_as_it_is(place: Place) -> None:
    """Brackets are no colours: rich would take [red] for one."""
    place.watchlist.write_text("tickers:\n  - TSLA\n  - {ticker: STX, name: 'Seagate [red] Ltd'}\n")
    assert place.run("watchlist", "list").out == "TSLA\nSTX      Seagate [red] Ltd\n"
    done = place.run("run", "[red]")
    assert done.err.startswith("error: '[red]' is not a ticker; expected")


def test_the_list_shows_what_models_are_different(place: Place) -> None:
    place.watchlist.write_text(
        "model: {cost_bps: 10}\n"
        "tickers:\n  - {ticker: STX, name: Seagate, model: {horizon: 5, parameters: {max_depth: 3}}}\n"
    )
    expected = "all      model: cost_bps 10\nSTX      Seagate\n         model: horizon 5, max_depth 3\n"
    assert place.run("watchlist", "list").out == expected


def test_the_watchlist_is_edited_in_place(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.run("watchlist", "add", "brk-b").out == "following TSLA, STX, BRK-B\n"
    assert place.run("watchlist", "remove", "TSLA").out == "following STX, BRK-B\n"
    assert place.run("watchlist", "list").out == "STX\nBRK-B\n"


def test_a_reader_that_leaves_early_is_no_drama(place: Place) -> None:
    words = f"{PROGRAM} settings | head -n 1"
    done = subprocess.run(
        ["sh", "-c", words], env=place.environment(), capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.stdout, done.stderr) == ("STOCK_ASSETS_SOURCE = yahoo\n", "")


def test_only_failures_leave_a_trace_in_the_log(tmp_path: Path) -> None:
    place = Place(tmp_path, {"STOCK_ASSETS_RETRY_DELAY": "0"})
    assert place.run("run", "NVDA").code == 2
    assert not (tmp_path / "logs").exists()
    assert place.run("export", "STX", "--to", "out").code == 1
    trace = (tmp_path / "logs" / "stock-assets.log").read_text()
    assert "ERROR export STX --to out\nTraceback (most recent call last):\n" in trace
    assert "MissingArtefactError: STX: no report in" in trace


def in_a_terminal(place: Place, *words: str, columns: int = 80, **variables: str) -> tuple[int, str]:
    """(exit code, all that came) of a command whose output is a terminal of that width."""
    import fcntl
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = place.environment(TERM="xterm-256color", **variables)
    for name in ("COLUMNS", "LINES"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [str(PROGRAM), *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=place.folder
    )
    os.close(theirs)
    came = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:  # what Linux says when the last writer is gone
            break
        if not block:
            break
        came += block
    os.close(ours)
    return process.wait(timeout=PATIENCE), came.decode()


def test_inspect_shows_bad_bars_without_dagster(tmp_path: Path) -> None:
    """In colours that mark them on a terminal, within its width; plain in a pipe."""
    place = Place(tmp_path)
    assert place.run("inspect", "TSLA").errors == [
        f"error: TSLA: neither raw prices nor a quarantine in {place.data}; fetch them with: stock-assets run TSLA"
    ]
    frame = SimulatedSource().fetch("TSLA", date(2024, 3, 8)).bars.iloc[-20:]
    frame.iloc[-1, frame.columns.get_loc("low")] *= -1
    data = formats.encode_table(frame, asset="raw_prices", ticker="TSLA", as_of=date(2024, 3, 8), source="simulated")
    ArtefactStore(place.data).write("raw_prices", "TSLA", date(2024, 3, 8), {".parquet": data})
    done = place.run("inspect", "TSLA", PYTHONPROFILEIMPORTTIME="1")
    assert done.code == 0
    assert ESCAPE not in done.out
    assert "\n  cleaning halts: with_positive_prices\n" in done.out
    assert not re.search(r"\| +(dagster|yfinance|sklearn|matplotlib)\b", done.err)
    code, came = in_a_terminal(place, "inspect", "TSLA")
    assert code == 0
    assert "\x1b[31m    > 2024-03-08" in came
    plain = re.sub(r"\x1b\[[\d;]*m", "", came).splitlines()
    assert max(len(line) for line in plain if str(tmp_path) not in line) <= 80


class Screen:
    """As much of a terminal as the progress bar uses: lines, carriage returns, up, erase."""

    def __init__(self, came: str) -> None:
        self.lines, self.frames, row = [""], [], 0
        for part in re.findall(r"\x1b\[[\d;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", came):
            if part == "\n":
                row += 1
                if row == len(self.lines):
                    self.lines.append("")
            elif part == "\x1b[2K":
                self.frames.append(self.lines[row])
                self.lines[row] = ""
            elif part == "\x1b[1A":
                row -= 1
            elif part[0] not in "\r\x1b":
                self.lines[row] += part


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_shows_progress_and_what_is_waited_for(tmp_path: Path) -> None:
    place = Place(tmp_path, {"STOCK_ASSETS_RETRY_DELAY": "0.5"})
    words = ("run", "TSLA", "--source", "yahoo", "--as-of", "2024-03-08")
    code, came = in_a_terminal(place, *words)
    assert code == 1
    screen = Screen(came)
    bars = [frame for frame in screen.frames if "TSLA" in frame and f"/{len(running.ASSETS)}" in frame]
    assert len({re.sub(r"\d:\d\d:\d\d", "", bar) for bar in bars}) > 3  # it moves
    assert any(bar.rstrip().endswith("raw_prices") for bar in bars)
    assert max(map(len, bars)) <= 80
    # What remains: nothing of the bar, every message on a line of its own.
    lines = [line.rstrip() for line in screen.lines]
    assert lines[0] == "Session 2024-03-08, source yahoo, TSLA"
    assert lines[1:4] == ["TSLA: raw_prices met a passing fault, trying again"] * 3
    assert lines[4].startswith("error: TSLA 2024-03-08: no answer from Yahoo: ")
    assert lines[5] == "Watchlist  2 tickers, 2 need attention"
    assert lines[6].startswith("  page      ")
    assert lines[-2:] == [f"1 of 1 failed: TSLA; details in {place.folder / 'logs'}", ""]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_without_colours(place: Place) -> None:
    code, came = in_a_terminal(place, "run", "NVDA", NO_COLOR="1")
    assert code == 2
    assert not re.search(r"\x1b\[[\d;]*3\dm", came)
    code, came = in_a_terminal(place, "run", "NVDA")
    assert "\x1b[1;31merror:" in came
