"""What the out-of-sample forecasts are worth: scores beside naive baselines on the same rows, a strategy after costs,
the width of honest intervals, and a verdict, put together into one document.

Lives here: the document and the reasons for what it leaves undefined. The parts are direction_scores, return_scores,
trading, intervals, periods, calibration and verdict; the statistics inference, the forecasts backtesting.
"""

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from stock_assets.core import (
    calibration,
    direction_scores,
    intervals,
    periods,
    return_scores,
    trading,
    verdict,
)
from stock_assets.core.errors import InsufficientHistoryError, SchemaError
from stock_assets.core.model_settings import TradingRules
from stock_assets.core.trading import Trial as Trial

MIN_FORECASTS = 60
"""Fewer forecasts say nothing: at 60, accuracy is known to about 13 points."""

INTERVAL_LEVEL = 0.9
DEFAULT_RULES = TradingRules()


def evaluate(
    backtest: pd.DataFrame,
    *,
    ticker: str,
    as_of: datetime.date,
    source: str,
    horizon: int = 1,
    rules: TradingRules = DEFAULT_RULES,
    calibrated_by: str = "platt",
    trials: Sequence[Trial] = (),
    interval_level: float = INTERVAL_LEVEL,
) -> dict[str, Any]:
    """The `evaluation` of a walk-forward, a dict that JSON can hold: never NaN, but None with an entry in `reasons`.

    Every naive forecast is scored on the very rows the model is scored on and knows no more than the model knew:
    majority = the more frequent direction so far, `up_share` = its frequency so far, mean = the mean return so far,
    zero = no change, naive close = the last close.

    - `classification`: see `direction_scores`; `regression`: see `return_scores`.
    - `backtest`: following the forecasts by `rules`, after costs, and `buy_and_hold` beside it, which buys once and
      pays the same costs; see `trading`. With a horizon above one only every horizon-th forecast is traded, so that
      holdings do not overlap. `deflated_sharpe` takes the number of configurations tried, and the variance of their
      Sharpe ratios, from `trials`. `strategies`: the same by both executions, long or in cash and long or short.
    - `interval`: see `intervals`; `coverage` is the share of forecasts that stayed inside the interval which earlier
      scores gave, `n` how many were judged.
    - `calibration`: the correction that all forecasts here call for; `predictions` applies it.
    - `by_year`, `by_volatility`: see `periods`.
    - `verdict`: see `verdict.judge`. `suspicious`: scores too good for daily prices, `suspicious_reason` says which.

    Args:
        backtest: The `backtest` table.
        ticker: For the result and messages.
        as_of: Session after whose close this is done.
        source: Where the prices came from.
        horizon: Sessions from forecast to target.
        rules: Costs, execution, short or not of the strategy in `backtest`; the others differ in the latter two only.
        calibrated_by: How the probabilities were calibrated: "platt" or "none".
        trials: Configurations tried on this ticker, this one included; repetitions do not count. Empty: this one only.
        interval_level: Nominal coverage of the intervals.

    Raises:
        InsufficientHistoryError: Fewer than `MIN_FORECASTS` forecasts (times the horizon).
        SchemaError: A forecast whose target lies after `as_of`.
    """
    _check(backtest, horizon, ticker=ticker, as_of=as_of)
    classification = direction_scores.scores(backtest, horizon)
    regression = return_scores.scores(backtest, horizon)
    luck = trading.luck(trials)
    suspicious = verdict.suspicion(
        classification["accuracy"],
        regression["r2_oos"],
        horizon=horizon,
        majority_accuracy=classification["majority_accuracy"],
    )
    result: dict[str, Any] = {
        "ticker": ticker,
        "as_of": as_of.isoformat(),
        "source": source,
        "horizon_sessions": horizon,
        "n_forecasts": len(backtest),
        "first_forecast": f"{backtest.index[0]:%Y-%m-%d}",
        "last_forecast": f"{backtest.index[-1]:%Y-%m-%d}",
        "classification": classification,
        "regression": regression,
        "backtest": trading.scores(backtest, rules, horizon, luck),
        "strategies": trading.every_variant(backtest, rules, horizon, luck),
        "interval": intervals.summary(backtest, horizon, interval_level),
        "calibration": calibration.fit(
            backtest["raw_probability_up"].to_numpy(),
            backtest["up_share"].to_numpy(),
            backtest["realised_up"].to_numpy(dtype="float64"),
            method=calibrated_by,
            horizon=horizon,
        ).as_dict(),
        "by_year": periods.by_year(backtest, horizon, interval_level, rules),
        "by_volatility": periods.by_volatility(backtest, horizon, interval_level, rules),
        "verdict": verdict.judge(backtest, horizon=horizon, suspicious=suspicious, n_trials=luck.n_trials),
        "suspicious": suspicious is not None,
        "suspicious_reason": suspicious,
    }
    result["reasons"] = dict(_reasons({key: value for key, value in result.items() if key != "suspicious_reason"}, ""))
    return result


def _check(backtest: pd.DataFrame, horizon: int, *, ticker: str, as_of: datetime.date) -> None:
    needed = MIN_FORECASTS * horizon
    if len(backtest) < needed:
        raise InsufficientHistoryError(
            f"{ticker} {as_of}: the backtest has {len(backtest)} forecasts; expected at least {needed} to judge them"
        )
    last = pd.Timestamp(backtest["target_session"].to_numpy().max())
    if last > pd.Timestamp(as_of):
        raise SchemaError(
            f"{ticker} {as_of}: the backtest knows the close of {last:%Y-%m-%d}; expected none after {as_of}"
        )


_NO_SPREAD = "the differences of the losses have no spread"
_NEVER_CHANGED = "the returns never changed: no position was taken, or for one period only"
_NOT_TRADED = "no forecast of this group was traded"

_WHY_NONE: dict[str, str] = {
    "balanced_accuracy": "only one direction occurred",
    "roc_auc": "only one direction occurred",
    "r2_oos": "the prevailing mean was never wrong",
    "r2_oos_zero": "no price ever moved",
    "dm_statistic": _NO_SPREAD,
    "statistic": _NO_SPREAD,
    "scaled_quantile": "too few forecasts for this level",
    "coverage": "too few forecasts to judge any interval after the warm-up",
    "slope": "too few forecasts to learn a correction from, or none was asked for: probabilities are used as they are",
    "sharpe": _NEVER_CHANGED,
    "sharpe_per_period": _NEVER_CHANGED,
    "deflated_sharpe": _NEVER_CHANGED,
    "sortino": "no return was below zero",
    "annual_return": "everything was lost, or more",
    "strategy_return": _NOT_TRADED,
    "buy_and_hold_return": _NOT_TRADED,
    "max_drawdown": _NOT_TRADED,
    "turnover": _NOT_TRADED,
}


def _reasons(section: dict[str, Any] | list[Any], path: str) -> Iterator[tuple[str, str]]:
    """Path of each None -> why."""
    items = section.items() if isinstance(section, dict) else enumerate(section)
    for key, value in items:
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, dict | list):
            yield from _reasons(value, here)
        elif value is None:
            yield here, _WHY_NONE[str(key)]
