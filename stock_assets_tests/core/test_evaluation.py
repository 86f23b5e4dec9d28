"""Facts about scores, baselines, the strategy and the verdict; most are worked out by hand on four sessions."""

import datetime
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.core import calibration, direction_scores, evaluation, inference, intervals, losses, trading
from stock_assets.core.errors import InsufficientHistoryError, SchemaError
from stock_assets.core.model_settings import TradingRules
from stock_assets_tests.core import forecast_frames as frames

AS_OF = datetime.date(2024, 3, 8)
TIMES = 15

# Said up, up, down, down; went up, down, up, down.
PROBABILITY = np.array([0.6, 0.7, 0.4, 0.3])
RETURN = np.array([0.02, -0.01, 0.03, -0.02])
EXPECTED = np.array([0.01, 0.0, 0.01, -0.01])
MEAN = np.array([0.005, 0.005, 0.005, 0.005])


def evaluate(backtest: pd.DataFrame, **keywords: Any) -> dict[str, Any]:
    return evaluation.evaluate(backtest, ticker="TSLA", as_of=AS_OF, source="csv", **keywords)


def four_sessions(times: int = 1) -> pd.DataFrame:
    return frames.backtest_frame(
        np.tile(PROBABILITY, times),
        np.tile(RETURN, times),
        expected_return=np.tile(EXPECTED, times),
        mean_return=np.tile(MEAN, times),
        up_share=0.6,
    )


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return evaluate(four_sessions(TIMES))


def noise(seed: int, n: int = 1000, confidence: float = 0.03) -> pd.DataFrame:
    """Forecasts that wander slowly and know nothing, of returns with fat tails and a drift."""
    rng = np.random.default_rng(seed)
    opinion = np.convolve(rng.standard_normal(n + 9), np.ones(10) / 10**0.5, mode="valid")
    realised = 0.0005 + 0.015 * rng.standard_t(4, n)
    return frames.backtest_frame(
        (0.52 + confidence * opinion).clip(0.01, 0.99),
        realised,
        expected_return=0.0005 + 0.05 * confidence * opinion,
        mean_return=0.0005,
        up_share=0.515,
    )


# --- What it is about ---


def test_it_says_what_it_is_about(result: dict[str, Any]) -> None:
    about = {key: result[key] for key in ("ticker", "as_of", "source", "horizon_sessions", "n_forecasts")}
    assert about == {
        "ticker": "TSLA",
        "as_of": "2024-03-08",
        "source": "csv",
        "horizon_sessions": 1,
        "n_forecasts": 60,
    }
    assert result["first_forecast"] == "2015-01-05"
    assert result["last_forecast"] == "2015-03-31"


def test_too_few_forecasts_are_refused_with_both_numbers() -> None:
    with pytest.raises(InsufficientHistoryError, match=r"TSLA 2024-03-08: the backtest has 59 .* at least 60 "):
        evaluate(four_sessions(TIMES).iloc[:59])


def test_an_outcome_after_the_snapshot_is_refused() -> None:
    with pytest.raises(SchemaError, match="knows the close of 2015-04-01; expected none after 2015-03-31"):
        evaluation.evaluate(four_sessions(TIMES), ticker="T", as_of=datetime.date(2015, 3, 31), source="csv")


# --- Direction ---


def test_direction_is_called_right_on_two_sessions_of_four(result: dict[str, Any]) -> None:
    scores = result["classification"]
    assert scores["accuracy"] == 0.5
    assert scores["balanced_accuracy"] == 0.5
    # Up was said of one rise and one fall, down of one rise and one fall: rows are what happened.
    assert scores["confusion_matrix"] == [[TIMES, TIMES], [TIMES, TIMES]]


def test_the_majority_call_is_the_direction_more_frequent_in_training() -> None:
    backtest = four_sessions()
    backtest["up_share"] = [0.6, 0.6, 0.4, 0.4]
    # Says up, up, down, down as well.
    assert losses.direction_losses(backtest)[1].tolist() == [0.0, 1.0, 1.0, 0.0]


def test_brier_is_the_mean_squared_error_of_the_probability(result: dict[str, Any]) -> None:
    # 0.4^2, 0.7^2, 0.6^2, 0.3^2 and, always saying 0.6: 0.4^2, 0.6^2, 0.4^2, 0.6^2
    assert result["classification"]["brier"] == pytest.approx((0.16 + 0.49 + 0.36 + 0.09) / 4)
    assert result["classification"]["brier_naive"] == pytest.approx((0.16 + 0.36) / 2)


def test_log_loss_is_the_mean_surprise(result: dict[str, Any]) -> None:
    assert result["classification"]["log_loss"] == pytest.approx(-np.log([0.6, 0.3, 0.4, 0.7]).mean())
    assert result["classification"]["log_loss_naive"] == pytest.approx(-np.log([0.6, 0.4]).mean())


def test_roc_auc_counts_pairs_in_the_right_order(result: dict[str, Any]) -> None:
    # Rises got 0.6 and 0.4, falls 0.7 and 0.3: of four pairs, 0.6 > 0.3 and 0.4 > 0.3 are right.
    assert result["classification"]["roc_auc"] == 0.5
    assert direction_scores.roc_auc(np.array([0.5, 0.5, 0.6]), np.array([True, False, False])) == 0.25


def test_the_interval_of_the_accuracy_surrounds_it(result: dict[str, Any]) -> None:
    low, high = evaluate(noise(1))["classification"]["accuracy_ci95"]
    accuracy = evaluate(noise(1))["classification"]["accuracy"]
    assert low < accuracy < high
    # 1.96 * sqrt(0.25 / 1000) = 3.1 points on either side
    assert (high - low) / 2 == pytest.approx(0.031, rel=0.2)


def test_agreeing_with_the_majority_always_is_no_evidence() -> None:
    backtest = four_sessions(TIMES)
    backtest["probability_up"] = 0.7
    assert evaluate(backtest)["classification"]["p_value"] == 1.0


# --- Returns and closes ---


def test_price_errors_are_those_of_the_predicted_close(result: dict[str, Any]) -> None:
    # Predicted 101, 100, 101, 99; came 102, 99, 103, 98; naive 100.
    scores = result["regression"]
    assert scores["rmse"] == pytest.approx(np.sqrt((1 + 1 + 4 + 1) / 4))
    assert scores["mae"] == pytest.approx((1 + 1 + 2 + 1) / 4)
    assert scores["mape"] == pytest.approx((1 / 102 + 1 / 99 + 2 / 103 + 1 / 98) / 4)
    assert scores["rmse_naive"] == pytest.approx(np.sqrt((4 + 1 + 9 + 4) / 4))
    assert scores["mae_naive"] == pytest.approx((2 + 1 + 3 + 2) / 4)
    assert scores["mape_naive"] == pytest.approx((2 / 102 + 1 / 99 + 3 / 103 + 2 / 98) / 4)


def test_r2_is_against_the_mean_so_far_and_against_zero(result: dict[str, Any]) -> None:
    # Squared errors in units of 1e-4: model 1, 1, 4, 1; mean 2.25, 2.25, 6.25, 6.25; zero 4, 1, 9, 4.
    scores = result["regression"]
    assert scores["r2_oos"] == pytest.approx(1 - 7 / 17)
    assert scores["r2_oos_zero"] == pytest.approx(1 - 7 / 18)
    assert scores["rmse_return"] == pytest.approx(0.01 * np.sqrt(7 / 4))
    assert scores["rmse_return_mean"] == pytest.approx(0.01 * np.sqrt(17 / 4))
    assert scores["rmse_return_zero"] == pytest.approx(0.01 * np.sqrt(18 / 4))


def test_the_better_naive_return_is_the_one_to_beat(result: dict[str, Any]) -> None:
    assert result["regression"]["dm_against"] == "mean_return"


# --- Strategy ---


def test_the_strategy_is_long_while_a_rise_is_more_likely(result: dict[str, Any]) -> None:
    # Long, long, cash, cash; entered and left once in four sessions.
    period = (1 + 0.02 - 0.0005) * (1 - 0.01) * (1 - 0.0005)
    strategy = result["backtest"]
    assert strategy["annual_return"] == pytest.approx(period ** (252 / 4) - 1)
    # One position is entered 15 times and left 14 times in 60 sessions: the first is entered from cash.
    assert strategy["turnover"] == pytest.approx((2 * TIMES) / 60 * 252)
    assert strategy["cost_bps"] == 5.0


def test_buy_and_hold_buys_once(result: dict[str, Any]) -> None:
    hold = result["backtest"]["buy_and_hold"]
    period = 1.02 * 0.99 * 1.03 * 0.98
    assert hold["annual_return"] == pytest.approx((period**TIMES / 1.02 * (1.02 - 0.0005)) ** (252 / 60) - 1)
    assert hold["turnover"] == pytest.approx(252 / 60)
    assert set(hold) == set(result["backtest"]) - {"buy_and_hold"}


def test_costs_can_be_left_out() -> None:
    strategy = evaluate(four_sessions(TIMES), rules=TradingRules(cost_bps=0.0))["backtest"]
    assert strategy["annual_return"] == pytest.approx((1.02 * 0.99) ** (252 / 4) - 1)


def test_a_horizon_of_two_trades_every_second_forecast() -> None:
    backtest = four_sessions(2 * TIMES)
    result = evaluate(backtest, horizon=2, rules=TradingRules(cost_bps=0.0))
    hold = result["backtest"]["buy_and_hold"]
    # Sessions one and three of four are entered, each return is over two sessions.
    assert hold["annual_return"] == pytest.approx((1.02 * 1.03) ** (252 / 4) - 1)
    assert hold["turnover"] == pytest.approx(1 / 60 * 252 / 2)
    deviation = np.std([0.02, 0.03] * 30, ddof=1)
    assert hold["annual_volatility"] == pytest.approx(deviation * np.sqrt(252 / 2))
    assert hold["sharpe"] == pytest.approx(0.025 / deviation * np.sqrt(252 / 2))


def test_a_strategy_that_never_trades_has_no_sharpe_ratio_and_says_why() -> None:
    backtest = four_sessions(TIMES)
    backtest["probability_up"] = 0.4
    result = evaluate(backtest)
    assert result["backtest"]["sharpe"] is None
    assert result["backtest"]["deflated_sharpe"] is None
    assert result["backtest"]["annual_return"] == 0.0
    assert result["backtest"]["turnover"] == 0.0
    reason = "the returns never changed: no position was taken, or for one period only"
    assert result["reasons"]["backtest.sharpe"] == reason
    assert result["reasons"]["backtest.deflated_sharpe"] == reason


# --- Intervals ---


def test_scores_are_misses_in_units_of_volatility() -> None:
    # Misses of 1, 1, 2, 1 percent at a volatility of 2 percent.
    assert intervals.scores(four_sessions()).tolist() == pytest.approx([0.5, 0.5, 1.0, 0.5])


def test_the_interval_covers_what_it_promises() -> None:
    interval = evaluate(noise(3, n=2200))["interval"]
    assert interval["level"] == 0.9
    assert interval["n"] == 2100
    assert interval["coverage"] == pytest.approx(0.9, abs=0.02)


def test_too_few_forecasts_to_judge_the_interval_leave_a_reason(result: dict[str, Any]) -> None:
    assert result["interval"]["coverage"] is None
    assert result["interval"]["n"] == 0
    assert result["interval"]["scaled_quantile"] == pytest.approx(1.0)
    assert "warm-up" in result["reasons"]["interval.coverage"]


# --- Years ---


def test_years_add_up_to_the_whole() -> None:
    result = evaluate(noise(4, n=600))
    years = result["by_year"]
    assert [year["year"] for year in years] == [2015, 2016, 2017]
    # 252 sessions in 2015, less the 2nd of January, on which nothing was forecast.
    assert years[0]["n"] == 251
    total = sum(year["n"] for year in years)
    assert total == 600
    for name in ("accuracy", "majority_accuracy", "brier", "brier_naive"):
        mean = sum(year[name] * year["n"] for year in years) / total
        assert mean == pytest.approx(result["classification"][name])


# --- Verdict ---


def test_accuracy_is_called_better_than_the_majority_on_noise_at_most_one_time_in_twenty() -> None:
    pairs = [losses.direction_losses(noise(seed, 500)) for seed in range(200)]
    p_values = [inference.diebold_mariano(wrong, majority_wrong).p_value for wrong, majority_wrong in pairs]
    assert sum(p_value <= 0.05 for p_value in p_values) <= 18


def test_the_verdict_counts_the_configurations_tried() -> None:
    trials = [trading.Trial("a", 0.1), trading.Trial("b", 0.2), trading.Trial("a", 0.1)]
    result = evaluate(four_sessions(TIMES), trials=trials)
    assert result["verdict"]["test"]["n_trials"] == 2
    assert result["backtest"]["n_trials"] == 2
    assert result["backtest"]["buy_and_hold"]["n_trials"] == 1


def test_scores_too_good_to_be_true_are_suspicious() -> None:
    backtest = frames.backtest_frame(np.tile([0.7, 0.3], 30), np.tile([0.01, -0.01], 30))
    result = evaluate(backtest)
    assert result["suspicious"] is True
    assert "leak of the future until proven otherwise" in result["suspicious_reason"]
    assert "Too good to be true" in result["verdict"]["text"]


# --- Calibration, intervals, groups ---


def test_the_correction_to_be_applied_now_is_learnt_from_all_forecasts() -> None:
    backtest = noise(5, n=600)
    learnt = calibration.fit(
        backtest["raw_probability_up"].to_numpy(),
        backtest["up_share"].to_numpy(),
        backtest["realised_up"].to_numpy(),
        method="platt",
    )
    assert evaluate(backtest)["calibration"] == {"method": "platt", "slope": learnt.slope, "n": 600}


def test_no_correction_leaves_a_reason() -> None:
    result = evaluate(noise(5, n=600), calibrated_by="none")
    assert result["calibration"] == {"method": "none", "slope": None, "n": 600}
    assert "used as they are" in result["reasons"]["calibration.slope"]


def test_bins_of_the_calibration_curve_hold_every_forecast_once() -> None:
    curve = evaluate(noise(6, n=605))["classification"]["calibration_curve"]
    assert len(curve) == 10
    assert sum(each["n"] for each in curve) == 605
    assert all(each["low"] <= each["share_up"] <= each["high"] for each in curve)


def test_thirds_by_volatility_are_those_known_at_the_forecast() -> None:
    backtest = four_sessions(TIMES)
    # Twenty calm, twenty usual and twenty stormy sessions.
    backtest["volatility"] = np.repeat([0.01, 0.02, 0.03], 20)
    thirds = evaluate(backtest)["by_volatility"]
    assert [(each["tercile"], each["n"]) for each in thirds] == [("calm", 20), ("usual", 20), ("stormy", 20)]
    assert [(each["volatility_from"], each["volatility_to"]) for each in thirds] == [(v, v) for v in (0.01, 0.02, 0.03)]
    # The pattern of four sessions comes five times in each.
    assert [each["accuracy"] for each in thirds] == [0.5] * 3
    assert thirds[1]["r2_oos"] == pytest.approx(1 - 7 / 17)
    # Entered from cash only at the very start; later on, the first long session of a pattern follows cash as well.
    assert thirds[1]["strategy_return"] == pytest.approx(((1 + 0.0195) * 0.99 * 0.9995) ** 5 - 1)


def test_returns_of_the_years_compound_to_the_whole() -> None:
    result = evaluate(noise(4, n=600))
    for name, whole in (
        ("strategy_return", result["backtest"]),
        ("buy_and_hold_return", result["backtest"]["buy_and_hold"]),
    ):
        growth = np.prod([1 + year[name] for year in result["by_year"]])
        assert growth ** (252 / 600) - 1 == pytest.approx(whole["annual_return"])


def test_prices_that_moved_alike_have_one_third_only() -> None:
    assert [each["tercile"] for each in evaluate(four_sessions(TIMES))["by_volatility"]] == ["calm"]


# --- Never NaN ---


@given(
    outcomes=st.lists(st.sampled_from([-0.02, 0.0, 0.01, 0.5]), min_size=1, max_size=8),
    probabilities=st.lists(st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]), min_size=1, max_size=8),
    expected=st.sampled_from([-0.01, 0.0, 0.01]),
    mean=st.sampled_from([0.0, 0.01]),
    horizon=st.sampled_from([1, 2]),
)
@settings(max_examples=60, deadline=None)
def test_every_missing_number_has_a_reason_and_none_is_nan(
    outcomes: list[float], probabilities: list[float], expected: float, mean: float, horizon: int
) -> None:
    backtest = frames.backtest_frame(
        np.resize(probabilities, 120), np.resize(outcomes, 120), expected_return=expected, mean_return=mean
    )
    result = evaluate(backtest, horizon=horizon)
    assert json.loads(json.dumps(result, allow_nan=False)) == result

    def missing(section: Any, path: str) -> set[str]:
        if isinstance(section, dict | list):
            items = section.items() if isinstance(section, dict) else enumerate(section)
            return set().union(*(missing(value, f"{path}.{key}" if path else str(key)) for key, value in items))
        return {path} if section is None else set()

    document = {key: value for key, value in result.items() if key not in ("reasons", "suspicious_reason")}
    assert set(result["reasons"]) == missing(document, "")


def test_only_rises_leave_the_scores_of_both_directions_undefined() -> None:
    backtest = frames.backtest_frame(np.full(60, 0.6), np.linspace(0.001, 0.02, 60))
    result = evaluate(backtest)
    assert result["classification"]["roc_auc"] is None
    assert result["reasons"]["classification.roc_auc"] == "only one direction occurred"


def test_the_same_backtest_gives_the_same_evaluation() -> None:
    assert json.dumps(evaluate(noise(8))) == json.dumps(evaluate(noise(8)))
