"""What each asset costs in seconds, memory and bytes, and what a whole run of two tickers costs.

    python -m benchmarks.asset_costs [--repeats N] [--quick] [--tickers TICKER ...] [--session DATE] [--prices DIR]
                                    [--only ASSET ...]

First `stock-assets run` for all tickers in one new process, as `make run` does. Then each asset alone in a new process,
with the inputs that the run stored and without Dagster (what Dagster adds is run_overhead's question); its files must
come out as the run's, to the byte. Memory is the rise of resident memory from libraries loaded to everything stored,
inputs included. Target: two tickers from prices to report in less than 60 s on two cores.
"""

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import measuring
from stock_assets.storage import ledger

MOST_SECONDS = 60.0


def main() -> None:
    parser = measuring.options("What each asset costs.", repeats=5, quick_repeats=1)
    measuring.add_workload_options(parser, "TSLA", "STX")
    parser.add_argument("--only", nargs="+", metavar="ASSET", help="measure these assets one by one; default: all")
    arguments = parser.parse_args()
    work = measuring.workload(arguments)
    repeats = measuring.repeats(arguments)
    measuring.print_header(
        "Costs of a whole run, and of each asset",
        f"work      {', '.join(work.tickers)}; session {work.session}, source {work.source}; new processes",
        f"repeats   {repeats}",
    )
    with tempfile.TemporaryDirectory() as folder:
        runs = []
        for n in range(repeats):
            place = Path(folder, f"run-{n}")
            place.mkdir()
            runs.append(measuring.run(work.run_command(), work.environment(place)))
        _show_runs(work, runs)
        data_dir = Path(folder, "run-0", "data")
        assets = _assets(data_dir, work)
        if unknown := set(arguments.only or ()) - set(assets):
            parser.error(f"the run stored no {', '.join(sorted(unknown))}; it stored {', '.join(assets)}")
        _show_assets(work, arguments.only or assets, data_dir, Path(folder, "alone"), repeats)


def _show_runs(work: measuring.Workload, runs: list[measuring.Cost]) -> None:
    seconds = [cost.seconds for cost in runs]
    measuring.print_table(
        (f"stock-assets run {' '.join(work.tickers)}", "unit", *measuring.SPREAD),
        [
            ("wall clock", "s", *measuring.spread(seconds)),
            ("processor", "s", *measuring.spread([cost.processor_seconds for cost in runs])),
            ("peak memory", "MB", *measuring.spread([cost.peak_bytes / 1e6 for cost in runs], "{:,.0f}")),
        ],
    )
    kept = statistics.median(seconds) <= MOST_SECONDS
    print(f"target    at most {MOST_SECONDS:g} s for two tickers: {measuring.verdict(kept)}\n")


def _assets(data_dir: Path, work: measuring.Workload) -> list[str]:
    """The assets of the first ticker in the order in which the run stored them."""
    seals = data_dir.glob(f"*/{work.tickers[0]}/{work.session}.sha256")
    stored = [seal.parts[-3] for seal in sorted(seals, key=lambda seal: seal.stat().st_mtime_ns)]
    return [asset for asset in stored if asset != ledger.ASSET]


def _show_assets(work: measuring.Workload, assets: list[str], data_dir: Path, output_dir: Path, repeats: int) -> None:
    ticker = work.tickers[0]
    of_the_run = measuring.artefacts(data_dir, ticker)
    # The ledger is no asset: evaluation writes it.
    written = {*assets, ledger.ASSET} if "evaluation" in assets else set(assets)
    stored = {name: data for name, data in of_the_run.items() if name.partition("/")[0] in written}
    sizes = {asset: sum(len(data) for name, data in stored.items() if name.startswith(f"{asset}/")) for asset in assets}
    told: dict[str, list[dict[str, Any]]] = {asset: [] for asset in assets}
    for n in range(repeats):
        for asset, found in told.items():
            output = str(output_dir / str(n))
            command = work.module_command("one_asset", str(data_dir), asset, output)
            found.append(json.loads(measuring.run(command).output))
        measuring.require_equal_bytes(
            stored, measuring.artefacts(output_dir / str(n), ticker), "the run", "the assets one by one"
        )

    rows = []
    for asset, found in told.items():
        medians = [statistics.median(one[part] for one in found) for part in ("load", "make", "store")]
        totals = [one["load"] + one["make"] + one["store"] for one in found]
        peak = statistics.median(one["peak"] for one in found)
        rows.append(
            (
                asset,
                *(f"{median:.3f}" for median in medians),
                *measuring.spread(totals, "{:.3f}"),
                measuring.megabytes(peak),
                f"{sizes[asset]:,}",
            )
        )
    sums = [sum(one[n]["load"] + one[n]["make"] + one[n]["store"] for one in told.values()) for n in range(repeats)]
    whole = f"{sum(sizes.values()):,}"
    rows.append(("all", "", "", "", *measuring.spread(sums, "{:.3f}"), "", whole))
    print(f"Each asset of {ticker} alone, seconds: inputs from the store, the work, files to the store, all three")
    heading = ("asset", "load", "make", "store", *measuring.SPREAD, "peak +MB", "bytes stored")
    measuring.print_table(heading, rows)
    exact = all(one["exact"] for found in told.values() for one in found)
    print("bytes     the same as the run's in every repeat")
    print(f"memory    {'exact' if exact else 'at least: this system does not forget earlier peaks'}, median")


if __name__ == "__main__":
    main()
