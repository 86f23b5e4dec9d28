"""The figures: what they draw is what was computed, whatever the history looks like."""

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import direction_scores, metrics
from stock_assets.reporting import alt_texts, charts, html
from stock_assets_tests.reporting.conftest import walk

LOOK = {"label": "DEMO 2024-03-08", "simulated": False}
NO_TAILS: dict[str, float | None] = dict.fromkeys(("var_95", "cvar_95", "var_99", "cvar_99"))


def backtest(probability_up: list[float], realised_return: list[float]) -> pd.DataFrame:
    sessions = pd.bdate_range("2024-03-04", periods=len(probability_up) + 1, name="session").as_unit("ns")
    return pd.DataFrame(
        {
            "target_session": sessions[1:],
            "probability_up": probability_up,
            "realised_return": realised_return,
            "realised_up": np.array(realised_return) > 0,
        },
        index=sessions[:-1],
    )


def test_growth_follows_forecasts_and_pays_for_trades() -> None:
    """Monday long (+10 %), Tuesday in cash, Wednesday long (-50 %), at 100 basis points a trade."""
    growth = charts.growth(backtest([0.6, 0.4, 0.6], [0.1, 0.2, -0.5]), horizon=1, cost_bps=100)
    assert growth["strategy"].tolist() == pytest.approx([1, 1.09, 1.09 * 0.99, 1.09 * 0.99 * 0.49])
    assert growth["buy_and_hold"].tolist() == pytest.approx([1, 1.09, 1.09 * 1.2, 1.09 * 1.2 * 0.5])
    assert growth.index.strftime("%Y-%m-%d").tolist() == ["2024-03-04", "2024-03-05", "2024-03-06", "2024-03-07"]


def test_growth_is_that_of_the_evaluation(inputs: html.ReportInputs) -> None:
    scored = inputs.evaluation["backtest"]
    growth = charts.growth(inputs.backtest, horizon=1, cost_bps=scored["cost_bps"])
    years = (len(growth) - 1) / metrics.SESSIONS_PER_YEAR
    annual = growth.iloc[-1] ** (1 / years) - 1
    assert annual["strategy"] == pytest.approx(scored["annual_return"])
    assert annual["buy_and_hold"] == pytest.approx(scored["buy_and_hold"]["annual_return"])


def test_growth_does_not_count_overlapping_returns_twice() -> None:
    growth = charts.growth(backtest([0.6] * 4, [0.1, 0.9, 0.1, 0.9]), horizon=2, cost_bps=0)
    assert growth["buy_and_hold"].tolist() == pytest.approx([1, 1.1, 1.21])


def test_calibration_bins_by_hand() -> None:
    """Two bins of two: 0.40 and 0.44 never rose, 0.60 and 0.64 rose once."""
    bins = direction_scores.calibration_bins(backtest([0.4, 0.6, 0.44, 0.64], [-0.1, 0.1, -0.1, -0.1]), n_bins=2)
    assert bins["forecast"].tolist() == pytest.approx([0.42, 0.62])
    assert bins["share_up"].tolist() == [0.0, 0.5]
    assert bins["n"].tolist() == [2, 2]
    # Wilson for 0 of 2 and 1 of 2: z^2 = 3.8415, upper (z^2 / 2n) / (1 + z^2 / n) * 2; centre one half
    assert bins["low"].tolist() == pytest.approx([0.0, 0.0945], abs=5e-5)
    assert bins["high"].tolist() == pytest.approx([0.6576, 0.9055], abs=5e-5)


def test_calibration_of_one_probability_is_one_bin() -> None:
    bins = direction_scores.calibration_bins(backtest([0.5] * 6, [0.1, -0.1] * 3))
    assert bins[["forecast", "share_up", "n"]].to_numpy().tolist() == [[0.5, 0.5, 6]]
    assert charts.calibration(backtest([0.5] * 6, [0.1, -0.1] * 3), **LOOK)


@pytest.mark.parametrize("n", [1, 2, 30])
def test_short_history_is_drawn_without_a_warning(n: int) -> None:
    clean = walk(n)
    for draw in (charts.price, charts.returns, charts.drawdown, charts.volatility):
        assert draw(clean, **LOOK).startswith(b"\x89PNG")
    assert charts.distribution(clean, NO_TAILS, **LOOK).startswith(b"\x89PNG")


def test_too_short_for_volatility_says_so() -> None:
    """A dozen sessions have no 21-session volatility: all such pictures are the same, label aside."""
    assert charts.volatility(walk(12), **LOOK) == charts.volatility(walk(12, seed=8), **LOOK)
    assert charts.volatility(walk(40), **LOOK) != charts.volatility(walk(40, seed=8), **LOOK)


@pytest.mark.parametrize(("highest", "is_log"), [(7.9, False), (8.1, True), (400.0, True)])
def test_wide_range_of_prices_is_drawn_on_a_log_scale(
    highest: float, is_log: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = walk(300).assign(close=np.geomspace(1.0, highest, 300))
    drawn = charts.price(clean, **LOOK)
    monkeypatch.setattr(charts, "LOG_SCALE_FROM", np.inf)
    assert (charts.price(clean, **LOOK) != drawn) == is_log


def test_confusion_matrix_without_a_single_fall_is_drawn_without_a_warning() -> None:
    assert charts.confusion_matrix([[0, 0], [3, 7]], **LOOK).startswith(b"\x89PNG")


def test_drawing_twice_gives_the_same_bytes() -> None:
    matrix = [[375, 1072], [349, 1203]]
    assert charts.confusion_matrix(matrix, **LOOK) == charts.confusion_matrix(matrix, **LOOK)
    assert charts.confusion_matrix(matrix, **LOOK) != charts.confusion_matrix(
        matrix, label=LOOK["label"], simulated=True
    )


def test_alt_texts_name_the_numbers() -> None:
    assert alt_texts.confusion_matrix([[375, 1072], [349, 1203]]) == (
        "Of the sessions that fell or stood still, 375 were forecast down and 1,072 up. "
        "Of those that rose, 349 were forecast down and 1,203 up."
    )
    growth = charts.growth(backtest([0.6, 0.4], [0.1, 0.2]), horizon=1, cost_bps=0)
    assert alt_texts.equity(growth) == (
        "Growth of 1 from 2024-03-04 to 2024-03-06: 1.10 when the forecasts are followed, 1.32 when held throughout."
    )
