"""What a report is made from, and whether it belongs together. Nothing is written or drawn here."""

import dataclasses
import datetime
from typing import Any

import pandas as pd

from stock_assets.core import errors
from stock_assets.reporting import monthly, tables

SIMULATED = "simulated"


@dataclasses.dataclass(frozen=True)
class ReportInputs:
    """Everything a report is made from: the results of one ticker after the close of `as_of`.

    `clean`, `backtest` and `predictions` are tables of core.schemas; `metrics` and `evaluation` the JSON of
    price_metrics and evaluation, `card` that of core.model_card, `quality` that of core.quality, `track_record` the
    summary of core.track_record. Evaluation and card
    may be some sessions older than `as_of`, never younger.
    """

    ticker: str
    as_of: datetime.date
    source: str
    clean: pd.DataFrame
    metrics: dict[str, Any]
    backtest: pd.DataFrame
    evaluation: dict[str, Any]
    predictions: pd.DataFrame
    card: dict[str, Any]
    quality: dict[str, Any]
    track_record: dict[str, Any]


def documents(inputs: ReportInputs) -> dict[str, Any]:
    """The documents that paths on the page refer to, by name; `months` holds `years`, see `monthly.by_year`."""
    row = inputs.predictions.iloc[0].to_dict()
    prediction = {
        name: f"{value:%Y-%m-%d}" if isinstance(value, pd.Timestamp) else value for name, value in row.items()
    }
    return {
        "metrics": inputs.metrics,
        "evaluation": inputs.evaluation,
        "prediction": prediction,
        # Cards written before there was such a thing have none, and no reason.
        "card": {"permutation_importance": None} | inputs.card,
        "quality": inputs.quality,
        "record": inputs.track_record,
        "months": {"years": monthly.by_year(inputs.clean)},
    }


def results(inputs: ReportInputs) -> tables.Results:
    """The results by path, once they are known to belong together.

    A report that mixes tickers, sources or sessions, or knows what came later, is never made: that is a `DataError`.
    """
    where = f"{inputs.ticker} {inputs.as_of}"
    if len(inputs.predictions) != 1:
        raise errors.DataError(f"{where}: predictions has {len(inputs.predictions)} rows; expected one")
    found = tables.Results(documents(inputs), ticker=inputs.ticker, as_of=inputs.as_of)
    session = inputs.as_of.isoformat()
    came = {
        f"{what} of {name}": (found.value(f"{name}.{what}"), expected)
        for name in ("metrics", "evaluation", "prediction", "card", "quality", "record")
        for what, expected in (("ticker", inputs.ticker), ("source", inputs.source), ("as_of", session))
        if what != "as_of" or name not in ("evaluation", "card")
    }
    came["last session of clean_prices"] = (f"{inputs.clean.index[-1]:%Y-%m-%d}", session)
    for what, (got, expected) in came.items():
        if got != expected:
            raise errors.DataError(f"{where}: {what} is {got}; expected {expected}")
    latest = {
        "evaluation": found.value("evaluation.as_of"),
        "model card": found.value("card.as_of"),
        "model": found.value("prediction.model_as_of"),
        "backtest": f"{inputs.backtest['target_session'].max():%Y-%m-%d}",
    }
    for what, day in latest.items():
        if day > session:
            raise errors.DataError(f"{where}: {what} reaches to {day}; expected nothing after {session}")
    return found
