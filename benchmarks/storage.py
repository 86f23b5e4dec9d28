"""What one more evening costs on the disk when history has not changed, and what reading a table in parts costs.

    python -m benchmarks.storage [--evenings N] [--tickers TICKER ...] [--session DATE] [--prices DIR] [--repeats N]
                                 [--quick]

The evenings up to the session are made one after the other, each as it would have been served then, into the store of
artefacts in a temporary folder: raw prices, clean prices and features. What an evening adds to the folder, a file with
several names counted once, stands beside one Parquet file of the whole table. Evenings on which history did change, as
when a dividend went ex and every adjusted price with it, and those on which a year or a quarter is over, are in the
mean like all others, and counted. Targets: of an evening at most a tenth of the whole, in the median and in the mean;
reading at most 1.5 times as long as one file, each verified against its seal.
"""

import dataclasses
import datetime
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import measuring

if TYPE_CHECKING:
    import pandas as pd

ASSETS = ("raw_prices", "clean_prices", "features")
MOST_STORED, MOST_READ = 0.1, 1.5


def main() -> None:
    parser = measuring.options("What an evening costs on the disk.", repeats=30, quick_repeats=3)
    measuring.add_workload_options(parser, "TSLA", "STX")
    parser.add_argument("--evenings", type=int, default=260, metavar="N", help="so many in a row; default: %(default)s")
    arguments = parser.parse_args()
    # A short history is another question: there a quarter is no small part of the whole.
    work = dataclasses.replace(measuring.workload(arguments), session=arguments.session or measuring.SESSION)
    repeats = measuring.repeats(arguments)
    evenings = 15 if arguments.quick else arguments.evenings
    measuring.print_header(
        "Storage of an evening more, and reading it",
        f"work      {', '.join(work.tickers)}; {evenings} evenings up to {work.session}, source {work.source}",
        f"repeats   {repeats} of each reading and writing, in turn",
    )
    with tempfile.TemporaryDirectory() as folder:
        for ticker in work.tickers:
            stored = _stored(work, ticker, evenings, Path(folder))
            _show_bytes(ticker, stored)
        _show_times(_tables(work, work.tickers[0], work.session), repeats)


def _tables(work: measuring.Workload, ticker: str, session: datetime.date) -> "dict[str, pd.DataFrame]":
    from stock_assets.core import adjusting, cleaning, features
    from stock_assets.sources import csv_files, simulated

    source = simulated.SimulatedSource() if work.prices is None else csv_files.CsvSource(work.prices)
    raw = adjusting.as_served_on(source.fetch(ticker, session).bars, session)
    clean = cleaning.clean_prices(raw, ticker=ticker, as_of=session)
    table = features.build_features(clean, ticker=ticker, as_of=session, horizon=1)
    return dict(zip(ASSETS, (raw, clean, table), strict=True))


def _stored(work: measuring.Workload, ticker: str, evenings: int, folder: Path) -> dict[str, list[tuple[int, int]]]:
    """Asset -> of each evening but the first, bytes that it added, and those of the whole table in one file."""
    from stock_assets.core import sessions
    from stock_assets.storage import formats, inventory, tables
    from stock_assets.storage.artefacts import ArtefactStore

    store = ArtefactStore(folder)
    made: dict[str, list[tuple[int, int]]] = {asset: [] for asset in ASSETS}
    before = dict.fromkeys(ASSETS, 0)
    for session in _evenings(sessions, work.session, evenings):
        for asset, table in _tables(work, ticker, session).items():
            where = {"asset": asset, "ticker": ticker, "as_of": session, "source": work.source}
            store.write(asset, ticker, session, tables.encode(table, **where))
            now = inventory.size(inventory.contents(store, asset, ticker).values())
            made[asset].append((now - before[asset], len(formats.encode_table(table, **where))))
            before[asset] = now
    return {asset: found[1:] for asset, found in made.items()}


def _evenings(sessions, last: datetime.date, n: int) -> list[datetime.date]:
    found = [last]
    while len(found) <= n:
        found.append(sessions.previous_session(found[-1]))
    return found[::-1]


def _show_bytes(ticker: str, stored: dict[str, list[tuple[int, int]]]) -> None:
    together = [tuple(map(sum, zip(*each, strict=True))) for each in zip(*stored.values(), strict=True)]
    rows, kept = [], True
    for name, found in (*stored.items(), ("together", together)):
        shares = [added / whole for added, whole in found]
        mean = sum(added for added, _ in found) / sum(whole for _, whole in found)
        kept &= max(mean, statistics.median(shares)) <= MOST_STORED
        rows.append(
            (
                name,
                f"{found[-1][1]:,}",
                f"{statistics.median(added for added, _ in found):,.0f}",
                f"{statistics.median(shares):.3f}",
                f"{mean:.3f}",
                f"{max(shares):.3f}",
                f"{sum(share > MOST_STORED for share in shares)} of {len(shares)}",
            )
        )
    heading = (ticker, "whole, bytes", "an evening adds", "median", "mean", "highest", f"above {MOST_STORED:g}")
    measuring.print_table(heading, rows)
    print(f"target    at most {MOST_STORED:g} of the whole, median and mean: {measuring.verdict(kept)}\n")


def _show_times(of_a_session: "dict[str, pd.DataFrame]", repeats: int) -> None:
    """Both kinds in stores of their own, in turn: store, seal and checksums are part of it."""
    from stock_assets.storage import formats, tables
    from stock_assets.storage.artefacts import ArtefactStore

    session = datetime.date(2000, 1, 3)
    rows, kept = [], True
    with tempfile.TemporaryDirectory() as folder:
        store = ArtefactStore(folder)
        for asset, table in of_a_session.items():
            about = {"asset": asset, "as_of": session}

            def one_file(table=table, about=about) -> dict[str, bytes]:
                return {tables.SUFFIX: formats.encode_table(table, ticker="ONE", source="benchmark", **about)}

            def parts(table=table, about=about) -> dict[str, bytes]:
                return tables.encode(table, ticker="PARTS", source="benchmark", **about)

            def reading(kind: str, about=about) -> Callable[[], object]:
                return lambda: tables.decode(store.read(about["asset"], kind, session), ticker=kind, **about)

            store.write(asset, "ONE", session, one_file())
            store.write(asset, "PARTS", session, parts())
            reads = _in_turn([reading("ONE"), reading("PARTS")], repeats)
            writes = _in_turn([one_file, parts], repeats)
            row = [asset, str(len(parts()))]
            for costs in (reads, writes):
                row += [*(f"{1e3 * cost:.2f}" for cost in costs), f"{costs[1] / costs[0]:.2f}"]
            rows.append(row)
            kept &= reads[1] / reads[0] <= MOST_READ
    heading = ("processor, ms", "parts", "read one", "read parts", "ratio", "make one", "make parts", "ratio")
    measuring.print_table(heading, rows)
    print(f"target    reading at most {MOST_READ:g} times as long: {measuring.verdict(kept)}")


def _in_turn(actions: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median processor seconds of each; the first round, which imports and fills caches, does not count."""
    seconds: list[list[float]] = [[] for _ in actions]
    for n in range(repeats + 1):
        for action, found in zip(actions, seconds, strict=True):
            started = time.process_time()
            action()
            if n:
                found.append(time.process_time() - started)
    return [statistics.median(found) for found in seconds]


if __name__ == "__main__":
    main()
