"""The forecast people read: one row about the next session, with its interval and the naive forecast beside it.

Not here: fitting the model (modelling), the width of the interval (evaluation), and finding a model that has not
expired.
"""

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stock_assets.core import calibration, intervals, modelling
from stock_assets.core.errors import InsufficientHistoryError, SchemaError

LOWEST_SHARE = 0.01
"""The lower end of an interval is at least this share of the last close: a price does not fall to zero or below."""


def predict(
    features: pd.DataFrame,
    model: modelling.Model,
    evaluation: Mapping[str, Any],
    *,
    ticker: str,
    as_of: datetime.date,
    source: str,
) -> pd.DataFrame:
    """The `predictions` table: one row, the forecast made after the close of `as_of` from the last row of `features`.

    predicted_close = close * (1 + expected_return); the expected return includes a dividend, the price it is turned
    into does not, so that on the eve of an ex-dividend session the predicted close is high by the dividend. The
    interval is close * (1 + expected_return -+ q * width), q the conformal quantile of the evaluation and the width by
    the volatility of the last sessions (`intervals.width`), with the lower end kept at 1 % of the close or more.
    `naive_close` is the last close, `beats_naive` the evaluation's verdict. `probability_up` is calibrated by the slope
    that the evaluation learnt, from the share of rises in the model's training rows.

    Args:
        features: The `features` table whose last session is `as_of`.
        model: A model of the same ticker and source, trained at or before `as_of`.
        evaluation: An evaluation of the same ticker and source, made at or before `as_of`.
        ticker: Ticker.
        as_of: Session after whose close the forecast is made.
        source: Where the prices came from.

    Raises:
        SchemaError: The features end on another session or have other columns than the model was trained on, or model
            or evaluation are of another ticker, source or horizon, or of a later session.
        InsufficientHistoryError: The evaluation had too few forecasts to give an interval.
    """
    where = f"{ticker} {as_of}"
    _check_origin("model", model.card, ticker=ticker, as_of=as_of, source=source)
    _check_origin("evaluation", evaluation, ticker=ticker, as_of=as_of, source=source)
    horizon = int(model.card["target"]["horizon_sessions"])
    if evaluation["horizon_sessions"] != horizon:
        raise SchemaError(
            f"{where}: the evaluation is about {evaluation['horizon_sessions']} session(s) ahead; "
            f"expected the model's {horizon}"
        )
    modelling.check_features(features, ticker=ticker, as_of=as_of, horizon=horizon)
    if features.index[-1] != pd.Timestamp(as_of):
        raise SchemaError(f"{where}: the features end on {features.index[-1]:%Y-%m-%d}; expected {as_of}")
    names = modelling.feature_names(features)
    _check_names(names, model.card["features"], where)
    quantile = evaluation["interval"]["scaled_quantile"]
    if quantile is None:
        raise InsufficientHistoryError(
            f"{where}: {evaluation['n_forecasts']} forecasts are too few for an interval at "
            f"{evaluation['interval']['level']:.0%}"
        )

    last = features.iloc[[-1]]
    close = float(last["close"].iloc[0])
    width = intervals.width(float(last["volatility"].iloc[0]), evaluation["interval"]["usual_volatility"])
    half_width = float(quantile) * float(width)
    raw, expected_return = modelling.forecast(model, last[names].to_numpy(dtype="float64"))
    base_rate = float(model.card["in_sample"]["up_share"])
    probability_up = calibration.apply(evaluation["calibration"]["slope"], raw, base_rate)
    expected = float(expected_return[0])
    return pd.DataFrame(
        {
            "ticker": [ticker],
            "as_of": np.array([as_of], dtype="datetime64[ns]"),
            "target_session": last["target_session"].to_numpy("datetime64[ns]"),
            "probability_up": probability_up,
            "expected_return": [expected],
            "predicted_close": [close * (1 + expected)],
            "interval_low": [max(close * (1 + expected - half_width), close * LOWEST_SHARE)],
            "interval_high": [close * (1 + expected + half_width)],
            "interval_level": [float(evaluation["interval"]["level"])],
            "naive_close": [close],
            "model_as_of": np.array([model.card["as_of"]], dtype="datetime64[ns]"),
            "beats_naive": [bool(evaluation["verdict"]["beats_naive"])],
            "source": [source],
        }
    )


def require_horizon(
    model: modelling.Model, evaluation: Mapping[str, Any], horizon: int, *, ticker: str, as_of: datetime.date
) -> None:
    """Refuses a model or an evaluation of another horizon than the settings ask for, and says what to do.

    Raises `SchemaError`.
    """
    found = {
        "model": (model.card["as_of"], int(model.card["target"]["horizon_sessions"])),
        "evaluation": (evaluation["as_of"], int(evaluation["horizon_sessions"])),
    }
    for what, (of, sessions_ahead) in found.items():
        if sessions_ahead != horizon:
            raise SchemaError(
                f"{ticker} {as_of}: the newest {what}, of {of}, is about {sessions_ahead} session(s) ahead; the "
                f"settings ask for a horizon of {horizon}: materialise features, model, backtest and evaluation of "
                f"{ticker}, session {as_of}, or set the horizon to {sessions_ahead}"
            )


def _check_origin(what: str, facts: Mapping[str, Any], *, ticker: str, as_of: datetime.date, source: str) -> None:
    where = f"{ticker} {as_of}"
    if facts["ticker"] != ticker:
        raise SchemaError(f"{where}: the {what} is of {facts['ticker']}; expected {ticker}")
    if facts["source"] != source:
        raise SchemaError(f"{where}: the {what} is from the source {facts['source']}; expected {source}")
    if datetime.date.fromisoformat(facts["as_of"]) > as_of:
        raise SchemaError(f"{where}: the {what} is of {facts['as_of']}; expected none later than {as_of}: look-ahead")


def _check_names(names: list[str], trained_on: list[str], where: str) -> None:
    if names == trained_on:
        return
    lacking = [name for name in trained_on if name not in names]
    unknown = [name for name in names if name not in trained_on]
    raise SchemaError(
        f"{where}: the features are not those the model was trained on; lacking: {', '.join(lacking) or 'none'}; "
        f"unknown: {', '.join(unknown) or 'none'}" + ("" if lacking or unknown else "; only the order differs")
    )
