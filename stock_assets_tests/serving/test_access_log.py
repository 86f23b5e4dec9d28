"""The log: what a line says, that no client can forge one, and several processes that rotate one file."""

import datetime as dt
import logging
import os
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.serving import access_log
from stock_assets.serving.access_log import AccessLog, Handler
from stock_assets.settings import project_root
from stock_assets_tests.place import PATIENCE

NINE = dt.datetime(2024, 3, 11, 9, 0, 12, 345678, tzinfo=dt.UTC)
BEGINNING = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 [A-Z]+ ")


@pytest.fixture
def log(tmp_path) -> AccessLog:
    return AccessLog(tmp_path, clock=lambda: NINE)


def lines(log: AccessLog) -> list[str]:
    return log.path.read_text().splitlines()


def test_an_answer_is_a_line(log):
    log.answered("127.0.0.1", "GET", "/predict", 200, 512, 0.00184, "TSLA")
    log.answered("::1", "POST", "/predict/batch", 500, 0, 2.0)
    assert lines(log) == [
        "2024-03-11T09:00:12.345+00:00 INFO 127.0.0.1 GET /predict 200 512 B 1.8 ms TSLA",
        "2024-03-11T09:00:12.345+00:00 ERROR ::1 POST /predict/batch 500 0 B 2000.0 ms -",
    ]


@pytest.mark.parametrize("status", [400, 401, 408, 413, 414, 431])
def test_what_was_refused_warns(log, status):
    log.answered("127.0.0.1", "GET", "/", status, 1, 0.001)
    assert " WARNING 127.0.0.1 GET / " in lines(log)[0]


FORGED = "2024-03-11T09:00:12.345+00:00 INFO 127.0.0.1 GET /predict 200 512 B 1.8 ms TSLA"


@pytest.mark.parametrize(
    "path",
    [
        f"/\n{FORGED}",
        f"/\r\n{FORGED}",
        f"/\r{FORGED}",
        f"/\x0b{FORGED}",
        f"/\x85{FORGED}",
        f"/\u2028{FORGED}",
        f"/{FORGED}",
        "/\x1b[2J\x1b[31mred",
        "/\x00\x07\x08",
        "/\ud800",
        "/" + "a" * 100_000,
        "/%0a%0d../../etc/passwd",
        "/\\x0a",
    ],
    ids=lambda path: repr(path[:20]),
)
def test_a_path_can_not_forge_a_line(log, path):
    log.answered(path, path, path, 404, 1, 0.001, path)
    [line] = log.path.read_bytes().decode("ascii").splitlines()
    assert line.isprintable()
    assert len(line) < 3000
    # Moment, level, client, method, path, status, size and its unit, time and its unit, ticker.
    assert len(line.split(" ")) == 11
    assert line.split(" ")[5] == "404"


@given(st.text(), st.text(), st.text(), st.text())
def test_an_answer_is_one_line_of_eleven_words(tmp_path_factory, client, method, path, ticker):
    log = AccessLog(tmp_path_factory.getbasetemp() / "lines", clock=lambda: NINE)
    log.path.unlink(missing_ok=True)
    log.answered(client, method, path, 200, 5, 0.001, ticker)
    [line] = AccessLog(log.path.parent).path.read_bytes().decode("ascii").splitlines()
    # An empty method or path is a word without characters.
    assert len(line.split(" ")) == 11
    assert BEGINNING.match(line)


@given(st.text())
def test_what_is_shown_can_be_told_from_what_came(text):
    """Nothing is shown alike that is not alike: not even text that looks like an escape."""
    shown = access_log.shown(text, 10_000)
    assert shown.isascii()
    undone = re.sub(r"\\(?:x(..)|u(....)|U(.{8}))", lambda found: chr(int(found[1] or found[2] or found[3], 16)), shown)
    assert undone == text


@given(st.text())
def test_a_message_never_begins_a_line_of_its_own(tmp_path_factory, message):
    log = AccessLog(tmp_path_factory.getbasetemp() / "messages", clock=lambda: NINE)
    log.path.unlink(missing_ok=True)
    log.told("WARNING", message)
    first, *others = log.path.read_bytes().decode().removesuffix("\n").split("\n")
    assert BEGINNING.match(first)
    assert all(line.startswith("    ") for line in others)
    assert all(line.isprintable() for line in (first, *others))


def test_a_trace_is_indented(log):
    logger = logging.Logger("stock_assets.serving")
    logger.addHandler(Handler(log))
    logger.error("unforeseen: %s", f"\n{FORGED}", exc_info=ValueError(f"came\n{FORGED}"))
    found = lines(log)
    assert found[0] == "2024-03-11T09:00:12.345+00:00 ERROR unforeseen: "
    assert f"    {FORGED}" in found
    assert found[-2:] == ["    ValueError: came", f"    {FORGED}"]


def test_queries_stay_out_because_the_caller_gives_a_path(log):
    log.answered("127.0.0.1", "GET", "/predict", 401, 1, 0.001)
    assert "?" not in log.path.read_text()


def test_a_flood_of_refusals_is_told_once_a_minute(log, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(access_log.time, "monotonic", lambda: now[0])
    for _ in range(100):
        log.answered("10.0.0.9", "GET", "/predict", 401, 1, 0.001)
    floods = [line for line in lines(log) if "30 answers 401" in line]
    assert floods == [
        "2024-03-11T09:00:12.345+00:00 WARNING 30 answers 401 of this process within 60 s, the last to 10.0.0.9"
    ]
    now[0] += 60
    for _ in range(30):
        log.answered("10.0.0.9", "GET", "/predict", 401, 1, 0.001)
    assert len([line for line in lines(log) if "30 answers 401" in line]) == 2


def test_refusals_that_come_slowly_are_no_flood(log, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(access_log.time, "monotonic", lambda: now[0])
    for _ in range(100):
        log.answered("10.0.0.9", "GET", "/predict", 401, 1, 0.001)
        now[0] += 3
    assert not [line for line in lines(log) if "answers 401" in line]


def test_the_file_is_moved_away_when_it_is_full(tmp_path):
    log = AccessLog(tmp_path, max_bytes=300, kept=2, clock=lambda: NINE)
    for n in range(20):
        log.answered("127.0.0.1", "GET", f"/{n}", 200, 1, 0.001)
    kept = {path.name: path.read_text() for path in tmp_path.glob("serving.log*")}
    assert sorted(kept) == ["serving.log.1", "serving.log.2"]
    assert [len(text.splitlines()) for text in kept.values()] == [5, 5]  # of 68 bytes each
    assert "/19 " in kept["serving.log.1"]


def test_a_file_that_somebody_moves_away_is_begun_anew(log, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(access_log.time, "monotonic", lambda: now[0])
    log.told("INFO", "first")
    log.path.rename(log.path.with_name("old"))
    now[0] += 2
    log.told("INFO", "second")
    assert lines(log) == ["2024-03-11T09:00:12.345+00:00 INFO second"]


WRITER = """
import sys
from pathlib import Path
from stock_assets.serving.access_log import AccessLog

log = AccessLog(Path(sys.argv[1]), max_bytes=20_000, kept=1000)
for n in range(1500):
    log.answered("127.0.0.1", "GET", f"/{sys.argv[2]}/{n}", 200, 1, 0.001)
"""


def test_several_processes_rotate_and_lose_no_line(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(n)], cwd=project_root(), env=os.environ)
        for n in range(4)
    ]
    assert [writer.wait(PATIENCE) for writer in writers] == [0] * 4
    found = [line for path in tmp_path.glob("serving.log*") for line in path.read_text().splitlines()]
    assert sorted(line.split(" ")[4] for line in found) == sorted(f"/{w}/{n}" for w in range(4) for n in range(1500))
    assert all(path.stat().st_size < 21_000 for path in tmp_path.glob("serving.log*"))


def test_a_log_that_can_not_be_written_is_told_on_the_terminal_and_stops_nothing(tmp_path, capsys):
    (tmp_path / "logs").write_text("")
    log = AccessLog(tmp_path / "logs")
    log.told("INFO", "first")
    log.told("INFO", "second")
    assert re.fullmatch(r"\S+serving\.log can't be written: (File exists|Not a directory)\n", capsys.readouterr().err)
    (tmp_path / "logs").unlink()
    log.told("INFO", "third")
    assert [line.split(" ", 1)[1] for line in lines(log)] == ["INFO third"]
