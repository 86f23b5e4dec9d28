"""The growth of one unit of money, by hand and beside the evaluation."""

import pytest

from stock_assets.core import metrics
from stock_assets.reporting import alt_texts, html
from stock_assets.reporting.charts import money
from stock_assets_tests.reporting.charts.looks import backtest


def test_growth_follows_forecasts_and_pays_for_trades() -> None:
    """Monday long (+10 %), Tuesday in cash, Wednesday long (-50 %), at 100 basis points a trade."""
    growth = money.growth(backtest([0.6, 0.4, 0.6], [0.1, 0.2, -0.5]), horizon=1, cost_bps=100)
    assert growth["strategy"].tolist() == pytest.approx([1, 1.09, 1.09 * 0.99, 1.09 * 0.99 * 0.49])
    assert growth["buy_and_hold"].tolist() == pytest.approx([1, 1.09, 1.09 * 1.2, 1.09 * 1.2 * 0.5])
    assert growth.index.strftime("%Y-%m-%d").tolist() == ["2024-03-04", "2024-03-05", "2024-03-06", "2024-03-07"]


def test_growth_is_that_of_the_evaluation(inputs: html.ReportInputs) -> None:
    scored = inputs.evaluation["backtest"]
    growth = money.growth(inputs.backtest, horizon=1, cost_bps=scored["cost_bps"])
    years = (len(growth) - 1) / metrics.SESSIONS_PER_YEAR
    annual = growth.iloc[-1] ** (1 / years) - 1
    assert annual["strategy"] == pytest.approx(scored["annual_return"])
    assert annual["buy_and_hold"] == pytest.approx(scored["buy_and_hold"]["annual_return"])


def test_growth_does_not_count_overlapping_returns_twice() -> None:
    growth = money.growth(backtest([0.6] * 4, [0.1, 0.9, 0.1, 0.9]), horizon=2, cost_bps=0)
    assert growth["buy_and_hold"].tolist() == pytest.approx([1, 1.1, 1.21])


def test_alt_text_names_both_ends() -> None:
    growth = money.growth(backtest([0.6, 0.4], [0.1, 0.2]), horizon=1, cost_bps=0)
    assert alt_texts.equity(growth) == (
        "Growth of 1 from 2024-03-04 to 2024-03-06: 1.10 when the forecasts are followed, 1.32 when held throughout."
    )
