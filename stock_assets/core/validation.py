"""Questions asked of finished price tables, each answered with what was observed beside what was expected.

Predicates only: they change nothing and raise nothing about the data. Which are asked of which table, and which of them
stop the graph, is in checks. Repairs, and what stops a table from being made at all, live in cleaning; the form of
the tables in schemas.
"""

# ruff: noqa: ARG001  (all predicates share one signature, so that checks can be made from them without knowing which)

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import ArrayLike

from stock_assets.core import schemas, sessions
from stock_assets.core.adjusting import PRICES
from stock_assets.core.errors import SchemaError

MAX_OFFENDING = 20

AGREEMENT_THRESHOLD = 5e-4
"""Largest relative difference between our adjusted close and the source's that passes.

On 50,000 real bars of eight stocks, fetched in 2020 and in 2024, the largest was 6.6e-5 (dividends given in four
decimals). A quarterly dividend of 0.05 % of the price that one of the two does not know is reported.
"""


@dataclass(frozen=True)
class Finding:
    """The answer of a predicate.

    `observed` is a count or a measure, or a text where neither says it; `offending` holds at most 20 rows.
    """

    passed: bool
    observed: int | float | str
    expected: str
    offending: pd.DataFrame


Predicate = Callable[..., Finding]
"""predicate(frame, *, ticker, as_of) -> Finding"""


def has_raw_schema(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> Finding:
    """Columns, types and index are those of raw prices. Observed: what is not, or `as expected`."""
    return _has_schema(frame, schemas.RAW_PRICES, ticker, as_of)


def has_clean_schema(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> Finding:
    """Columns, types, ranges and index are those of clean prices. Observed: what is not, or `as expected`."""
    return _has_schema(frame, schemas.CLEAN_PRICES, ticker, as_of)


def _has_schema(frame: pd.DataFrame, schema: pa.DataFrameSchema, ticker: str, as_of: datetime.date) -> Finding:
    expected = f"the columns, types and ranges of {schema.name}"
    try:
        schemas.validate(frame, schema, ticker=ticker, as_of=as_of)
    except SchemaError as error:
        cause = error.__cause__
        cases = cause.failure_cases.head(MAX_OFFENDING) if isinstance(cause, pa.errors.SchemaErrors) else pd.DataFrame()
        return Finding(False, str(error), expected, cases.astype("str"))
    return Finding(True, "as expected", expected, frame.iloc[:0])


def sessions_increase(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> Finding:
    """Sessions increase strictly and none is after `as_of`. Observed: rows at which that is not so."""
    return _in_order(frame, as_of, np.less_equal, f"0 rows out of order, repeated, or after {as_of}")


def sessions_never_decrease(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> Finding:
    """Sessions are in order, though one may come twice, and none is after `as_of`. Observed: rows where not."""
    return _in_order(frame, as_of, np.less, f"0 rows out of order or after {as_of}")


def _in_order(frame: pd.DataFrame, as_of: datetime.date, bad_step: np.ufunc, expected: str) -> Finding:
    if unreadable := _unreadable(frame):
        return unreadable
    index = frame.index.to_numpy()
    bad = np.concatenate([[False], bad_step(index[1:], index[:-1])])[: len(index)]
    return _none_of(frame, bad | (frame.index > pd.Timestamp(as_of)), expected)


def prices_are_positive(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> Finding:
    """Every price that is there is above zero and finite; missing ones don't count. Observed: rows with others."""
    columns = [*PRICES, *(f"adjusted_{name}" for name in PRICES if f"adjusted_{name}" in frame.columns)]
    if unreadable := _unreadable(frame, columns):
        return unreadable
    prices = frame[columns].to_numpy(dtype="float64")
    bad = ((prices <= 0) | np.isinf(prices)).any(axis=1)
    return _none_of(frame, bad, "0 rows with a price that is zero, negative or infinite")


def high_is_at_least_low(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> Finding:
    """High is not below low. Observed: rows where it is."""
    if unreadable := _unreadable(frame, ("high", "low")):
        return unreadable
    return _none_of(frame, frame["high"] < frame["low"], "0 rows with high below low")


def open_and_close_lie_between_low_and_high(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> Finding:
    """Open and close are not above high nor below low. Observed: rows where one is."""
    if unreadable := _unreadable(frame, PRICES):
        return unreadable
    bad = np.zeros(len(frame), dtype=bool)
    for name in ("open", "close"):
        bad |= ((frame[name] > frame["high"]) | (frame[name] < frame["low"])).to_numpy()
    return _none_of(frame, bad, "0 rows with open or close outside of low to high")


def last_session_is_present(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> Finding:
    """The last row is `as_of` and has all four prices. Observed: the last session with them."""
    if unreadable := _unreadable(frame, PRICES):
        return unreadable
    complete = frame.loc[~np.isnan(frame[list(PRICES)].to_numpy(dtype="float64")).any(axis=1)]
    observed = f"{complete.index[-1]:%Y-%m-%d}" if len(complete) else "no bar with prices"
    passed = len(complete) > 0 and complete.index[-1] == frame.index[-1] == pd.Timestamp(as_of)
    return Finding(
        passed, observed, f"a last bar with all prices on {as_of}", frame.iloc[:0] if passed else frame.tail(1)
    )


def sessions_are_complete(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> Finding:
    """No session of XNYS is missing between the first row and the last. Observed: how many are.

    Offending: the missing sessions, each with the row before it.
    """
    expected = "0 sessions missing between the first and the last"
    if unreadable := _unreadable(frame):
        return unreadable
    if frame.empty:
        return Finding(False, "no rows", expected, frame)
    present = frame.index.sort_values()
    first, last = present[0].date(), present[-1].date()
    known = sessions.sessions_between(max(first, sessions.FIRST_SESSION), min(last, sessions.LAST_SESSION))
    absent = known[~known.isin(present)]
    before = present[np.maximum(present.searchsorted(absent) - 1, 0)]
    offending = pd.DataFrame({"row_before": before}, index=absent).head(MAX_OFFENDING)
    return Finding(len(absent) == 0, len(absent), expected, offending)


def adjusted_close_agrees_with_source(
    clean: pd.DataFrame,
    raw: pd.DataFrame,
    *,
    ticker: str,
    as_of: datetime.date,
    threshold: float = AGREEMENT_THRESHOLD,
) -> Finding:
    """Our adjusted close and the source's differ by no more than `threshold`, relatively, on any row of both.

    Observed: the largest relative difference. They differ when a dividend is in the source's adjusted close but not
    among its dividends, or the other way round, or in other shares (AAPL 2020-05-08: 0.82 instead of 0.205). That is a
    warning about the source, not an error in our table. Offending: the rows that differ most.
    """
    expected = f"at most {threshold:g} relative difference on every row"
    both = pd.DataFrame({"adjusted_close": clean["adjusted_close"], "source_adj_close": raw["adj_close"]}).dropna()
    if both.empty:
        return Finding(False, "no row with both adjusted closes", expected, both)
    difference = np.abs(both["source_adj_close"].to_numpy() / both["adjusted_close"].to_numpy() - 1)
    largest = float(difference.max())
    beyond = both.assign(relative_difference=difference).loc[difference > threshold]
    worst = beyond.sort_values("relative_difference", ascending=False, kind="stable").head(MAX_OFFENDING)
    return Finding(largest <= threshold, largest, expected, worst)


def _none_of(frame: pd.DataFrame, rows: ArrayLike, expected: str) -> Finding:
    mask = np.asarray(rows, dtype=bool)
    return Finding(not mask.any(), int(mask.sum()), expected, frame.loc[mask].head(MAX_OFFENDING))


def _unreadable(frame: pd.DataFrame, columns: Sequence[str] = ()) -> Finding | None:
    """The finding to give when `frame` can't be asked at all: no sessions for index, or no such numbers."""
    problems = [f"no column {name}" for name in columns if name not in frame.columns]
    problems += [
        f"column {name} is {frame[name].dtype}"
        for name in columns
        if name in frame.columns and frame[name].dtype.kind not in "iuf"
    ]
    if not isinstance(frame.index, pd.DatetimeIndex) or frame.index.tz is not None or frame.index.hasnans:
        problems.append(f"index of {frame.index.dtype}")
    if not problems:
        return None
    expected = " ".join(["naive sessions as index", *(["and the numbers"] if columns else []), ", ".join(columns)])
    return Finding(False, ", ".join(problems), expected.strip(), frame.iloc[:0])
