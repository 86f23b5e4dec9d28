"""Facts about the walk-forward, above all about what a forecast can not have known."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import backtesting, calibration, evaluation, modelling, schemas
from stock_assets.core.errors import InsufficientHistoryError, SchemaError
from stock_assets_tests.core import forecast_frames as frames

TARGETS = ["target_return", "target_up", "target_close"]


def walk(frame: pd.DataFrame, settings: modelling.ModelSettings = frames.QUICK) -> pd.DataFrame:
    return backtesting.walk_forward(frame, settings, ticker="TSLA", as_of=frames.last_session(frame))


# --- Which rows a fit may see ---


def test_with_a_horizon_of_one_all_rows_but_the_latest_are_known() -> None:
    assert backtesting.trainable(frames.features_frame(6), embargo=0).tolist() == [0, 1, 2, 3, 4, 5]


def test_the_purge_drops_as_many_rows_as_the_horizon_is_long() -> None:
    assert backtesting.trainable(frames.features_frame(8, horizon=3), embargo=0).tolist() == [0, 0, 0, 1, 2, 3, 4, 5]


def test_the_embargo_drops_rows_on_top_of_the_purge() -> None:
    assert backtesting.trainable(frames.features_frame(8, horizon=3), embargo=2).tolist() == [0, 0, 0, 0, 0, 1, 2, 3]


@pytest.mark.parametrize(("horizon", "embargo"), [(1, 0), (1, 1), (5, 0), (5, 3)])
def test_no_fit_sees_an_outcome_later_than_its_own_session(
    horizon: int, embargo: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = frames.features_frame(200, horizon=horizon)
    # Each return tells its row, so that what a fit was given shows which rows it saw.
    frame["target_return"] = (np.arange(200) * 1e-6).tolist()
    frame.loc[frame.index[-horizon:], "target_return"] = np.nan
    seen: list[np.ndarray] = []
    fit = modelling.fit

    def spy(values: Any, target_return: np.ndarray, target_up: Any, settings: modelling.ModelSettings) -> Any:
        seen.append((target_return * 1e6).round().astype(int))
        return fit(values, target_return, target_up, settings)

    monkeypatch.setattr(modelling, "fit", spy)
    settings = dataclasses.replace(frames.QUICK, horizon=horizon, embargo=embargo)
    backtest = walk(frame, settings)
    fit_positions = [int(position) for position in frame.index.get_indexer(backtest.index[:: settings.refit_every])]
    assert len(seen) == len(fit_positions) > 3
    for rows, position in zip(seen, fit_positions, strict=True):
        # Row i is known at the close of row i + horizon.
        assert rows.tolist() == list(range(position - horizon + 1 - embargo))
        assert frame["target_session"].iloc[rows[-1]] <= frame.index[position]


@pytest.mark.parametrize("horizon", [1, 5])
def test_training_ends_before_the_session_and_its_last_outcome_is_known_by_then(horizon: int) -> None:
    frame = frames.features_frame(200, horizon=horizon)
    backtest = walk(frame, dataclasses.replace(frames.QUICK, horizon=horizon))
    assert (backtest["train_end"] < backtest.index).all()
    outcome_known = frame.loc[backtest["train_end"], "target_session"]
    assert (outcome_known.to_numpy() <= backtest.index.to_numpy()).all()


@pytest.fixture
def soon_calibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probabilities are calibrated from the second fit on: the made-up histories are shorter than a year."""
    monkeypatch.setattr(calibration, "MIN_FORECASTS", 10)


@pytest.mark.usefixtures("soon_calibrated")
@pytest.mark.parametrize("window", [None, 70])
@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize("position", [80, 101, 150])
def test_scrambling_all_that_came_later_changes_no_earlier_forecast(
    horizon: int, position: int, window: int | None
) -> None:
    frame = frames.features_frame(200, horizon=horizon)
    settings = dataclasses.replace(frames.QUICK, horizon=horizon, window=window)
    now = frame.index[position]
    rng = np.random.default_rng(7)
    scrambled = frame.copy()
    later = scrambled.index > now
    scrambled.loc[later, ["hint", "noise_1", "noise_2"]] = rng.standard_normal((int(later.sum()), 3))
    unknown = (scrambled["target_session"] > now) & scrambled["target_return"].notna()
    returns = rng.standard_normal(int(unknown.sum()))
    scrambled.loc[unknown, TARGETS] = np.column_stack([returns, returns > 0, 100 + returns])

    said = ["train_end", "raw_probability_up", "probability_up", "expected_return", "mean_return", "up_share"]
    before, after = walk(frame, settings), walk(scrambled, settings)
    pd.testing.assert_frame_equal(before.loc[:now, said], after.loc[:now, said], check_exact=True)
    assert len(before.loc[:now]) >= 10
    assert not before.loc[now:, "probability_up"].iloc[1:].equals(after.loc[now:, "probability_up"].iloc[1:])


@pytest.mark.usefixtures("soon_calibrated")
@pytest.mark.parametrize("window", [None, 70])
def test_a_longer_history_adds_forecasts_and_changes_none(window: int | None) -> None:
    settings = dataclasses.replace(frames.QUICK, window=window)
    frame = frames.features_frame(200)
    shorter = frame.iloc[:150].copy()
    shorter.loc[shorter.index[-1], TARGETS] = np.nan
    shorter.loc[shorter.index[-2:], "target_open_return"] = np.nan
    before, after = walk(shorter, settings), walk(frame, settings).loc[: shorter.index[-2]]
    # The last forecast's open is the one thing that becomes known later.
    assert np.isnan(before["open_return"].iloc[-1])
    after.loc[after.index[-1], "open_return"] = np.nan
    pd.testing.assert_frame_equal(before, after, check_exact=True)


# --- Calibration ---


@pytest.mark.usefixtures("soon_calibrated")
@pytest.mark.parametrize(("horizon", "embargo"), [(1, 0), (1, 1), (5, 3)])
def test_probabilities_are_calibrated_on_outcomes_known_at_the_refit(
    horizon: int, embargo: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = frames.features_frame(200, horizon=horizon)
    judged: list[int] = []
    fit = calibration.fit

    def spy(raw: np.ndarray, *arguments: Any, **keywords: Any) -> calibration.Calibration:
        judged.append(len(raw))
        assert keywords == {"method": "platt", "horizon": horizon}
        return fit(raw, *arguments, **keywords)

    monkeypatch.setattr(calibration, "fit", spy)
    walk(frame, dataclasses.replace(frames.QUICK, horizon=horizon, embargo=embargo))
    # Of the 25 forecasts since the fit before, the last `horizon` - 1 are not known yet; `embargo` more are left out.
    expected = [25 * fits - (horizon - 1) - embargo for fits in range(1, len(judged) + 1)]
    assert judged == expected
    assert len(judged) >= 4


@pytest.mark.usefixtures("soon_calibrated")
def test_each_forecast_carries_what_the_classifier_gave_and_what_it_became() -> None:
    frame = frames.features_frame(160)
    backtest = walk(frame)
    first, later = backtest.iloc[:25], backtest.iloc[25:]
    assert first["probability_up"].equals(first["raw_probability_up"].rename("probability_up"))
    assert (later["probability_up"] != later["raw_probability_up"]).any()
    known = first.iloc[:-1]
    learnt = calibration.fit(
        known["raw_probability_up"].to_numpy(),
        known["up_share"].to_numpy(),
        known["realised_up"].to_numpy(),
        method="platt",
    )
    second = backtest.iloc[25:50]
    expected = calibration.apply(learnt.slope, second["raw_probability_up"].to_numpy(), second["up_share"].to_numpy())
    assert second["probability_up"].tolist() == expected.tolist()


@pytest.mark.usefixtures("soon_calibrated")
def test_calibration_can_be_left_out() -> None:
    backtest = walk(frames.features_frame(160), dataclasses.replace(frames.QUICK, calibration="none"))
    assert backtest["probability_up"].equals(backtest["raw_probability_up"].rename("probability_up"))


# --- The rolling window ---


def test_a_rolling_window_sees_the_latest_rows_only() -> None:
    frame = frames.features_frame(160)
    settings = dataclasses.replace(frames.QUICK, window=60)
    backtest, expanding = walk(frame, settings), walk(frame)
    # The first fit has no more than 60 rows anyway.
    pd.testing.assert_frame_equal(backtest.iloc[:25], expanding.iloc[:25], check_exact=True)
    assert backtest["train_end"].equals(expanding["train_end"])
    rows = frame["target_return"]
    assert backtest["mean_return"].iloc[50] == pytest.approx(rows.iloc[50:110].mean())
    assert backtest["up_share"].iloc[50] == pytest.approx((rows.iloc[50:110] > 0).mean())
    assert not backtest["raw_probability_up"].iloc[25:].equals(expanding["raw_probability_up"].iloc[25:])


# --- The table ---


def test_forecasts_start_with_enough_rows_and_end_with_the_last_known_outcome() -> None:
    frame = frames.features_frame(160)
    backtest = walk(frame)
    # 60 rows to train on, 1 under embargo, 1 whose outcome is known only now: the 62nd session is the first.
    assert backtest.index[0] == frame.index[61]
    assert backtest.index[-1] == frame.index[158]
    assert len(backtest) == 98
    schemas.validate(backtest, schemas.BACKTEST, ticker="TSLA", as_of=frames.last_session(frame))


def test_the_model_is_refitted_every_so_many_sessions() -> None:
    frame = frames.features_frame(160)
    last_rows = walk(frame)["train_end"]
    # 98 forecasts in steps of 25; the last row seen is two sessions behind each fit.
    assert last_rows.value_counts(sort=False).tolist() == [25, 25, 25, 23]
    assert last_rows.iloc[[0, 25, 50, 75]].tolist() == frame.index[[59, 84, 109, 134]].tolist()


def test_the_naive_forecasts_come_from_the_training_rows() -> None:
    frame = frames.features_frame(160)
    first = walk(frame).iloc[0]
    assert first["mean_return"] == pytest.approx(frame["target_return"].iloc[:60].mean())
    assert first["up_share"] == pytest.approx((frame["target_return"].iloc[:60] > 0).mean())


def test_outcomes_are_carried_over_as_they_are() -> None:
    frame = frames.features_frame(160)
    backtest = walk(frame)
    rows = frame.loc[backtest.index]
    assert backtest["realised_return"].equals(rows["target_return"].rename("realised_return"))
    assert backtest["realised_close"].tolist() == rows["target_close"].tolist()
    assert backtest["realised_up"].tolist() == (rows["target_return"] > 0).tolist()
    assert backtest["close"].tolist() == rows["close"].tolist()
    assert backtest["open_return"].equals(rows["target_open_return"].rename("open_return"))


def test_a_session_before_a_hole_in_the_prices_is_neither_trained_on_nor_judged() -> None:
    frame = frames.features_frame(160)
    in_training, in_forecasts = frame.index[10], frame.index[100]
    frame.loc[[in_training, in_forecasts], TARGETS] = np.nan
    backtest = walk(frame)
    assert in_forecasts not in backtest.index
    # One more session is needed to reach 60 known rows.
    assert backtest.index[0] == frame.index[62]
    assert backtest["realised_return"].notna().all()


@pytest.mark.parametrize(("horizon", "needed"), [(1, 63), (5, 71)])
def test_the_shortest_history_gives_one_forecast_and_one_session_less_a_clear_error(horizon: int, needed: int) -> None:
    settings = dataclasses.replace(frames.QUICK, horizon=horizon)
    assert len(walk(frames.features_frame(needed, horizon=horizon), settings)) == 1
    with pytest.raises(InsufficientHistoryError, match=rf"{needed - 1} sessions have features.*at least {needed} "):
        walk(frames.features_frame(needed - 1, horizon=horizon), settings)


def test_features_of_another_horizon_are_refused() -> None:
    with pytest.raises(SchemaError, match="last target session"):
        walk(frames.features_frame(160, horizon=5))


def test_the_number_of_threads_changes_no_forecast() -> None:
    frame = frames.features_frame(160)
    pd.testing.assert_frame_equal(
        walk(frame), walk(frame, dataclasses.replace(frames.QUICK, threads=2)), check_exact=True
    )


# --- Skill where there is some, and only there ---


def test_a_feature_that_is_the_future_gives_skill_and_raises_suspicion() -> None:
    frame = frames.features_frame(400, signal=50.0)
    backtest = walk(frame, dataclasses.replace(frames.QUICK, refit_every=100))
    result = evaluation.evaluate(backtest, ticker="TSLA", as_of=frames.last_session(frame), source="csv")
    assert result["classification"]["accuracy"] > 0.9
    assert result["verdict"]["beats_naive"]
    assert result["suspicious"]


def test_without_the_purge_overlapping_labels_would_pass_for_skill(monkeypatch: pytest.MonkeyPatch) -> None:
    # The sum of the next 20 returns hardly changes from one session to the next. A model that was shown the label of
    # yesterday knows most of today's, on pure noise; the position in time is all it needs to find it.
    frame = frames.features_frame(400, horizon=20, seed=3).rename(columns={"hint": "position"})
    frame["position"] = np.arange(400.0)
    frame = frame.drop(columns=["noise_1", "noise_2"])
    settings = dataclasses.replace(
        frames.QUICK,
        parameters={"n_estimators": 4, "max_depth": None, "min_samples_leaf": 1},
        horizon=20,
        min_train=200,
        refit_every=4,
    )

    def correlation() -> float:
        backtest = walk(frame, settings)
        return float(backtest["expected_return"].corr(backtest["realised_return"]))

    assert abs(correlation()) < 0.35
    monkeypatch.setattr(backtesting, "trainable", lambda features, embargo: np.arange(len(features)))
    assert correlation() > 0.7
