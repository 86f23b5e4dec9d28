"""Does a table of features know the future? Two ways to ask that do not trust the code that made it.

- `look_ahead` makes the features again from histories that end earlier, and compares to the last bit: a value that
  changes when later rows are taken away was made of them.
- `shuffled` gives a table the outcomes of other times. Whatever is learnt from it is luck, so a walk-forward on it
  that shows skill has seen what it is asked about.

Neither finds a future that is in the prices themselves, stamped with the session before: nothing of that changes with
what comes later. Such a leak shows in scores that are too good to be true (verdict.suspicion).
When which row may be trained on is owned by backtesting; whether a target is what followed is asked in validation.
"""

import datetime
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from stock_assets.core import adjusting
from stock_assets.core.features import FEATURES, TARGETS

Build = Callable[[pd.DataFrame, datetime.date], pd.DataFrame]
"""build(clean, as_of): the features table of a clean table that ends on `as_of`."""

ROWS_BEFORE_THE_LAST = (1, 3)
SHARE_OF_THE_TABLE = 0.5

KNOWN_BY_THEN = (*FEATURES, "volatility")
"""Columns whose values no later snapshot may change in any bit. The close is rescaled by splits, outcomes come late."""


def cuts(features: pd.DataFrame) -> list[int]:
    """Rows of `features` at which a history is ended to see what changes: the same for the same number of rows.

    Near the end, as nearly every leak reaches only a few rows ahead, and in the middle, where whatever was made of the
    whole column shows most: not quite three builds of the whole.
    """
    last = len(features) - 1
    rows = {last - n for n in ROWS_BEFORE_THE_LAST} | {int(last * SHARE_OF_THE_TABLE)}
    return sorted(row for row in rows if 0 <= row < last)


def look_ahead(
    clean: pd.DataFrame, features: pd.DataFrame, build: Build, *, rows: Sequence[int] | None = None
) -> pd.DataFrame:
    """Where `features`, made of `clean`, differ from those made of shorter histories: empty when they never do.

    Args:
        clean: The `clean_prices` that the features are said to be made of.
        features: The table to be judged.
        build: Makes such a table; asked once a cut, of `earlier_snapshot`.
        rows: Rows of `features` to cut after; `cuts` unless given.

    Returns:
        One row a column and cut that differ, in order: `cut` (last session of the shorter history), `column`, `values`
        (how many differ) and `first` (session of the first of them). A session that only one of the two tables has
        counts as a difference in the column `session`. Bits are compared, so that a difference in rounding is one.

    Raises what `build` raises.
    """
    found, whole = [], _bits(features)
    for row in cuts(features) if rows is None else rows:
        cut = features.index[row]
        earlier = build(earlier_snapshot(clean, cut), cut.date())
        head = features.iloc[: row + 1]
        if not earlier.index.equals(head.index):
            sessions = earlier.index.symmetric_difference(head.index)
            found.append({"cut": cut, "column": "session", "values": len(sessions), "first": sessions[0]})
            continue
        differs = _bits(earlier) != whole[: row + 1]
        for column in np.flatnonzero(differs.any(axis=0)):
            first, values = head.index[differs[:, column].argmax()], int(differs[:, column].sum())
            found.append({"cut": cut, "column": KNOWN_BY_THEN[column], "values": values, "first": first})
    return pd.DataFrame(found, columns=pd.Index(["cut", "column", "values", "first"]))


def earlier_snapshot(clean: pd.DataFrame, session: pd.Timestamp) -> pd.DataFrame:
    """`clean` as it may have stood on `session`, were the shares of then twice as many.

    The later rows are gone and their dividends are out of the adjusted prices again. Prices and dividends are half of
    those in `clean` and volumes twice as many: exactly, so that what is free of scale keeps every bit, while what is
    made of levels, which every later split changes, does not.
    """
    head = clean.loc[:session]
    halved = {name: head[name] * 0.5 for name in (*adjusting.PRICES, "dividend")}
    factors = adjusting.dividend_factors(halved["close"], halved["dividend"])
    adjusted = {f"adjusted_{name}": halved[name] * factors for name in adjusting.PRICES}
    return head.assign(**halved, **adjusted, volume=head["volume"] * 2)


def shuffled(features: pd.DataFrame, *, block: int = 21, seed: int = 0) -> pd.DataFrame:
    """`features` with the outcomes of other times: blocks of rows trade them, and none keeps its own.

    Blocks of `block` rows, a month unless given, keep what outcomes have in common with their neighbours': calm and
    stormy spells, and for longer horizons the sessions they share; `block` must not be less than the horizon. Return,
    direction and open return of a row move together, `block` rows at least; its target close becomes its own close
    times the ratio that moved. The target session stays, as the rows that a model may see depend on it. Rows of which
    an outcome is not known keep what they have, and the few oldest that fill no block lose theirs.

    The same seed gives the same table. Raises `ValueError` for a block below one row or rows for fewer than two
    blocks, as then there is nobody to trade with.
    """
    names = list(TARGETS)
    outcomes = features[names].to_numpy(dtype="float64")
    known = np.flatnonzero(~np.isnan(outcomes).any(axis=1))
    if block < 1 or len(known) < 2 * block:
        raise ValueError(
            f"blocks of {block} rows and {len(known)} rows with known outcomes came; expected at least two blocks"
        )
    too_old, known = np.split(known, [len(known) % block])
    sources = known.reshape(-1, block)[_cycle(len(known) // block, seed)].ravel()
    close, target_close = features["close"].to_numpy(), names.index("target_close")
    moved = outcomes[sources]
    moved[:, target_close] *= close[known] / close[sources]
    traded = outcomes.copy()
    traded[known] = moved
    traded[too_old] = np.nan
    return features.assign(**dict(zip(names, traded.T, strict=True)))


def _cycle(n: int, seed: int) -> np.ndarray:
    """A random permutation of n in which nothing stays in its place (Sattolo 1986: one single cycle)."""
    order = np.arange(n)
    random = np.random.RandomState(seed)  # its stream is frozen: the same table under any numpy
    for last in range(n - 1, 0, -1):
        other = random.randint(last)
        order[[last, other]] = order[[other, last]]
    return order


def _bits(features: pd.DataFrame) -> np.ndarray:
    return np.ascontiguousarray(features[list(KNOWN_BY_THEN)].to_numpy(dtype="float64")).view("int64")
