"""Following the forecasts with money: which are traded, the position each calls for, what is left after costs.

Lives here: the rules of trading and the performance of a series of returns, beside buying and holding. Not here: how
good the forecasts are as forecasts (direction_scores, return_scores).

What each execution assumes:

- "close": position and return start at the close that the forecast was made from. Nobody can wait for a close and
  trade at it; at best at a price near it in the closing auction, or after hours. The usual convention of the
  literature, and the kinder one.
- "next_open": the forecast is read in the evening, the position taken at the next session's opening price and left at
  the open of the session after the target. That can be done, at about that price, with an order at the open. The return
  is `open_return` of the backtest, which leaves out the night right after the forecast, on which most news comes.

In both the whole capital is in the position, costs are a share of what is traded, cash earns nothing, and a position is
brought back to its share of the capital for nothing each period. A short position pays the dividends that its return
holds; the fee for borrowing shares, and brokers that lend none, are left out.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from stock_assets.core import inference, metrics
from stock_assets.core.model_settings import EXECUTIONS, TradingRules


class Trial(NamedTuple):
    """A configuration that was tried: its fingerprint, and the Sharpe ratio it showed, per period and not annualised.

    `sharpe` is None where it was not defined.
    """

    fingerprint: str
    sharpe: float | None


class Luck(NamedTuple):
    """How much luck went into picking a strategy: independent configurations tried, variance of their Sharpe ratios."""

    n_trials: int = 1
    variance: float = 0.0


NO_CHOICE = Luck()


def luck(trials: Sequence[Trial]) -> Luck:
    """`trials` without repetitions: of one fingerprint the last counts. None tried on record: one, the one at hand.

    The variance is the sample variance of the ratios that are defined; 0 with fewer than two.
    """
    distinct = {trial.fingerprint: trial.sharpe for trial in trials}
    ratios = [ratio for ratio in distinct.values() if ratio is not None]
    return Luck(max(len(distinct), 1), float(np.var(ratios, ddof=1)) if len(ratios) > 1 else 0.0)


def traded_forecasts(backtest: pd.DataFrame, horizon: int, execution: str = "close") -> pd.DataFrame:
    """The forecasts a strategy acts on: every `horizon`-th, so that holdings do not overlap.

    With "next_open", those whose `open_return` is not known are left out: the last, as a rule.
    """
    traded = backtest.iloc[::horizon]
    return traded if execution == "close" else traded[traded["open_return"].notna()]


def positions(traded: pd.DataFrame, *, short: bool = False) -> pd.Series:
    """Share of capital held on each forecast: 1 while a rise is more likely than not, else 0, or -1 when `short`."""
    return pd.Series(np.where(traded["probability_up"] > 0.5, 1.0, -1.0 if short else 0.0), index=traded.index)


def traded_share(position: pd.Series) -> pd.Series:
    """Share of capital bought or sold to take each position, starting from cash: 2 from long to short."""
    return position.diff().fillna(position.iloc[0]).abs()


def strategy_returns(position: pd.Series, realised: pd.Series, cost_bps: float) -> pd.Series:
    """Return per period: position * realised - cost * |change of position|, starting from cash; the exit is not
    charged.

    `position` is decided no later than `realised` starts, as a share of capital.
    """
    return position * realised - traded_share(position) * (cost_bps / 10_000)


def followed(backtest: pd.DataFrame, rules: TradingRules, horizon: int) -> pd.DataFrame:
    """What following the forecasts, and buying and holding, gave: a row a period, indexed by session of the forecast.

    Columns: `strategy` and `buy_and_hold`, returns after costs; `traded` and `traded_hold`, shares of capital traded.
    """
    traded = traded_forecasts(backtest, horizon, rules.execution)
    realised = pd.Series(traded["realised_return" if rules.execution == "close" else "open_return"])
    position = positions(traded, short=rules.short)
    hold = pd.Series(1.0, index=traded.index)
    return pd.DataFrame(
        {
            "strategy": strategy_returns(position, realised, rules.cost_bps),
            "buy_and_hold": strategy_returns(hold, realised, rules.cost_bps),
            "traded": traded_share(position),
            "traded_hold": traded_share(hold),
        }
    )


def scores(backtest: pd.DataFrame, rules: TradingRules, horizon: int, luck: Luck) -> dict[str, Any]:
    """Performance by `rules`, and of buying and holding with the same costs and execution."""
    money = followed(backtest, rules, horizon)
    strategy = _with_rules(performance(money["strategy"].to_numpy(), money["traded"].to_numpy(), horizon, luck), rules)
    hold = performance(money["buy_and_hold"].to_numpy(), money["traded_hold"].to_numpy(), horizon)
    strategy["buy_and_hold"] = _with_rules(hold, dataclasses.replace(rules, short=False))
    return strategy


def every_variant(backtest: pd.DataFrame, rules: TradingRules, horizon: int, luck: Luck) -> dict[str, dict[str, Any]]:
    """`scores` by both executions, long or in cash and long or short, at the costs of `rules`."""
    variants = [
        dataclasses.replace(rules, execution=execution, short=short)
        for execution in EXECUTIONS
        for short in (False, True)
    ]
    return {
        f"{variant.execution}_{'long_short' if variant.short else 'long_flat'}": scores(
            backtest, variant, horizon, luck
        )
        for variant in variants
    }


def performance(returns: np.ndarray, traded: np.ndarray, horizon: int, luck: Luck = NO_CHOICE) -> dict[str, Any]:
    """What a series of returns after costs, each over `horizon` sessions, amounts to. Shapes (n,); None where not
    defined.

    `annual_return` is geometric; ratios and volatility are annualised by 252 / horizon periods a year;
    `sharpe_per_period` is not; `deflated_sharpe` is the probability that the Sharpe ratio is more than the luck of
    having tried as many configurations; `turnover` is in units of capital a year.
    """
    per_year = metrics.SESSIONS_PER_YEAR / horizon
    sharpe = metrics.sharpe_ratio(returns, per_year)
    return {
        "annual_return": _finite(metrics.annual_return(returns, per_year)),
        "annual_volatility": _finite(metrics.annual_volatility(returns, per_year)),
        "sharpe": _finite(sharpe),
        "sharpe_per_period": _finite(sharpe / math.sqrt(per_year)),
        "sortino": _finite(metrics.sortino_ratio(returns, per_year)),
        "deflated_sharpe": inference.deflated_sharpe(returns, n_trials=luck.n_trials, variance_of_trials=luck.variance),
        "n_trials": luck.n_trials,
        "max_drawdown": _finite(metrics.max_drawdown(returns)),
        "turnover": float(traded.mean()) * per_year,
        "n_periods": len(returns),
    }


def _with_rules(performance: dict[str, Any], rules: TradingRules) -> dict[str, Any]:
    return performance | {"cost_bps": rules.cost_bps, "execution": rules.execution, "short": rules.short}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
