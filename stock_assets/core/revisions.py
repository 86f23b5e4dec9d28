"""What a source says of the past that it said differently before: two raw snapshots of one ticker side by side.

A snapshot fetched again should say the same of the same sessions, once it is brought into the same shares. What differs
by more than rounding is a revision: a correction of the source's, or a fault. Which of the two is for a person to
say; repairing does not live here (see cleaning), nor whether a revision is worth a warning (see checks).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stock_assets.core.adjusting import PRICES

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_]


class Tolerance(NamedTuple):
    """Two values are the same when they differ by at most absolute + relative x the earlier one."""

    relative: float
    absolute: float


_PRICE = Tolerance(1e-6, 1e-5)
_PAID_OUT = Tolerance(5e-3, 1e-4)

TOLERANCES: dict[str, Tolerance] = {
    **dict.fromkeys(PRICES, _PRICE),
    "volume": Tolerance(1e-2, 10.0),
    "dividends": _PAID_OUT,
    "capital_gains": _PAID_OUT,
    "stock_splits": Tolerance(1e-4, 0.0),
}
"""How far apart two fetches of the same value are by rounding alone.

Measured on eight large stocks, 2010 to 2020, fetched in December 2020 and in March 2024 (21,926 bars each):

- prices: equal, or where a split lies between the fetches 3.3e-7 apart. They come in six decimals, so that a price of
  0.05 is a matter of 1e-5 and not of its seventh digit.
- volume: 0.1 to 0.7 % on 30 bars, late trades that were added or struck; 1.4 to 38 % on seven (true revisions), 4 or 5
  times on the 79 bars that stood in old shares. Ten shares: volumes are rounded when they are re-based.
- dividends: up to 0.27 %, as they come in four decimals: 0.0748 after a split of 4 for what was 0.075.
"""

UNSETTLED_VOLUME = Tolerance(0.5, 10.0)
"""The same for the volume of the earlier snapshot's last session, which Yahoo completes overnight.

On the evening of 2026-07-27 it was short by 0.1 % (AAPL) to 27 % (PFE) of what it was later, while prices were right
(github.com/daniel3303/Equibles, pull request 4259). What happens every night is no revision.
"""

YIELD_TOLERANCE = 1e-5
"""How far apart what the adjusted closes say was paid out (a fraction of the close) may be: on the same bars at most
1.5e-6, the smallest correction of a dividend 5.7e-3. Where the adjusted close is below 1 as many times more, as it
comes in six decimals."""

SAME_RATIO = 0.01
"""Neighbouring bars are told as one revision when both changed in the same proportion, to 1 % of the change.

Volumes that stood in old shares differ by 3.99 to 4.01 times (AAPL, May 2020), for some were corrected besides.
"""

FEWEST_RESCALED = 20
"""So many closes from the first on, changed in one proportion, are a matter of their basis and not of themselves."""


@dataclass(frozen=True)
class Revisions:
    """What differs, one row for each run of neighbouring bars that changed in the same proportion.

    `table`: indexed by `session`, the first of the run; `last_session`, `column`, `before`, `after` (both on the first
    session, in the shares of the later snapshot), `rows`. In order of session, then of columns. `column` is one of
    `TOLERANCES`, or

    - `bar`: the whole bar is in one of the two only; its close there, and NaN where it is not;
    - `adj_close`: what the adjusted close says was paid out on that session, as a fraction of the close before. Told
      where no payment of that session is revised, from which it would follow.

    `compared`: the number of sessions looked at. `explanation`: the one cause behind many of them, a changed basis of
    all prices up to some session; empty where there is none to be seen.
    """

    table: pd.DataFrame
    compared: int
    explanation: str

    @property
    def count(self) -> int:
        """The number of values that differ."""
        return int(self.table["rows"].to_numpy().sum())


def revisions(before: pd.DataFrame, after: pd.DataFrame) -> Revisions:
    """What `after` says differently of the sessions that `before` has.

    Both are raw snapshots of one ticker (schemas.RAW_PRICES) as served on their own evenings, `after` on the later one.
    With P = product of the splits in `after` later than the last session of `before`, prices and payments of `before`
    are divided by P and its volumes multiplied. A column that one of them lacks is not compared. Of a bar that is there
    twice the first counts.

    Compared are the sessions from the later of the two first ones on, as a window of years that moves along forgets
    its first bar every evening; but when `after` lost more bars in front than it won behind, those are missing.

    A value that is missing in one only is a revision. The adjusted close is compared in what it says was paid out,
    1 - f(s-1) / f(s) with f = adj_close / close: its level moves with every dividend to come.
    """
    before, after = _in_order(before), _in_order(after)
    if before.empty or after.empty:
        return Revisions(_table([]), 0, "")
    last = before.index[-1]
    ratios = after.loc[after.index > last, "stock_splits"].to_numpy(dtype="float64")
    splits_since = float(np.prod(ratios[(ratios > 0) & np.isfinite(ratios)]))
    lost, won = int((before.index < after.index[0]).sum()), int((after.index > last).sum())
    moved_along = lost <= won and after.index[0] <= last
    first = max(before.index[0], after.index[0]) if moved_along else before.index[0]

    before = before.loc[before.index >= first]
    after = after.loc[(after.index >= first) & (after.index <= last)]
    sessions = pd.DatetimeIndex(before.index if before.index.equals(after.index) else before.index.union(after.index))
    in_both = sessions.isin(before.index) & sessions.isin(after.index)
    before, after = _rebased(before, splits_since).reindex(sessions), after.reindex(sessions)

    found = [_runs(sessions, "bar", _column(before, "close"), _column(after, "close"), ~in_both)]
    paid = np.zeros(len(sessions), dtype=bool)
    for name, tolerance in TOLERANCES.items():
        if name in before.columns and name in after.columns:
            then, now = _column(before, name), _column(after, name)
            differ = in_both & _differ(then, now, tolerance)
            if name == "volume":
                differ[-1:] &= _differ(then[-1:], now[-1:], UNSETTLED_VOLUME)
            if name in ("dividends", "capital_gains"):
                paid |= differ
            found.append(_runs(sessions, name, then, now, differ))
    found.append(_in_adjusted_close(before, after, in_both, paid))
    table = _table(found)
    return Revisions(table, len(sessions), _explanation(table, first, splits_since))


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    if frame.index.is_monotonic_increasing and frame.index.is_unique:
        return frame
    return frame.loc[~frame.index.duplicated()].sort_index()


def _rebased(before: pd.DataFrame, splits: float) -> pd.DataFrame:
    if splits == 1.0:
        return before
    in_shares = {name: before[name] / splits for name in (*PRICES, "dividends", "capital_gains") if name in before}
    return before.assign(**in_shares, adj_close=before["adj_close"] / splits, volume=before["volume"] * splits)


def _column(frame: pd.DataFrame, name: str) -> Floats:
    return frame[name].to_numpy(dtype="float64")


def _differ(then: Floats, now: Floats, tolerance: Tolerance) -> Rows:
    # NaN differs from everything but NaN, an infinity from everything but itself.
    return ~np.isclose(now, then, rtol=tolerance.relative, atol=tolerance.absolute, equal_nan=True)


def _in_adjusted_close(before: pd.DataFrame, after: pd.DataFrame, in_both: Rows, paid: Rows) -> pd.DataFrame:
    """The runs of `adj_close`, on bars of which both know close and adjusted close, and none of `paid`."""
    known = in_both.copy()
    for frame in (before, after):
        known &= (frame[["close", "adj_close"]].to_numpy(dtype="float64") > 0).all(axis=1)
    before, after = before.loc[known], after.loc[known]
    then, now = _yields(before), _yields(after)
    level = np.minimum(_column(before, "adj_close"), _column(after, "adj_close"))
    allowed = YIELD_TOLERANCE * np.maximum(1.0, 1 / level)
    allowed[1:] = np.maximum(allowed[1:], allowed[:-1])
    differ = ~(np.abs(now - then) <= allowed) & ~paid[known]
    return _runs(pd.DatetimeIndex(before.index), "adj_close", then, now, differ)


def _yields(frame: pd.DataFrame) -> Floats:
    factor = _column(frame, "adj_close") / _column(frame, "close")
    paid = np.zeros(len(frame))
    paid[1:] = 1 - factor[:-1] / factor[1:]
    return paid


def _runs(sessions: pd.DatetimeIndex, column: str, then: Floats, now: Floats, differ: Rows) -> pd.DataFrame:
    rows = np.flatnonzero(differ)
    if not len(rows):
        return _table([])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = now[rows] / then[rows]
        steady = np.abs(np.diff(ratio)) <= SAME_RATIO * np.abs(ratio[1:] - 1)
    gone, come = np.isnan(now[rows]), np.isnan(then[rows])
    steady |= (gone[1:] & gone[:-1]) | (come[1:] & come[:-1])
    goes_on = np.concatenate([[False], steady & (np.diff(rows) == 1)])
    starts = np.flatnonzero(~goes_on)
    lengths = np.diff(np.append(starts, len(rows)))
    first = rows[starts]
    return pd.DataFrame(
        {
            "last_session": sessions[first + lengths - 1],
            "column": column,
            "before": then[first],
            "after": now[first],
            "rows": lengths,
        },
        index=sessions[first],
    )


def _table(found: list[pd.DataFrame]) -> pd.DataFrame:
    tables = [table for table in found if len(table)]
    if not tables:
        columns = {"last_session": "datetime64[ns]", "column": "str", "before": float, "after": float, "rows": int}
        empty = pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in columns.items()})
        return empty.set_axis(pd.DatetimeIndex([], name="session").as_unit("ns"))
    return pd.concat(tables).sort_index(kind="stable").rename_axis("session")


def _explanation(table: pd.DataFrame, first: pd.Timestamp, splits_since: float) -> str:
    rescaled = table.loc[(table["column"] == "close") & (table["rows"] >= FEWEST_RESCALED) & (table.index == first)]
    if rescaled.empty:
        return ""
    run = rescaled.iloc[0]
    ratio = run["after"] / run["before"]
    told = f"all {run['rows']:,} closes up to {run['last_session']:%Y-%m-%d} are {ratio:.6g} times what they were"
    if _same(ratio, splits_since):
        return f"{told}: the split recorded since, {splits_since:g} for 1, is not applied to them"
    later = table.loc[(table["column"] == "stock_splits") & (table["after"] > 0) & (table.index > run["last_session"])]
    if len(later) and _same(ratio, 1 / later["after"].iloc[0]):
        return f"{told}: the split of {later.index[0]:%Y-%m-%d}, not recorded then, is recorded and applied now"
    return f"{told}: a split that is applied but not recorded, or one that was and is taken back"


def _same(ratio: float, other: float) -> bool:
    return other != 1.0 and bool(abs(ratio / other - 1) <= SAME_RATIO)
