"""Clean tables as arrays: what features and targets compute with, for one ticker or a few at once.

How the arrays become columns is in features and targets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stock_assets.core import indicators, sessions
from stock_assets.core.windows import Floats


@dataclass(frozen=True)
class Histories:
    """Columns of clean tables of the same sessions as arrays of shape (tables, sessions).

    `position` is where each session stands in the calendar, of shape (sessions,). `growth` is what one unit of money
    has become since the first row, with dividends reinvested: the product of 1 + total return; `open`, `high` and `low`
    are in units of it, and the close in that unit is `growth` itself. `close` and `dividend` are in the quote currency.
    """

    position: NDArray[np.intp]
    returns: Floats
    growth: Floats
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    dividend: Floats

    @classmethod
    def from_cleans(cls, cleans: Sequence[pd.DataFrame]) -> Self:
        """At least one clean table, all with the same index. Raises `NotASessionError` when a row is no session."""

        def column(name: str) -> Floats:
            return np.array([clean[name].to_numpy() for clean in cleans], dtype=np.float64)

        returns, close = column("total_return"), column("close")
        growth = indicators.growth_of_one(returns)
        return cls(
            position=sessions.positions(pd.DatetimeIndex(cleans[0].index)),
            returns=returns,
            growth=growth,
            open=growth * (column("open") / close),
            high=growth * (column("high") / close),
            low=growth * (column("low") / close),
            close=close,
            volume=column("volume"),
            dividend=column("dividend"),
        )
