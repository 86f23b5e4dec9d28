"""The columns of core.features once more, as a competent person writes them with pandas: rolling, ewm, shift.

For benchmarks: what our own kernels are timed against. `features_and_targets` is what a loop over tickers would call;
`calendar` is made once for all of them. Differs from core.features in the beginnings of exponential means (the first
value instead of a mean), which are forgotten after the warm-up, and in the last digits; nothing is checked here.
"""

import datetime
import math

import numpy as np
import pandas as pd

from stock_assets.core import sessions

WARM_UP = 252


def calendar(first: datetime.date, last: datetime.date) -> pd.DataFrame:
    """Columns that the date alone tells, for every session from `first` to a month after `last`."""
    index = sessions.sessions_between(first, last + datetime.timedelta(days=40))
    month = pd.Series(index.month, index=index)
    in_month = index.to_series().groupby([index.year, index.month])
    return pd.DataFrame(
        {
            "weekday": index.dayofweek.astype("float64"),
            "month_sin": np.sin(2 * np.pi * (month - 1) / 12),
            "month_cos": np.cos(2 * np.pi * (month - 1) / 12),
            "turn_of_month": ((in_month.cumcount() < 3) | (month != month.shift(-1))).astype("float64"),
            "nights_to_next_session": (index.to_series().shift(-1) - index.to_series()).dt.days.astype("float64"),
        },
        index=index,
    )


def features_and_targets(clean: pd.DataFrame, calendar: pd.DataFrame) -> pd.DataFrame:
    """All features, close, volatility and the outcomes of the next session of one ticker without holes."""
    r = clean["total_return"]
    g = (1 + r.fillna(0)).cumprod()
    unit = g / clean["close"]
    o, h, low = clean["open"] * unit, clean["high"] * unit, clean["low"] * unit
    v = clean["volume"].astype("float64")
    previous = g.shift()
    out: dict[str, pd.Series] = {"return_1": r}
    for n in (1, 2, 3, 4):
        out[f"return_1_lag_{n}"] = r.shift(n)
    for n in (5, 10, 21, 63):
        out[f"mean_return_{n}"] = r.rolling(n).mean()

    out["momentum_6"] = g / g.shift(126) - 1
    out["momentum_12_1"] = g.shift(21) / g.shift(252) - 1
    change = g.diff()
    gain = change.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    loss = (-change).clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    out["rsi_14"] = 100 * gain / (gain + loss)
    ema_12, ema_26 = g.ewm(span=12, adjust=False).mean(), g.ewm(span=26, adjust=False).mean()
    line = ema_12 - ema_26
    signal = line.ewm(span=9, adjust=False).mean()
    out["macd"] = line / g
    out["macd_signal"] = signal / g
    out["macd_histogram"] = (line - signal) / g

    for n in (10, 20, 50, 200):
        out[f"sma_distance_{n}"] = g / g.rolling(n).mean() - 1
    out["ema_distance_12"] = g / ema_12 - 1
    out["ema_distance_26"] = g / ema_26 - 1
    over_20 = g.rolling(20)
    out["bollinger_20"] = (g - over_20.mean()) / (2 * over_20.std(ddof=0))
    out["drawdown_252"] = g / g.rolling(252).max() - 1

    for n in (5, 21, 63):
        out[f"volatility_{n}"] = r.rolling(n).std()
    out["volatility_ratio_5_63"] = out["volatility_5"] / out["volatility_63"]
    range_squared = np.log(h / low) ** 2
    out["parkinson_21"] = np.sqrt(range_squared.rolling(21).mean() / (4 * math.log(2)))
    variance = 0.5 * range_squared - (2 * math.log(2) - 1) * np.log(g / o) ** 2
    out["garman_klass_21"] = np.sqrt(variance.rolling(21).mean())
    true_range = np.maximum(h, previous) - np.minimum(low, previous)
    out["atr_14"] = true_range.ewm(alpha=1 / 14, adjust=False).mean() / g
    # pandas corrects both for the size of the sample; g1 and g2 of Joanes & Gill (1998) are not corrected.
    n = 63
    out["skew_63"] = r.rolling(n).skew() * ((n - 2) / math.sqrt(n * (n - 1)))
    out["kurtosis_63"] = (r.rolling(n).kurt() * ((n - 2) * (n - 3) / (n - 1)) - 6) / (n + 1)

    out["gap"] = o / previous - 1
    out["intraday_range"] = (h - low) / g
    position = ((g - low) / (h - low)).where(h != low, 0.5)
    out["close_position"] = position

    out["volume_change"] = (v - v.shift()) / (v + v.shift())
    over_21 = v.rolling(21)
    out["volume_z_21"] = (v - over_21.mean()) / over_21.std()
    out["volume_ratio_5_63"] = v.rolling(5).mean() / v.rolling(63).mean()
    out["money_flow_21"] = ((2 * position - 1) * v).rolling(21).sum() / over_21.sum()

    rows = pd.Series(np.arange(len(clean), dtype="float64"), index=clean.index)
    out["sessions_since_dividend"] = (rows - rows.where(clean["dividend"] > 0).ffill()).fillna(252).clip(upper=252)
    out["dividend_yield_252"] = clean["dividend"].rolling(252).sum() / clean["close"]
    dates = calendar.reindex(clean.index)
    for name in dates.columns:
        out[name] = dates[name]

    out["close"] = clean["close"]
    out["volatility"] = out["volatility_21"]
    following = calendar.index.to_series().shift(-1)
    out["target_session"] = following.reindex(clean.index)
    out["target_return"] = g.shift(-1) / g - 1
    out["target_up"] = (out["target_return"] > 0).astype("float64").where(out["target_return"].notna())
    out["target_close"] = clean["close"].shift(-1)
    out["target_open_return"] = o.shift(-2) / o.shift(-1) - 1
    return pd.DataFrame(out).iloc[WARM_UP:]
