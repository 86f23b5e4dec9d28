"""Facts about what a model may be fitted on, and about its training. Its card has its own tests."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import modelling
from stock_assets.core.errors import InsufficientHistoryError, ModelError, SchemaError
from stock_assets_tests.core import forecast_frames as frames

TSLA = {"ticker": "TSLA", "source": "csv"}


def train(frame: pd.DataFrame, settings: modelling.ModelSettings = frames.QUICK) -> modelling.Model:
    return modelling.train(frame, settings, as_of=frames.last_session(frame), **TSLA)


def forecasts(model: modelling.Model, frame: pd.DataFrame) -> np.ndarray:
    values = frame[modelling.feature_names(frame)].to_numpy()
    return np.stack(modelling.forecast(model, values))


# --- The look-ahead guard ---


def test_features_are_all_columns_but_the_carried_ones_and_targets() -> None:
    assert modelling.feature_names(frames.features_frame(10)) == ["hint", "noise_1", "noise_2"]


def test_a_session_after_the_snapshot_is_refused() -> None:
    frame = frames.features_frame(80)
    before = pd.DatetimeIndex(frame.index)[-2].date()
    with pytest.raises(SchemaError, match=rf"TSLA {before}: features reach to {frames.last_session(frame)}"):
        modelling.check_features(frame, ticker="TSLA", as_of=before)


def test_a_target_that_is_not_known_yet_but_filled_in_is_refused() -> None:
    frame = frames.features_frame(80)
    frame.loc[frame.index[-1], ["target_return", "target_up", "target_close"]] = [0.01, 1.0, 101.0]
    with pytest.raises(SchemaError, match="look-ahead"):
        modelling.check_features(frame, ticker="TSLA", as_of=frames.last_session(frame))


def test_an_open_that_is_not_known_yet_but_filled_in_is_refused() -> None:
    frame = frames.features_frame(80)
    as_of = frames.last_session(frame)
    # Its target session is as_of; it ends at the open of the session after.
    frame.loc[frame.index[-2], "target_open_return"] = 0.01
    with pytest.raises(SchemaError, match=rf"TSLA {as_of}: target_open_return .* open is after {as_of}: look-ahead"):
        modelling.check_features(frame, ticker="TSLA", as_of=as_of)


def test_features_built_for_another_horizon_are_refused() -> None:
    frame = frames.features_frame(80, horizon=5)
    as_of = frames.last_session(frame)
    modelling.check_features(frame, ticker="TSLA", as_of=as_of, horizon=5)
    with pytest.raises(SchemaError, match=r"last target session is 2015-05-05; expected 2015-04-29, 1 session"):
        modelling.check_features(frame, ticker="TSLA", as_of=as_of, horizon=1)


def test_a_missing_column_is_named() -> None:
    frame = frames.features_frame(80).drop(columns=["volatility", "target_up"])
    with pytest.raises(SchemaError, match="lack the columns volatility, target_up"):
        modelling.check_features(frame, ticker="TSLA", as_of=frames.last_session(frame))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_feature_that_is_no_number_is_named_with_its_session(value: float) -> None:
    frame = frames.features_frame(80)
    frame.loc["2015-01-06", "noise_1"] = value
    with pytest.raises(SchemaError, match=rf"feature noise_1 is {value} on 2015-01-06"):
        modelling.check_features(frame, ticker="TSLA", as_of=frames.last_session(frame))


def test_a_target_known_in_part_is_refused() -> None:
    frame = frames.features_frame(80)
    frame.loc["2015-01-06", "target_close"] = np.nan
    with pytest.raises(SchemaError, match="not known together"):
        modelling.check_features(frame, ticker="TSLA", as_of=frames.last_session(frame))


@pytest.mark.parametrize("spoil", ["order", "target in the past", "no feature", "no row"])
def test_tables_no_model_can_use_are_refused(spoil: str) -> None:
    frame = frames.features_frame(80)
    as_of = frames.last_session(frame)
    if spoil == "order":
        frame, message = frame.iloc[::-1], "strictly increasing"
    elif spoil == "target in the past":
        frame["target_session"], message = frame.index, "each after its own session"
    elif spoil == "no feature":
        frame, message = frame.drop(columns=["hint", "noise_1", "noise_2"]), "no feature column"
    else:
        frame, message = frame.iloc[:0], "hold no row"
    with pytest.raises(SchemaError, match=message):
        modelling.check_features(frame, ticker="TSLA", as_of=as_of)


# --- Training ---


def test_the_number_of_threads_changes_no_bit_and_leaves_no_trace() -> None:
    frame = frames.features_frame(300)
    many_trees = dataclasses.replace(frames.QUICK, parameters={"n_estimators": 40, "min_samples_leaf": 5})
    one = train(frame, dataclasses.replace(many_trees, threads=1))
    two = train(frame, dataclasses.replace(many_trees, threads=2))
    assert np.array_equal(forecasts(one, frame), forecasts(two, frame))
    assert one.card == two.card
    assert one.classifier.get_params() == two.classifier.get_params()
    assert two.regressor.get_params()["n_jobs"] == 1


def test_another_seed_gives_another_forest() -> None:
    frame = frames.features_frame()
    other = train(frame, dataclasses.replace(frames.QUICK, seed=2))
    assert not np.array_equal(forecasts(train(frame), frame), forecasts(other, frame))


def fingerprint() -> str:
    """Hash over trees, forecasts and card of a model."""
    frame = frames.features_frame()
    model = train(frame)
    digest = hashlib.sha256(forecasts(model, frame).tobytes())
    for forest in (model.classifier, model.regressor):
        for estimator in forest.estimators_:
            state = estimator.tree_.__getstate__()
            digest.update(state["nodes"].tobytes() + state["values"].tobytes())
    digest.update(json.dumps(model.card).encode())
    return digest.hexdigest()


def test_the_same_snapshot_gives_the_same_bits_in_a_new_process() -> None:
    elsewhere = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import fingerprint; print(fingerprint())"],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert elsewhere.stdout.strip() == fingerprint()


def test_a_session_whose_target_is_unknown_teaches_nothing() -> None:
    frame = frames.features_frame()
    changed = frame.copy()
    changed.loc[changed.index[-1], "hint"] = 1e6
    assert np.array_equal(forecasts(train(frame), frame), forecasts(train(changed), frame))
    assert train(frame).card == train(changed).card


def test_sessions_before_a_hole_in_the_prices_are_left_out() -> None:
    frame = frames.features_frame(80)
    frame.loc["2015-01-06", ["target_return", "target_up", "target_close"]] = np.nan
    assert train(frame).card["n_train"] == 78


def test_a_planted_signal_is_found() -> None:
    frame = frames.features_frame(400, signal=3.0)
    probability_up, expected_return = forecasts(train(frame), frame)
    assert np.corrcoef(probability_up[:-1], frame["target_up"][:-1])[0, 1] > 0.5
    assert np.corrcoef(expected_return[:-1], frame["target_return"][:-1])[0, 1] > 0.5


def test_training_on_rises_only_makes_a_rise_certain() -> None:
    values = np.arange(40.0).reshape(20, 2)
    fitted = modelling.fit(values, np.full(20, 0.01), np.ones(20), frames.QUICK)
    probability_up, expected_return = modelling.forecast(fitted, values[:3])
    assert probability_up.tolist() == [1.0, 1.0, 1.0]
    assert expected_return == pytest.approx([0.01] * 3)


def test_training_on_falls_only_makes_a_rise_impossible() -> None:
    values = np.arange(40.0).reshape(20, 2)
    fitted = modelling.fit(values, np.full(20, -0.01), np.zeros(20), frames.QUICK)
    assert modelling.forecast(fitted, values[:3])[0].tolist() == [0.0, 0.0, 0.0]


def test_with_a_window_only_the_latest_rows_teach() -> None:
    frame = frames.features_frame(160)
    windowed = train(frame, dataclasses.replace(frames.QUICK, window=100))
    assert windowed.card["n_train"] == 100
    assert windowed.card["train_end"] == train(frame).card["train_end"]
    scrambled = frame.copy()
    scrambled.loc[scrambled.index[:59], "hint"] = 1e6  # 160 rows, the last without a target: 59 before the window
    again = train(scrambled, dataclasses.replace(frames.QUICK, window=100))
    assert again.card == windowed.card
    assert np.array_equal(forecasts(again, frame), forecasts(windowed, frame))


def test_a_fit_that_fails_names_ticker_and_session() -> None:
    frame = frames.features_frame(100)
    rising = frame["target_return"].abs()
    frame["target_return"], frame["target_up"] = rising, rising.where(rising.isna(), 1.0)
    settings = modelling.ModelSettings(estimator="linear", min_train=60)
    as_of = frames.last_session(frame)
    with pytest.raises(ModelError, match=rf"^TSLA {as_of}: the linear classifier, on 99 rows of 3 features, can't be"):
        train(frame, settings)


def test_too_short_a_history_is_refused_with_both_numbers() -> None:
    frame = frames.features_frame(60)
    with pytest.raises(InsufficientHistoryError, match=r"TSLA 2015-03-30: 59 sessions .* min_train = 60"):
        train(frame)
    assert train(frames.features_frame(61)).card["n_train"] == 60
