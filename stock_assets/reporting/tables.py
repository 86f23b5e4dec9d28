"""The tables of a report: which number stands where, under which name, and how it reads. No HTML here.

Every number is taken from a result by its path, such as `evaluation.classification.accuracy`; the cell keeps the path
and the raw value, so that a page can be checked against the JSON it was made from.
"""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

from stock_assets.core import errors
from stock_assets.reporting import wording

TOO_SHORT = "not defined: history too short"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One value as a person reads it, and where it came from; without a path it is only text.

    `missing` says why there is no value, `note` stands small below it, `upto` is the other end of a range.
    """

    text: str
    key: str | None = None
    value: str | None = None
    missing: str | None = None
    note: str = ""
    look: str = ""
    upto: "Cell | None" = None


@dataclasses.dataclass(frozen=True)
class Row:
    """A name, what it means, and its cells."""

    name: Cell
    cells: tuple[Cell, ...]
    meaning: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows under column heads; `first` is the head above the names."""

    ident: str
    caption: str
    first: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


NOTHING = Cell("")


class Results:
    """The results a report is made from, looked up by path. Raises `SchemaError` for a path that is not there."""

    def __init__(self, documents: Mapping[str, Any], *, ticker: str, as_of: datetime.date) -> None:
        self._documents = documents
        self._where = f"{ticker} {as_of}"

    def value(self, path: str) -> Any:
        """What stands at `path`; None when it, or something it is a part of, is null."""
        found: Any = self._documents
        for depth, name in enumerate(path.split(".")):
            if found is None:
                return None
            try:
                found = found[int(name)] if isinstance(found, list) else found[name]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                parent = ".".join(path.split(".")[:depth])
                raise errors.SchemaError(f"{self._where}: the report needs {path}; {parent} has no {name}") from error
        return found

    def cell(self, path: str, write: wording.Writer, *, why: str = TOO_SHORT, note: str = "") -> Cell:
        """The number at `path` as a cell; `why` says what it means when it is null."""
        number = self.value(path)
        if number is None:
            return Cell(wording.UNDEFINED, path, "null", self._reason(path) or why, note)
        return Cell(write(number), path, repr(number), None, note)

    def _reason(self, path: str) -> str | None:
        """Why the evaluation says that a number of its is null."""
        document, _, rest = path.partition(".")
        reason = self.value("evaluation.reasons").get(rest) if document == "evaluation" else None
        return f"not defined: {reason}" if reason else None

    def session_cell(self, path: str, *, why: str = TOO_SHORT) -> Cell:
        """The session at `path` as a cell."""
        day = self.value(path)
        if day is None:
            return Cell(wording.UNDEFINED, path, "null", why)
        return Cell(wording.session(day), path, str(day))

    def compared(self, path: str, naive: str, write: wording.Writer, *, lower: bool, note: str) -> tuple[Cell, ...]:
        """The number at `path`, the naive forecast's at `naive`, and which is better."""
        model, beside = self.cell(path, write), self.cell(naive, write, note=note)
        return model, beside, _judged(model, beside, lower=lower)

    def against(self, path: str, baseline: float, write: wording.Writer, *, lower: bool, note: str) -> tuple[Cell, ...]:
        """The number at `path` beside a baseline that holds by definition."""
        model, beside = self.cell(path, write), Cell(write(baseline), value=repr(baseline), note=note)
        return model, beside, _judged(model, beside, lower=lower)


def _judged(model: Cell, naive: Cell, *, lower: bool) -> Cell:
    """Which of two cells is better, as far as the digits shown tell; luck is the business of the test."""
    if model.missing or naive.missing:
        return NOTHING
    if model.text == naive.text:
        return Cell("equal")
    first, second = float(str(model.value)), float(str(naive.value))
    return Cell("better" if (first < second) == lower else "worse")


def _row(name: str, *cells: Cell, meaning: str = "") -> Row:
    return Row(Cell(name), cells, meaning)


def classification(results: Results) -> Table:
    """Scores of the direction, each beside a forecast anyone can make."""
    at = "evaluation.classification."
    low, high = (results.cell(f"{at}accuracy_ci95.{end}", wording.percent) for end in (0, 1))
    return Table(
        "direction",
        "Direction: will the price rise?",
        "Score",
        ("Model", "Naive", "Model is"),
        (
            _row(
                "Accuracy",
                *results.compared(
                    f"{at}accuracy", f"{at}majority_accuracy", wording.percent, lower=False, note="more frequent"
                ),
                meaning="Share of directions that were right",
            ),
            _row(
                "… 95% interval",
                dataclasses.replace(low, upto=high),
                NOTHING,
                NOTHING,
                meaning="What chance alone leaves open",
            ),
            _row(
                "Balanced accuracy",
                *results.against(f"{at}balanced_accuracy", 0.5, wording.percent, lower=False, note="a coin"),
                meaning="Mean of the shares found among rises and among falls",
            ),
            _row(
                "ROC AUC",
                *results.against(f"{at}roc_auc", 0.5, wording.score, lower=False, note="a coin"),
                meaning="Chance that a rise had a higher probability than a fall",
            ),
            _row(
                "Brier score",
                *results.compared(f"{at}brier", f"{at}brier_naive", wording.score, lower=True, note="share of rises"),
                meaning="Mean squared error of the probability; lower is better",
            ),
            _row(
                "Log loss",
                *results.compared(
                    f"{at}log_loss", f"{at}log_loss_naive", wording.score, lower=True, note="share of rises"
                ),
                meaning="Punishes confident mistakes hardest; lower is better",
            ),
            _row(
                "p-value",
                results.cell(f"{at}p_value", wording.p_value),
                NOTHING,
                NOTHING,
                meaning="How often luck alone would be as accurate",
            ),
        ),
    )


def regression(results: Results) -> Table:
    """Errors of the forecast close and of the forecast return, beside naive ones."""
    at = "evaluation.regression."
    last, zero, mean = "last close", "no change", "mean so far"

    def pair(name: str, score: str, naive: str, write: wording.Writer, note: str, meaning: str) -> Row:
        return _row(name, *results.compared(at + score, at + naive, write, lower=True, note=note), meaning=meaning)

    return Table(
        "size",
        "Size: where will the close be?",
        "Score",
        ("Model", "Naive", "Model is"),
        (
            pair(
                "RMSE of the close", "rmse", "rmse_naive", wording.score, last, "Typical error, large ones weigh more"
            ),
            pair("MAE of the close", "mae", "mae_naive", wording.score, last, "Mean absolute error"),
            pair(
                "MAPE of the close",
                "mape",
                "mape_naive",
                wording.finest_percent,
                last,
                "Mean absolute error in percent",
            ),
            pair(
                "RMSE of the return",
                "rmse_return",
                "rmse_return_zero",
                wording.finest_percent,
                zero,
                "A return of zero",
            ),
            pair(
                "… against the mean",
                "rmse_return",
                "rmse_return_mean",
                wording.finest_percent,
                mean,
                "Mean return so far",
            ),
            _row(
                "R² out of sample",
                *results.against(f"{at}r2_oos", 0.0, wording.fine_change, lower=False, note=mean),
                meaning="Share of the return's variance explained beyond the mean so far; above 1% is rare",
            ),
            _row(
                "R² against no change",
                *results.against(f"{at}r2_oos_zero", 0.0, wording.fine_change, lower=False, note=zero),
                meaning="The same against a return of zero",
            ),
            _row(
                "Diebold-Mariano statistic",
                results.cell(f"{at}dm_statistic", wording.ratio),
                NOTHING,
                NOTHING,
                meaning="Difference of squared errors in standard errors",
            ),
            _row(
                "… p-value",
                results.cell(f"{at}dm_p_value", wording.p_value),
                NOTHING,
                NOTHING,
                meaning="How often luck alone would do as well",
            ),
        ),
    )


def strategy(results: Results) -> Table:
    """Following the forecasts beside holding throughout, after costs."""
    lines: tuple[tuple[str, str, wording.Writer, str], ...] = (
        ("Return a year", "annual_return", wording.change, "Geometric, after costs"),
        ("Volatility a year", "annual_volatility", wording.percent, "Standard deviation of returns, annualised"),
        ("Sharpe ratio", "sharpe", wording.ratio, "Return a unit of volatility, risk-free rate 0"),
        ("Deflated Sharpe", "deflated_sharpe", wording.percent, "Probability that the Sharpe ratio is not luck"),
        ("Deepest drawdown", "max_drawdown", wording.change, "Largest fall from a peak"),
        ("Turnover a year", "turnover", wording.ratio, "How often the whole position is traded"),
        ("Cost of a trade, basis points", "cost_bps", wording.plain, "Paid on everything bought or sold"),
    )
    return Table(
        "strategy",
        "Money: following the forecasts",
        "Measure",
        ("Forecasts followed", "Buy and hold"),
        tuple(
            _row(
                name,
                results.cell(f"evaluation.backtest.{key}", write),
                results.cell(f"evaluation.backtest.buy_and_hold.{key}", write),
                meaning=meaning,
            )
            for name, key, write, meaning in lines
        ),
    )


def verdict_test(results: Results) -> Table:
    """The two claims behind the verdict, and how likely luck would do as well."""
    at = "evaluation.verdict.test"
    against = {"up_share": "share of rises so far", "zero": "no change", "mean_return": "mean return so far"}
    return Table(
        "test",
        "The test behind the verdict",
        "Claim",
        ("Statistic", "p-value", "Corrected", "Skill"),
        tuple(
            _row(
                f"Forecast of the {claim['name']}",
                results.cell(f"{at}.claims.{place}.statistic", wording.ratio),
                results.cell(f"{at}.claims.{place}.p_value", wording.p_value),
                results.cell(f"{at}.claims.{place}.p_value_holm", wording.p_value),
                Cell("yes", look="better") if claim["better"] else Cell("no"),
                meaning=f"Against {against.get(claim['against'], claim['against'])}",
            )
            for place, claim in enumerate(results.value(f"{at}.claims"))
        ),
    )


def interval(results: Results) -> Table:
    """Whether intervals held what they promise."""
    at = "evaluation.interval."
    return Table(
        "interval",
        "Intervals: did they hold?",
        "Measure",
        ("Value",),
        (
            _row("Promised coverage", results.cell(f"{at}level", wording.percent)),
            _row("Share of outcomes inside", results.cell(f"{at}coverage", wording.percent), meaning="Out of sample"),
            _row("Half-width in volatilities", results.cell(f"{at}scaled_quantile", wording.ratio)),
            _row("Forecasts it was measured on", results.cell(f"{at}n", wording.count)),
        ),
    )


_YEAR_COLUMNS: dict[str, tuple[str, wording.Writer]] = {
    "n": ("Forecasts", wording.count),
    "accuracy": ("Accuracy", wording.percent),
    "majority_accuracy": ("Accuracy, naive", wording.percent),
    "balanced_accuracy": ("Balanced accuracy", wording.percent),
    "brier": ("Brier", wording.score),
    "brier_naive": ("Brier, naive", wording.score),
    "rmse": ("RMSE of close", wording.score),
    "rmse_naive": ("RMSE, naive", wording.score),
    "r2_oos": ("R² out of sample", wording.fine_change),
    "annual_return": ("Return a year", wording.change),
    "strategy_return": ("Forecasts followed", wording.change),
    "buy_and_hold_return": ("Buy and hold", wording.change),
}


def by_year(results: Results) -> Table:
    """The scores of each calendar year: a model that lives off one good year shows here."""
    years = results.value("evaluation.by_year")
    keys = [key for key in _YEAR_COLUMNS if all(key in year for year in years)]
    return Table(
        "years",
        "Year by year",
        "Year",
        tuple(_YEAR_COLUMNS[key][0] for key in keys),
        tuple(
            Row(
                results.cell(f"evaluation.by_year.{place}.year", wording.plain),
                tuple(results.cell(f"evaluation.by_year.{place}.{key}", _YEAR_COLUMNS[key][1]) for key in keys),
            )
            for place in range(len(years))
        ),
    )


def risk(results: Results) -> Table:
    """What a single session did at worst, and at best."""
    lines = (
        ("VaR 95%", "var_95", "One session in 20 was worse"),
        ("CVaR 95%", "cvar_95", "Mean of those"),
        ("VaR 99%", "var_99", "One session in 100 was worse"),
        ("CVaR 99%", "cvar_99", "Mean of those"),
    )
    return Table(
        "risk-table",
        "Risk of one session",
        "Measure",
        ("Value",),
        (
            *(
                _row(name, results.cell(f"metrics.{key}", wording.fine_change), meaning=told)
                for name, key, told in lines
            ),
            _row("Best session", results.cell("metrics.best.return", wording.fine_change)),
            _row("… on", results.session_cell("metrics.best.session")),
            _row("Worst session", results.cell("metrics.worst.return", wording.fine_change)),
            _row("… on", results.session_cell("metrics.worst.session")),
        ),
    )


def price_metrics(results: Results) -> tuple[Table, ...]:
    """The key metrics of the price, grouped."""
    spans = {"1": "1 session", "5": "5 sessions", "21": "21 sessions", "63": "63 sessions", "252": "252 sessions"}

    def of(name: str, path: str, write: wording.Writer, meaning: str = "") -> Row:
        return _row(name, results.cell(f"metrics.{path}", write), meaning=meaning)

    fell = results.value("metrics.drawdown.max") != 0

    def when(name: str, path: str, why: str = TOO_SHORT) -> Row:
        reason = why if fell else "not defined: never below its highest"
        return _row(name, results.session_cell(f"metrics.drawdown.{path}", why=reason))

    return (
        Table(
            "returns-table",
            "Total return",
            "Over",
            ("Return",),
            (
                *(of(name, f"returns.{key}", wording.change) for key, name in spans.items()),
                of("Year to date", "returns.year_to_date", wording.change),
                of("A year, whole history", "annual_return", wording.change, "Geometric"),
            ),
        ),
        Table(
            "averages-table",
            "Moving averages of the close",
            "Over",
            ("Value", "Close is"),
            tuple(
                _row(
                    f"{window} sessions",
                    results.cell(f"metrics.moving_averages.{window}.value", wording.price),
                    results.cell(f"metrics.moving_averages.{window}.distance", wording.change),
                )
                for window in ("20", "50", "200")
            ),
        ),
        Table(
            "volatility-table",
            "Volatility, annualised",
            "Over",
            ("Volatility",),
            (
                *(of(f"{n} sessions", f"annual_volatility.{n}", wording.percent) for n in ("21", "63", "252")),
                of("Whole history", "annual_volatility.all", wording.percent),
            ),
        ),
        Table(
            "drawdown-table",
            "Drawdown",
            "Measure",
            ("Value",),
            (
                of("Now", "drawdown.current", wording.change),
                of("Deepest", "drawdown.max", wording.change),
                when("… from the peak of", "max_peak"),
                when("… to the trough of", "max_trough"),
                when("… recovered on", "max_recovered", "not recovered yet"),
            ),
        ),
        Table(
            "ratios-table",
            "Ratios and shape",
            "Measure",
            ("Value",),
            (
                of("Sharpe ratio", "sharpe", wording.ratio, "Risk-free rate 0"),
                of("Sortino ratio", "sortino", wording.ratio, "Counts falls only as risk"),
                of("Skew", "skew", wording.ratio, "Below 0: the long tail is losses"),
                of("Excess kurtosis", "excess_kurtosis", wording.ratio, "Above 0: more extremes than normal"),
                of("Dividends, 12 months", "dividends_12m", wording.price, "Cash a share"),
                of("Dividend yield", "dividend_yield_12m", wording.fine_percent),
                of("Mean volume, 20 sessions", "average_volume_20", wording.count, "Shares"),
            ),
        ),
    )


def data(results: Results) -> Table:
    """What the report was made from."""
    return Table(
        "data-table",
        "Prices this report was made from",
        "Fact",
        ("Value",),
        (
            _row("Source", Cell(results.value("metrics.source"))),
            _row("First session", results.session_cell("metrics.first_session")),
            _row("Last session", results.session_cell("metrics.as_of")),
            _row("Sessions", results.cell("metrics.n_sessions", wording.count)),
            _row("Splits", results.cell("metrics.n_splits", wording.count)),
            _row("Repaired sessions", results.cell("metrics.n_repaired_rows", wording.count)),
            _row("Forecasts out of sample", results.cell("evaluation.n_forecasts", wording.count)),
            _row("First forecast made on", results.session_cell("evaluation.first_forecast")),
            _row("Last forecast made on", results.session_cell("evaluation.last_forecast")),
        ),
    )


def repairs(results: Results) -> Table | None:
    """What was repaired, by kind; None when nothing was."""
    kinds = results.value("data.repairs")
    if not kinds:
        return None
    return Table(
        "repairs-table",
        "Repairs to single sessions",
        "Repair",
        ("Sessions", "Latest"),
        tuple(
            _row(
                kind["repair"].replace("_", " "),
                results.cell(f"data.repairs.{place}.sessions", wording.count),
                results.session_cell(f"data.repairs.{place}.latest"),
            )
            for place, kind in enumerate(kinds)
        ),
    )
