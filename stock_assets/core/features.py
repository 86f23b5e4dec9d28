"""What a model may know about a session: some fifty point-in-time columns, beside the outcome that followed.

Two rules hold for every column:

- **Point in time.** The value of a session is made of that row and earlier ones only, to the last bit (windows says
  why that takes kernels of our own; leaks asks it of a finished table).
- **Free of scale.** Multiplying all prices, or all volumes, by a constant changes nothing: a later split or dividend
  rescales the whole past of a snapshot. Prices are read through the growth of one unit of money since the first row,
  never as adjusted closes, because the latter move with every later dividend.

Windows count rows. The values of the first `WARM_UP` rows are incomplete and dropped, never filled.
The formulas live in indicators, outcomes in targets; cleaning, modelling and metrics for people (drawdowns, Sharpe
ratios: see metrics) elsewhere too.

pandera, which takes longer to import than a hundred tables take to make, is asked only for the words of a refusal.
"""

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stock_assets.core import indicators, sessions, targets, windows
from stock_assets.core.errors import BadPricesError, InsufficientHistoryError, NotASessionError, StockAssetsError
from stock_assets.core.histories import Histories
from stock_assets.core.windows import Floats

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema

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

TARGETS = targets.TARGETS

_NUMBERS = {name: row for row, name in enumerate((*FEATURES, "close", "volatility", *TARGETS))}
"""Where each column of numbers stands among them."""

_BATCH = 8
"""Tickers computed at once: enough to spread the cost of a call to NumPy, few enough for the cache of a core."""


@cache
def schema() -> "DataFrameSchema":
    """Form of the `features` table, with the descriptions that people read."""
    from stock_assets.core import schemas

    return schemas.features_schema({name: f"{doc.formula} [{doc.unit}]" for name, doc in FEATURES.items()}, TARGETS)


@cache
def _columns() -> pd.Index:
    """The names in `_NUMBERS`: making an index takes pandas longer than a table of one."""
    return pd.Index(list(_NUMBERS))


def feature_columns() -> list[str]:
    """Names of the columns a model may learn from, in the order of the table: no close, no target."""
    return list(FEATURES)


def build_features(clean: pd.DataFrame, *, ticker: str, as_of: datetime.date, horizon: int = 1) -> pd.DataFrame:
    """The `features` table of the snapshot (`ticker`, `as_of`), of the form `schema`.

    `clean` is a `clean_prices` table that ends on `as_of`. `horizon` >= 1 guards against look-ahead: the target is the
    close of the session `horizon` sessions later **by the exchange calendar**, and is missing (NaN) when the table has
    no row for that session: on the last `horizon` rows, and before holes (see `targets.compute_targets`). Features are
    never missing: the first `WARM_UP` rows are dropped. So are rows whose last 21 returns are all the same: nothing was
    learnt from trading, and no interval can be scaled by a volatility of zero. `why_dropped` tells one from the other.

    Raises `InsufficientHistoryError` when no complete row remains, `BadPricesError` when `clean` does not end on
    `as_of` or the price stood still during the last 21 sessions.
    """
    [(_, table)] = build_features_of_many({ticker: clean}, as_of=as_of, horizon=horizon)
    if isinstance(table, StockAssetsError):
        raise table
    return table


def build_features_of_many(
    cleans: Mapping[str, pd.DataFrame], *, as_of: datetime.date, horizon: int = 1
) -> Iterator[tuple[str, pd.DataFrame | StockAssetsError]]:
    """Each ticker of `cleans` with its `build_features`, to the last bit, or with the error that raises.

    They come in the order of `cleans`, a few computed at once and none held longer than that, so that memory does not
    grow with their number. Tickers with the same sessions are computed together when they stand side by side: about
    twice as fast as one by one. Raises `ValueError` when `horizon` is below 1.
    """
    if horizon < 1:
        raise ValueError(f"horizon: {horizon} came; expected at least 1 session, as a target must lie ahead")
    return chain.from_iterable(_build_batch(batch, as_of=as_of, horizon=horizon) for batch in _batches(cleans))


def _batches(cleans: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, pd.DataFrame]]:
    """Neighbours that have the same sessions, at most `_BATCH` at once."""
    batch: dict[str, pd.DataFrame] = {}
    for ticker, clean in cleans.items():
        if batch and (len(batch) == _BATCH or not clean.index.equals(next(iter(batch.values())).index)):
            yield batch
            batch = {}
        batch[ticker] = clean
    if batch:
        yield batch


def _build_batch(
    batch: Mapping[str, pd.DataFrame], *, as_of: datetime.date, horizon: int
) -> Iterator[tuple[str, pd.DataFrame | StockAssetsError]]:
    """The table or the error of each ticker of a batch, whose tables have the same sessions."""
    cleans = list(batch.values())
    if refusal := _refusal(cleans[0].index, as_of):
        error_type, reason = refusal
        yield from ((ticker, error_type(f"{ticker} {as_of}: {reason}")) for ticker in batch)
        return
    try:
        numbers, target_session = _compute_numbers(cleans, horizon)
    except NotASessionError as error:
        # Said of the sessions, which are those of every ticker of the batch.
        yield from ((ticker, error) for ticker in batch)
        return
    for row, (ticker, clean) in enumerate(batch.items()):
        # Copied unless the batch is of one: who keeps a table shall not keep its neighbours.
        own = np.ascontiguousarray(numbers[:, row])
        try:
            table = _table(own, clean, target_session, ticker=ticker, as_of=as_of)
        except StockAssetsError as error:
            yield ticker, error
        else:
            yield ticker, table


def _refusal(index: pd.Index, as_of: datetime.date) -> tuple[type[StockAssetsError], str] | None:
    """Why no features can be made of these sessions, if so: the error, and what it says."""
    if len(index) <= WARM_UP:
        return InsufficientHistoryError, f"{len(index)} bars are too few for features; expected at least {WARM_UP + 1}"
    if index[-1] != pd.Timestamp(as_of):
        return BadPricesError, f"the clean prices end on {index[-1]:%Y-%m-%d}; expected their last row to be {as_of}"
    return None


def _compute_numbers(cleans: Sequence[pd.DataFrame], horizon: int) -> tuple[Floats, NDArray[np.datetime64]]:
    """The columns of `_NUMBERS`, of shape (columns, tables, sessions), and the target sessions, without the warm-up."""
    past = Histories.from_cleans(cleans)
    outcomes = targets.compute_targets(past, horizon=horizon)
    numbers = np.empty((len(_NUMBERS), len(cleans), len(past.position) - WARM_UP))
    _write_features(past, numbers)
    numbers[_NUMBERS["volatility"]] = numbers[_NUMBERS[f"volatility_{VOLATILITY_WINDOW}"]]
    numbers[_NUMBERS["close"]] = past.close[:, WARM_UP:]
    for name in TARGETS:
        numbers[_NUMBERS[name]] = getattr(outcomes, name)[:, WARM_UP:]
    return numbers, outcomes.target_session[WARM_UP:]


def _table(
    numbers: Floats,
    clean: pd.DataFrame,
    target_session: NDArray[np.datetime64],
    *,
    ticker: str,
    as_of: datetime.date,
) -> pd.DataFrame:
    """The table of one ticker from a row of `numbers` for each of its columns of numbers; `target_session` beside it.

    Both begin after the warm-up. Raises as `build_features` does for what the last row lacks.
    """
    features, volatility = numbers[: len(FEATURES)], numbers[_NUMBERS["volatility"]]
    known = np.isfinite(features[:, -1])
    if not known.all():
        missing = [name for name, is_known in zip(FEATURES, known, strict=True) if not is_known]
        raise InsufficientHistoryError(
            f"{ticker} {as_of}: {len(clean)} bars leave {', '.join(missing)} without a value on the last session; "
            f"expected at least {WARM_UP + 1} complete bars"
        )
    if volatility[-1] == 0:
        raise BadPricesError(
            f"{ticker} {as_of}: the last {VOLATILITY_WINDOW} returns are all {features[0, -1]:g}; "
            "expected a price that moves"
        )
    # A sum is a number only if all it is made of are.
    kept = np.isfinite(features.sum(axis=0)) & (volatility > 0)
    index = clean.index[WARM_UP:]
    if not kept.all():
        index, target_session, numbers = index[kept], target_session[kept], numbers[:, kept]
    table = pd.DataFrame(numbers.T, index=index, columns=_columns(), copy=False)
    table.insert(_NUMBERS["volatility"] + 1, "target_session", target_session)
    return _of_the_form(table, ticker=ticker, as_of=as_of)


def _of_the_form(table: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> pd.DataFrame:
    """`table`, or the schema's refusal. Columns and types are as they were made; the rest comes from the prices."""
    index = table.index
    right = index.name == "session" and index.dtype == "datetime64[ns]"
    if not (right and index.is_unique and index.is_monotonic_increasing and (table["close"].to_numpy() > 0).all()):
        from stock_assets.core import schemas

        return schemas.validate(table, schema(), ticker=ticker, as_of=as_of)
    return table


def why_dropped(clean: pd.DataFrame, table: pd.DataFrame) -> dict[str, pd.DatetimeIndex]:
    """The sessions of `clean` that its features leave out, by reason; reasons without sessions are not named.

    Reasons: `warm-up`, one of the first `WARM_UP` rows; `incomplete`, a later row of which a feature is missing, as a
    return is; `price stood still`, the last 21 returns are the same.
    """
    dropped = clean.index.difference(table.index)
    later = dropped[dropped >= clean.index[WARM_UP]]
    return_1 = clean["total_return"].to_numpy()
    still = windows.rolling_max(return_1, VOLATILITY_WINDOW) == -windows.rolling_max(-return_1, VOLATILITY_WINDOW)
    stood_still = later.isin(clean.index[still])
    found = {
        "warm-up": dropped[dropped < clean.index[WARM_UP]],
        "incomplete": later[~stood_still],
        "price stood still": later[stood_still],
    }
    return {reason: pd.DatetimeIndex(those) for reason, those in found.items() if len(those)}


def dropped_in_words(clean: pd.DataFrame, table: pd.DataFrame) -> str:
    """`why_dropped` in a line for the log: `252 warm-up (2012-01-03 to 2012-12-31), 1 price stood still (2016-05-02)`.

    At most three sessions are named one by one; of more, the first and the last.
    """
    return ", ".join(
        f"{len(those)} {reason} ({_in_short(those)})" for reason, those in why_dropped(clean, table).items()
    )


def _in_short(those: pd.DatetimeIndex) -> str:
    if len(those) <= 3:
        return ", ".join(f"{session:%Y-%m-%d}" for session in those)
    return f"{those[0]:%Y-%m-%d} to {those[-1]:%Y-%m-%d}"


def compute_features(clean: pd.DataFrame) -> pd.DataFrame:
    """Every column of `FEATURES` for every row of `clean`; NaN where the history is too short for the window."""
    features = np.empty((len(FEATURES), 1, len(clean)))
    _write_features(Histories.from_cleans([clean]), features)
    return pd.DataFrame(features[:, 0].T, index=clean.index, columns=pd.Index(list(FEATURES)), copy=False)


def _write_features(past: Histories, into: Floats) -> None:
    """Writes the last sessions of each feature into a row of `into`, of shape (features, tables, sessions).

    Family by family, so that a handful of columns are held beside the table and not all of them twice.
    """
    first = len(past.position) - into.shape[-1]
    for compute in _FAMILIES:
        for name, column in compute(past).items():
            into[_NUMBERS[name]] = column[..., first:]


# --- Families: columns by name, of shape (tables, sessions), or (sessions,) where the same for all tables -------------


def _returns(past: Histories) -> dict[str, Floats]:
    over = (5, 10, 21, 63)
    lags = {f"return_1_lag_{n}": windows.lagged(past.returns, n) for n in (1, 2, 3, 4)}
    means = windows.rolling_means(past.returns, over)
    return {"return_1": past.returns} | lags | {f"mean_return_{n}": mean for n, mean in zip(over, means, strict=True)}


def _momentum(past: Histories) -> dict[str, Floats]:
    growth = past.growth
    return {
        "momentum_6": growth / windows.lagged(growth, 126) - 1,
        "momentum_12_1": windows.lagged(growth, 21) / windows.lagged(growth, 252) - 1,
        "rsi_14": indicators.relative_strength(growth, 14),
    }


def _exponential_means(past: Histories) -> dict[str, Floats]:
    growth = past.growth
    fast, slow = windows.exponential_mean(growth, 12), windows.exponential_mean(growth, 26)
    line, signal = indicators.macd(fast, slow)
    return {
        "macd": line / growth,
        "macd_signal": signal / growth,
        "macd_histogram": (line - signal) / growth,
        "ema_distance_12": growth / fast - 1,
        "ema_distance_26": growth / slow - 1,
    }


def _trend(past: Histories) -> dict[str, Floats]:
    growth, over = past.growth, (10, 20, 50, 200)
    means = windows.rolling_means(growth, over)
    return {f"sma_distance_{n}": growth / mean - 1 for n, mean in zip(over, means, strict=True)} | {
        "bollinger_20": indicators.bollinger_position(growth, 20),
        "drawdown_252": growth / windows.rolling_max(growth, 252) - 1,
    }


def _volatility(past: Histories) -> dict[str, Floats]:
    over = (5, VOLATILITY_WINDOW, 63)
    moments = windows.rolling_moments(past.returns, over, order=4)
    deviations = [windows.sample_deviation(second, n) for n, (_, second, _, _) in zip(over, moments, strict=True)]
    _, second, third, fourth = moments[-1]
    return {f"volatility_{n}": deviation for n, deviation in zip(over, deviations, strict=True)} | {
        "volatility_ratio_5_63": windows.ratio(deviations[0], deviations[-1], 1.0),
        "parkinson_21": indicators.parkinson(past.high, past.low, 21),
        "garman_klass_21": indicators.garman_klass(past.open, past.high, past.low, past.growth, 21),
        "atr_14": windows.wilder_mean(indicators.true_range(past.high, past.low, past.growth), 14) / past.growth,
        "skew_63": indicators.skewness(second, third),
        "kurtosis_63": indicators.excess_kurtosis(second, fourth),
    }


def _session(past: Histories) -> dict[str, Floats]:
    return {
        "gap": past.open / windows.lagged(past.growth, 1) - 1,
        "intraday_range": (past.high - past.low) / past.growth,
        "close_position": indicators.close_position(past.high, past.low, past.growth),
    }


def _volume(past: Histories) -> dict[str, Floats]:
    volume = past.volume
    previous = windows.lagged(volume, 1)
    mean_5, mean_63 = windows.rolling_means(volume, (5, 63))
    [[mean_21, second]] = windows.rolling_moments(volume, [21])
    position = indicators.close_position(past.high, past.low, past.growth)
    return {
        "volume_change": windows.ratio(volume - previous, volume + previous, 0.0),
        "volume_z_21": windows.ratio(volume - mean_21, windows.sample_deviation(second, 21), 0.0),
        "volume_ratio_5_63": windows.ratio(mean_5, mean_63, 1.0),
        "money_flow_21": indicators.money_flow(position, volume, 21),
    }


def _dividends(past: Histories) -> dict[str, Floats]:
    return {
        "sessions_since_dividend": windows.rows_since(past.dividend > 0, cap=252),
        "dividend_yield_252": windows.rolling_mean(past.dividend, 252) * 252 / past.close,
    }


def _calendar_columns(past: Histories) -> dict[str, Floats]:
    return {name: column[past.position] for name, column in _whole_calendar().items()}


@cache
def _whole_calendar() -> dict[str, Floats]:
    """What the date alone tells, for every session of the calendar."""
    calendar = sessions.calendar()
    dates = calendar.astype("datetime64[D]").astype(np.int64)
    angle = 2 * np.pi * (calendar.astype("datetime64[M]").astype(np.int64) % 12) / 12
    columns = {
        # 1970-01-01 was a Thursday.
        "weekday": (dates + 3) % 7,
        "month_sin": np.sin(angle),
        "month_cos": np.cos(angle),
        "turn_of_month": indicators.turn_of_month(calendar),
        "nights_to_next_session": np.append(np.diff(dates), np.nan),
    }
    return {name: column.astype(np.float64) for name, column in columns.items()}


_FAMILIES: tuple[Callable[[Histories], Mapping[str, Floats]], ...] = (
    _returns,
    _momentum,
    _exponential_means,
    _trend,
    _volatility,
    _session,
    _volume,
    _dividends,
    _calendar_columns,
)
