"""What Dagster adds: `stock-assets run TICKER` beside a bare script that does the same work, each in a new process.

    python -m benchmarks.run_overhead [--repeats N] [--quick] [--tickers TICKER] [--session DATE] [--prices DIR]

Every run starts from an empty data folder and an empty DAGSTER_HOME, in turn with a run of the script. Both must store
the same bytes. Targets: at most 5 s more, and at most 1.25 times as long where the script takes longer than 20 s.
"""

import json
import statistics
import tempfile
from pathlib import Path

from benchmarks import measuring

MOST_SECONDS_MORE = 5.0
HIGHEST_RATIO = 1.25
RATIO_COUNTS_FROM_SECONDS = 20.0


def main() -> None:
    parser = measuring.options("What Dagster adds to a bare script.", repeats=5, quick_repeats=1)
    measuring.add_workload_options(parser, "TSLA")
    arguments = parser.parse_args()
    work = measuring.workload(arguments)
    repeats = measuring.repeats(arguments)
    if len(work.tickers) != 1:
        parser.error(f"one ticker at a time, not {len(work.tickers)}")

    measuring.print_header(
        "Overhead: the whole graph with Dagster beside the same work in a bare script",
        f"work      {work.tickers[0]}, session {work.session}, source {work.source}; new processes, empty folders",
        f"repeats   {repeats}, in turn" + ("" if arguments.quick else "; one short run of each before, not counted"),
    )
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.quick:
            _pair(measuring.Workload(work.tickers, measuring.QUICK_SESSION, None), Path(folder), "warm-up")
        costs = [_pair(work, Path(folder), str(n)) for n in range(repeats)]
        _show(costs)
        if not arguments.quick:
            _show_parts(work, Path(folder))


def _pair(work: measuring.Workload, folder: Path, name: str) -> tuple[measuring.Cost, measuring.Cost]:
    """One run with Dagster, one bare; both wrote the same bytes."""
    graph, script = folder / f"{name}-graph", folder / f"{name}-script"
    graph.mkdir()
    with_dagster = measuring.run(work.run_command(), work.environment(graph))
    bare = measuring.run(work.module_command("bare_pipeline", str(script)))
    _require_equal_bytes(work, graph, script)
    return with_dagster, bare


def _require_equal_bytes(work: measuring.Workload, graph: Path, script: Path) -> None:
    ticker = work.tickers[0]
    measuring.require_equal_bytes(
        measuring.artefacts(graph / "data", ticker), measuring.artefacts(script, ticker), "the run", "the script"
    )


def _show(costs: list[tuple[measuring.Cost, measuring.Cost]]) -> None:
    graph, script = [pair[0] for pair in costs], [pair[1] for pair in costs]
    more = [one.seconds - other.seconds for one, other in costs]
    ratios = [one.seconds / other.seconds for one, other in costs]
    processor = [one.processor_seconds - other.processor_seconds for one, other in costs]
    peaks = [one.peak_bytes - other.peak_bytes for one, other in costs]
    measuring.print_table(
        ("", "unit", *measuring.SPREAD),
        [
            ("stock-assets run", "s", *measuring.spread([cost.seconds for cost in graph])),
            ("bare script", "s", *measuring.spread([cost.seconds for cost in script])),
            ("more, pair by pair", "s", *measuring.spread(more)),
            ("ratio, pair by pair", "", *measuring.spread(ratios, "{:.3f}")),
            ("stock-assets run, processor", "s", *measuring.spread([cost.processor_seconds for cost in graph])),
            ("bare script, processor", "s", *measuring.spread([cost.processor_seconds for cost in script])),
            ("more processor time, pair by pair", "s", *measuring.spread(processor)),
            ("stock-assets run, peak memory", "MB", *_megabytes([cost.peak_bytes for cost in graph])),
            ("bare script, peak memory", "MB", *_megabytes([cost.peak_bytes for cost in script])),
            ("more peak memory, pair by pair", "MB", *_megabytes(peaks)),
        ],
    )
    seconds_more, ratio = statistics.median(more), statistics.median(ratios)
    print("bytes     the same files with the same bytes in every pair")
    print(f"target    at most {MOST_SECONDS_MORE:g} s more: {measuring.verdict(seconds_more <= MOST_SECONDS_MORE)}")
    if statistics.median([cost.seconds for cost in script]) > RATIO_COUNTS_FROM_SECONDS:
        print(f"target    at most {HIGHEST_RATIO:g} times as long: {measuring.verdict(ratio <= HIGHEST_RATIO)}")
    else:
        print(f"target    of {HIGHEST_RATIO:g} times: for scripts that take more than {RATIO_COUNTS_FROM_SECONDS:g} s")
    print(flush=True)


def _megabytes(sizes: list[int]) -> list[str]:
    return measuring.spread([size / 1e6 for size in sizes], "{:,.0f}")


def _show_parts(work: measuring.Workload, folder: Path) -> None:
    """One more run of each, part by part."""
    graph, script = folder / "parts-graph", folder / "parts-script"
    graph.mkdir()
    environment = work.environment(graph)
    with_dagster = measuring.run(
        work.module_command("phases", environment["STOCK_ASSETS_DATA_DIR"], "dagster"), environment
    )
    bare = measuring.run(work.module_command("phases", str(script), "bare"))
    _require_equal_bytes(work, graph, script)
    seconds, seconds_bare = json.loads(with_dagster.output), json.loads(bare.output)
    rows = [
        (part, f"{taken:.2f}", f"{seconds_bare.get(part, 0):.2f}", f"{taken - seconds_bare.get(part, 0):+.2f}")
        for part, taken in seconds.items()
    ]
    whole, whole_bare = with_dagster.seconds, bare.seconds
    rest, rest_bare = whole - sum(seconds.values()), whole_bare - sum(seconds_bare.values())
    rows.append(("start and end of Python", f"{rest:.2f}", f"{rest_bare:.2f}", f"{rest - rest_bare:+.2f}"))
    rows.append(("all", f"{whole:.2f}", f"{whole_bare:.2f}", f"{whole - whole_bare:+.2f}"))
    print("Part by part, one more run of each (steps: inputs from the store, the work, its output to the store):")
    measuring.print_table(("seconds", "graph", "script", "more"), rows)


if __name__ == "__main__":
    main()
