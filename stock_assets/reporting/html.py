"""The report of one ticker and session: one self-contained HTML page and its figures. How things look is elsewhere.

The page asks nothing of anyone: pictures are inside it, there is no script, and its content policy forbids the rest.
"""

import dataclasses

import pandas as pd

from stock_assets.reporting import inputs as given
from stock_assets.reporting import pictures, tables, templates, wording
from stock_assets.reporting.charts import importance, returns
from stock_assets.reporting.inputs import SIMULATED as SIMULATED
from stock_assets.reporting.inputs import ReportInputs as ReportInputs
from stock_assets.reporting.tables import data, model, prices, record, scores

SOURCES = {"yahoo": "Yahoo Finance", "csv": "CSV files", SIMULATED: "simulated"}


@dataclasses.dataclass(frozen=True)
class Warn:
    """Something a reader must know before any number."""

    title: str
    text: str


def render_report(inputs: ReportInputs) -> dict[str, bytes]:
    """The report as files: "report.html" and "figures/<name>.png"; the same inputs give the same bytes.

    Raises:
        DataError: The inputs are not of one ticker, session and source, or hold a number that is not finite.
        SchemaError: A result lacks something the report shows.
    """
    drawn = pictures.draw(inputs)
    return {"report.html": render_page(inputs, drawn)} | {
        f"figures/{picture.name}.png": picture.png for picture in drawn
    }


def render_page(inputs: ReportInputs, drawn: list[pictures.Picture]) -> bytes:
    """The page with these figures in it, as UTF-8. Errors as `render_report`."""
    results = given.results(inputs)
    features = pictures.features_of_importance(results)
    page = templates.load("report.html.jinja").render(
        ticker=inputs.ticker,
        as_of=inputs.as_of,
        source=SOURCES.get(inputs.source, inputs.source),
        simulated=inputs.source == SIMULATED,
        warnings=_warnings(inputs, results),
        verdict=results.value("evaluation.verdict"),
        prediction=_prediction(results),
        target_session=results.value("prediction.target_session"),
        horizon=results.value("evaluation.horizon_sessions"),
        pictures={picture.name: picture for picture in drawn},
        scores=(scores.classification(results), scores.regression(results)),
        strategy=scores.strategy(results),
        strategies=scores.strategies(results),
        rules=scores.rules(results),
        test=scores.verdict_test(results),
        interval=scores.interval(results),
        years=scores.by_year(results),
        volatility=scores.by_volatility(results),
        record=record.track_record(results),
        n_made=results.cell("record.n_forecasts", wording.count),
        months=prices.months(results),
        n_years=len(results.value("months.years")),
        most_years=returns.MOST_YEARS,
        risk=prices.risk(results),
        metrics=prices.price_metrics(results),
        card={
            "facts": model.facts(results),
            "scores": model.scores(results),
            "attempts": model.attempts(results),
            "settings": model.settings(results),
            "libraries": model.libraries(results),
        },
        card_notes=[results.value(f"card.{part}.note") for part in ("in_sample", "holdout")],
        importance=model.importance(results, [name for name, *_ in importance.largest(features)]),
        importance_cells=_importance_cells(results),
        importance_measures=results.value("card.permutation_importance.measures"),
        why_no_importance=None if features else results.value("card.permutation_importance.why"),
        data_table=data.data(results),
        data_cells=_data_cells(results),
        repairs=data.repairs(results),
        revisions=data.revisions(results),
        revisions_why=results.value("quality.revisions.why"),
        revisions_explanation=results.value("quality.revisions.explanation"),
        missing=data.named_sessions(results, "quality.missing.sessions"),
        left_out=data.named_sessions(results, "quality.left_out.sessions"),
        long_session=wording.long_session,
    )
    return page.encode()


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


def _importance_cells(results: tables.Results) -> dict[str, tables.Cell]:
    at = "card.permutation_importance"
    return {name: results.cell(f"{at}.{name}", wording.count) for name in ("n_repeats", "n_rows")}


def _data_cells(results: tables.Results) -> dict[str, tables.Cell]:
    return {
        "sessions": results.cell("metrics.n_sessions", wording.count),
        "first": results.session_cell("metrics.first_session"),
        "last_close": results.cell("metrics.last_close", wording.price),
        "last_return": results.cell("metrics.last_return", wording.change),
        "n_forecasts": results.cell("evaluation.n_forecasts", wording.count),
        "level": results.cell("evaluation.verdict.test.level", wording.ratio),
        "missing": results.cell("quality.missing.n", wording.count),
        "left_out": results.cell("quality.left_out.n", wording.count),
        "revisions": results.cell("quality.revisions.n", wording.count),
        "compared_with": results.session_cell("quality.revisions.compared_with"),
        "rose": results.cell("evaluation.classification.realised_up_share", wording.percent),
    }
