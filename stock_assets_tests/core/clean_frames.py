"""Small clean price tables for the tests of features and targets."""

import datetime
from collections.abc import Iterable

import numpy as np
import pandas as pd

from stock_assets.core import adjusting, schemas, sessions

AS_OF = datetime.date(2024, 3, 8)


def clean_table(
    close: Iterable[float],
    *,
    open_: Iterable[float] | None = None,
    high: Iterable[float] | None = None,
    low: Iterable[float] | None = None,
    volume: Iterable[int] | None = None,
    dividend: Iterable[float] | None = None,
    last: datetime.date = AS_OF,
) -> pd.DataFrame:
    """A clean table that ends on `last`; bars without a range, 1,000 shares and no dividend unless given."""
    closes = np.array(list(close), dtype="float64")
    n = len(closes)
    index = sessions.sessions_between(sessions.previous_session(last, n - 1), last)
    prices = pd.DataFrame(
        {
            "open": closes if open_ is None else np.array(list(open_), dtype="float64"),
            "high": closes if high is None else np.array(list(high), dtype="float64"),
            "low": closes if low is None else np.array(list(low), dtype="float64"),
            "close": closes,
            "volume": np.full(n, 1_000) if volume is None else np.array(list(volume), dtype="int64"),
            "dividend": np.zeros(n) if dividend is None else np.array(list(dividend), dtype="float64"),
            "split_ratio": 1.0,
        },
        index=index,
    )
    adjusted = adjusting.adjust(prices)
    returns = adjusting.total_returns(prices["close"], prices["dividend"])
    table = prices.join(adjusted).assign(total_return=returns, repairs="")
    return schemas.validate(table, schemas.CLEAN_PRICES, ticker="TEST", as_of=last)


def random_walk(n: int, seed: int = 1, last: datetime.date = AS_OF) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(random.normal(0.0003, 0.02, n)))
    open_ = close * np.exp(random.normal(0, 0.008, n))
    return clean_table(
        close,
        open_=open_,
        high=np.maximum(open_, close) * np.exp(np.abs(random.normal(0, 0.005, n))),
        low=np.minimum(open_, close) * np.exp(-np.abs(random.normal(0, 0.005, n))),
        volume=random.integers(100_000, 5_000_000, n),
        dividend=np.where(np.arange(n) % 63 == 40, 0.3, 0.0),
        last=last,
    )
