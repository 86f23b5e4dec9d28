"""An evening of two tickers is measured and recorded, and what is made of records is right. No test looks at a time."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import scale

ROOT = Path(__file__).resolve().parents[1]

EVENING = scale.Record(
    tickers=100,
    evening=1,
    session="2024-03-04",
    cut=False,
    forecast_seconds=120.0,
    seconds=130.0,
    run_seconds=200.0,
    service_seconds=15.5,
    yahoo_seconds=4.0,
    load=2.5,
    run_peak=550_000_000,
    all_peak=1_500_000_000,
    artefact_bytes=300_000_000,
    history_bytes=60_000_000,
    event_rows=9_600,
    requests=204,
    runs=4,
)


def of(tickers: int, evening: int = 1, **other) -> scale.Record:
    return dataclasses.replace(EVENING, tickers=tickers, evening=evening, **other)


def written(log: Path, *records: scale.Record) -> None:
    log.write_text("".join(f"{json.dumps(dataclasses.asdict(record))}\n" for record in records))


def test_records_are_read_in_order(tmp_path):
    written(tmp_path / "log", of(500), of(100, 2), of(100))
    assert scale.read(tmp_path / "log") == [of(100), of(100, 2), of(500)]


def test_a_line_that_was_cut_off_is_no_record(tmp_path):
    log = tmp_path / "log"
    written(log, of(100))
    log.write_text(log.read_text() + '{"tickers": 100, "evening"')
    assert scale.read(log) == [of(100)]


def test_no_records_yet(tmp_path):
    assert scale.read(tmp_path / "log") == []


def test_a_line_of_least_squares():
    # Means 2 and 5; deviations -1, 0, 1 and -3, 1, 2: (3 + 0 + 2) / 2 a step, 5 - 2 x 2.5 at zero.
    assert scale.fit([(1, 2), (2, 6), (3, 7)]) == scale.Line(2.5, 0.0)


@pytest.mark.parametrize("points", [[], [(100, 5.0)], [(100, 5.0), (100, 7.0)]], ids=["none", "one", "one place"])
def test_one_place_makes_no_line(points):
    assert scale.fit(points) is None


def test_what_a_ticker_takes_is_told_of_evenings_by_groups_and_of_first_and_later_ones_apart():
    found = scale.slopes(
        [
            of(20, forecast_seconds=1_000.0),  # a run for each
            of(100, forecast_seconds=100.0, artefact_bytes=300_000_000),
            of(100, 2, forecast_seconds=100.0, artefact_bytes=100_000_000),
            of(500, forecast_seconds=900.0, artefact_bytes=1_500_000_000),
            of(500, 2, forecast_seconds=900.0, artefact_bytes=300_000_000),
        ]
    )
    assert found["until the last forecast, s"] == scale.Line(2.0, -100.0)
    assert found["artefacts of a first evening, MB"] == scale.Line(3.0, 0.0)
    assert found["artefacts of a later evening, MB"] == scale.Line(0.5, 50.0)


@pytest.mark.parametrize(
    ("seconds", "peak", "verdict"),
    [(600.0, 2**32, "kept"), (600.1, 2**32, "MISSED"), (600.0, 2**32 + 1, "MISSED")],
    ids=["just kept", "too slow", "too large"],
)
def test_the_target_is_for_the_slowest_and_largest_evening_of_the_longest_watchlist(capsys, seconds, peak, verdict):
    scale.show(
        [
            of(100, forecast_seconds=9_000.0),
            of(500, 1, forecast_seconds=seconds),
            of(500, 2, forecast_seconds=5.0, all_peak=peak),
            of(500, 3, forecast_seconds=9_000.0, cut=True),
        ]
    )
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith("target    500 tickers in 10 minutes and 4 GiB: of 2 evenings ")
    assert told.endswith(verdict)


def test_the_table_has_a_line_for_each_whole_evening(capsys):
    scale.show([of(100), of(100, 2, cut=True), of(100, 3, artefact_bytes=55_500_000)])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[2:5] == [
        "100 1 120 130 200.0 15.5 4.0 2.5 550 1,500 300.0 60.0 9,600 204 4",
        "100 3 120 130 200.0 15.5 4.0 2.5 550 1,500 55.5 60.0 9,600 204 4",
        "",
    ]


def test_a_file_of_two_names_is_counted_once(tmp_path):
    def size() -> int:
        return scale.on_disk([tmp_path])

    empty = size()
    (tmp_path / "part").write_bytes(os.urandom(10_000))
    os.sync()
    with_one = size()
    assert with_one - empty >= 10_000
    os.link(tmp_path / "part", tmp_path / "again")
    assert size() == with_one


def test_the_picture_is_a_png():
    assert scale.draw([of(100), of(100, 2), of(500)]).startswith(b"\x89PNG")


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux's /proc")
def test_an_evening_of_two_tickers_is_measured_once(tmp_path):
    words = ("--tickers", "2", "--evenings", "1", "--to", str(tmp_path))
    command = [sys.executable, "-m", "benchmarks.scale", *words]
    first, second = (
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True) for _ in ("first", "second")
    )
    assert "2 tickers, evening 1 of 1" in first.stderr
    assert second.stderr == ""
    [record] = scale.read(tmp_path / "evenings.jsonl")
    assert (record.evening, record.cut) == (1, False)
    # Where the machine is busy, a tick may ask again for what the one before hasn't got to yet.
    assert record.runs >= record.tickers == 2
    # Of each ticker what time zone it is in, and its chart.
    assert record.requests >= 4
    assert 0 < record.forecast_seconds < record.seconds
    assert record.run_peak < record.all_peak
    assert record.event_rows > 0
    # Two whole histories at least.
    assert record.artefact_bytes > 2_000_000
    assert (tmp_path / "scale.png").stat().st_size > 0
