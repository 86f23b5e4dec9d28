"""Is the table what it says it is: columns, types, order, and the sessions it ought to have."""

# ruff: noqa: ARG001  (all predicates share one signature, so that checks can be made from them without knowing which)

import datetime

import numpy as np
import pandas as pd
import pandera.pandas as pa

from stock_assets.core import features, schemas, sessions
from stock_assets.core.adjusting import PRICES
from stock_assets.core.errors import SchemaError
from stock_assets.core.validation import finding


def has_raw_schema(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """Columns, types and index are those of raw prices. Observed: what is not, or `as expected`."""
    return _has_schema(frame, schemas.RAW_PRICES, ticker, as_of)


def has_clean_schema(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """Columns, types, ranges and index are those of clean prices. Observed: what is not, or `as expected`."""
    return _has_schema(frame, schemas.CLEAN_PRICES, ticker, as_of)


def has_features_schema(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """Columns, types, ranges and index are those of the features. Observed: what is not, or `as expected`."""
    return _has_schema(frame, features.schema(), ticker, as_of)


def _has_schema(frame: pd.DataFrame, schema: pa.DataFrameSchema, ticker: str, as_of: datetime.date) -> finding.Finding:
    expected = f"the columns, types and ranges of {schema.name}"
    try:
        schemas.validate(frame, schema, ticker=ticker, as_of=as_of)
    except SchemaError as error:
        cause = error.__cause__
        cases = (
            cause.failure_cases.head(finding.MAX_OFFENDING)
            if isinstance(cause, pa.errors.SchemaErrors)
            else pd.DataFrame()
        )
        return finding.Finding(False, str(error), expected, cases.astype("str"))
    return finding.Finding(True, "as expected", expected, frame.iloc[:0])


def sessions_increase(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """Sessions increase strictly and none is after `as_of`. Observed: rows at which that is not so."""
    return _in_order(frame, as_of, np.less_equal, f"0 rows out of order, repeated, or after {as_of}")


def sessions_never_decrease(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """Sessions are in order, though one may come twice, and none is after `as_of`. Observed: rows where not."""
    return _in_order(frame, as_of, np.less, f"0 rows out of order or after {as_of}")


def _in_order(frame: pd.DataFrame, as_of: datetime.date, bad_step: np.ufunc, expected: str) -> finding.Finding:
    if unreadable := finding.unreadable(frame):
        return unreadable
    index = frame.index.to_numpy()
    bad = np.concatenate([[False], bad_step(index[1:], index[:-1])])[: len(index)]
    return finding.none_of(frame, bad | (frame.index > pd.Timestamp(as_of)), expected)


def last_session_is_present(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """The last row is `as_of` and has all four prices. Observed: the last session with them."""
    if unreadable := finding.unreadable(frame, PRICES):
        return unreadable
    complete = frame.loc[~np.isnan(frame[list(PRICES)].to_numpy(dtype="float64")).any(axis=1)]
    observed = f"{complete.index[-1]:%Y-%m-%d}" if len(complete) else "no bar with prices"
    passed = len(complete) > 0 and complete.index[-1] == frame.index[-1] == pd.Timestamp(as_of)
    return finding.Finding(
        passed, observed, f"a last bar with all prices on {as_of}", frame.iloc[:0] if passed else frame.tail(1)
    )


def sessions_are_complete(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """No session of XNYS is missing between the first row and the last. Observed: how many are.

    Offending: the missing sessions, each with the row before it.
    """
    expected = "0 sessions missing between the first and the last"
    if unreadable := finding.unreadable(frame):
        return unreadable
    if frame.empty:
        return finding.Finding(False, "no rows", expected, frame)
    present = frame.index.sort_values()
    first, last = present[0].date(), present[-1].date()
    known = sessions.sessions_between(max(first, sessions.FIRST_SESSION), min(last, sessions.LAST_SESSION))
    absent = known[~known.isin(present)]
    before = present[np.maximum(present.searchsorted(absent) - 1, 0)]
    offending = pd.DataFrame({"row_before": before}, index=absent).head(finding.MAX_OFFENDING)
    return finding.Finding(len(absent) == 0, len(absent), expected, offending, threshold=0)


def no_bar_is_repaired(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """No row of clean prices is flagged with a repair. Observed: how many are.

    Offending: the latest of those, with the names of their repairs and their prices.
    """
    if unreadable := finding.unreadable(frame, PRICES):
        return unreadable
    expected = "0 rows with a repair"
    if "repairs" not in frame.columns:
        return finding.Finding(False, "no column repairs", expected, frame.iloc[:0])
    repaired = frame.loc[(frame["repairs"] != "").to_numpy(), ["repairs", *PRICES]]
    shown = repaired.tail(finding.MAX_OFFENDING)
    return finding.Finding(repaired.empty, len(repaired), expected, shown, threshold=0)
