"""Facts about the card of a model."""

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import estimators, model_card, modelling, permutation
from stock_assets.core.model_settings import ESTIMATORS, ModelSettings
from stock_assets_tests.core import forecast_frames as frames

SMALL: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 8},
    "extra_trees": {"n_estimators": 8},
    "hist_gradient_boosting": {"max_iter": 8},
    "linear": {},
}


def train(frame: pd.DataFrame, settings: ModelSettings = frames.QUICK) -> modelling.Model:
    return modelling.train(frame, settings, ticker="TSLA", as_of=frames.last_session(frame), source="csv")


def test_the_card_says_what_the_model_was_fitted_on() -> None:
    card = train(frames.features_frame(80)).card
    assert card["ticker"] == "TSLA"
    assert card["source"] == "csv"
    assert card["as_of"] == "2015-04-28"
    assert card["n_train"] == 79
    assert card["train_start"] == "2015-01-02"
    assert card["train_end"] == "2015-04-27"
    assert card["last_target_session"] == "2015-04-28"
    assert card["features"] == ["hint", "noise_1", "noise_2"]
    assert card["target"]["horizon_sessions"] == 1
    assert card["fingerprint"] == frames.QUICK.fingerprint()
    assert card["seed"] == 20200102
    assert card["attempts"] == [
        {"part": "classifier", "attempt": 1, "changed": {}, "outcome": "fitted"},
        {"part": "regressor", "attempt": 1, "changed": {}, "outcome": "fitted"},
    ]
    assert card["hyperparameters"]["parameters"]["n_estimators"] == 8
    assert set(card["libraries"]) == {"python", "numpy", "pandas", "scipy", "scikit-learn"}
    assert sum(card["feature_importance"].values()) == pytest.approx(1.0)


def test_the_card_names_the_last_session_it_may_forecast_on() -> None:
    card = train(frames.features_frame(80)).card
    assert card["as_of"] == "2015-04-28"  # a Tuesday; with it, the ten sessions are two weeks
    assert card["expires_after_sessions"] == 10
    assert card["last_session"] == "2015-05-11"


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_card_is_plain_json_and_complete_for_every_estimator(estimator: str) -> None:
    settings = ModelSettings(estimator=estimator, parameters=SMALL[estimator], min_train=60, threads=1)
    card = train(frames.features_frame(300, signal=1.0), settings).card
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert card["estimator"] == estimator
    assert card["hyperparameters"]["parameters"] == settings.all_parameters()
    assert estimators.IMPORTANCE[estimator] in card["feature_importance_measures"]
    assert card["holdout"]["n_forecasts"] == 60
    assert card["permutation_importance"]["features"].keys() == set(card["features"])


def test_an_attempt_that_failed_is_on_the_card() -> None:
    settings = ModelSettings(estimator="linear", parameters={"C": 1.0, "max_iter": 1}, min_train=60)
    attempts = train(frames.features_frame(300, signal=1.0), settings).card["attempts"]
    assert [(made["part"], made["attempt"]) for made in attempts] == [
        ("classifier", 1),
        ("classifier", 2),
        ("regressor", 1),
    ]
    assert "failed to converge" in attempts[0]["outcome"]
    assert attempts[1]["changed"] == {"max_iter": 10}


def test_the_in_sample_scores_are_those_of_the_training_rows() -> None:
    frame = frames.features_frame(120)
    model = train(frame)
    rows = frame.iloc[:-1]
    probability_up, expected_return = estimators.forecast(model, rows[model.card["features"]].to_numpy())
    up = rows["target_up"] == 1
    scores = model.card["in_sample"]
    assert scores["accuracy"] == pytest.approx(((probability_up > 0.5) == up).mean())
    assert scores["brier"] == pytest.approx(((probability_up - up) ** 2).mean())
    assert scores["r2"] == pytest.approx(
        1 - ((rows["target_return"] - expected_return) ** 2).sum() / (len(rows) * rows["target_return"].var(ddof=0))
    )


# --- The holdout ---


def rows_and_holdout(horizon: int = 1, **changes: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    frame = frames.features_frame(100 + horizon, horizon=horizon, signal=3.0)
    settings = dataclasses.replace(frames.QUICK, horizon=horizon, **changes)
    return frame.iloc[:100], train(frame, settings).card["holdout"]


@pytest.mark.parametrize(("horizon", "embargo", "n_train"), [(1, 0, 80), (1, 1, 79), (5, 0, 76), (5, 3, 73)])
def test_the_holdout_is_the_latest_fifth_after_purge_and_embargo(horizon: int, embargo: int, n_train: int) -> None:
    # 100 rows with a target: rows 80 to 99 are held out. At the close of row 80, row 80 - horizon is the last with a
    # known outcome, which makes 81 - horizon of them.
    rows, holdout = rows_and_holdout(horizon, embargo=embargo)
    assert holdout["n_forecasts"] == 20
    assert holdout["first_forecast"] == f"{rows.index[80]:%Y-%m-%d}"
    assert holdout["last_forecast"] == f"{rows.index[99]:%Y-%m-%d}"
    assert holdout["n_train"] == n_train
    assert holdout["train_end"] == f"{rows.index[n_train - 1]:%Y-%m-%d}"


def test_the_scores_of_the_holdout_are_those_of_a_small_forest_on_the_rows_before() -> None:
    rows, holdout = rows_and_holdout()
    before, after = rows.iloc[:79], rows.iloc[80:]
    names = ["hint", "noise_1", "noise_2"]
    quarter = dataclasses.replace(frames.QUICK, parameters={**frames.QUICK.parameters, "n_estimators": 2})
    fitted = estimators.fit(
        before[names].to_numpy(), before["target_return"].to_numpy(), before["target_up"].to_numpy(), quarter
    )
    probability_up, expected_return = estimators.forecast(fitted, after[names].to_numpy())
    up = after["target_up"].to_numpy()
    realised = after["target_return"].to_numpy()
    assert holdout["changed"] == {"n_estimators": 2}
    assert holdout["accuracy"] == ((probability_up > 0.5) == up).mean()
    assert holdout["brier"] == pytest.approx(((probability_up - up) ** 2).mean())
    mean = before["target_return"].mean()
    assert holdout["r2"] == pytest.approx(
        1 - ((realised - expected_return) ** 2).sum() / ((realised - mean) ** 2).sum()
    )
    share = before["target_up"].mean()
    assert holdout["brier_naive"] == pytest.approx(((share - up) ** 2).mean())
    assert holdout["accuracy_naive"] == pytest.approx(((share > 0.5) == up).mean())


def test_what_came_after_the_rows_before_teaches_the_holdout_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = frames.features_frame(101)
    given: list[np.ndarray] = []
    fit = estimators.fit

    def spy(values: np.ndarray, *args: Any, **kwargs: Any) -> estimators.Fitted:
        given.append(values)
        return fit(values, *args, **kwargs)

    monkeypatch.setattr(estimators, "fit", spy)
    train(frame)
    whole, held = given
    names = ["hint", "noise_1", "noise_2"]
    assert np.array_equal(whole, frame[names].to_numpy()[:100])
    assert np.array_equal(held, frame[names].to_numpy()[:79])


def test_there_is_no_holdout_when_the_rows_before_saw_one_direction() -> None:
    frame = frames.features_frame(101)
    frame.loc[frame.index[:80], ["target_return", "target_up"]] = [0.01, 1.0]
    card = train(frame).card
    assert card["holdout"] is None
    assert card["permutation_importance"]["features"] is None
    assert "saw fewer than two directions" in card["permutation_importance"]["why"]


# --- The importance of each feature on the holdout ---


def test_what_gives_the_return_away_comes_first_out_of_sample() -> None:
    told = train(frames.features_frame(500, signal=3.0)).card["permutation_importance"]
    features = told["features"]
    assert list(features) == ["hint", "noise_1", "noise_2"]
    assert told["n_rows"] == 100
    assert max(features, key=lambda name: features[name]["mean"]) == "hint"
    assert features["hint"]["mean"] > 0.2


def test_importance_is_asked_of_the_rows_held_out_and_of_the_model_that_has_not_seen_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = frames.features_frame(201)
    fits: list[estimators.Fitted] = []
    fit, importance = estimators.fit, permutation.importance
    asked: list[tuple[Any, np.ndarray]] = []

    def spy_on_fit(*args: Any, **kwargs: Any) -> estimators.Fitted:
        fits.append(fit(*args, **kwargs))
        return fits[-1]

    def spy(fitted: Any, values: np.ndarray, *args: Any, **kwargs: Any) -> dict[str, Any]:
        asked.append((fitted, values))
        return importance(fitted, values, *args, **kwargs)

    monkeypatch.setattr(estimators, "fit", spy_on_fit)
    monkeypatch.setattr(permutation, "importance", spy)
    train(frame)
    [(fitted, values)] = asked
    assert fitted is fits[1]  # the one fitted on rows 0 to 158: see the tests of the holdout above
    assert np.array_equal(values, frame[["hint", "noise_1", "noise_2"]].to_numpy()[160:200])


def test_a_holdout_of_few_rows_says_nothing_of_importance() -> None:
    told = train(frames.features_frame(101)).card["permutation_importance"]
    assert told["features"] is None
    assert told["why"] == "20 rows held out; expected at least 30"


# --- The checksum of the rows ---


def test_one_changed_value_or_name_or_session_changes_the_checksum() -> None:
    frame = frames.features_frame(20)
    names = ["hint", "noise_1", "target_session"]
    checksum = model_card.snapshot_checksum(frame, names)
    changed = frame.copy()
    changed.loc["2015-01-06", "hint"] += 1e-15
    assert model_card.snapshot_checksum(changed, names) != checksum
    assert model_card.snapshot_checksum(frame.rename(columns={"hint": "tip"}), ["tip", *names[1:]]) != checksum
    assert model_card.snapshot_checksum(frame.iloc[1:], names) != checksum


def test_the_checksum_does_not_depend_on_the_layout_in_memory_or_the_unit_of_dates() -> None:
    frame = frames.features_frame(20)
    names = ["hint", "noise_1", "target_session"]
    other = frame[["noise_2", *reversed(names)]].copy()
    other["target_session"] = other["target_session"].astype("datetime64[s]")
    other.index = pd.DatetimeIndex(other.index).as_unit("s")
    assert model_card.snapshot_checksum(other, names) == model_card.snapshot_checksum(frame, names)
