"""Small raw price tables for the tests of cleaning and validation."""

from datetime import date

import numpy as np
import pandas as pd

from stock_assets.core import cleaning, sessions
from stock_assets.sources import base

GIVEN = ["open", "high", "low", "close", "adj_close", "volume", "dividends", "stock_splits"]
AS_OF = date(2024, 3, 8)
NAN = float("nan")


def raw_bars(rows: dict[str, list[float]]) -> pd.DataFrame:
    """A raw table of one list a session, each with the numbers of `GIVEN`."""
    return base.raw_frame(pd.DatetimeIndex(list(rows)), dict(zip(GIVEN, zip(*rows.values(), strict=True), strict=True)))


def quiet_week() -> pd.DataFrame:
    """The week of 2024-03-08, with a dividend of 1 on Wednesday."""
    return raw_bars(
        {
            "2024-03-04": [9.5, 10.5, 9.0, 10.0, 9.0, 100.0, 0.0, 0.0],
            "2024-03-05": [10.0, 11.0, 9.5, 10.0, 9.0, 200.0, 0.0, 0.0],
            "2024-03-06": [9.0, 9.5, 8.5, 9.0, 9.0, 300.0, 1.0, 0.0],
            "2024-03-07": [9.0, 9.9, 9.0, 9.9, 9.9, 0.0, 0.0, 0.0],
            "2024-03-08": [10.0, 10.5, 9.5, 9.9, 9.9, 500.0, 0.0, 0.0],
        }
    )


def swinging(n: int, first: date = date(2000, 1, 3)) -> pd.DataFrame:
    """`n` bars that close in turn at 10 and 11, from 9 to 12, with 1,000 shares."""
    index = sessions.sessions_between(first, sessions.LAST_SESSION)[:n]
    close = np.where(np.arange(n) % 2 == 0, 10.0, 11.0)
    columns = {"open": np.full(n, 10.5), "high": np.full(n, 12.0), "low": np.full(n, 9.0), "close": close}
    rest = {"adj_close": close, "volume": np.full(n, 1000.0), "dividends": np.zeros(n), "stock_splits": np.zeros(n)}
    return base.raw_frame(index, columns | rest)


def clean(raw: pd.DataFrame, as_of: date = AS_OF) -> pd.DataFrame:
    return cleaning.clean_prices(raw, ticker="TSLA", as_of=as_of)


def repairs(raw: pd.DataFrame, as_of: date = AS_OF) -> dict[str, str]:
    """The repairs made, by month and date."""
    flagged = clean(raw, as_of)["repairs"]
    return {f"{session:%m-%d}": text for session, text in flagged.items() if text}


def with_row(raw: pd.DataFrame, session: str, values: list[float]) -> pd.DataFrame:
    return pd.concat([raw, raw_bars({session: values})]).sort_index(kind="stable")
