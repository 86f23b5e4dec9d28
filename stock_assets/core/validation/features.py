"""Can a model learn from this table of features, and forecast from its last row?"""

# ruff: noqa: ARG001  (all predicates share one signature, so that checks can be made from them without knowing which)

import dataclasses
import datetime

import numpy as np
import pandas as pd

from stock_assets.core import features, leaks, sessions
from stock_assets.core.errors import StockAssetsError
from stock_assets.core.validation import finding

TARGET_TOLERANCE = 1e-9
"""How far a target may be from the return that followed: both are made of the same returns, 2e-16 apart at most."""

VARYING_WINDOW = 252
"""Rows at the end of the table in which a feature must change: a year, through which even the month's do."""

_MADE_OF = ("open", "high", "low", "close", "volume", "dividend", "total_return")

MARGIN = 0.5
"""How far beyond everything it ever was a feature of the last row may be, as a share of the range it had until then.

A split of 2 for 1 that was not applied gives a return of -0.5 where there were -0.2 to 0.2. Asked of each of 24,390
sessions of eight large stocks, 2012 to 2024, 26 were beyond: crashes and results, such as the range of 2015-08-24.
At 0.25 there were 72, at 1 there were 4.
"""

FEWEST_ROWS = 252
"""Rows before the last one that are needed to say what is usual: a year."""


def last_session_has_features(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """The last row is `as_of`: the one that a forecast is made from. Observed: the last session."""
    if unreadable := finding.unreadable(frame):
        return unreadable
    observed = f"{frame.index[-1]:%Y-%m-%d}" if len(frame) else "no rows"
    passed = len(frame) > 0 and frame.index[-1] == pd.Timestamp(as_of)
    return finding.Finding(passed, observed, f"a last row of {as_of}", frame.iloc[:0] if passed else frame.tail(1))


def features_are_finite(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """Every feature of every row is a number, neither missing nor infinite. Observed: rows with others.

    Offending: those rows, with the columns that are not.
    """
    columns = features.feature_columns()
    if unreadable := finding.unreadable(frame, columns):
        return unreadable
    bad = ~np.isfinite(frame[columns].to_numpy(dtype="float64"))
    found = finding.none_of(frame, bad.any(axis=1), "0 rows with a feature that is missing or infinite")
    listed = [", ".join(np.array(columns)[row]) for row in bad[bad.any(axis=1)][: finding.MAX_OFFENDING]]
    return dataclasses.replace(found, offending=pd.DataFrame({"columns": listed}, index=found.offending.index))


def no_target_lies_ahead(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """Every target session is later than its row, and no outcome of what comes after `as_of` is known yet.

    An outcome that ends at an open is known a session later than its target session. Observed: rows otherwise.
    A target of a session that has not been would be look-ahead.
    """
    if (unreadable := finding.unreadable(frame, tuple(features.TARGETS))) or (unreadable := _no_target_session(frame)):
        return unreadable
    target_session = pd.DatetimeIndex(frame["target_session"])
    known = frame[list(features.TARGETS)].notna().to_numpy()
    open_known = known[:, list(features.TARGETS).index("target_open_return")]
    bad = ~(target_session > frame.index) | (known.any(axis=1) & (target_session > pd.Timestamp(as_of)))
    bad |= open_known & (target_session >= pd.Timestamp(as_of))
    shown = frame.loc[:, ["target_session", *features.TARGETS]]
    return finding.none_of(shown, bad, f"0 rows with a target of their own session or of one after {as_of}")


def targets_are_what_followed(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """Where the target session is a row of the table too, the target is what was earned until then.

    target_return = product of 1 + return_1 over the rows after this one up to the target session, - 1, within
    `TARGET_TOLERANCE`, and target_up says whether it is above zero. Where the session after the target is a row as
    well, target_open_return is what was earned from open to open, where an open is (1 + gap) times the close before.
    Not asked across sessions without a row. Observed: rows where they are missing or anything else.
    """
    numbers = ("return_1", "gap", "target_return", "target_up", "target_open_return")
    if (unreadable := finding.unreadable(frame, numbers)) or (unreadable := _no_target_session(frame)):
        return unreadable
    index, target_session = pd.DatetimeIndex(frame.index), pd.DatetimeIndex(frame["target_session"])
    return_1, gap, target_return, target_up, open_return = (frame[name].to_numpy(dtype="float64") for name in numbers)
    growth = np.cumprod(1 + return_1)
    open_growth = growth / (1 + return_1) * (1 + gap)
    row = np.arange(len(frame))
    target_row = index.get_indexer(target_session)
    asked = (target_row > row) & (target_row - row == _sessions_ahead(index, target_session))
    followed = growth[target_row] / growth - 1
    right = (np.abs(target_return - followed) <= TARGET_TOLERANCE) & (target_up == (target_return > 0))

    exit_row = np.minimum(target_row + 1, len(frame) - 1)
    open_asked = asked & (_sessions_ahead(pd.DatetimeIndex(target_session), index[exit_row]) == 1)
    open_followed = open_growth[exit_row] / open_growth[np.minimum(row + 1, len(frame) - 1)] - 1
    open_right = np.abs(open_return - open_followed) <= TARGET_TOLERANCE
    shown = frame[["target_session", *numbers[2:]]].assign(followed=followed, open_followed=open_followed)
    bad = (asked & ~right) | (open_asked & ~open_right)
    return finding.none_of(shown, bad, "0 rows whose target is not what their returns say")


def features_do_not_look_ahead(
    frame: pd.DataFrame, clean: pd.DataFrame, *, ticker: str, as_of: datetime.date
) -> finding.Finding:
    """Made again from the `clean` prices up to a few earlier sessions, the features have the same bits.

    Which sessions, and what is compared: see `leaks`. Observed: how many features differ anywhere.
    Offending: the first of those values at each cut, one row a feature and cut.
    """
    expected = "0 features that change when later prices are taken away"
    columns = leaks.KNOWN_BY_THEN
    if unreadable := finding.unreadable(frame, columns) or finding.unreadable(clean, _MADE_OF):
        return unreadable

    def build(earlier: pd.DataFrame, cut: datetime.date) -> pd.DataFrame:
        return features.build_features(earlier, ticker=ticker, as_of=cut)

    try:
        found = leaks.look_ahead(clean, frame, build)
    except StockAssetsError as error:
        return finding.Finding(False, str(error), expected, frame.iloc[:0])
    offending = found.set_index("first").rename_axis("session").head(finding.MAX_OFFENDING)
    return finding.Finding(found.empty, len(set(found["column"])), expected, offending, threshold=0)


def features_vary(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """No feature is the same on all of the last `VARYING_WINDOW` rows. Observed: how many features are.

    One that stands still is made of something that does: volumes that are all zero, a price that is only carried on.
    Features of dividends are not asked, as many stocks pay none. With fewer rows it passes: a year has not gone by.
    Offending: the last row with their names and values.
    """
    columns = [name for name in features.feature_columns() if name not in features.COLUMN_GROUPS["dividends"]]
    if unreadable := finding.unreadable(frame, columns):
        return unreadable
    expected = f"0 features that are the same on the last {VARYING_WINDOW} rows"
    if len(frame) < VARYING_WINDOW:
        return _not_asked(frame, expected)
    recent = frame[columns].to_numpy(dtype="float64")[-VARYING_WINDOW:]
    still = (recent == recent[0]).all(axis=0)
    return _of_last_row(frame, np.array(columns)[still], expected)


def last_row_is_plausible(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """No feature of the last row is far beyond everything it was before. Observed: how many are.

    Far: below the lowest or above the highest earlier value by more than `MARGIN` of the range between the two. One
    that never changed is not asked, nor is a table with fewer than `FEWEST_ROWS` rows before the last, which passes.
    Offending: the last row with their names, values and what was lowest and highest before.
    """
    columns = features.feature_columns()
    if unreadable := finding.unreadable(frame, columns):
        return unreadable
    expected = f"0 features of the last row more than {MARGIN:.0%} of their range beyond all before"
    if len(frame) <= FEWEST_ROWS:
        return _not_asked(frame, expected)
    values = frame[columns].to_numpy(dtype="float64")
    lowest, highest = values[:-1].min(axis=0), values[:-1].max(axis=0)
    room = MARGIN * (highest - lowest)
    beyond = (room > 0) & ((values[-1] < lowest - room) | (values[-1] > highest + room))
    return _of_last_row(
        frame, np.array(columns)[beyond], expected, lowest_before=lowest[beyond], highest_before=highest[beyond]
    )


def _of_last_row(frame: pd.DataFrame, names: np.ndarray, expected: str, **more: np.ndarray) -> finding.Finding:
    """A finding that passes when `names`, columns that offend on the last row, are none."""
    found = pd.DataFrame({"feature": names, "value": frame[names].iloc[-1].to_numpy(), **more})
    offending = found.set_axis(pd.DatetimeIndex([frame.index[-1]] * len(names), name="session"))
    return finding.Finding(not len(names), len(names), expected, offending.head(finding.MAX_OFFENDING), threshold=0)


def _not_asked(frame: pd.DataFrame, expected: str) -> finding.Finding:
    rows = f"{len(frame)} rows"
    return finding.Finding(True, rows, expected, frame.iloc[:0], note=f"not asked: {rows} are too few")


def _no_target_session(frame: pd.DataFrame) -> finding.Finding | None:
    if "target_session" in frame.columns and frame["target_session"].dtype.kind == "M":
        return None
    came = frame["target_session"].dtype if "target_session" in frame.columns else "no column target_session"
    return finding.Finding(False, f"target_session: {came}", "a target session on every row", frame.iloc[:0])


def _sessions_ahead(index: pd.DatetimeIndex, target_session: pd.DatetimeIndex) -> np.ndarray:
    """How many sessions of the exchange each target is later than its row."""
    calendar = sessions.calendar()
    return calendar.searchsorted(target_session.to_numpy()) - calendar.searchsorted(index.to_numpy())
