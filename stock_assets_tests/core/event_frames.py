"""Invented histories with dividends and splits, right in themselves, for tests to spoil."""

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from stock_assets.core import adjusting, sessions
from stock_assets.sources import base

FIRST = date(2022, 1, 3)
PRICES = ["open", "high", "low", "close"]
IN_SHARES = [*PRICES, "adj_close"]


def history(
    n: int = 300,
    *,
    dividends: Mapping[int, float] | None = None,
    gains: Mapping[int, float] | None = None,
    splits: Mapping[int, float] | None = None,
    move: float = 0.01,
    seed: int = 1,
) -> pd.DataFrame:
    """`n` raw bars from 100 on that move by about `move` a session and fall by what is paid; events by position.

    All in the shares of the last bar. adj_close is made of dividends and capital gains.
    """
    random = np.random.RandomState(seed)
    moves = random.choice([-1, 1], n) * random.uniform(0.5, 1.5, n) * move
    paid, gained, split = (np.zeros(n) for _ in range(3))
    for column, events in ((paid, dividends), (gained, gains), (split, splits)):
        for row, amount in (events or {}).items():
            column[row] = amount
    close = [100.0]
    for row in range(1, n):
        close.append(close[-1] * (1 + moves[row]) - paid[row] - gained[row])
    columns = {
        "open": np.array(close) * (1 - move / 4),
        "high": np.array(close) * (1 + move / 2),
        "low": np.array(close) * (1 - move / 2),
        "close": np.array(close),
        "adj_close": np.array(close),
        "volume": 60_000.0 * (1_000 + np.arange(n)),
        "dividends": paid,
        "capital_gains": gained,
        "stock_splits": split,
    }
    index = sessions.sessions_between(FIRST, sessions.LAST_SESSION)[:n]
    return with_adj_close_of(base.raw_frame(index, columns))


def with_adj_close_of(bars: pd.DataFrame, paid: ArrayLike | None = None) -> pd.DataFrame:
    """`bars` with the adjusted close that a source makes of `paid`, of its own dividends and gains when None."""
    made_of = bars["dividends"] + bars["capital_gains"] if paid is None else paid
    close = pd.Series(bars["close"])
    factors = adjusting.dividend_factors(close, pd.Series(np.asarray(made_of), index=close.index))
    return bars.assign(adj_close=close * factors)


def amounts(bars: pd.DataFrame, changed: Mapping[int, float], column: str = "dividends") -> pd.DataFrame:
    """`bars` with other amounts on some rows, and all else as it is."""
    values = bars[column].to_numpy().copy()
    for row, amount in changed.items():
        values[row] = amount
    return bars.assign(**{column: values})


def in_old_shares(bars: pd.DataFrame, rows: slice, ratio: float) -> pd.DataFrame:
    """`bars` with `rows` as they were before a split by `ratio`."""
    old = bars.copy()
    for name in IN_SHARES:
        old.iloc[rows, old.columns.get_loc(name)] *= ratio
    old.iloc[rows, old.columns.get_loc("volume")] /= ratio
    return old
