"""Indicators of trend, spread and volume, as formulas over arrays: a value a row, made of that row and earlier ones.

Which of them make up the table a model learns from, and over which windows, is in features; how windows are folded in
windows; numbers about a whole history, for people, are in metrics.
"""

import numpy as np
from numpy.typing import NDArray

from stock_assets.core import windows
from stock_assets.core.windows import Floats


def growth_of_one(total_return: Floats) -> Floats:
    """One unit of money invested at the first row's close with dividends reinvested: the product of 1 + r.

    The return of the first row is not known and not used.
    """
    factors = 1.0 + total_return
    factors[..., :1] = 1.0
    return factors.cumprod(axis=-1, dtype=np.float64)


def relative_strength(prices: Floats, window: int) -> Floats:
    """Wilder's RSI in points, 0 to 100; 50 where the price has not moved at all, as neither side is stronger."""
    change = prices - windows.lagged(prices, 1)
    gain, loss = windows.wilder_mean(np.maximum([change, -change], 0.0), window)
    return 100 * windows.ratio(gain, gain + loss, 0.5)


def macd(fast: Floats, slow: Floats, signal: int = 9) -> tuple[Floats, Floats]:
    """MACD line and its signal line, in units of the price, from its exponential means over 12 and 26 (Appel 2005)."""
    line = fast - slow
    return line, windows.exponential_mean(line, signal)


def true_range(high: Floats, low: Floats, close: Floats) -> Floats:
    """Range of the session, widened to the previous close where that lies outside; NaN on the first row (Wilder)."""
    previous = windows.lagged(close, 1)
    return np.maximum(high, previous) - np.minimum(low, previous)


def bollinger_position(prices: Floats, window: int, width: float = 2.0) -> Floats:
    """Distance from the moving average in units of `width` population deviations: 1 at the upper band, -1 at the lower.

    0 where the bands have no width: the price is its own average.
    """
    [[mean, second]] = windows.rolling_moments(prices, [window])
    return windows.ratio(prices - mean, width * np.sqrt(second), 0.0)


def parkinson(high: Floats, low: Floats, window: int) -> Floats:
    """Parkinson's range volatility per session: sqrt(mean of ln(high/low)^2 / (4 ln 2))."""
    return np.sqrt(windows.rolling_mean(np.log(high / low) ** 2, window) / (4 * np.log(2)))


def garman_klass(open_: Floats, high: Floats, low: Floats, close: Floats, window: int) -> Floats:
    """Garman and Klass's volatility per session: sqrt(mean of ln(high/low)^2 / 2 - (2 ln 2 - 1) ln(close/open)^2).

    Never the root of a negative number as long as open and close lie between low and high.
    """
    variance = np.log(high / low) ** 2 / 2 - (2 * np.log(2) - 1) * np.log(close / open_) ** 2
    return np.sqrt(windows.rolling_mean(variance, window))


def skewness(second: Floats, third: Floats) -> Floats:
    """Third central moment over the second to the power 1.5; 0 when the second is 0: no asymmetry."""
    return windows.ratio(third, second**1.5, 0.0)


def excess_kurtosis(second: Floats, fourth: Floats) -> Floats:
    """Fourth central moment over the second squared, less 3; 0 when the second is 0: no tails."""
    return windows.ratio(fourth, second * second, 3.0) - 3.0


def close_position(high: Floats, low: Floats, close: Floats) -> Floats:
    """Where the close lies in the session's range: 0 at the low, 1 at the high, 0.5 when there is no range."""
    return windows.ratio(close - low, high - low, 0.5)


def money_flow(position: Floats, volume: Floats, window: int) -> Floats:
    """Chaikin's money flow: volume weighted by 2 * `close_position` - 1, over all volume; 0 when nothing was traded."""
    return windows.ratio(
        windows.rolling_mean((2 * position - 1) * volume, window), windows.rolling_mean(volume, window), 0.0
    )


def turn_of_month(calendar: NDArray[np.datetime64]) -> Floats:
    """1 on a month's last session and on its first three. `calendar`: all sessions of the exchange, in order.

    It begins with a month's first session, and its own last session does not count as a month's last.
    The calendar is published years ahead, so this looks at no later price. (Closures announced at short notice, such
    as for Hurricane Sandy, are in it as well: the one thing known here a little before its time.)
    """
    months = calendar.astype("datetime64[M]")
    first = np.append(True, months[1:] != months[:-1])
    last = np.append(first[1:], False)
    return ((windows.rows_since(first, cap=3) < 3) | last).astype(np.float64)
