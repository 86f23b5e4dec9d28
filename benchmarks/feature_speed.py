"""Our features beside the same columns made with pandas, ticker by ticker, in one process and in new ones.

    python -m benchmarks.feature_speed [--repeats N] [--tickers N] [--sessions N] [--quick]

All get the same clean tables, in turn, a chunk of tickers each, so that a machine that is busy for a while is busy for
all. Ours are `build_features` as the asset calls it, ticker by ticker, and `build_features_of_many`, both in one thread
and with outcomes, checks and the table's form included. The other is the loop of features_in_pandas, which checks
nothing and makes its calendar once for all. A table is dropped as soon as it is made, as by who writes it to a file: to
keep all of them costs each way the same on top, for memory that is new to the process, and so lowers the ratios.
Values are compared before anything is timed. Then two tickers in new processes, imports and first calls included.
Targets: at least 7 times as fast for many tickers, by the clock on the wall (beside it stands processor time, which a
busy machine stretches less), and no slower for two in a new process, in processor time.
"""

import argparse
import datetime
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import measuring

if TYPE_CHECKING:
    import pandas as pd

LEAST_RATIO, LEAST_RATIO_OF_TWO = 7.0, 1.0
LAST = datetime.date(2024, 3, 8)
# Whole batches of build_features_of_many, of which a short one at the end of every chunk would make too many.
_CHUNK = 24
_OURS = ("build_features", "build_features_of_many")
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class _Time:
    """Seconds by two clocks."""

    wall: float
    processor: float

    def __add__(self, other: "_Time") -> "_Time":
        return _Time(self.wall + other.wall, self.processor + other.processor)


def main() -> None:
    if len(sys.argv) == 4 and sys.argv[1] == "--two":
        _two_tickers(sys.argv[2], Path(sys.argv[3]))
        return
    parser = measuring.options("Our features beside the same columns in pandas.", repeats=5, quick_repeats=1)
    parser.add_argument("--tickers", type=int, help="default 500; 4 if quick")
    parser.add_argument("--sessions", type=int, help="default 2520; 400 if quick")
    arguments = parser.parse_args()
    n_tickers = arguments.tickers or (4 if arguments.quick else 500)
    n_sessions = arguments.sessions or (400 if arguments.quick else 2520)
    repeats = measuring.repeats(arguments)
    measuring.print_header(
        "Features: core.features beside a loop over tickers in pandas",
        f"tables    {n_tickers} tickers of {n_sessions} sessions, simulated; {repeats} repeats, in turn",
    )
    _new_processes(n_sessions, arguments)
    _many(n_tickers, n_sessions, repeats)


def _many(n_tickers: int, n_sessions: int, repeats: int) -> None:
    from stock_assets.core import schemas, validation
    from stock_assets.core.checks import FEATURES, FEATURES_BESIDE_CLEAN
    from stock_assets.core.features import schema

    tables = {f"T{number:03}": _clean(number, n_sessions) for number in range(n_tickers)}
    ours, in_pandas = _ours(), _in_pandas(tables["T000"])
    _require_equal_values(tables["T000"], ours, in_pandas)
    ways: dict[str, Callable[[dict[str, pd.DataFrame]], None]] = {
        "build_features": lambda chunk: _exhaust(map(ours, chunk.values())),
        "build_features_of_many": lambda chunk: _exhaust(_tables_of_many(chunk)),
        "pandas": lambda chunk: _exhaust(map(in_pandas, chunk.values())),
    }
    costs: dict[str, list[_Time]] = {way: [] for way in ways}
    names = list(tables)
    for _ in range(repeats):
        spent = dict.fromkeys(ways, _Time(0.0, 0.0))
        for start in range(0, n_tickers, _CHUNK):
            chunk = {name: tables[name] for name in names[start : start + _CHUNK]}
            for way, build in ways.items():
                spent[way] += _time(lambda build=build, chunk=chunk: build(chunk))
        for way, cost in spent.items():
            costs[way].append(cost)
    ratios = {way: _ratios(costs["pandas"], costs[way], "wall") for way in _OURS}
    of_processor_time = {way: _ratios(costs["pandas"], costs[way], "processor") for way in _OURS}
    measuring.print_table(
        (f"{n_tickers} tickers", "unit", *measuring.SPREAD),
        [
            *((way, "s", *measuring.spread([cost.wall for cost in costs[way]])) for way in ways),
            *((f"{way}, processor", "s", *measuring.spread([cost.processor for cost in costs[way]])) for way in ways),
            *((f"pandas / {way}", "", *measuring.spread(ratios[way])) for way in _OURS),
            *((f"pandas / {way}, processor", "", *measuring.spread(of_processor_time[way])) for way in _OURS),
        ],
    )
    kept = statistics.median(ratios["build_features_of_many"]) >= LEAST_RATIO
    print(f"target    a median ratio of at least {LEAST_RATIO:g} for many: {measuring.verdict(kept)}\n")

    clean = tables["T000"]
    table, about = ours(clean), {"ticker": "T000", "as_of": LAST}
    steps: dict[str, Callable[[], object]] = {
        "build_features": lambda: ours(clean),
        "schema, by pandera": lambda: schemas.validate(table, schema(), **about),
    }
    steps |= {c.name: lambda c=c: getattr(validation, c.name)(table, **about) for c in FEATURES}
    steps |= {c.name: lambda c=c: getattr(validation, c.name)(table, clean, **about) for c in FEATURES_BESIDE_CLEAN}
    rows = []
    for name, step in steps.items():
        step()
        rows.append((name, "ms", *measuring.spread([1e3 * _time(step).wall for _ in range(max(4 * repeats, 3))])))
    measuring.print_table(("one ticker, and its checks", "unit", *measuring.SPREAD), rows)


def _new_processes(n_sessions: int, arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(2):
            _clean(number, n_sessions).to_pickle(Path(folder) / f"{number}.pickle")

        def run(who: str) -> measuring.Cost:
            return measuring.run(measuring.python("-m", "benchmarks.feature_speed", "--two", who, folder))

        found = list(measuring.pairs(measuring.repeats(arguments), lambda: run("ours"), lambda: run("pandas")))
    ratios = [theirs.seconds / ours.seconds for ours, theirs in found]
    processor = [theirs.processor_seconds / ours.processor_seconds for ours, theirs in found]
    measuring.print_table(
        ("2 tickers, new process", "unit", *measuring.SPREAD),
        [
            ("build_features", "s", *measuring.spread([ours.seconds for ours, _ in found])),
            ("pandas", "s", *measuring.spread([theirs.seconds for _, theirs in found])),
            ("pandas / ours", "", *measuring.spread(ratios)),
            ("the same in processor time", "", *measuring.spread(processor)),
        ],
    )
    kept = statistics.median(processor) >= LEAST_RATIO_OF_TWO
    print(f"target    a median ratio of processor time of at least {LEAST_RATIO_OF_TWO:g}: {measuring.verdict(kept)}\n")


def _two_tickers(who: str, folder: Path) -> None:
    import pandas as pd

    tables = [pd.read_pickle(path) for path in sorted(folder.glob("*.pickle"))]
    build = _ours() if who == "ours" else _in_pandas(tables[0])
    for clean in tables:
        build(clean)


def _ours() -> "Callable[[pd.DataFrame], pd.DataFrame]":
    from stock_assets.core import features

    return lambda clean: features.build_features(clean, ticker="TEST", as_of=LAST)


def _tables_of_many(cleans: "Mapping[str, pd.DataFrame]") -> "Iterator[pd.DataFrame]":
    from stock_assets.core import errors, features

    for ticker, built in features.build_features_of_many(cleans, as_of=LAST):
        if isinstance(built, errors.StockAssetsError):
            measuring.fail(f"{ticker} has no features: {built}")
        yield built


def _in_pandas(example: "pd.DataFrame") -> "Callable[[pd.DataFrame], pd.DataFrame]":
    from benchmarks import features_in_pandas

    calendar = features_in_pandas.calendar(example.index[0].date().replace(day=1), LAST)
    return lambda clean: features_in_pandas.features_and_targets(clean, calendar)


def _require_equal_values(
    clean: "pd.DataFrame",
    ours: "Callable[[pd.DataFrame], pd.DataFrame]",
    in_pandas: "Callable[[pd.DataFrame], pd.DataFrame]",
) -> None:
    import pandas as pd

    try:
        pd.testing.assert_frame_equal(ours(clean), in_pandas(clean), rtol=_TOLERANCE, atol=_TOLERANCE, check_freq=False)
    except AssertionError as error:
        measuring.fail(f"the two don't make the same columns: {str(error).splitlines()[0]}")


def _clean(number: int, n_sessions: int) -> "pd.DataFrame":
    """A random walk with quarterly dividends, as clean prices up to `LAST`."""
    import numpy as np
    import pandas as pd

    from stock_assets.core import adjusting, sessions

    random = np.random.default_rng(number)
    close = 50 * np.exp(np.cumsum(random.normal(0.0003, 0.02, n_sessions)))
    open_ = close * np.exp(random.normal(0, 0.008, n_sessions))
    prices: Mapping[str, object] = {
        "open": open_,
        "high": np.maximum(open_, close) * np.exp(np.abs(random.normal(0, 0.005, n_sessions))),
        "low": np.minimum(open_, close) * np.exp(-np.abs(random.normal(0, 0.005, n_sessions))),
        "close": close,
        "volume": random.integers(100_000, 5_000_000, n_sessions),
        "dividend": np.where(np.arange(n_sessions) % 63 == 40, 0.3, 0.0),
        "split_ratio": 1.0,
    }
    first = sessions.previous_session(LAST, n_sessions - 1)
    table = pd.DataFrame(prices, index=sessions.sessions_between(first, LAST))
    returns = adjusting.total_returns(table["close"], table["dividend"])
    return table.join(adjusting.adjust(table)).assign(total_return=returns, repairs="")


def _time(work: Callable[[], object]) -> _Time:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return _Time(time.perf_counter() - wall, time.process_time() - processor)


def _ratios(theirs: Sequence[_Time], ours: Sequence[_Time], clock: str) -> list[float]:
    return [getattr(their, clock) / getattr(our, clock) for their, our in zip(theirs, ours, strict=True)]


def _exhaust(tables: "Iterable[pd.DataFrame]") -> None:
    for _ in tables:
        pass


if __name__ == "__main__":
    main()
