"""The report of one ticker and session: one self-contained HTML page and its figures. How things look is elsewhere.

The page asks nothing of anyone: pictures are inside it, there is no script, and its content policy forbids the rest.
"""

import base64
import dataclasses
import datetime
import functools
from typing import Any

import jinja2
import pandas as pd

from stock_assets.core import direction_scores, errors
from stock_assets.reporting import alt_texts, charts, tables, wording

SIMULATED = "simulated"
SOURCES = {"yahoo": "Yahoo Finance", "csv": "CSV files", SIMULATED: "simulated"}


@dataclasses.dataclass(frozen=True)
class ReportInputs:
    """Everything a report is made from: the results of one ticker after the close of `as_of`.

    `clean`, `backtest` and `predictions` are tables of core.schemas; `metrics` and `evaluation` the JSON of
    price_metrics and evaluation, `card` that of core.model_card, `quality` that of core.quality. Evaluation and card
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


@dataclasses.dataclass(frozen=True)
class Warn:
    """Something a reader must know before any number."""

    title: str
    text: str


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure on the page: its name is that of its file."""

    name: str
    png: bytes
    alt: str

    @property
    def data(self) -> str:
        return base64.b64encode(self.png).decode("ascii")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the PNG's header, so that the page does not jump while it is laid out."""
        return int.from_bytes(self.png[16:20], "big"), int.from_bytes(self.png[20:24], "big")


def render_report(inputs: ReportInputs) -> dict[str, bytes]:
    """The report as files: "report.html" and "figures/<name>.png"; the same inputs give the same bytes.

    Raises:
        DataError: The inputs are not of one ticker, session and source, or hold a number that is not finite.
        SchemaError: A result lacks something the report shows.
    """
    pictures = draw(inputs)
    return {"report.html": render_page(inputs, pictures)} | {
        f"figures/{picture.name}.png": picture.png for picture in pictures
    }


def draw(inputs: ReportInputs) -> list[Picture]:
    """The figures of the report, each with its text for those who can't see it. Errors as `render_report`."""
    results = _results(inputs)
    clean, backtest = inputs.clean, inputs.backtest
    matrix = results.value("evaluation.classification.confusion_matrix")
    growth = charts.growth(
        backtest,
        horizon=results.value("evaluation.horizon_sessions"),
        cost_bps=results.value("evaluation.backtest.cost_bps"),
        execution=results.value("evaluation.backtest.execution"),
        short=results.value("evaluation.backtest.short"),
    )
    tails = {name: results.value(f"metrics.{name}") for name in ("var_95", "cvar_95", "var_99", "cvar_99")}
    look = {"label": f"{inputs.ticker} {inputs.as_of}", "simulated": inputs.source == SIMULATED}
    return [
        Picture("forecast", charts.forecast(clean, results.value("prediction"), **look), alt_texts.forecast(results)),
        Picture("price", charts.price(clean, **look), alt_texts.price(results, clean)),
        Picture("returns", charts.returns(clean, **look), alt_texts.returns(results)),
        Picture("drawdown", charts.drawdown(clean, **look), alt_texts.drawdown(results)),
        Picture("volatility", charts.volatility(clean, **look), alt_texts.volatility(results)),
        Picture("distribution", charts.distribution(clean, tails, **look), alt_texts.distribution(results)),
        Picture("confusion_matrix", charts.confusion_matrix(matrix, **look), alt_texts.confusion_matrix(matrix)),
        Picture(
            "calibration",
            charts.calibration(backtest, **look),
            alt_texts.calibration(direction_scores.calibration_bins(backtest)),
        ),
        Picture("equity", charts.equity(growth, **look), alt_texts.equity(growth)),
    ]


def render_page(inputs: ReportInputs, pictures: list[Picture]) -> bytes:
    """The page with these figures in it, as UTF-8. Errors as `render_report`."""
    results = _results(inputs)
    page = _template().render(
        ticker=inputs.ticker,
        as_of=inputs.as_of,
        source=SOURCES.get(inputs.source, inputs.source),
        simulated=inputs.source == SIMULATED,
        warnings=_warnings(inputs, results),
        verdict=results.value("evaluation.verdict"),
        prediction=_prediction(results),
        target_session=results.value("prediction.target_session"),
        horizon=results.value("evaluation.horizon_sessions"),
        pictures={picture.name: picture for picture in pictures},
        scores=(tables.classification(results), tables.regression(results)),
        strategy=tables.strategy(results),
        test=tables.verdict_test(results),
        interval=tables.interval(results),
        years=tables.by_year(results),
        risk=tables.risk(results),
        metrics=tables.price_metrics(results),
        data_table=tables.data(results),
        data_cells=_data_cells(results),
        repairs=tables.repairs(results),
        long_session=wording.long_session,
    )
    return page.encode()


def documents(inputs: ReportInputs) -> dict[str, Any]:
    """The documents that paths on the page refer to: `metrics`, `evaluation`, `prediction` and `data`."""
    row = inputs.predictions.iloc[0].to_dict()
    prediction = {
        name: f"{value:%Y-%m-%d}" if isinstance(value, pd.Timestamp) else value for name, value in row.items()
    }
    repaired = inputs.clean["repairs"].str.split(",").explode()
    repaired = repaired[repaired != ""]
    repairs = [
        {"repair": str(kind), "sessions": len(rows), "latest": f"{rows.index[-1]:%Y-%m-%d}"}
        for kind, rows in repaired.groupby(repaired)
    ]
    return {
        "metrics": inputs.metrics,
        "evaluation": inputs.evaluation,
        "prediction": prediction,
        "data": {"repairs": repairs},
    }


def _results(inputs: ReportInputs) -> tables.Results:
    """The results by path, once they are known to belong together.

    A report that mixes tickers, sources or sessions, or knows what came later, is never made.
    """
    where = f"{inputs.ticker} {inputs.as_of}"
    if len(inputs.predictions) != 1:
        raise errors.DataError(f"{where}: predictions has {len(inputs.predictions)} rows; expected one")
    results = tables.Results(documents(inputs), ticker=inputs.ticker, as_of=inputs.as_of)
    session = inputs.as_of.isoformat()
    came = {
        f"{what} of {name}": (results.value(f"{name}.{what}"), expected)
        for name in ("metrics", "evaluation", "prediction")
        for what, expected in (("ticker", inputs.ticker), ("source", inputs.source), ("as_of", session))
        if (name, what) != ("evaluation", "as_of")
    }
    came["last session of clean_prices"] = (f"{inputs.clean.index[-1]:%Y-%m-%d}", session)
    for what, (got, expected) in came.items():
        if got != expected:
            raise errors.DataError(f"{where}: {what} is {got}; expected {expected}")
    latest = {
        "evaluation": results.value("evaluation.as_of"),
        "model": results.value("prediction.model_as_of"),
        "backtest": f"{inputs.backtest['target_session'].max():%Y-%m-%d}",
    }
    for what, day in latest.items():
        if day > session:
            raise errors.DataError(f"{where}: {what} reaches to {day}; expected nothing after {session}")
    return results


def _warnings(inputs: ReportInputs, results: tables.Results) -> list[Warn]:
    found = []
    if results.value("evaluation.suspicious"):
        reason = results.value("evaluation.suspicious_reason")
        found.append(Warn("Too good to be true", f"Don't trust these scores: {reason}."))
    for what, path in (("model", "prediction.model_as_of"), ("evaluation", "evaluation.as_of")):
        made = results.value(path)
        if made < inputs.as_of.isoformat():
            n = len(inputs.clean.loc[inputs.clean.index > pd.Timestamp(made)])
            since = "1 session" if n == 1 else f"{n} sessions"
            told = f"The {what} is of {wording.long_session(made)}, {since} before this report: it knows nothing since."
            found.append(Warn(f"Older {what}", told))
    return found


def _prediction(results: tables.Results) -> dict[str, tables.Cell]:
    writers: dict[str, wording.Writer] = {
        "predicted_close": wording.price,
        "interval_low": wording.price,
        "interval_high": wording.price,
        "interval_level": wording.short_percent,
        "naive_close": wording.price,
        "probability_up": wording.percent,
        "expected_return": wording.fine_change,
    }
    cells = {name: results.cell(f"prediction.{name}", write) for name, write in writers.items()}
    return cells | {name: results.session_cell(f"prediction.{name}") for name in ("target_session", "model_as_of")}


def _data_cells(results: tables.Results) -> dict[str, tables.Cell]:
    return {
        "sessions": results.cell("metrics.n_sessions", wording.count),
        "first": results.session_cell("metrics.first_session"),
        "last_close": results.cell("metrics.last_close", wording.price),
        "last_return": results.cell("metrics.last_return", wording.change),
        "n_forecasts": results.cell("evaluation.n_forecasts", wording.count),
        "level": results.cell("evaluation.verdict.test.level", wording.ratio),
        "rose": results.cell("evaluation.classification.realised_up_share", wording.percent),
    }


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("stock_assets.reporting"),
        # For the page and its style sheet alike, whatever their names end in.
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja")
