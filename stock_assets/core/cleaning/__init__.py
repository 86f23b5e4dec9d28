"""From raw bars to validated, adjusted prices: one small rule for each known fault, applied in the order of `RULES`.

A rule takes and returns a frame. What it can repair with certainty it repairs, and flags in `repairs`; what it can't,
halts with a `BadPricesError` that names ticker, snapshot, sessions and values. No rule invents a price or a session.
The rules lie in bars, units, splits and distributions, by subject; what they share in rule. The formulas of the
adjustment live in adjusting; questions asked of finished tables, suspicions among them, live in validation.
"""

import datetime

import pandas as pd

from stock_assets.core import adjusting, schemas
from stock_assets.core.adjusting import PRICES
from stock_assets.core.cleaning import bars, distributions, splits, units
from stock_assets.core.cleaning.rule import INPUTS, Rule, Snapshot
from stock_assets.core.errors import BadPricesError, SchemaError

RULES: tuple[Rule, ...] = (
    bars.in_order,
    bars.without_repeated_bars,
    bars.on_sessions,
    bars.with_complete_bars,
    bars.with_positive_prices,
    bars.with_known_volume,
    units.in_one_unit,
    bars.with_close_between_low_and_high,
    bars.with_whole_volume,
    splits.with_splits_applied,
    distributions.with_capital_gains_counted_once,
    distributions.with_dividends_in_new_shares,
    distributions.with_dividends_in_the_unit_of_prices,
    distributions.without_repeated_dividends,
    distributions.without_phantom_dividends,
    distributions.with_plausible_events,
)
"""In the order they are applied: later rules rely on what earlier ones established."""


def clean_prices(raw: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> pd.DataFrame:
    """The table `clean_prices` (see schemas.CLEAN_PRICES) from raw bars as served on the evening of `as_of`.

    `raw` has the columns of schemas.RAW_PRICES; its adj_close is evidence and no more, as the adjustment is made anew
    from close and dividends. Rows may come in any order. The result depends on nothing but `raw`; sessions that are
    missing in between stay missing, and the total return of the next row spans the gap.

    Raises `SchemaError` when a column is missing or no number, `BadPricesError` when a rule can't repair what it sees.
    """
    snapshot = Snapshot(ticker, as_of)
    frame = _as_numbers(raw, snapshot)
    for rule in RULES:
        try:
            frame = rule(frame, snapshot)
        except BadPricesError as error:
            error.rule = rule.__name__
            raise
    return schemas.validate(_adjusted(frame), schemas.CLEAN_PRICES, ticker=ticker, as_of=as_of)


def _as_numbers(raw: pd.DataFrame, snapshot: Snapshot) -> pd.DataFrame:
    """The columns that count, as float64 under a naive index in nanoseconds, and an empty `repairs`."""
    times = {name: list(raw.columns).count(name) for name in INPUTS}
    problems = [f"no column {name}" for name, n in times.items() if n == 0]
    problems += [f"column {name} {n} times" for name, n in times.items() if n > 1]
    problems += [
        f"column {name} is {raw[name].dtype}"
        for name, n in times.items()
        if n == 1 and raw[name].dtype.kind not in "iuf"
    ]
    if not isinstance(raw.index, pd.DatetimeIndex):
        problems.append(f"index of {raw.index.dtype}")
    elif raw.index.tz is not None or raw.index.hasnans or not (raw.index == raw.index.normalize()).all():
        problems.append("index with time zones, times or missing sessions")
    if problems:
        raise SchemaError(
            f"{snapshot.ticker} {snapshot.as_of}: raw prices can't be read: {', '.join(problems)};"
            f" expected the numbers {', '.join(INPUTS)} indexed by naive session"
        )
    if raw.empty:
        raise BadPricesError(f"{snapshot.ticker} {snapshot.as_of}: there are no bars at all; expected at least one")
    frame = raw[list(INPUTS)].astype("float64")
    frame.index = pd.DatetimeIndex(raw.index.to_numpy().astype("datetime64[ns]"), name="session")
    return frame.assign(repairs=pd.Series("", index=frame.index, dtype="str"))


def _adjusted(frame: pd.DataFrame) -> pd.DataFrame:
    split = frame["stock_splits"]
    clean = frame[[*PRICES, "volume"]].assign(
        volume=frame["volume"].astype("int64"),
        dividend=frame["dividends"] + frame["capital_gains"],
        split_ratio=split.where(split > 0, 1.0),
    )
    total_return = adjusting.total_returns(pd.Series(clean["close"]), pd.Series(clean["dividend"]))
    return pd.concat([clean, adjusting.adjust(clean), total_return, frame["repairs"]], axis=1)
