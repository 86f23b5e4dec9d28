"""The scores again, by calendar year and by volatility: a model that lives off one good year, or off calm, shows here.

Lives here: the division into groups. The scores are those of direction_scores, return_scores, intervals and trading.
"""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from stock_assets.core import direction_scores, intervals, return_scores, trading
from stock_assets.core.model_settings import TradingRules

TERCILES = ("calm", "usual", "stormy")


def by_year(backtest: pd.DataFrame, horizon: int, level: float, rules: TradingRules) -> list[dict[str, Any]]:
    """The scores of each calendar year of the forecasts, `year` first."""
    years = pd.Series(pd.DatetimeIndex(backtest.index).year, index=backtest.index)
    return [
        {"year": int(str(year)), **found} for year, found in _by_group(backtest, years, horizon, level, rules).items()
    ]


def by_volatility(backtest: pd.DataFrame, horizon: int, level: float, rules: TradingRules) -> list[dict[str, Any]]:
    """The scores of forecasts made in calm, usual and stormy times, `tercile`, `volatility_from` and `_to` first.

    By the volatility of the 21 sessions up to each forecast, known when it was made. The limits between the terciles
    are those of all forecasts here, so that each third weighs the same and the same limits hold in every year; they
    describe what happened, and no forecast or trade depends on them. A tercile without a forecast, as volatility never
    changed, is left out.
    """
    volatility = backtest["volatility"].to_numpy()
    limits = np.quantile(volatility, [1 / 3, 2 / 3])
    tercile = pd.Series(np.digitize(volatility, limits, right=True), backtest.index)
    return [
        {
            "tercile": TERCILES[int(str(place))],
            "volatility_from": float(volatility[tercile.to_numpy() == place].min()),
            "volatility_to": float(volatility[tercile.to_numpy() == place].max()),
            **found,
        }
        for place, found in _by_group(backtest, tercile, horizon, level, rules).items()
    ]


def _by_group(
    backtest: pd.DataFrame, group: pd.Series, horizon: int, level: float, rules: TradingRules
) -> dict[Hashable, dict[str, Any]]:
    inside = pd.Series(intervals.inside(backtest, horizon, level), index=backtest.index)
    money = trading.followed(backtest, rules, horizon)
    return {
        name: {
            "n": len(rows),
            **direction_scores.point_scores(rows),
            **return_scores.point_scores(rows),
            "coverage": _mean(inside.loc[rows.index].dropna()),
            **_money(money.loc[money.index.isin(rows.index)], horizon),
        }
        for name, rows in backtest.groupby(group)
    }


def _mean(values: pd.Series) -> float | None:
    return float(values.mean()) if len(values) else None


def _money(money: pd.DataFrame, horizon: int) -> dict[str, float | None]:
    """Returns over the whole group, and ratios; None when none of its forecasts was traded, or not defined."""
    if money.empty:
        names = ("strategy_return", "buy_and_hold_return", "sharpe", "sortino", "max_drawdown", "turnover")
        return dict.fromkeys(names)
    strategy, hold = money["strategy"].to_numpy(), money["buy_and_hold"].to_numpy()
    found = trading.performance(strategy, money["traded"].to_numpy(), horizon)
    return {
        "strategy_return": float((1 + strategy).prod() - 1),
        "buy_and_hold_return": float((1 + hold).prod() - 1),
        **{name: found[name] for name in ("sharpe", "sortino", "max_drawdown", "turnover")},
    }
