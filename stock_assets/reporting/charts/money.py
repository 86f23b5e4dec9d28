"""The growth of one unit of money, following the forecasts or holding throughout."""

import pandas as pd

from stock_assets.core import trading
from stock_assets.core.model_settings import TradingRules
from stock_assets.reporting import figures, wording
from stock_assets.reporting.charts import axes as shared


def growth(
    backtest: pd.DataFrame, *, horizon: int, cost_bps: float, execution: str = "close", short: bool = False
) -> pd.DataFrame:
    """What one unit of money became, either way, by the rules that evaluation scores (`trading.followed`).

    Columns `strategy` (long while the probability of a rise is above one half, else in cash or short) and
    `buy_and_hold`, indexed by the target session of each forecast; it starts with 1 on the session of the first one.
    Only every `horizon`-th forecast is traded; `cost_bps` is paid on everything bought or sold.
    """
    rules = TradingRules(cost_bps=cost_bps, execution=execution, short=short)
    money = trading.followed(backtest, rules, horizon)
    start = pd.DataFrame({"strategy": 1.0, "buy_and_hold": 1.0}, index=money.index[:1])
    after = pd.DataFrame(
        {name: (1 + money[name]).cumprod().to_numpy() for name in start.columns},
        index=pd.DatetimeIndex(backtest.loc[money.index, "target_session"]),
    )
    return pd.concat([start, after]).rename_axis("session")


def equity(growth: pd.DataFrame, *, label: str, simulated: bool) -> bytes:
    """Growth of one unit of money: `growth` has columns `strategy` and `buy_and_hold`, indexed by session."""
    with figures.style():
        figure, (axes,) = figures.new(figures.COLUMN, 3.2, (0.3, 2.55))
        dates = shared.days(growth.index)
        values = growth[["strategy", "buy_and_hold"]].to_numpy()
        strategy, held = (wording.ratio(float(value)) for value in values[-1])
        axes.axhline(1, color=figures.MUTED, linewidth=0.8)
        axes.plot(dates, values[:, 1], color=figures.ORANGE, linewidth=1.0, label=f"Buy and hold: {held}×")
        axes.plot(dates, values[:, 0], color=figures.BLUE, linewidth=1.0, label=f"Forecasts followed: {strategy}×")
        if shared.is_wide(values):
            shared.log(axes, values)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.4g}×")
        shared.title(figure, label, "growth of 1, after costs")
        shared.legend(figure, axes)
        shared.time(axes, dates)
        return figures.png(figure, simulated=simulated)
