"""Whether a session's own bar is final, or Yahoo is still at work on it.

Asked on the evening itself, when waiting may help. What a bar that will not change any more must look like is not
asked here (see cleaning, validation), nor who waits, and how long.
"""

import datetime

import numpy as np
import pandas as pd

from stock_assets.core import sessions
from stock_assets.core.adjusting import PRICES
from stock_assets.core.errors import NoPricesError, ProvisionalPricesError

MOVING_HOURS = 12
"""Hours after the close for which a last trade before the close means that the bar still moves.

In all recorded answers of Yahoo for large stocks (four, 2025) the last regular trade is at the close or a second later:
the closing auction. Earlier means that the auction is not in yet, or that a stock without one was not traded any more;
Yahoo has the auction within minutes, so by the next morning, 12 hours later, only the second is left.
"""


def require_final(
    bars: pd.DataFrame,
    *,
    ticker: str,
    session: datetime.date,
    last_trade: datetime.datetime | None,
    now: datetime.datetime,
) -> None:
    """Raises when the bar of `session` in `bars` is not there yet, or not final.

    `bars` has the columns of schemas.RAW_PRICES, in order, as the source gave them; of rows after `session` nothing is
    read but whether there are any. `last_trade` (aware) is the moment of the last regular trade that the source knew
    of, None when it does not say; `now` is aware.

    The evening of a session lasts until the next session's prices are available. `ProvisionalPricesError`, on that
    evening, for a bar that

    - is absent, and so is every later one;
    - lacks a price or its volume;
    - is a copy of the bar before in open, high, low, close and volume, with shares traded: yesterday served as today;
    - was made before the close: `last_trade` is earlier than the close, and `now` within `MOVING_HOURS` of it.

    `NoPricesError` after the evening when the last bar is earlier than `session`: the ticker is delisted, or suspended.
    A bar that is absent among later ones, and anything else that is wrong, is for the checks. Raises
    `NotASessionError` when `session` is none.
    """
    where = f"{ticker} {session}"
    evening = now < sessions.available_from(sessions.next_session(session))
    date = pd.Timestamp(session)
    if bars.empty or bars.index[-1] < date:
        ends = "there are none" if bars.empty else f"prices end on {bars.index[-1]:%Y-%m-%d}"
        if evening:
            raise ProvisionalPricesError(f"{where}: {ends}; expected the bar of this session, which may still come")
        raise NoPricesError(
            f"{where}: {ends}; expected the bar of this session, which will not come any more: "
            "the ticker is delisted or suspended"
        )
    if not evening or date not in bars.index:
        return

    bar = bars.loc[[date], [*PRICES, "volume"]].iloc[-1]
    told = ", ".join(f"{name} {value:g}" for name, value in bar.items())
    if bar.isna().any():
        raise ProvisionalPricesError(f"{where}: the bar of this session came as {told}; expected no number missing")
    before = bars.loc[bars.index < date, bar.index]
    if len(before) and bar["volume"] > 0 and np.array_equal(before.iloc[-1], bar):
        raise ProvisionalPricesError(
            f"{where}: the bar of this session came as {told}, which is the bar of {before.index[-1]:%Y-%m-%d} again; "
            "expected a bar of its own"
        )
    close = sessions.close_time(session)
    if last_trade is not None and last_trade < close and now < close + datetime.timedelta(hours=MOVING_HOURS):
        last = last_trade.astimezone(datetime.UTC)
        raise ProvisionalPricesError(
            f"{where}: the last trade came from {last:%Y-%m-%d %H:%M:%S} UTC, before the close at {close:%H:%M} UTC; "
            f"expected one at the close or later, or {MOVING_HOURS} hours gone by since"
        )
