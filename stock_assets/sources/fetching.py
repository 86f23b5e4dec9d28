"""A source's answer for one session, taken only when that session's own bar is final."""

import datetime as dt

from stock_assets.core import provisional
from stock_assets.core.errors import ProvisionalPricesError
from stock_assets.sources import base


def fetch_final(source: base.PriceSource, ticker: str, session: dt.date, *, now: dt.datetime) -> base.PriceHistory:
    """What `source` knows about `ticker`, up to a final bar of `session` at least. `now` is aware.

    Raises as `base.PriceSource.fetch` and `core.provisional.require_final`. An answer whose bar is not final is not
    remembered by the source: the next fetch asks anew.
    """
    history = source.fetch(ticker, session)
    try:
        provisional.require_final(history.bars, ticker=ticker, session=session, last_trade=history.last_trade, now=now)
    except ProvisionalPricesError:
        base.forget(source, ticker)
        raise
    return history
