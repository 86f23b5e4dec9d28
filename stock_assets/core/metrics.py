"""Measures of what prices and returns have done: return, risk, drawdown, tails; and the `price_metrics` of a snapshot.

The measures take simple returns, one a session unless `periods_per_year` says otherwise, as a Series or array, oldest
first, and give a fraction (0.01 is one per cent) or a bare number. One rule for the undefined: too few returns, no
dispersion to divide by, or a NaN among the returns gives NaN. `price_metrics` turns NaN into None: JSON has no NaN.
The risk-free rate is taken as zero throughout. Scores of forecasts (see evaluation) and columns for a model (see
features) do not live here.
"""

import datetime
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from stock_assets.core.errors import BadPricesError, InsufficientHistoryError

SESSIONS_PER_YEAR = 252
"""Sessions in a year, by convention: the one number that turns figures per session into annual ones."""

RETURN_SPANS = (1, 5, 21, 63, 252)
VOLATILITY_SPANS = (21, 63, 252)
AVERAGE_SPANS = (20, 50, 200)
VOLUME_SPAN = 20

Floats = NDArray[np.float64]


def _array(returns: ArrayLike) -> Floats:
    return np.asarray(returns, dtype=np.float64)


def wealth(returns: ArrayLike) -> Floats:
    """Value of one unit of money after each session, the start included: shape (n + 1,), the first entry is 1.

    Formula: the running product of 1 + r. NaN from the first NaN on.
    """
    return np.concatenate([[1.0], 1.0 + _array(returns)]).cumprod(dtype=np.float64)


def annual_return(returns: ArrayLike, periods_per_year: float = SESSIONS_PER_YEAR) -> float:
    """Geometric mean return, as a fraction per year.

    Formula: (product of (1 + r)) ** (periods_per_year / n) - 1. NaN without returns, after a loss of more than
    everything, and beyond the largest float. Of a few sessions it is a wild number: the return over the period itself
    says more. Reference: CFA Institute, GIPS standards 2020 (they forbid it below one year of returns).
    """
    values = _array(returns)
    if not len(values):
        return math.nan
    growth = wealth(values)[-1]
    if not growth >= 0:
        return math.nan
    with np.errstate(over="ignore"):
        annual = growth ** (periods_per_year / len(values)) - 1
    return float(annual) if np.isfinite(annual) else math.nan


def _deviation(values: Floats) -> float:
    """Sample standard deviation (n - 1); NaN below two values, exactly 0 when all are the same."""
    if len(values) < 2:
        return math.nan
    # The mean of equal numbers need not be that number: rounding would pass for a tiny dispersion and a vast ratio.
    return 0.0 if values.min() == values.max() else float(values.std(ddof=1))


def annual_volatility(returns: ArrayLike, periods_per_year: float = SESSIONS_PER_YEAR) -> float:
    """Sample standard deviation of the returns, as a fraction per square root of a year.

    Formula: std(r, n - 1) * sqrt(periods_per_year). NaN below two returns. Assumes returns without autocorrelation.
    """
    return _deviation(_array(returns)) * math.sqrt(periods_per_year)


def sharpe_ratio(returns: ArrayLike, periods_per_year: float = SESSIONS_PER_YEAR) -> float:
    """Annualised reward for variability at a risk-free rate of zero, a bare number.

    Formula: mean(r) / std(r, n - 1) * sqrt(periods_per_year). NaN below two returns and when all are the same. Not
    for choosing among strategies tried on the same data unless deflated first (see evaluation).
    Reference: Sharpe (1994), Journal of Portfolio Management 21.
    """
    values = _array(returns)
    return _quotient(_mean(values), _deviation(values)) * math.sqrt(periods_per_year)


def sortino_ratio(returns: ArrayLike, periods_per_year: float = SESSIONS_PER_YEAR) -> float:
    """Annualised reward for downside variability with zero as the return required, a bare number.

    Formula: mean(r) / sqrt(mean(min(r, 0)**2)) * sqrt(periods_per_year); the lower mean is over all returns, not the
    negative ones only. NaN without returns and when none is negative.
    Reference: Sortino & Price (1994), Journal of Investing 3.
    """
    values = _array(returns)
    downside = math.sqrt(_mean(np.minimum(values, 0.0) ** 2))
    return _quotient(_mean(values), downside) * math.sqrt(periods_per_year)


def drawdowns(levels: ArrayLike) -> Floats:
    """Distance of each level from the highest so far, as a fraction <= 0, same shape. Levels are wealth or prices > 0.

    Formula: level / running maximum - 1. NaN from the first NaN on.
    """
    values = _array(levels)
    return values / np.maximum.accumulate(values) - 1


def max_drawdown(returns: ArrayLike) -> float:
    """Deepest fall of the wealth from an earlier peak, the start included, as a fraction <= 0; 0 when it never fell.

    NaN without returns. Reference: Magdon-Ismail & Atiya (2004), Risk 17.
    """
    values = _array(returns)
    return float(drawdowns(wealth(values)).min()) if len(values) else math.nan


def _tail(returns: ArrayLike, level: float) -> tuple[Floats, float]:
    """The returns in ascending order, and how many of them, a real number, make up the worst 1 - `level`."""
    if not 0 < level < 1:
        raise ValueError(f"level: {level} came; expected a probability between 0 and 1, such as 0.95")
    values = _array(returns)
    # Rounded, as 1 - 0.95 is a little more than 0.05 and would reach for one return too many.
    return np.sort(values), round(len(values) * (1 - level), 9)


def value_at_risk(returns: ArrayLike, level: float = 0.95) -> float:
    """Historical value at risk over one session, as a return: the best of the worst 1 - `level` of all returns.

    Formula: the k-th smallest return, k = ceil(n (1 - level)): always a return that occurred. Usually negative, -0.04
    is a loss of four per cent. NaN when 1 - `level` of the returns is less than one return, as the tail is not known.
    Not to be used for sums of risks, as it is not subadditive: see `conditional_value_at_risk`.
    Reference: Jorion (2006), Value at Risk, chapter 10.
    """
    ordered, size = _tail(returns, level)
    if size < 1 or np.isnan(ordered).any():
        return math.nan
    return float(ordered[math.ceil(size) - 1])


def conditional_value_at_risk(returns: ArrayLike, level: float = 0.95) -> float:
    """Expected shortfall over one session, as a return: the mean of the worst 1 - `level` of all returns.

    Formula: (sum of the k - 1 smallest + the k-th, weighted by the rest of the tail) / (n (1 - level)),
    k = ceil(n (1 - level)). Never above `value_at_risk`. NaN as there.
    Reference: Acerbi & Tasche (2002), Journal of Banking & Finance 26, definition 2.6.
    """
    ordered, size = _tail(returns, level)
    if size < 1 or np.isnan(ordered).any():
        return math.nan
    k = math.ceil(size)
    # The difference to the k-th, so that a tail of equal returns has exactly them as its mean.
    return float(ordered[k - 1] + (ordered[: k - 1] - ordered[k - 1]).sum() / size)


def skewness(returns: ArrayLike) -> float:
    """Third central moment over the second to the power 1.5, a bare number; negative: the long tail is of losses.

    NaN below three returns and when all are the same. Reference: Joanes & Gill (1998), The Statistician 47, g1.
    """
    return _standardised_moment(returns, 3)


def excess_kurtosis(returns: ArrayLike) -> float:
    """Fourth central moment over the second squared, less 3, a bare number; above 0: tails fatter than the normal's.

    NaN below four returns and when all are the same. Reference: Joanes & Gill (1998), The Statistician 47, g2.
    """
    return _standardised_moment(returns, 4) - 3


def _standardised_moment(returns: ArrayLike, order: int) -> float:
    values = _array(returns)
    if len(values) < order or values.min() == values.max():
        return math.nan
    deviations = values - values.mean()
    return float(_quotient(_mean(deviations**order), _mean(deviations**2) ** (order / 2)))


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else math.nan


def _quotient(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan


def price_metrics(clean: pd.DataFrame, *, ticker: str, as_of: datetime.date, source: str) -> dict[str, Any]:
    """The metrics of the snapshot (`ticker`, `as_of`) as a JSON-ready dict.

    `clean` is a `clean_prices` table that ends on `as_of`. Returns are total returns, spans are numbers of sessions in
    the table; moving averages are of the close, drawdowns of the adjusted close; dates are ISO texts; money and
    volumes are in the snapshot's basis. What is not defined, usually because the history is too short, is None; every
    key is always there.

    Raises `InsufficientHistoryError` when there is no row, `BadPricesError` when the last row is not `as_of`.
    """
    if clean.empty:
        raise InsufficientHistoryError(f"{ticker} {as_of}: 0 bars came; expected at least 1 for metrics")
    last = clean.index[-1]
    if last != pd.Timestamp(as_of):
        raise BadPricesError(
            f"{ticker} {as_of}: the clean prices end on {last:%Y-%m-%d}; expected their last row to be {as_of}"
        )
    iso = [session.date().isoformat() for session in pd.DatetimeIndex(clean.index)]
    returns, closes, volumes = (_array(clean[name]) for name in ("total_return", "close", "volume"))
    returns = returns[1:]
    dividends = _dividends_of_a_year(clean)
    return {
        "ticker": ticker,
        "as_of": as_of.isoformat(),
        "source": source,
        "first_session": iso[0],
        "n_sessions": len(clean),
        "last_close": float(closes[-1]),
        "last_return": _number(_compounded(returns, 1)),
        "returns": {str(span): _number(_compounded(returns, span)) for span in RETURN_SPANS}
        | {"year_to_date": _number(_compounded(returns, _sessions_this_year(clean)))},
        "annual_return": _number(annual_return(returns)),
        "annual_volatility": {str(span): _number(annual_volatility(_last(returns, span))) for span in VOLATILITY_SPANS}
        | {"all": _number(annual_volatility(returns))},
        "moving_averages": {str(span): _moving_average(closes, span) for span in AVERAGE_SPANS},
        "drawdown": _drawdown(_array(clean["adjusted_close"]), iso),
        "sharpe": _number(sharpe_ratio(returns)),
        "sortino": _number(sortino_ratio(returns)),
        "var_95": _number(value_at_risk(returns, 0.95)),
        "cvar_95": _number(conditional_value_at_risk(returns, 0.95)),
        "var_99": _number(value_at_risk(returns, 0.99)),
        "cvar_99": _number(conditional_value_at_risk(returns, 0.99)),
        "skew": _number(skewness(returns)),
        "excess_kurtosis": _number(excess_kurtosis(returns)),
        "best": _extreme(returns, iso[1:], np.argmax),
        "worst": _extreme(returns, iso[1:], np.argmin),
        "dividends_12m": _number(dividends),
        "dividend_yield_12m": _number(dividends / closes[-1]),
        "average_volume_20": _number(_mean(_last(volumes, VOLUME_SPAN))),
        "n_splits": int(np.count_nonzero(clean["split_ratio"].to_numpy() != 1)),
        "n_repaired_rows": int(np.count_nonzero(clean["repairs"].to_numpy() != "")),
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _last(values: Floats, span: int) -> Floats:
    """The last `span` values, and none at all when there are fewer: a shorter span would pass for the full one."""
    return values[-span:] if len(values) >= span else values[:0]


def _compounded(returns: Floats, span: int) -> float:
    """Total return over the last `span` sessions; NaN when there are fewer returns."""
    chosen = _last(returns, span)
    return float(wealth(chosen)[-1] - 1) if len(chosen) else math.nan


def _sessions_this_year(clean: pd.DataFrame) -> int:
    """Rows of the last row's year: as many returns lead back to the last close of the year before."""
    years = clean.index.to_numpy().astype("datetime64[Y]")
    return int((years == years[-1]).sum())


def _moving_average(closes: Floats, span: int) -> dict[str, float | None]:
    value = _mean(_last(closes, span))
    return {"value": _number(value), "distance": _number(closes[-1] / value - 1)}


def _drawdown(adjusted_closes: Floats, iso: list[str]) -> dict[str, Any]:
    """The current and the deepest drawdown, and the sessions of the latter's peak, trough and recovery.

    The recovery is the first close at or above the peak after the trough. A price that never fell has a deepest
    drawdown of 0 and no sessions.
    """
    depth = drawdowns(adjusted_closes)
    trough = int(depth.argmin())
    found = {"current": float(depth[-1]), "max": float(depth[trough])}
    if depth[trough] == 0:
        return found | {"max_peak": None, "max_trough": None, "max_recovered": None}
    peak = int(adjusted_closes[:trough].argmax())
    recovered = np.flatnonzero(adjusted_closes[trough:] >= adjusted_closes[peak])
    return found | {
        "max_peak": iso[peak],
        "max_trough": iso[trough],
        "max_recovered": iso[trough + recovered[0]] if len(recovered) else None,
    }


def _extreme(returns: Floats, iso: list[str], which: Callable[[Floats], np.intp]) -> dict[str, Any]:
    """The session and size of the largest or smallest return; the earlier one of two equals."""
    if not len(returns):
        return {"session": None, "return": None}
    position = which(returns)
    return {"session": iso[position], "return": float(returns[position])}


def _dividends_of_a_year(clean: pd.DataFrame) -> float:
    """Cash a share that went ex within twelve months, the last session included; NaN when the history is shorter."""
    a_year_ago = clean.index[-1] - pd.DateOffset(years=1)
    if clean.index[0] > a_year_ago:
        return math.nan
    return float(clean["dividend"].to_numpy()[clean.index > a_year_ago].sum())
