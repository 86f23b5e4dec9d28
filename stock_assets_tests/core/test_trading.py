"""Facts about following forecasts with money, worked out by hand."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import inference, trading
from stock_assets.core.model_settings import TradingRules
from stock_assets_tests.core import forecast_frames as frames

FREE = TradingRules(cost_bps=0.0)

# Said up, up, down, up; from close to close, and from open to open a session later.
CLOSES = np.array([0.02, -0.01, 0.03, -0.02])
OPENS = np.array([0.01, -0.02, 0.02, np.nan])


def four_sessions() -> pd.DataFrame:
    return frames.backtest_frame(np.array([0.6, 0.7, 0.4, 0.55]), CLOSES, open_return=OPENS)


def test_costs_are_paid_on_every_change_of_position() -> None:
    position = pd.Series([1.0, 1.0, 0.0, 1.0])
    # 5 basis points on entering, on leaving (while in cash), and on entering again.
    returns = trading.strategy_returns(position, pd.Series(CLOSES), cost_bps=5)
    assert returns.tolist() == pytest.approx([0.0195, -0.01, -0.0005, -0.0205])


def test_turning_from_long_to_short_trades_twice_the_capital() -> None:
    money = trading.followed(four_sessions(), TradingRules(cost_bps=10.0, short=True), 1)
    assert money["traded"].tolist() == [1.0, 0.0, 2.0, 2.0]
    assert money["strategy"].tolist() == pytest.approx([0.019, -0.01, -0.03 - 0.002, -0.02 - 0.002])


def test_in_cash_nothing_is_earned_and_nothing_lost() -> None:
    assert trading.followed(four_sessions(), FREE, 1)["strategy"].tolist() == [0.02, -0.01, 0.0, -0.02]


def test_at_the_next_open_the_return_is_from_open_to_open_and_an_unknown_one_is_not_traded() -> None:
    money = trading.followed(four_sessions(), dataclasses.replace(FREE, execution="next_open"), 1)
    assert money["strategy"].tolist() == [0.01, -0.02, 0.0]
    assert money["buy_and_hold"].tolist() == [0.01, -0.02, 0.02]


def test_buying_and_holding_pays_once() -> None:
    money = trading.followed(four_sessions(), TradingRules(cost_bps=100.0, short=True), 1)
    assert money["buy_and_hold"].tolist() == pytest.approx([0.01, -0.01, 0.03, -0.02])
    assert money["traded_hold"].tolist() == [1.0, 0.0, 0.0, 0.0]


def test_a_probability_of_one_half_is_no_reason_to_buy() -> None:
    backtest = frames.backtest_frame(np.array([0.5]), np.array([0.01]))
    assert trading.positions(backtest).tolist() == [0.0]
    assert trading.positions(backtest, short=True).tolist() == [-1.0]


def test_holdings_do_not_overlap() -> None:
    assert trading.traded_forecasts(four_sessions(), horizon=3).index.equals(four_sessions().index[[0, 3]])


def test_all_four_ways_stand_beside_each_other() -> None:
    found = trading.every_variant(four_sessions(), TradingRules(cost_bps=7.0), 1, trading.NO_CHOICE)
    assert {name: (one["execution"], one["short"], one["cost_bps"]) for name, one in found.items()} == {
        "close_long_flat": ("close", False, 7.0),
        "close_long_short": ("close", True, 7.0),
        "next_open_long_flat": ("next_open", False, 7.0),
        "next_open_long_short": ("next_open", True, 7.0),
    }
    assert [one["n_periods"] for one in found.values()] == [4, 4, 3, 3]
    # Holding is the same whatever the strategy does, and is never short.
    assert found["close_long_flat"]["buy_and_hold"] == found["close_long_short"]["buy_and_hold"]
    assert found["close_long_flat"] == trading.scores(four_sessions(), TradingRules(cost_bps=7.0), 1, trading.NO_CHOICE)


def test_ratios_over_two_sessions_are_annualised_by_half_as_many_periods() -> None:
    returns = np.array([0.02, -0.01, 0.03, -0.02])
    found = trading.performance(returns, np.array([1.0, 0, 0, 0]), horizon=2)
    mean, deviation = 0.005, math.sqrt((0.015**2 + 0.015**2 + 0.025**2 + 0.025**2) / 3)
    assert found["sharpe_per_period"] == pytest.approx(mean / deviation)
    assert found["sharpe"] == pytest.approx(mean / deviation * math.sqrt(126))
    assert found["sortino"] == pytest.approx(mean / math.sqrt((0.01**2 + 0.02**2) / 4) * math.sqrt(126))
    assert found["annual_volatility"] == pytest.approx(deviation * math.sqrt(126))
    assert found["annual_return"] == pytest.approx((1.02 * 0.99 * 1.03 * 0.98) ** (126 / 4) - 1)
    assert found["turnover"] == pytest.approx(126 / 4)
    assert found["max_drawdown"] == pytest.approx(-0.02)


def test_a_short_position_can_lose_more_than_everything() -> None:
    backtest = frames.backtest_frame(np.full(3, 0.4), np.array([0.01, 1.5, 0.01]))
    assert trading.scores(backtest, TradingRules(short=True), 1, trading.NO_CHOICE)["annual_return"] is None


# --- Trials ---


def test_without_a_record_one_configuration_was_tried() -> None:
    assert trading.luck([]) == trading.Luck(1, 0.0)


def test_the_same_configuration_tried_again_is_no_further_trial() -> None:
    trials = [trading.Trial("a", 0.9), trading.Trial("b", 0.1), trading.Trial("a", 0.3), trading.Trial("c", None)]
    # Of "a" the last counts: the ratios are 0.3 and 0.1, their sample variance 0.02.
    found = trading.luck(trials)
    assert found.n_trials == 3
    assert found.variance == pytest.approx(0.02)


def test_the_deflated_ratio_takes_the_trials_into_account() -> None:
    returns = np.random.default_rng(4).normal(0.001, 0.01, 500)
    luck = trading.Luck(20, 0.0004)
    found = trading.performance(returns, np.zeros(500), 1, luck)
    assert found["n_trials"] == 20
    assert found["deflated_sharpe"] == inference.deflated_sharpe(returns, n_trials=20, variance_of_trials=0.0004)
    assert found["deflated_sharpe"] < trading.performance(returns, np.zeros(500), 1)["deflated_sharpe"]
