"""What an evening costs: the daily path of many tickers, as `stock-assets ui` starts and runs it, and what dominates.

    python -m benchmarks.daily_path [--tickers N] [--sessions N] [--alone] [--quick]

Everything is real but the prices and the date, and measured as `evening` says. Models, of the default settings but for
a walk-forward that is fitted once, were made before, and are not measured. With several sessions, as many evenings were
missed, and are caught up. Long watchlists go by groups of tickers, as `schedules` says; `--alone` makes it a run for
each all the same. Then some more runs are taken apart, each in a process of its own. Linux only: reads /proc.
"""

import argparse
import datetime
import json
import os
import statistics
import tempfile
from pathlib import Path

from benchmarks import evening, measuring
from benchmarks.daily_process import CHECKS, DRAW, EVENTS, IMPORTS, INPUTS, OURS, PAGE, PNG, REST, STORE, SYNC

EVENING = datetime.date(2024, 3, 7)
QUICK_EVENING = datetime.date(2014, 6, 26)
MOST_SESSIONS = 4
_MODEL = "model: {refit_every: 100000}\n"
_TAKEN_APART = 3

_KINDS = {
    "start of processes, imports": (IMPORTS, OURS),
    "Dagster's bookkeeping": (EVENTS, REST),
    "storage": (INPUTS, STORE, SYNC),
    "report's pictures and page": (DRAW, PNG, PAGE),
    "checks": (CHECKS,),
}
_ASSETS = "computing assets"


def main() -> None:
    parser = argparse.ArgumentParser(description="What an evening of many tickers costs.")
    parser.add_argument("--tickers", type=int, default=None, metavar="N", help="default 50; 2 if quick")
    parser.add_argument(
        "--sessions", type=int, default=1, choices=range(1, MOST_SESSIONS + 1), metavar="N", help="default 1, at most 4"
    )
    parser.add_argument("--alone", action="store_true", help="a run for each ticker, however many there are")
    parser.add_argument("--quick", action="store_true", help="two tickers, a short history: does it run at all?")
    arguments = parser.parse_args()
    evening.require_linux()
    number = arguments.tickers or (2 if arguments.quick else 50)
    # Both are Thursdays; days before are sessions, as no holiday is near.
    last = QUICK_EVENING if arguments.quick else EVENING
    asked = [last - datetime.timedelta(days=n) for n in reversed(range(arguments.sessions))]
    before = asked[0] - datetime.timedelta(days=1)
    work = measuring.Workload(tuple(f"T{n:03}" for n in range(number)), before, None)
    measuring.print_header(
        "An evening of many tickers, run by schedule, daemon and code server",
        f"work      {number} tickers, sessions {asked[0]} to {asked[-1]}, source simulated; models made before",
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = _prepared(work, Path(folder))
        if arguments.alone:
            environment["STOCK_ASSETS_BENCHMARK_ALONE"] = str(number)
        measured = evening.Evening(work.tickers, asked, Path(folder), environment)
        measured.run()
        _show(measured)
        following = str(last + datetime.timedelta(days=1))
        taken_apart = [
            json.loads(measuring.run(_process("parts", following, ticker), environment).output)
            for ticker in work.tickers[:_TAKEN_APART]
        ]
    _show_parts(taken_apart, measured.run_seconds / measured.n_partitions)


def _prepared(work: measuring.Workload, folder: Path) -> dict[str, str]:
    """Settings for these tickers, of whose session everything is there, model included."""
    environment = work.environment(folder) | {
        "STOCK_ASSETS_SOURCE": work.source,
        "STOCK_ASSETS_BENCHMARK_UNTRAINED": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(measuring.ROOT), os.environ.get("PYTHONPATH")))),
    }
    watchlist = Path(environment["STOCK_ASSETS_WATCHLIST"])
    watchlist.write_text(_MODEL + watchlist.read_text())
    measuring.run(_process("prepare", str(work.session)), environment)
    return environment


def _process(*arguments: str) -> list[str]:
    return measuring.python("-m", "benchmarks.daily_process", *arguments)


def _show(measured: evening.Evening) -> None:
    number = measured.n_partitions
    print(f"runs      {measured.n_runs} for {number} partitions, {measured.n_pages} for the watchlist's page\n")
    rows = [
        (name, "s", f"{seconds:,.1f}", f"{seconds / number:,.2f}")
        for name, seconds in (
            ("wall clock, first run's start to last one's end", measured.seconds),
            ("processor, runs", measured.run_seconds),
            ("processor, web server, daemon, code server", measured.service_seconds),
        )
    ]
    days = {str(session) for session in measured.asked}
    data_dir = measured.folder / "data"
    files = [
        data
        for ticker in measured.tickers
        for name, data in measuring.artefacts(data_dir, ticker).items()
        if name.split("/")[2][: len("2024-03-07")] in days
    ]
    logs = measured.run_files()
    events = sum(measured.rows(log, "event_logs") for log in logs)
    sizes = {
        "runs' own event logs": sum(log.stat().st_size for log in logs),
        "index of events, checks' results": measured.index_file.stat().st_size,
        "list of runs": measured.runs_file.stat().st_size,
    }
    rows += [
        ("artefacts, files", "", f"{len(files):,}", f"{len(files) / number:,.1f}"),
        ("artefacts", "MB", measuring.megabytes(sum(map(len, files))), f"{sum(map(len, files)) / number / 1e6:.2f}"),
        ("events in runs' own logs", "rows", f"{events:,}", f"{events / number:,.0f}"),
        *(
            (f"events in the index, {table}", "rows", f"{rows:,}", f"{rows / number:,.0f}")
            for table in ("event_logs", "asset_check_executions")
            for rows in (measured.rows(measured.index_file, table),)
        ),
        *((name, "MB", measuring.megabytes(size), f"{size / number / 1e6:.2f}") for name, size in sizes.items()),
    ]
    measuring.print_table(("an evening", "unit", "all", "a partition"), rows)
    peaks = [size / 1e6 for size in measured.seen.peaks.values()]
    measuring.print_table(
        ("peak memory", "unit", *measuring.SPREAD),
        [
            ("a run's process", "MB", *measuring.spread(peaks, "{:,.0f}")),
            ("all processes at once", "MB", "", "", f"{measured.seen.most_at_once / 1e6:,.0f}"),
        ],
    )


def _show_parts(taken_apart: list[dict[str, list[float]]], processor_seconds_a_run: float) -> None:
    def median(part: str, place: int) -> float:
        return statistics.median(run.get(part, [0.0, 0.0])[place] for run in taken_apart)

    parts = {part: (median(part, 0), median(part, 1)) for part in taken_apart[0]}
    named = {part for members in _KINDS.values() for part in members}
    kinds = {kind: sum(parts[part][0] for part in members) for kind, members in _KINDS.items()}
    kinds[_ASSETS] = sum(seconds for part, (seconds, _) in parts.items() if part not in named)
    whole = sum(kinds.values())
    print(f"A run of daily_job taken apart, seconds: medians of {len(taken_apart)}, each in a new process")
    measuring.print_table(
        ("part", "processor", "share", "wall clock"),
        [
            *(
                (part, f"{processor:.3f}", f"{processor / whole:.0%}", f"{clock:.3f}")
                for part, (processor, clock) in sorted(parts.items(), key=lambda item: -item[1][0])
            ),
            ("all", f"{whole:.2f}", "", f"{sum(clock for _, clock in parts.values()):.2f}"),
            ("a partition of the evening", f"{processor_seconds_a_run:.2f}", "", ""),
        ],
    )
    ranked = sorted(kinds.items(), key=lambda item: -item[1])
    print("dominates " + ", ".join(f"{kind} {seconds / whole:.0%}" for kind, seconds in ranked))


if __name__ == "__main__":
    main()
