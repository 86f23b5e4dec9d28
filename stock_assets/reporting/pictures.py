"""The figures of a report, each with its text for those who can't see it. How they are drawn is in charts."""

import base64
import dataclasses
from typing import Any

from stock_assets.reporting import alt_texts, coverage, figures, inputs, tables
from stock_assets.reporting.charts import forecasts, importance, money, prices, returns


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
        """Width and height on the page at full size, in pixels, so that it does not jump while it is laid out."""
        width, height = (int.from_bytes(self.png[at : at + 4], "big") for at in (16, 20))
        return round(width * figures.PAGE_DPI / figures.DPI), round(height * figures.PAGE_DPI / figures.DPI)


def draw(given: inputs.ReportInputs) -> list[Picture]:
    """The figures of the report. Without `importance` where the model card has none, and says why.

    Raises:
        DataError: The inputs are not of one ticker, session and source.
        SchemaError: A result lacks something that is drawn.
    """
    results = inputs.results(given)
    look: dict[str, Any] = {"label": f"{given.ticker} {given.as_of}", "simulated": given.source == inputs.SIMULATED}
    drawn = [*_of_prices(given, results, look), *_of_forecasts(given, results, look)]
    features = features_of_importance(results)
    if features:
        png = importance.importance(features, **look)
        drawn.append(Picture("importance", png, alt_texts.importance(importance.largest(features))))
    return drawn


def features_of_importance(results: tables.Results) -> dict[str, dict[str, float]]:
    """The permutation importance of each feature; empty where the card has none."""
    return results.value("card.permutation_importance.features") or {}


def _of_prices(given: inputs.ReportInputs, results: tables.Results, look: dict[str, Any]) -> list[Picture]:
    clean = given.clean
    years = results.value("months.years")
    tails = {name: results.value(f"metrics.{name}") for name in ("var_95", "cvar_95", "var_99", "cvar_99")}
    return [
        Picture("price", prices.price(clean, **look), alt_texts.price(results, clean.tail(prices.LAST_SESSIONS))),
        Picture("history", prices.history(clean, **look), alt_texts.history(results, clean)),
        Picture("returns", returns.returns(clean, **look), alt_texts.returns(results)),
        Picture("months", returns.months(years, **look), alt_texts.months(years[: returns.MOST_YEARS])),
        Picture("drawdown", returns.drawdown(clean, **look), alt_texts.drawdown(results)),
        Picture("volatility", returns.volatility(clean, **look), alt_texts.volatility(results)),
        Picture("distribution", returns.distribution(clean, tails, **look), alt_texts.distribution(results)),
    ]


def _of_forecasts(given: inputs.ReportInputs, results: tables.Results, look: dict[str, Any]) -> list[Picture]:
    backtest = given.backtest
    matrix = results.value("evaluation.classification.confusion_matrix")
    horizon, level = results.value("evaluation.horizon_sessions"), results.value("evaluation.interval.level")
    growth = money.growth(
        backtest,
        horizon=horizon,
        cost_bps=results.value("evaluation.backtest.cost_bps"),
        execution=results.value("evaluation.backtest.execution"),
        short=results.value("evaluation.backtest.short"),
    )
    held = coverage.by_year(backtest, horizon, level)
    forecast = forecasts.forecast(given.clean, results.value("prediction"), **look)
    return [
        Picture("forecast", forecast, alt_texts.forecast(results)),
        Picture("confusion_matrix", forecasts.confusion_matrix(matrix, **look), alt_texts.confusion_matrix(matrix)),
        Picture("calibration", forecasts.calibration(backtest, **look), alt_texts.calibration(backtest)),
        Picture("coverage", forecasts.coverage(held, level, **look), alt_texts.coverage(held, level)),
        Picture("equity", money.equity(growth, **look), alt_texts.equity(growth)),
    ]
