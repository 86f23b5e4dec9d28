"""What the out-of-sample forecasts are worth: scores beside naive baselines on the same rows, a strategy after costs,
the width of honest intervals, and a verdict. The statistics themselves live in inference, the forecasts in backtesting.
"""

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from stock_assets.core import inference, losses, metrics, verdict
from stock_assets.core.errors import InsufficientHistoryError, SchemaError

MIN_FORECASTS = 60
"""Fewer forecasts say nothing: at 60, accuracy is known to about 13 points."""

INTERVAL_LEVEL = 0.9
COST_BPS = 5.0

_SEED = 20200102


def evaluate(
    backtest: pd.DataFrame,
    *,
    ticker: str,
    as_of: datetime.date,
    source: str,
    horizon: int = 1,
    cost_bps: float = COST_BPS,
    interval_level: float = INTERVAL_LEVEL,
) -> dict[str, Any]:
    """The `evaluation` of a walk-forward, a dict that JSON can hold: never NaN, but None with an entry in `reasons`.

    Every naive forecast is scored on the very rows the model is scored on and knows no more than the model knew:
    majority = the more frequent direction so far, `up_share` = its frequency so far, mean = the mean return so far,
    zero = no change, naive close = the last close.

    - `classification`: the model says "up" above a probability of 0.5. `accuracy_ci95` is a block bootstrap interval;
      `p_value` a one-sided Diebold-Mariano test that the model is right more often than the majority call. Rows of the
      confusion matrix are what happened (down, up), columns what was said.
    - `regression`: `rmse`, `mae` (currency) and `mape` (fraction) are those of the predicted close,
      close * (1 + expected_return); `r2_oos` = 1 - SSE / SSE of the mean, `r2_oos_zero` the same against zero, on
      returns; `dm_statistic` and `dm_p_value` compare squared return errors with the better of the two naive returns.
    - `backtest`: long while the probability is above 0.5, else in cash at no interest, entered at the close of the
      forecast; costs of `cost_bps` per unit traded; turnover in units of capital a year. With a horizon above one only
      every horizon-th forecast is traded, so that holdings do not overlap. `deflated_sharpe` is the probability that
      the Sharpe ratio is above zero (one trial). `buy_and_hold` buys once and pays the same costs.
    - `interval`: conformal. Scores are |realised - expected return| / volatility; `scaled_quantile` is to be multiplied
      by the volatility of the day of a forecast; `coverage` is the share of forecasts that stayed inside the interval
      which earlier scores gave, `n` how many were judged.
    - `verdict`: see `verdict.judge`. `suspicious`: scores too good for daily prices, `suspicious_reason` says which.

    Args:
        backtest: The `backtest` table.
        ticker: For the result and messages.
        as_of: Session after whose close this is done.
        source: Where the prices came from.
        horizon: Sessions from forecast to target.
        cost_bps: Cost of trading one unit of capital, in hundredths of a percent.
        interval_level: Nominal coverage of the intervals.

    Raises:
        InsufficientHistoryError: Fewer than `MIN_FORECASTS` forecasts (times the horizon).
        SchemaError: A forecast whose target lies after `as_of`.
    """
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
    classification = _classification(backtest, horizon)
    regression = _regression(backtest, horizon)
    suspicious = verdict.suspicion(classification["accuracy"], regression["r2_oos"])
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
        "backtest": _strategy(backtest, horizon, cost_bps),
        "interval": _interval(backtest, horizon, interval_level),
        "by_year": _by_year(backtest),
        "verdict": verdict.judge(backtest, horizon=horizon, suspicious=suspicious),
        "suspicious": suspicious is not None,
        "suspicious_reason": suspicious,
    }
    result["reasons"] = _reasons(result)
    return result


def _classification(backtest: pd.DataFrame, horizon: int) -> dict[str, Any]:
    up = backtest["realised_up"].to_numpy(dtype=bool)
    probability_up = backtest["probability_up"].to_numpy()
    said_up = probability_up > 0.5
    wrong, majority_wrong = losses.direction_losses(backtest)
    brier, brier_naive = losses.brier_losses(backtest)
    log_loss, log_loss_naive = losses.log_losses(backtest)
    confusion = [[int((~up & ~said_up).sum()), int((~up & said_up).sum())]]
    confusion.append([int((up & ~said_up).sum()), int((up & said_up).sum())])
    both = 0 < up.sum() < len(up)
    low, high = inference.bootstrap_mean_interval(1 - wrong, level=0.95, seed=_SEED)
    return {
        "accuracy": float(1 - wrong.mean()),
        "accuracy_ci95": [low, high],
        "balanced_accuracy": float(((~said_up)[~up].mean() + said_up[up].mean()) / 2) if both else None,
        "roc_auc": roc_auc(probability_up, up) if both else None,
        "brier": float(brier.mean()),
        "log_loss": float(log_loss.mean()),
        "majority_accuracy": float(1 - majority_wrong.mean()),
        "brier_naive": float(brier_naive.mean()),
        "log_loss_naive": float(log_loss_naive.mean()),
        "p_value": inference.diebold_mariano(wrong, majority_wrong, horizon=horizon).p_value,
        "confusion_matrix": confusion,
        "said_up_share": float(said_up.mean()),
        "realised_up_share": float(up.mean()),
    }


def roc_auc(scores: np.ndarray, up: np.ndarray) -> float:
    """Chance that a rise got a higher score than a fall, ties counting half (Mann-Whitney). Needs both to occur."""
    ranks = pd.Series(scores).rank().to_numpy()
    n_up = int(up.sum())
    n_down = len(up) - n_up
    return float((ranks[up].sum() - n_up * (n_up + 1) / 2) / (n_up * n_down))


def _regression(backtest: pd.DataFrame, horizon: int) -> dict[str, Any]:
    close = backtest["close"].to_numpy()
    realised_close = backtest["realised_close"].to_numpy()
    error = close * (1 + backtest["expected_return"].to_numpy()) - realised_close
    naive_error = close - realised_close
    realised = backtest["realised_return"].to_numpy()
    squared = (realised - backtest["expected_return"].to_numpy()) ** 2
    squared_mean = (realised - backtest["mean_return"].to_numpy()) ** 2
    model, naive, naive_name = losses.return_losses(backtest)
    test = inference.diebold_mariano(model, naive, horizon=horizon)
    return {
        "rmse": _rms(error),
        "mae": float(np.abs(error).mean()),
        "mape": float((np.abs(error) / realised_close).mean()),
        "rmse_naive": _rms(naive_error),
        "mae_naive": float(np.abs(naive_error).mean()),
        "mape_naive": float((np.abs(naive_error) / realised_close).mean()),
        "r2_oos": _r2(squared, squared_mean),
        "r2_oos_zero": _r2(squared, realised**2),
        "rmse_return": float(np.sqrt(squared.mean())),
        "rmse_return_zero": _rms(realised),
        "rmse_return_mean": float(np.sqrt(squared_mean.mean())),
        "dm_statistic": test.statistic,
        "dm_p_value": test.p_value,
        "dm_against": naive_name,
    }


def _rms(errors: np.ndarray) -> float:
    return float(np.sqrt((errors**2).mean()))


def _r2(squared: np.ndarray, naive_squared: np.ndarray) -> float | None:
    total = naive_squared.sum()
    return float(1 - squared.sum() / total) if total > 0 else None


def _strategy(backtest: pd.DataFrame, horizon: int, cost_bps: float) -> dict[str, Any]:
    traded = traded_forecasts(backtest, horizon)
    realised = pd.Series(traded["realised_return"])
    position = long_or_cash(traded)
    result = _performance(position, realised, cost_bps, horizon)
    result["buy_and_hold"] = _performance(position * 0 + 1, realised, cost_bps, horizon)
    return result


def traded_forecasts(backtest: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """The forecasts a strategy acts on: every `horizon`-th, so that holdings do not overlap."""
    return backtest.iloc[::horizon]


def long_or_cash(traded: pd.DataFrame) -> pd.Series:
    """Share of capital held on each of the forecasts: 1 while the probability of a rise is above 0.5, else 0."""
    return pd.Series(traded["probability_up"] > 0.5).astype("float64")


def strategy_returns(position: pd.Series, realised: pd.Series, cost_bps: float) -> pd.Series:
    """Return per period: position * realised - cost * |change of position|, starting from cash; the exit is not
    charged.

    `position` is decided at the close from which `realised` starts, as a share of capital.
    """
    return position * realised - _traded(position) * (cost_bps / 10_000)


def _traded(position: pd.Series) -> pd.Series:
    return position.diff().fillna(position.iloc[0]).abs()


def _performance(position: pd.Series, realised: pd.Series, cost_bps: float, horizon: int) -> dict[str, Any]:
    returns = strategy_returns(position, realised, cost_bps)
    # The metrics take each return for that of one session; a period of `horizon` sessions occurs 252 / horizon times.
    return {
        "annual_return": _finite((1 + metrics.annual_return(returns)) ** (1 / horizon) - 1),
        "annual_volatility": _finite(metrics.annual_volatility(returns) / horizon**0.5),
        "sharpe": _finite(metrics.sharpe_ratio(returns) / horizon**0.5),
        "deflated_sharpe": inference.deflated_sharpe(returns.to_numpy()),
        "max_drawdown": _finite(metrics.max_drawdown(returns)),
        "turnover": float(_traded(position).mean()) * metrics.SESSIONS_PER_YEAR / horizon,
        "cost_bps": float(cost_bps),
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def interval_scores(backtest: pd.DataFrame) -> np.ndarray:
    """|realised_return - expected_return| / volatility: by how many of its volatilities each forecast missed."""
    missed = (backtest["realised_return"] - backtest["expected_return"]).abs()
    return (missed / backtest["volatility"]).to_numpy(dtype="float64")


def _interval(backtest: pd.DataFrame, horizon: int, level: float) -> dict[str, Any]:
    scores = interval_scores(backtest)
    coverage, n = inference.sequential_coverage(scores.tolist(), level=level, horizon=horizon)
    return {
        "level": level,
        "scaled_quantile": inference.conformal_quantile(scores.tolist(), level),
        "coverage": coverage,
        "n": n,
    }


def _by_year(backtest: pd.DataFrame) -> list[dict[str, Any]]:
    years = []
    for year, rows in backtest.groupby(pd.DatetimeIndex(backtest.index).year):
        wrong, majority_wrong = losses.direction_losses(rows)
        brier, brier_naive = losses.brier_losses(rows)
        years.append(
            {
                "year": int(str(year)),
                "n": len(rows),
                "accuracy": float(1 - wrong.mean()),
                "majority_accuracy": float(1 - majority_wrong.mean()),
                "brier": float(brier.mean()),
                "brier_naive": float(brier_naive.mean()),
            }
        )
    return years


_WHY_NONE: dict[str, str] = {
    "classification.balanced_accuracy": "only one direction occurred",
    "classification.roc_auc": "only one direction occurred",
    "regression.r2_oos": "the prevailing mean was never wrong",
    "regression.r2_oos_zero": "no price ever moved",
    "regression.dm_statistic": "the differences of the losses have no spread",
    "interval.scaled_quantile": "too few forecasts for this level",
    "interval.coverage": "too few forecasts to judge any interval after the warm-up",
}


def _reasons(result: dict[str, Any]) -> dict[str, str]:
    """Path of each None -> why, for the sections with numbers."""
    reasons: dict[str, str] = {}

    def visit(section: dict[str, Any], path: str, why: Callable[[str], str]) -> None:
        for key, value in section.items():
            if isinstance(value, dict):
                visit(value, f"{path}.{key}", why)
            elif value is None:
                reasons[f"{path}.{key}"] = why(f"{path}.{key}")

    for name in ("classification", "regression", "interval"):
        visit(result[name], name, _WHY_NONE.__getitem__)
    visit(result["backtest"], "backtest", lambda _: "the returns never changed: no position was ever taken")
    for claim in result["verdict"]["test"]["claims"]:
        if claim["statistic"] is None:
            reasons[f"verdict.test.claims.{claim['name']}.statistic"] = _WHY_NONE["regression.dm_statistic"]
    return reasons
