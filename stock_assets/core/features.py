"""What a model may know about a session: some forty point-in-time columns, and the outcome that followed.

Two rules hold for every column:

- **Point in time.** The value of a session is made of that row and earlier ones only, to the last bit. Windows are
  therefore folded here in a fixed order and not with `pandas.rolling`: before pandas 3, its skew and kurt centre the
  whole column first, so that later rows change earlier values (7e-6 seen), and in any release an outlier that
  left the window long ago stays in the last digits.
- **Free of scale.** Multiplying all prices, or all volumes, by a constant changes nothing: a later split or dividend
  rescales the whole past of a snapshot. Prices are read through the growth of one unit of money since the first row,
  never as adjusted closes, because the latter move with every later dividend.

Windows count rows. The values of the first `WARM_UP` rows are incomplete and dropped, never filled.
Cleaning, modelling and metrics for people (drawdowns, Sharpe ratios: see metrics) do not live here.
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stock_assets.core import schemas, sessions
from stock_assets.core.errors import BadPricesError, InsufficientHistoryError

Floats = NDArray[np.float64]

WARM_UP = 252
"""Rows at the start of a history that have no complete features: the longest window looks back 252 sessions."""

VOLATILITY_WINDOW = 21


class FeatureDoc(NamedTuple):
    """What a column is; `window` is the number of rows it takes, 0 when the date alone tells."""

    formula: str
    window: int
    unit: str
    reference: str


_JEGADEESH = "Jegadeesh & Titman (1993), Journal of Finance 48"
_LEHMANN = "Lehmann (1990), Quarterly Journal of Economics 105"
_GKX = "Gu, Kelly & Xiu (2020), Review of Financial Studies 33"
_PARKINSON = "Parkinson (1980), Journal of Business 53"
_GARMAN_KLASS = "Garman & Klass (1980), Journal of Business 53"
_WILDER = "Wilder (1978), New Concepts in Technical Trading Systems"
_BROCK = "Brock, Lakonishok & LeBaron (1992), Journal of Finance 47"
_APPEL = "Appel (2005), Technical Analysis: Power Tools for Active Investors"
_BOLLINGER = "Bollinger (2001), Bollinger on Bollinger Bands"
_GEORGE = "George & Hwang (2004), Journal of Finance 59"
_JOANES = "Joanes & Gill (1998), The Statistician 47: g1, g2"
_AMAYA = "Amaya et al. (2015), Journal of Financial Economics 118"
_GERVAIS = "Gervais, Kaniel & Mingelgrin (2001), Journal of Finance 56"
_CHAIKIN = "Chaikin, in Achelis (2000), Technical Analysis from A to Z"
_LANE = "Lane (1984), Stocks & Commodities 2"
_FRENCH = "French (1980), Journal of Financial Economics 8"
_ARIEL = "Ariel (1990), Journal of Finance 45"
_LAKONISHOK = "Lakonishok & Smidt (1988), Review of Financial Studies 1"
_BOUMAN = "Bouman & Jacobsen (2002), American Economic Review 92"
_HARTZMARK = "Hartzmark & Solomon (2013), Journal of Financial Economics 109"
_LITZENBERGER = "Litzenberger & Ramaswamy (1979), Journal of Financial Economics 7"
_BERKMAN = "Berkman et al. (2012), Journal of Financial and Quantitative Analysis 47"

# r: total return; G: growth, the product of 1 + r; o, h, l: open, high, low in units of G; v: volume.
_BY_GROUP: dict[str, dict[str, FeatureDoc]] = {
    "returns": {
        "return_1": FeatureDoc("r[t]", 2, "fraction", _LEHMANN),
        "return_1_lag_1": FeatureDoc("r[t-1]", 3, "fraction", _LEHMANN),
        "return_1_lag_2": FeatureDoc("r[t-2]", 4, "fraction", _LEHMANN),
        "return_1_lag_3": FeatureDoc("r[t-3]", 5, "fraction", _LEHMANN),
        "return_1_lag_4": FeatureDoc("r[t-4]", 6, "fraction", _LEHMANN),
        "mean_return_5": FeatureDoc("mean of r over 5 sessions", 6, "fraction per session", _LEHMANN),
        "mean_return_10": FeatureDoc("mean of r over 10 sessions", 11, "fraction per session", _LEHMANN),
        "mean_return_21": FeatureDoc("mean of r over 21 sessions", 22, "fraction per session", _GKX),
        "mean_return_63": FeatureDoc("mean of r over 63 sessions", 64, "fraction per session", _GKX),
    },
    "momentum": {
        "momentum_6": FeatureDoc("G[t] / G[t-126] - 1", 127, "fraction", _JEGADEESH),
        "momentum_12_1": FeatureDoc("G[t-21] / G[t-252] - 1", 253, "fraction", _JEGADEESH),
        "rsi_14": FeatureDoc(
            "100 * gain / (gain + loss): Wilder means of rises and falls of G over 14; 50 when G never moved",
            15,
            "points, 0 to 100",
            _WILDER,
        ),
        "macd": FeatureDoc("(EMA12 of G - EMA26 of G) / G", 26, "fraction of the price", _APPEL),
        "macd_signal": FeatureDoc("EMA9 of (EMA12 of G - EMA26 of G), / G", 34, "fraction of the price", _APPEL),
        "macd_histogram": FeatureDoc("macd - macd_signal", 34, "fraction of the price", _APPEL),
    },
    "trend": {
        "sma_distance_10": FeatureDoc("G / mean of G over 10 - 1", 10, "fraction", _BROCK),
        "sma_distance_20": FeatureDoc("G / mean of G over 20 - 1", 20, "fraction", _BROCK),
        "sma_distance_50": FeatureDoc("G / mean of G over 50 - 1", 50, "fraction", _BROCK),
        "sma_distance_200": FeatureDoc("G / mean of G over 200 - 1", 200, "fraction", _BROCK),
        "ema_distance_12": FeatureDoc("G / EMA12 of G - 1", 12, "fraction", _APPEL),
        "ema_distance_26": FeatureDoc("G / EMA26 of G - 1", 26, "fraction", _APPEL),
        "bollinger_20": FeatureDoc(
            "(G - mean) / (2 * population deviation) of G over 20: 1 at the upper band, -1 at the lower; 0 on no width",
            20,
            "half band widths",
            _BOLLINGER,
        ),
        "drawdown_252": FeatureDoc("G / highest G of 252 sessions - 1", 252, "fraction, <= 0", _GEORGE),
    },
    "volatility": {
        "volatility_5": FeatureDoc("sample deviation of r over 5", 6, "fraction per session", _GKX),
        "volatility_21": FeatureDoc("sample deviation of r over 21", 22, "fraction per session", _GKX),
        "volatility_63": FeatureDoc("sample deviation of r over 63", 64, "fraction per session", _GKX),
        "volatility_ratio_5_63": FeatureDoc("volatility_5 / volatility_63; 1 when both are 0", 64, "ratio", _GKX),
        "parkinson_21": FeatureDoc(
            "sqrt(mean over 21 of ln(h/l)^2 / (4 ln 2))", 21, "fraction per session", _PARKINSON
        ),
        "garman_klass_21": FeatureDoc(
            "sqrt(mean over 21 of ln(h/l)^2 / 2 - (2 ln 2 - 1) ln(c/o)^2)", 21, "fraction per session", _GARMAN_KLASS
        ),
        "atr_14": FeatureDoc(
            "Wilder mean over 14 of max(h, G[t-1]) - min(l, G[t-1]), / G", 15, "fraction of the price", _WILDER
        ),
        "skew_63": FeatureDoc(
            "third central moment / second^1.5 of r over 63; 0 when r never changed", 64, "none", f"{_AMAYA}; {_JOANES}"
        ),
        "kurtosis_63": FeatureDoc(
            "fourth central moment / second^2 - 3 of r over 63; 0 when r never changed",
            64,
            "none (0: normal)",
            f"{_AMAYA}; {_JOANES}",
        ),
    },
    "session": {
        "gap": FeatureDoc("o[t] / G[t-1] - 1", 2, "fraction", _BERKMAN),
        "intraday_range": FeatureDoc("(h - l) / c", 1, "fraction of the price", _PARKINSON),
        "close_position": FeatureDoc("(c - l) / (h - l); 0.5 when h = l", 1, "fraction of the range", _LANE),
    },
    "volume": {
        "volume_change": FeatureDoc(
            "(v[t] - v[t-1]) / (v[t] + v[t-1]); 0 when both are 0", 2, "-1 to 1: halved relative change", _GERVAIS
        ),
        "volume_z_21": FeatureDoc(
            "(v - mean) / sample deviation of v over 21; 0 when v never changed", 21, "deviations", _GERVAIS
        ),
        "volume_ratio_5_63": FeatureDoc(
            "mean of v over 5 / mean over 63; 1 when nothing was traded in 63", 63, "ratio", _GERVAIS
        ),
        "money_flow_21": FeatureDoc(
            "sum over 21 of v * (2 close_position - 1) / sum of v; 0 when nothing was traded", 21, "-1 to 1", _CHAIKIN
        ),
    },
    "dividends": {
        "sessions_since_dividend": FeatureDoc(
            "rows since the last ex-dividend session, at most 252, also when there was none",
            253,
            "sessions",
            _HARTZMARK,
        ),
        "dividend_yield_252": FeatureDoc("dividends of 252 sessions / close", 252, "fraction", _LITZENBERGER),
    },
    "calendar": {
        "weekday": FeatureDoc("Monday 0 ... Friday 4", 0, "number", _FRENCH),
        "month_sin": FeatureDoc("sin(2 pi (month - 1) / 12)", 0, "none", _BOUMAN),
        "month_cos": FeatureDoc("cos(2 pi (month - 1) / 12)", 0, "none", _BOUMAN),
        "turn_of_month": FeatureDoc(
            "1 on a month's last session and its first three by the exchange calendar, else 0", 0, "flag", _LAKONISHOK
        ),
        "nights_to_next_session": FeatureDoc(
            "calendar dates to the next session: 1, on Fridays 3, more before holidays", 0, "nights", _ARIEL
        ),
    },
}

COLUMN_GROUPS: dict[str, tuple[str, ...]] = {group: tuple(docs) for group, docs in _BY_GROUP.items()}
"""Feature columns by kind, in the order of the table."""

FEATURES: dict[str, FeatureDoc] = {name: doc for docs in _BY_GROUP.values() for name, doc in docs.items()}
"""Every feature column, in the order of the table, with its documentation."""

TARGETS: dict[str, str] = {
    "target_return": "Total return from this close to the target session's close; missing when not known yet",
    "target_up": "1 when target_return is above zero, 0 when not; missing when not known yet",
    "target_close": "Close of the target session, in the snapshot's basis; missing when not known yet",
}

SCHEMA = schemas.features_schema({name: f"{doc.formula} [{doc.unit}]" for name, doc in FEATURES.items()}, TARGETS)


def feature_columns() -> list[str]:
    """Names of the columns a model may learn from, in the order of the table: no close, no target."""
    return list(FEATURES)


def build_features(clean: pd.DataFrame, *, ticker: str, as_of: datetime.date, horizon: int = 1) -> pd.DataFrame:
    """The `features` table of the snapshot (`ticker`, `as_of`), of the form `SCHEMA`.

    `clean` is a `clean_prices` table that ends on `as_of`. `horizon` >= 1 guards against look-ahead: the target is the
    close of the session `horizon` sessions later **by the exchange calendar**, and is missing (NaN) when the table has
    no row for that session: on the last `horizon` rows, and before holes. Features are never missing: the first
    `WARM_UP` rows are dropped. So are rows whose last 21 returns are all the same: nothing was learnt from trading,
    and no interval can be scaled by a volatility of zero.

    Raises `InsufficientHistoryError` when no complete row remains, `BadPricesError` when `clean` does not end on
    `as_of` or the price stood still during the last 21 sessions.
    """
    if horizon < 1:
        raise ValueError(f"horizon: {horizon} came; expected at least 1 session, as a target must lie ahead")
    if len(clean) <= WARM_UP:
        raise InsufficientHistoryError(
            f"{ticker} {as_of}: {len(clean)} bars are too few for features; expected at least {WARM_UP + 1}"
        )
    last = clean.index[-1]
    if last != pd.Timestamp(as_of):
        raise BadPricesError(
            f"{ticker} {as_of}: the clean prices end on {last:%Y-%m-%d}; expected their last row to be {as_of}"
        )
    table = compute_features(clean)
    table["close"] = clean["close"]
    table["volatility"] = table[f"volatility_{VOLATILITY_WINDOW}"]
    table = table.assign(**compute_targets(clean, horizon=horizon))
    missing = [name for name in feature_columns() if not np.isfinite(table[name].to_numpy()[-1])]
    if missing:
        raise InsufficientHistoryError(
            f"{ticker} {as_of}: {len(clean)} bars leave {', '.join(missing)} without a value on the last session; "
            f"expected at least {WARM_UP + 1} complete bars"
        )
    volatility = table["volatility"].to_numpy()
    if volatility[-1] == 0:
        raise BadPricesError(
            f"{ticker} {as_of}: the last {VOLATILITY_WINDOW} returns are all {table['return_1'].iloc[-1]:g}; "
            "expected a price that moves"
        )
    complete = np.isfinite(table[feature_columns()].to_numpy()).all(axis=1)
    return schemas.validate(table.loc[complete & (volatility > 0)], SCHEMA, ticker=ticker, as_of=as_of)


def compute_features(clean: pd.DataFrame) -> pd.DataFrame:
    """Every column of `FEATURES` for every row of `clean`; NaN where the history is too short for the window."""
    bars = _Bars.from_clean(clean)
    columns: dict[str, Floats] = {}
    for compute in _FAMILIES:
        columns |= compute(bars)
    return pd.DataFrame({name: columns[name] for name in FEATURES}, index=clean.index)


def compute_targets(clean: pd.DataFrame, *, horizon: int) -> pd.DataFrame:
    """What followed each row of `clean`: `target_session`, `target_return`, `target_up`, `target_close`.

    This is the one function here that looks ahead.
    """
    index = pd.DatetimeIndex(clean.index)
    calendar = _calendar(index, sessions_ahead=horizon)
    target_session = calendar[calendar.searchsorted(index, side="right") + (horizon - 1)]
    growth = pd.Series(growth_of_one(clean["total_return"].to_numpy()), index=index)
    target_return = growth.reindex(target_session).to_numpy() / growth.to_numpy() - 1
    return pd.DataFrame(
        {
            "target_session": target_session.to_numpy(),
            "target_return": target_return,
            "target_up": np.where(np.isnan(target_return), np.nan, (target_return > 0).astype(np.float64)),
            "target_close": clean["close"].reindex(target_session).to_numpy(),
        },
        index=index,
    )


# --- Windows -------------------------------------------------------------------------------------------------------


def _windowed(step: Callable[[Floats, Floats], Floats], values: Floats, window: int) -> Floats:
    # Folding shifted slices takes the same numbers in the same order whatever the length of the array, which numpy's
    # own reductions over a sliding view do not promise.
    out = np.full(len(values), np.nan)
    count = len(values) - window + 1
    if count > 0:
        folded = values[:count].copy()
        for offset in range(1, window):
            folded = step(folded, values[offset : offset + count])
        out[window - 1 :] = folded
    return out


def rolling_mean(values: Floats, window: int) -> Floats:
    """Mean of the last `window` values; NaN before there are as many, and while one of them is NaN."""
    return _windowed(np.add, values, window) / window


def rolling_max(values: Floats, window: int) -> Floats:
    """Largest of the last `window` values; NaN as in `rolling_mean`."""
    return _windowed(np.maximum, values, window)


def central_moment(values: Floats, window: int, order: int) -> Floats:
    """Mean of (value - mean)**order over the last `window` values, in two passes; exactly 0 when all are the same."""
    mean = rolling_mean(values, window)
    out = np.full(len(values), np.nan)
    count = len(values) - window + 1
    if count > 0:
        total = np.zeros(count)
        for offset in range(window):
            deviation = values[offset : offset + count] - mean[window - 1 :]
            power = deviation
            for _ in range(order - 1):
                power = power * deviation
            total += power
        out[window - 1 :] = total / window
        # The mean of equal numbers need not be that number, and its rounding error must not pass for a deviation.
        same = rolling_max(values, window) == -rolling_max(-values, window)
        out[same] = 0.0
    return out


def rolling_deviation(values: Floats, window: int) -> Floats:
    """Sample standard deviation (n - 1) of the last `window` values; NaN as in `rolling_mean`."""
    return np.sqrt(central_moment(values, window, 2) * window / (window - 1))


def _recursive_mean(values: Floats, window: int, weight: float) -> Floats:
    out = np.full(len(values), np.nan)
    start = int(np.isnan(values).sum())  # only leading values are missing
    seed = start + window - 1
    if seed < len(values):
        first = rolling_mean(values[start : seed + 1], window)[-1]
        rest = values[seed + 1 :].tolist()
        out[seed:] = list(accumulate(rest, lambda mean, value: mean + weight * (value - mean), initial=float(first)))
    return out


def exponential_mean(values: Floats, span: int) -> Floats:
    """Exponential moving average with weight 2 / (span + 1), begun with the mean of the first `span` values.

    At the end of the warm-up the beginning weighs less than 1e-7 for the spans used here: where the history starts
    does not matter. Reference: Appel (2005).
    """
    return _recursive_mean(values, span, 2 / (span + 1))


def wilder_mean(values: Floats, window: int) -> Floats:
    """Wilder's smoothing: weight 1 / window, begun with the mean of the first `window` values (Wilder 1978)."""
    return _recursive_mean(values, window, 1 / window)


def _ratio(numerator: Floats, denominator: Floats, otherwise: float) -> Floats:
    """`numerator / denominator`, and `otherwise` where the denominator is 0; NaN stays NaN."""
    zero = denominator == 0
    return np.where(zero, otherwise, numerator / np.where(zero, 1.0, denominator))


def _lagged(values: Floats, n: int) -> Floats:
    out = np.full(len(values), np.nan)
    out[n:] = values[: len(values) - n] if n < len(values) else []
    return out


# --- Indicators ----------------------------------------------------------------------------------------------------


def growth_of_one(total_return: Floats) -> Floats:
    """One unit of money invested at the first row's close with dividends reinvested: the product of 1 + r.

    The return of the first row is not known and not used.
    """
    factors = 1.0 + total_return
    factors[:1] = 1.0
    return factors.cumprod(dtype=np.float64)


def relative_strength(prices: Floats, window: int) -> Floats:
    """Wilder's RSI in points, 0 to 100; 50 where the price has not moved at all, as neither side is stronger."""
    change = prices - _lagged(prices, 1)
    gain = wilder_mean(np.maximum(change, 0.0), window)
    loss = wilder_mean(np.maximum(-change, 0.0), window)
    return 100 * _ratio(gain, gain + loss, 0.5)


def macd(prices: Floats, fast: int = 12, slow: int = 26, signal: int = 9) -> tuple[Floats, Floats]:
    """MACD line and its signal line, in units of the price (Appel 2005)."""
    line = exponential_mean(prices, fast) - exponential_mean(prices, slow)
    return line, exponential_mean(line, signal)


def true_range(high: Floats, low: Floats, close: Floats) -> Floats:
    """Range of the session, widened to the previous close where that lies outside; NaN on the first row (Wilder)."""
    previous = _lagged(close, 1)
    return np.maximum(high, previous) - np.minimum(low, previous)


def bollinger_position(prices: Floats, window: int, width: float = 2.0) -> Floats:
    """Distance from the moving average in units of `width` population deviations: 1 at the upper band, -1 at the lower.

    0 where the bands have no width: the price is its own average.
    """
    band = width * np.sqrt(central_moment(prices, window, 2))
    return _ratio(prices - rolling_mean(prices, window), band, 0.0)


def parkinson(high: Floats, low: Floats, window: int) -> Floats:
    """Parkinson's range volatility per session: sqrt(mean of ln(high/low)^2 / (4 ln 2))."""
    return np.sqrt(rolling_mean(np.log(high / low) ** 2, window) / (4 * np.log(2)))


def garman_klass(open_: Floats, high: Floats, low: Floats, close: Floats, window: int) -> Floats:
    """Garman and Klass's volatility per session: sqrt(mean of ln(high/low)^2 / 2 - (2 ln 2 - 1) ln(close/open)^2).

    Never the root of a negative number as long as open and close lie between low and high.
    """
    variance = np.log(high / low) ** 2 / 2 - (2 * np.log(2) - 1) * np.log(close / open_) ** 2
    return np.sqrt(rolling_mean(variance, window))


def skewness(values: Floats, window: int) -> Floats:
    """Third central moment over the second to the power 1.5; 0 when all values are the same: no asymmetry."""
    return _ratio(central_moment(values, window, 3), central_moment(values, window, 2) ** 1.5, 0.0)


def excess_kurtosis(values: Floats, window: int) -> Floats:
    """Fourth central moment over the second squared, less 3; 0 when all values are the same: no tails."""
    return _ratio(central_moment(values, window, 4), central_moment(values, window, 2) ** 2, 3.0) - 3.0


def close_position(high: Floats, low: Floats, close: Floats) -> Floats:
    """Where the close lies in the session's range: 0 at the low, 1 at the high, 0.5 when there is no range."""
    return _ratio(close - low, high - low, 0.5)


def money_flow(position: Floats, volume: Floats, window: int) -> Floats:
    """Chaikin's money flow: volume weighted by 2 * `close_position` - 1, over all volume; 0 when nothing was traded."""
    return _ratio(rolling_mean((2 * position - 1) * volume, window), rolling_mean(volume, window), 0.0)


def sessions_since(flags: NDArray[np.bool_], cap: int) -> Floats:
    """Rows since the last flagged one, 0 on it, never more than `cap`.

    The cap also stands for "never": a table that starts later than the last event then gives the same value as one
    that starts earlier, once `cap` rows have passed.
    """
    rows = np.arange(len(flags), dtype=np.float64)
    last = np.maximum.accumulate(np.where(flags, rows, -cap))
    return np.minimum(rows - last, cap)


def turn_of_month(index: pd.DatetimeIndex) -> Floats:
    """1 on a month's last session and on its first three, by the exchange calendar and not by the table's rows.

    The calendar is published years ahead, so this looks at no later price. (Closures announced at short notice, such
    as for Hurricane Sandy, are in it as well: the one thing known here a little before its time.)
    """
    calendar = _calendar(index, sessions_ahead=1)
    months = calendar.to_numpy().astype("datetime64[M]")
    first = np.append(True, months[1:] != months[:-1])
    last = np.append(first[1:], False)
    return ((sessions_since(first, cap=3) < 3) | last)[calendar.searchsorted(index)].astype(np.float64)


def _calendar(index: pd.DatetimeIndex, sessions_ahead: int) -> pd.DatetimeIndex:
    """Sessions from the start of the index's first month to `sessions_ahead` sessions past its end."""
    dates = index.to_numpy().astype("datetime64[D]")
    first, last = dates[0].item().replace(day=1), dates[-1].item()
    # The longest closure since 1960 (2001-09-11 to 09-16) is shorter than a week: 7 dates a session suffice.
    ahead = last + datetime.timedelta(days=7 + 7 * sessions_ahead)
    return sessions.sessions_between(first, ahead)


# --- Families ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Bars:
    """Columns of a clean table as arrays; `open`, `high` and `low` in units of `growth`, the total-return index."""

    sessions: pd.DatetimeIndex
    returns: Floats
    growth: Floats
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    dividend: Floats

    @classmethod
    def from_clean(cls, clean: pd.DataFrame) -> "_Bars":
        growth = growth_of_one(clean["total_return"].to_numpy())
        close = clean["close"].to_numpy()
        return cls(
            sessions=pd.DatetimeIndex(clean.index),
            returns=clean["total_return"].to_numpy(),
            growth=growth,
            open=growth * (clean["open"].to_numpy() / close),
            high=growth * (clean["high"].to_numpy() / close),
            low=growth * (clean["low"].to_numpy() / close),
            close=close,
            volume=clean["volume"].to_numpy().astype(np.float64),
            dividend=clean["dividend"].to_numpy(),
        )


def _returns(bars: _Bars) -> dict[str, Floats]:
    lags = {f"return_1_lag_{n}": _lagged(bars.returns, n) for n in (1, 2, 3, 4)}
    means = {f"mean_return_{n}": rolling_mean(bars.returns, n) for n in (5, 10, 21, 63)}
    return {"return_1": bars.returns} | lags | means


def _momentum(bars: _Bars) -> dict[str, Floats]:
    line, signal = macd(bars.growth)
    return {
        "momentum_6": bars.growth / _lagged(bars.growth, 126) - 1,
        "momentum_12_1": _lagged(bars.growth, 21) / _lagged(bars.growth, 252) - 1,
        "rsi_14": relative_strength(bars.growth, 14),
        "macd": line / bars.growth,
        "macd_signal": signal / bars.growth,
        "macd_histogram": (line - signal) / bars.growth,
    }


def _trend(bars: _Bars) -> dict[str, Floats]:
    simple = {f"sma_distance_{n}": bars.growth / rolling_mean(bars.growth, n) - 1 for n in (10, 20, 50, 200)}
    exponential = {f"ema_distance_{n}": bars.growth / exponential_mean(bars.growth, n) - 1 for n in (12, 26)}
    return (
        simple
        | exponential
        | {
            "bollinger_20": bollinger_position(bars.growth, 20),
            "drawdown_252": bars.growth / rolling_max(bars.growth, 252) - 1,
        }
    )


def _volatility(bars: _Bars) -> dict[str, Floats]:
    deviations = {f"volatility_{n}": rolling_deviation(bars.returns, n) for n in (5, VOLATILITY_WINDOW, 63)}
    return deviations | {
        "volatility_ratio_5_63": _ratio(deviations["volatility_5"], deviations["volatility_63"], 1.0),
        "parkinson_21": parkinson(bars.high, bars.low, 21),
        "garman_klass_21": garman_klass(bars.open, bars.high, bars.low, bars.growth, 21),
        "atr_14": wilder_mean(true_range(bars.high, bars.low, bars.growth), 14) / bars.growth,
        "skew_63": skewness(bars.returns, 63),
        "kurtosis_63": excess_kurtosis(bars.returns, 63),
    }


def _session(bars: _Bars) -> dict[str, Floats]:
    return {
        "gap": bars.open / _lagged(bars.growth, 1) - 1,
        "intraday_range": (bars.high - bars.low) / bars.growth,
        "close_position": close_position(bars.high, bars.low, bars.growth),
    }


def _volume(bars: _Bars) -> dict[str, Floats]:
    volume = bars.volume
    previous = _lagged(volume, 1)
    position = close_position(bars.high, bars.low, bars.growth)
    return {
        "volume_change": _ratio(volume - previous, volume + previous, 0.0),
        "volume_z_21": _ratio(volume - rolling_mean(volume, 21), rolling_deviation(volume, 21), 0.0),
        "volume_ratio_5_63": _ratio(rolling_mean(volume, 5), rolling_mean(volume, 63), 1.0),
        "money_flow_21": money_flow(position, volume, 21),
    }


def _dividends(bars: _Bars) -> dict[str, Floats]:
    return {
        "sessions_since_dividend": sessions_since(bars.dividend > 0, cap=252),
        "dividend_yield_252": rolling_mean(bars.dividend, 252) * 252 / bars.close,
    }


def _calendar_columns(bars: _Bars) -> dict[str, Floats]:
    index = bars.sessions
    calendar = _calendar(index, sessions_ahead=1)
    following = calendar[calendar.searchsorted(index, side="right")]
    angle = 2 * np.pi * (index.month.to_numpy() - 1) / 12
    return {
        "weekday": index.day_of_week.to_numpy().astype(np.float64),
        "month_sin": np.sin(angle),
        "month_cos": np.cos(angle),
        "turn_of_month": turn_of_month(index),
        "nights_to_next_session": (following.to_numpy() - index.to_numpy()) / np.timedelta64(1, "D"),
    }


_FAMILIES: tuple[Callable[[_Bars], Mapping[str, Floats]], ...] = (
    _returns,
    _momentum,
    _trend,
    _volatility,
    _session,
    _volume,
    _dividends,
    _calendar_columns,
)
