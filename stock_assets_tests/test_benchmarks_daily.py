"""The benchmark of an evening runs, and its parts don't overlap. No test here looks at a time of its own."""

import re
from pathlib import Path

import pytest

from benchmarks import daily_process
from stock_assets_tests.test_benchmarks import run


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux's /proc")
def test_an_evening_of_two_tickers_is_told_by_its_sums_and_its_parts():
    output = run("daily_path")
    # Where the machine is busy, a tick may ask again for what the one before hasn't got to yet.
    assert re.search(r"^runs +\d+ for 2 partitions, ", output, re.MULTILINE)
    for line in (
        "processor, runs",
        "artefacts, files",
        "events in runs' own logs",
        "a run's process",
        "a partition of the evening",
    ):
        assert f"\n{line} " in output
    for part in (daily_process.IMPORTS, daily_process.EVENTS, daily_process.DRAW, daily_process.PNG, "asset features"):
        assert f"\n{part} " in output
    [conclusion] = [line for line in output.splitlines() if line.startswith("dominates ")]
    assert "computing assets" in conclusion


def test_a_part_within_another_is_told_of_the_inner_one(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(daily_process.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(daily_process.time, "process_time", lambda: 2 * now[0])

    class Store:
        def write(self) -> str:
            now[0] += 3.0
            return "written"

    parts = daily_process.Parts("start")
    now[0] = 1.0
    parts.follow("run")
    parts.around(Store, "write", "store")
    with parts.within("asset"):
        now[0] += 10.0
        assert Store().write() == "written"
        now[0] += 20.0
    now[0] += 5.0
    parts.leave()
    assert parts.seconds == {"start": [2.0, 1.0], "run": [10.0, 5.0], "asset": [60.0, 30.0], "store": [6.0, 3.0]}
