"""Facts about the row people read."""

import datetime
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import modelling, prediction, schemas
from stock_assets.core.errors import InsufficientHistoryError, SchemaError
from stock_assets_tests.core import forecast_frames as frames

FEATURES = frames.features_frame(120)
AS_OF = frames.last_session(FEATURES)
MODEL = modelling.train(FEATURES, frames.QUICK, ticker="TSLA", as_of=AS_OF, source="csv")


def evaluation(**changes: Any) -> dict[str, Any]:
    return {
        "ticker": "TSLA",
        "source": "csv",
        "as_of": AS_OF.isoformat(),
        "horizon_sessions": 1,
        "n_forecasts": 500,
        "interval": {"level": 0.9, "scaled_quantile": 1.5, "usual_volatility": 0.02},
        "calibration": {"method": "none", "slope": None, "n": 500},
        "verdict": {"beats_naive": False},
        **changes,
    }


def predict(
    features: pd.DataFrame = FEATURES,
    model: modelling.Model = MODEL,
    facts: dict[str, Any] | None = None,
    **changes: Any,
) -> pd.DataFrame:
    keywords: dict[str, Any] = {"ticker": "TSLA", "as_of": AS_OF, "source": "csv", **changes}
    return prediction.predict(features, model, facts or evaluation(), **keywords)


def model_with(**changes: Any) -> modelling.Model:
    return modelling.Model(MODEL.classifier, MODEL.regressor, {**MODEL.card, **changes})


def test_the_row_has_the_form_of_the_contract() -> None:
    table = predict()
    assert len(table) == 1
    schemas.validate(table, schemas.PREDICTIONS, ticker="TSLA", as_of=AS_OF)


def test_the_row_comes_from_the_last_session_alone() -> None:
    row = predict().iloc[0]
    last = FEATURES.iloc[[-1]]
    probability_up, expected_return = modelling.forecast(MODEL, last[["hint", "noise_1", "noise_2"]].to_numpy())
    close = last["close"].iloc[0]
    half = 1.5 * (last["volatility"].iloc[0] * 0.02) ** 0.5
    assert row["probability_up"] == probability_up[0]
    assert row["expected_return"] == expected_return[0]
    assert row["predicted_close"] == pytest.approx(close * (1 + expected_return[0]))
    assert row["interval_low"] == pytest.approx(close * (1 + expected_return[0] - half))
    assert row["interval_high"] == pytest.approx(close * (1 + expected_return[0] + half))
    assert row["naive_close"] == close
    assert row["interval_level"] == 0.9


def test_the_probability_is_calibrated_by_the_slope_of_the_evaluation() -> None:
    raw = float(predict()["probability_up"].iloc[0])
    base_rate = MODEL.card["in_sample"]["up_share"]
    calibrated = {"method": "platt", "slope": 0.0, "n": 500}
    assert predict(facts=evaluation(calibration=calibrated))["probability_up"].tolist() == pytest.approx([base_rate])
    row = predict(facts=evaluation(calibration=calibrated | {"slope": 0.5})).iloc[0]
    odds = math.sqrt(raw / (1 - raw) * base_rate / (1 - base_rate))
    assert row["probability_up"] == pytest.approx(odds / (1 + odds))


def test_the_row_says_what_it_is_about() -> None:
    row = predict(source="csv").iloc[0]
    # 120 sessions from 2015-01-02 end on 2015-06-24.
    assert row["as_of"] == pd.Timestamp("2015-06-24")
    assert row["target_session"] == pd.Timestamp("2015-06-25")
    assert row["model_as_of"] == pd.Timestamp("2015-06-24")
    assert (row["ticker"], row["source"], row["beats_naive"]) == ("TSLA", "csv", False)


def test_the_verdict_of_the_evaluation_is_passed_on() -> None:
    assert predict(facts=evaluation(verdict={"beats_naive": True}))["beats_naive"].tolist() == [True]


def test_the_interval_never_reaches_zero() -> None:
    row = predict(facts=evaluation(interval={"level": 0.9, "scaled_quantile": 80.0, "usual_volatility": 0.02})).iloc[0]
    assert row["interval_low"] == pytest.approx(0.01 * row["naive_close"])
    assert row["interval_high"] > 2 * row["naive_close"]


def test_earlier_sessions_do_not_matter() -> None:
    changed = FEATURES.copy()
    changed.loc[changed.index[:-1], ["hint", "noise_1", "noise_2"]] = 0.0
    pd.testing.assert_frame_equal(predict(changed), predict(), check_exact=True)


def test_an_older_model_and_evaluation_are_used_and_named() -> None:
    older = model_with(as_of="2015-06-10")
    assert predict(model=older, facts=evaluation(as_of="2015-06-10"))["model_as_of"].tolist() == [
        pd.Timestamp("2015-06-10")
    ]


def test_a_later_model_would_be_look_ahead() -> None:
    with pytest.raises(SchemaError, match=r"TSLA 2015-06-24: the model is of 2015-06-25; expected none later"):
        predict(model=model_with(as_of="2015-06-25"))


def test_a_later_evaluation_would_be_look_ahead() -> None:
    with pytest.raises(SchemaError, match="the evaluation is of 2015-06-25; expected none later"):
        predict(facts=evaluation(as_of="2015-06-25"))


@pytest.mark.parametrize(("field", "value"), [("ticker", "STX"), ("source", "simulated")])
def test_model_and_evaluation_must_be_of_the_same_ticker_and_source(field: str, value: str) -> None:
    with pytest.raises(SchemaError, match=f"the model is .*{value}"):
        predict(model=model_with(**{field: value}))
    with pytest.raises(SchemaError, match=f"the evaluation is .*{value}"):
        predict(facts=evaluation(**{field: value}))


def test_model_and_evaluation_must_look_equally_far_ahead() -> None:
    with pytest.raises(SchemaError, match=r"the evaluation is about 5 session\(s\) ahead; expected the model's 1"):
        predict(facts=evaluation(horizon_sessions=5))


def test_features_must_end_on_the_session() -> None:
    next_session = datetime.date(2015, 6, 25)
    with pytest.raises(SchemaError, match="TSLA 2015-06-25: the features end on 2015-06-24; expected 2015-06-25"):
        predict(as_of=next_session)


def test_other_features_than_the_model_was_trained_on_are_named() -> None:
    with pytest.raises(SchemaError, match="lacking: hint; unknown: tip"):
        predict(FEATURES.rename(columns={"hint": "tip"}))


def test_features_in_another_order_are_refused() -> None:
    order = ["noise_1", "hint", *[name for name in FEATURES.columns if name not in ("noise_1", "hint")]]
    with pytest.raises(SchemaError, match="only the order differs"):
        predict(FEATURES[order])


def test_no_interval_no_forecast() -> None:
    with pytest.raises(InsufficientHistoryError, match="8 forecasts are too few for an interval at 90%"):
        predict(facts=evaluation(n_forecasts=8, interval={"level": 0.9, "scaled_quantile": None}))


def test_predicting_changes_nothing_it_was_given() -> None:
    before = FEATURES.copy()
    first = predict()
    pd.testing.assert_frame_equal(FEATURES, before)
    assert np.array_equal(first["probability_up"], predict()["probability_up"])
