"""Prices from one basis into another: back to what was served on a past evening, and onward to dividend-adjusted.

Yahoo serves prices, dividends and volumes in today's shares, whatever window is asked for, and rewrites its adjusted
close with every dividend. `as_served_on` undoes both for a past session. Our own dividend adjustment lives here too,
with the returns that belong to it. Judging and repairing prices does not (see cleaning, validation).
"""

import datetime

import numpy as np
import pandas as pd

from stock_assets.core.errors import BadPricesError

PRICES = ("open", "high", "low", "close")

_ROUNDING = 1e-6
"""Relative. Sources round adjusted closes to six or so digits; the smallest of dividends is more."""


def as_served_on(bars: pd.DataFrame, session: datetime.date) -> pd.DataFrame:
    """`bars` as the source would have served them on the evening of `session`.

    `bars` has the raw columns (see schemas.RAW_PRICES) in the source's basis of a later moment, indexed by session,
    with every row the source has, also those after `session`: their splits say how the basis has changed since.
    With P = product of the splits after `session`, each row t up to `session` becomes

        prices, dividends and capital gains:   x P
        volume:                                / P, rounded to whole shares
        adj_close:                             x P x close(last) / adj_close(last)

    where `last` is the last row kept: on its own evening the adjusted close is the close, as no later dividend is
    known yet. But for the source's rounding the ratio is the same on all rows since the last payment; that of the
    payment's own row is taken where it agrees, so that evenings without a payment in between have the same history to
    the bit (see storage.tables). stock_splits stay: a split's own row already is in the new shares.

    Nothing of the rows after `session` but their splits is read. Without later splits prices, dividends and volumes
    are the same bits as before, and adj_close too if it already equals close on the last row. With them, prices agree
    with what was served then up to the source's rounding (TSLA, 5:1 and 3:1: relative 1e-7).

    NaN stays NaN. When the last row's close or adj_close is missing or not positive, adj_close is NaN on all rows, as
    its basis is not known. Without a row up to `session` the result is empty.
    Raises `BadPricesError` for a later split that is negative or not a number.
    """
    cutoff = pd.Timestamp(session)
    served = bars.loc[bars.index <= cutoff].copy()
    # A frequency would tell what rows came later: it survives the cut only if they were regular.
    served.index = pd.DatetimeIndex(served.index.to_numpy(), name=served.index.name)
    if served.empty:
        return served

    anchor = _anchor(served)
    later_splits = _product_of_splits(bars.loc[bars.index > cutoff])
    if later_splits != 1.0:
        for column in (*PRICES, "adj_close", "dividends", "capital_gains"):
            served[column] = served[column] * later_splits
        served["volume"] = np.rint(served["volume"] / later_splits)
    if anchor != 1.0:
        served["adj_close"] = served["adj_close"] * anchor
        if not np.isnan(anchor):
            # a * (b / a) need not be b in floating point, and the last row's adjusted close is its close.
            served.iloc[-1, served.columns.get_indexer(["adj_close"])] = served["close"].iloc[-1]
    return served


def _anchor(served: pd.DataFrame) -> float:
    last = _ratio(served, -1)
    if last == 1.0 or np.isnan(last):
        return last
    paid = np.flatnonzero(((served["dividends"] != 0) | (served["capital_gains"] != 0)).to_numpy())
    first = _ratio(served, int(paid[-1]) if len(paid) else 0)
    return first if abs(first / last - 1) < _ROUNDING else last


def _ratio(served: pd.DataFrame, row: int) -> float:
    close, adj_close = float(served["close"].iloc[row]), float(served["adj_close"].iloc[row])
    return close / adj_close if close > 0 and adj_close > 0 else float("nan")


def _product_of_splits(later: pd.DataFrame) -> float:
    # In the order of sessions, whatever order they came in: a product of floats depends on it in the last bit.
    in_order = later.sort_index(kind="stable")
    ratios = in_order["stock_splits"].to_numpy(dtype="float64")
    bad = ~(ratios >= 0) | np.isinf(ratios)
    if bad.any():
        listed = ", ".join(f"{in_order.index[row]:%Y-%m-%d}: {ratios[row]}" for row in np.flatnonzero(bad)[:3])
        raise BadPricesError(f"split ratios must be positive numbers, 0 when there is none; came: {listed}")
    return float(np.prod(ratios[ratios > 0]))


def dividend_factors(close: pd.Series, dividend: pd.Series) -> pd.Series:
    """What a close is multiplied by to make it comparable with the last one: shape of `close`, 1.0 on the last row.

    The backward adjustment of CRSP and Yahoo: with f(s) = 1 - dividend(s) / close(s - 1) on each ex-session s, the
    factor of row t is the product of f(s) over s > t. `close` and `dividend` are in the same basis (currency a share,
    adjusted for splits), one row a session in order. A dividend on the first row has no effect.

    Raises `BadPricesError` when a dividend is missing or negative, or not less than the close before it, which must
    be known where a dividend follows.

    >>> close, dividend = pd.Series([10.0, 9.0, 9.5]), pd.Series([0.0, 1.0, 0.0])
    >>> dividend_factors(close, dividend).tolist()
    [0.9, 1.0, 1.0]
    """
    paid = dividend.to_numpy(dtype="float64")
    previous = np.concatenate([[np.nan], close.to_numpy(dtype="float64")[:-1]])
    has_dividend = paid != 0
    has_dividend[:1] = False
    bad = ~(paid >= 0) | (has_dividend & ~(paid < previous))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise BadPricesError(
            f"{dividend.index[row]}: dividend of {paid[row]} after a close of {previous[row]};"
            " expected a dividend of at least 0 and less than the close before it"
        )
    step = np.ones(len(paid))
    step[has_dividend] = 1 - paid[has_dividend] / previous[has_dividend]
    later = np.concatenate([step[1:], [1.0]])[: len(step)]
    return pd.Series(np.cumprod(later[::-1])[::-1], index=close.index, name="dividend_factor")


def adjust(prices: pd.DataFrame) -> pd.DataFrame:
    """adjusted_open, adjusted_high, adjusted_low, adjusted_close: each price times the dividend factor of its row.

    `prices` has open, high, low, close and dividend in one basis, one row a session in order. The last row's adjusted
    prices are its prices. Ratios across sessions are meaningful, levels are not. Errors as in `dividend_factors`.
    """
    close, dividend = (pd.Series(prices[name]) for name in ("close", "dividend"))
    factors = dividend_factors(close, dividend)
    return pd.DataFrame({f"adjusted_{name}": prices[name] * factors for name in PRICES})


def total_returns(close: pd.Series, dividend: pd.Series) -> pd.Series:
    """What a share held over each session earned: (close + dividend) / previous close - 1; NaN on the first row.

    `close` and `dividend` in the same basis, one row a session in order, closes positive; NaN where either close is.

    Not quite the ratio of adjusted closes: on an ex-session that is close / (previous close - dividend) - 1, as if the
    dividend were reinvested at the previous close less the dividend. From 100 to 100 with a dividend of 1 it says
    1.0101 %, while the holder earned 1 %. On all other sessions the two are the same. Use this one for what was
    earned in a session, adjusted prices for indicators that compare levels over several sessions.
    """
    return ((close + dividend) / close.shift(1) - 1).rename("total_return")
