"""What every price source is and gives: the protocol, its answer, and the frame in it.

No source lives here, and no judgement of prices (see core.cleaning, core.validation).
"""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

from stock_assets.core import schemas, tickers

RAW_COLUMNS = tuple(schemas.RAW_PRICES.columns)

YAHOO_HEADINGS = {
    "Open": "open",
    "High": "high",
    "Low": "low",
    "Close": "close",
    "Adj Close": "adj_close",
    "Volume": "volume",
    "Dividends": "dividends",
    "Capital Gains": "capital_gains",
    "Stock Splits": "stock_splits",
}
"""Yahoo's name of each raw column, as yfinance gives them and as files have them. Capital gains only funds have."""

# The one rule of what a ticker is; here because every source begins with it.
check_ticker = tickers.check_ticker


@dataclasses.dataclass(frozen=True)
class PriceHistory:
    """A source's answer.

    `bars` has the columns of `core.schemas.RAW_PRICES`, in order of session. Prices, dividends and volume are
    adjusted for every split in it, those after the session asked for included. `core.adjusting.as_served_on` turns
    it into the snapshot of a session. Sessions that the source itself repeats are still repeated. `currency` is
    None when the source does not say. `last_trade`, aware, is the moment of the last regular trade that the source
    knew of, None when it does not say: it tells whether the last bar is final (see core.provisional).
    """

    ticker: str
    bars: pd.DataFrame
    source: str
    currency: str | None
    last_trade: dt.datetime | None = None


class PriceSource(Protocol):
    """Anything that knows the prices of tickers."""

    @property
    def name(self) -> str:
        """Short name of the source, stored with every result: "yahoo", "csv", "simulated"."""
        ...

    def fetch(self, ticker: str, session: dt.date) -> PriceHistory:
        """Everything known about `ticker`, with at least one bar at or before `session`.

        Bars after `session` may be there: their splits are needed to undo the source's adjustment.
        Raises `InvalidTickerError`, `SettingsError`, or one of the three kinds of `SourceError`.
        """
        ...


@runtime_checkable
class RememberingSource(PriceSource, Protocol):
    """A source that may answer from memory."""

    def forget(self, ticker: str) -> None:
        """Make the next fetch of `ticker` ask anew."""
        ...


def forget(source: PriceSource, ticker: str) -> None:
    """See to it that the next fetch of `ticker` from `source` asks anew, be it a source that remembers or not."""
    if isinstance(source, RememberingSource):
        source.forget(ticker)


def raw_frame(sessions: Sequence[dt.date] | pd.DatetimeIndex, columns: Mapping[str, npt.ArrayLike]) -> pd.DataFrame:
    """A frame with the index and columns of `core.schemas.RAW_PRICES`.

    `sessions`: dates or naive midnights, n of them; `columns`: n numbers for each of `RAW_COLUMNS`, in any order. They
    are copied as float64. `capital_gains` may be left out: what is no fund has none. Neither values nor the order of
    sessions are judged.
    """
    # An array in between, as an index would carry its frequency along, which a stored table has not.
    midnights = np.asarray(pd.DatetimeIndex(sessions), dtype=schemas.SESSION_DTYPE)
    given = {"capital_gains": np.zeros(len(midnights)), **columns}
    return pd.DataFrame(
        {name: np.array(given[name], dtype="float64") for name in RAW_COLUMNS},
        index=pd.DatetimeIndex(midnights, name="session"),
    )
