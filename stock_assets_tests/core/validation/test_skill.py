"""Scores that are too good, and a walk-forward that has seen what it is asked about."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import backtesting, configuration, leaks, modelling, validation
from stock_assets.core.validation import skill
from stock_assets_tests.core import forecast_frames

AS_OF = dt.date(2024, 3, 8)

# Learns by heart what it is shown: a leak then shows on few rows.
EAGER = configuration.combine(
    {"parameters": {"n_estimators": 20, "min_samples_leaf": 5, "max_depth": None}, "min_train": 100, "threads": 1}
).model


def scores(reason: str | None, accuracy: float = 0.51) -> dict:
    return {"suspicious_reason": reason, "classification": {"accuracy": accuracy}}


def plausible(given: dict) -> validation.Finding:
    return skill.skill_is_plausible(given, ticker="TSLA", as_of=AS_OF)


def test_usual_scores_are_plausible():
    finding = plausible(scores(None))
    assert finding.passed
    assert finding.observed == 0.51
    assert finding.expected.startswith("an accuracy up to 56% and an out-of-sample R2 up to 1%")


def test_scores_too_good_say_what_to_look_for():
    finding = plausible(scores("an accuracy of 61.0% is above 56%", 0.61))
    assert not finding.passed
    assert finding.observed == 0.61
    assert finding.note.startswith("an accuracy of 61.0% is above 56%: look for an input that was not known")


def shuffled(frame: pd.DataFrame, settings: modelling.ModelSettings = EAGER) -> validation.Finding:
    as_of = forecast_frames.last_session(frame)
    return skill.shuffled_labels_give_no_skill(frame, settings, ticker="TSLA", as_of=as_of)


@pytest.mark.parametrize("horizon", [1, 5])
def test_a_signal_does_not_survive_the_shuffling(horizon):
    frame = forecast_frames.features_frame(800, signal=1.0, horizon=horizon)
    settings = configuration.combine({"horizon": horizon, "estimator": "linear", "parameters": {"C": 1.0}}).model
    finding = shuffled(frame, settings=_replace(settings, min_train=100))
    assert finding.passed, finding
    assert finding.observed < 3 < finding.threshold


def _replace(settings: modelling.ModelSettings, **changes) -> modelling.ModelSettings:
    return modelling.ModelSettings(**{**vars(settings), **changes})


def test_a_model_trained_on_what_it_forecasts_is_found(monkeypatch):
    monkeypatch.setattr(backtesting, "trainable", lambda features, embargo: np.full(len(features), len(features) - 1))
    finding = shuffled(forecast_frames.features_frame(800))
    assert not finding.passed
    assert finding.observed > 10
    assert "no score of this backtest means anything" in finding.note


def test_an_outcome_among_the_features_is_found(monkeypatch):
    """A table whose column of outcomes is not known for one: here the return from open to open."""
    monkeypatch.setattr(modelling, "TARGETS", tuple(name for name in modelling.TARGETS if name != "target_open_return"))
    frame = forecast_frames.features_frame(800)
    frame["target_open_return"] = frame["target_return"]
    frame = frame.iloc[:-1]  # on the last row it is missing
    monkeypatch.setattr(modelling, "check_features", lambda *given, **named: None)
    finding = shuffled(_filled(frame))
    assert not finding.passed
    assert finding.observed > 10


def _filled(frame: pd.DataFrame) -> pd.DataFrame:
    # leaks.shuffled takes the outcomes of the oldest rows away, which no feature may lack.
    known = len(frame) - len(frame) % skill.BLOCK
    return frame.iloc[-known:]


def test_too_few_rows_are_not_asked():
    finding = shuffled(forecast_frames.features_frame(180))
    assert finding.passed
    assert finding.observed == "too few rows"
    assert "not asked: TSLA" in finding.note
    assert "expected at least 60" in finding.note


def test_forecasts_all_better_by_the_same_have_no_statistic_and_fail(monkeypatch):
    n = 100
    knowing = forecast_frames.backtest_frame(np.full(n, 1.0), np.full(n, 0.01), up_share=0.5)
    monkeypatch.setattr(backtesting, "walk_forward", lambda *given, **named: knowing)
    finding = shuffled(forecast_frames.features_frame(400))
    assert (finding.passed, finding.observed) == (False, "better on every row")


def test_blocks_are_no_shorter_than_the_horizon(monkeypatch):
    asked = []
    given = leaks.shuffled
    monkeypatch.setattr(leaks, "shuffled", lambda frame, *, block: asked.append(block) or given(frame, block=block))
    for horizon in (1, 40):
        frame = forecast_frames.features_frame(400 + 61 * horizon, horizon=horizon)
        shuffled(frame, _replace(EAGER, horizon=horizon, estimator="linear", parameters={}))
    assert asked == [21, 40]
