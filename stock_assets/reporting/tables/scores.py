"""How good the forecasts were: beside naive ones, as a strategy after costs, by year and by volatility."""

import dataclasses

from stock_assets.reporting import wording
from stock_assets.reporting.tables import cells


def classification(results: cells.Results) -> cells.Table:
    """Scores of the direction, each beside a forecast anyone can make."""
    at = "evaluation.classification."
    low, high = (results.cell(f"{at}accuracy_ci95.{end}", wording.percent) for end in (0, 1))
    return cells.Table(
        "direction",
        "Direction: will the price rise?",
        "Score",
        ("Model", "Naive", "Model is"),
        (
            cells.row(
                "Accuracy",
                *results.compared(
                    f"{at}accuracy", f"{at}majority_accuracy", wording.percent, lower=False, note="more frequent"
                ),
                meaning="Share of directions that were right",
            ),
            cells.row(
                "… 95% interval",
                dataclasses.replace(low, upto=high),
                cells.NOTHING,
                cells.NOTHING,
                meaning="What chance alone leaves open",
            ),
            cells.row(
                "Balanced accuracy",
                *results.against(f"{at}balanced_accuracy", 0.5, wording.percent, lower=False, note="a coin"),
                meaning="Mean of the shares found among rises and among falls",
            ),
            cells.row(
                "ROC AUC",
                *results.against(f"{at}roc_auc", 0.5, wording.score, lower=False, note="a coin"),
                meaning="Chance that a rise had a higher probability than a fall",
            ),
            cells.row(
                "Brier score",
                *results.compared(f"{at}brier", f"{at}brier_naive", wording.score, lower=True, note="share of rises"),
                meaning="Mean squared error of the probability; lower is better",
            ),
            cells.row(
                "Log loss",
                *results.compared(
                    f"{at}log_loss", f"{at}log_loss_naive", wording.score, lower=True, note="share of rises"
                ),
                meaning="Punishes confident mistakes hardest; lower is better",
            ),
            cells.row(
                "p-value",
                results.cell(f"{at}p_value", wording.p_value),
                cells.NOTHING,
                cells.NOTHING,
                meaning="How often luck alone would be as accurate",
            ),
        ),
    )


def regression(results: cells.Results) -> cells.Table:
    """Errors of the forecast close and of the forecast return, beside naive ones."""
    at = "evaluation.regression."
    last, zero, mean = "last close", "no change", "mean so far"

    def pair(name: str, score: str, naive: str, write: wording.Writer, note: str, meaning: str) -> cells.Row:
        return cells.row(name, *results.compared(at + score, at + naive, write, lower=True, note=note), meaning=meaning)

    return cells.Table(
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
            cells.row(
                "R² out of sample",
                *results.against(f"{at}r2_oos", 0.0, wording.fine_change, lower=False, note=mean),
                meaning="Share of the return's variance explained beyond the mean so far; above 1% is rare",
            ),
            cells.row(
                "R² against no change",
                *results.against(f"{at}r2_oos_zero", 0.0, wording.fine_change, lower=False, note=zero),
                meaning="The same against a return of zero",
            ),
            cells.row(
                "Diebold-Mariano statistic",
                results.cell(f"{at}dm_statistic", wording.ratio),
                cells.NOTHING,
                cells.NOTHING,
                meaning="Difference of squared errors in standard errors",
            ),
            cells.row(
                "… p-value",
                results.cell(f"{at}dm_p_value", wording.p_value),
                cells.NOTHING,
                cells.NOTHING,
                meaning="How often luck alone would do as well",
            ),
        ),
    )


def strategy(results: cells.Results) -> cells.Table:
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
    return cells.Table(
        "strategy",
        "Money: following the forecasts",
        "Measure",
        ("Forecasts followed", "Buy and hold"),
        tuple(
            cells.row(
                name,
                results.cell(f"evaluation.backtest.{key}", write),
                results.cell(f"evaluation.backtest.buy_and_hold.{key}", write),
                meaning=meaning,
            )
            for name, key, write, meaning in lines
        ),
    )


_MONEY_COLUMNS: tuple[tuple[str, str, wording.Writer], ...] = (
    ("annual_return", "Return a year", wording.change),
    ("annual_volatility", "Volatility a year", wording.percent),
    ("sharpe", "Sharpe ratio", wording.ratio),
    ("deflated_sharpe", "Deflated Sharpe", wording.percent),
    ("max_drawdown", "Deepest drawdown", wording.change),
    ("turnover", "Turnover a year", wording.ratio),
)
_EXECUTIONS = {"close": "at the close", "next_open": "at the next open"}
_SIDES = {"long_flat": (False, "Long or in cash"), "long_short": (True, "Long or short")}


def rules(results: cells.Results) -> str:
    """The rules of the strategy in force, as "Long or in cash, at the close"."""
    execution, short = (results.value(f"evaluation.backtest.{name}") for name in ("execution", "short"))
    (side,) = (told for is_short, told in _SIDES.values() if is_short == short)
    return f"{side}, {_EXECUTIONS[execution]}"


def strategies(results: cells.Results) -> cells.Table:
    """Every way of following the forecasts, and holding throughout, after costs: a row each."""
    at, in_force = "evaluation.strategies", rules(results)

    def line(name: str, path: str, meaning: str = "") -> cells.Row:
        found = (results.cell(f"{path}.{key}", write) for key, _, write in _MONEY_COLUMNS)
        return cells.row(name, *found, meaning=meaning)

    followed = {
        f"{side}, {when}": f"{at}.{execution}_{sides}"
        for execution, when in _EXECUTIONS.items()
        for sides, (_, side) in _SIDES.items()
    }
    held = {f"Buy and hold, {when}": f"{at}.{name}_long_flat.buy_and_hold" for name, when in _EXECUTIONS.items()}
    return cells.Table(
        "strategies",
        "Four ways to follow the forecasts, and two to hold",
        "Strategy",
        tuple(head for _, head, _ in _MONEY_COLUMNS),
        (
            *(line(name, path, "The one shown above" if name == in_force else "") for name, path in followed.items()),
            *(line(name, path) for name, path in held.items()),
        ),
    )


def verdict_test(results: cells.Results) -> cells.Table:
    """The two claims behind the verdict, and how likely luck would do as well."""
    at = "evaluation.verdict.test"
    against = {"up_share": "share of rises so far", "zero": "no change", "mean_return": "mean return so far"}
    return cells.Table(
        "test",
        "The test behind the verdict",
        "Claim",
        ("Statistic", "p-value", "Corrected", "Skill"),
        tuple(
            cells.row(
                f"Forecast of the {claim['name']}",
                results.cell(f"{at}.claims.{place}.statistic", wording.ratio),
                results.cell(f"{at}.claims.{place}.p_value", wording.p_value),
                results.cell(f"{at}.claims.{place}.p_value_holm", wording.p_value),
                cells.Cell("yes", look="better") if claim["better"] else cells.Cell("no"),
                meaning=f"Against {against.get(claim['against'], claim['against'])}",
            )
            for place, claim in enumerate(results.value(f"{at}.claims"))
        ),
    )


def interval(results: cells.Results) -> cells.Table:
    """Whether intervals held what they promise."""
    at = "evaluation.interval."
    return cells.Table(
        "interval",
        "Intervals: did they hold?",
        "Measure",
        ("Value",),
        (
            cells.row("Promised coverage", results.cell(f"{at}level", wording.percent)),
            cells.row(
                "Share of outcomes inside", results.cell(f"{at}coverage", wording.percent), meaning="Out of sample"
            ),
            cells.row(
                "Half-width",
                results.cell(f"{at}scaled_quantile", wording.ratio),
                meaning="In typical moves over the horizon, between recent and usual volatility",
            ),
            cells.row("Forecasts it was measured on", results.cell(f"{at}n", wording.count)),
        ),
    )


_GROUP_COLUMNS: dict[str, tuple[str, wording.Writer]] = {
    "n": ("Forecasts", wording.count),
    "accuracy": ("Accuracy", wording.percent),
    "majority_accuracy": ("Accuracy, naive", wording.percent),
    "balanced_accuracy": ("Balanced accuracy", wording.percent),
    "brier": ("Brier", wording.score),
    "brier_naive": ("Brier, naive", wording.score),
    "rmse": ("RMSE of close", wording.score),
    "rmse_naive": ("RMSE, naive", wording.score),
    "r2_oos": ("R² out of sample", wording.fine_change),
    "coverage": ("Inside interval", wording.percent),
    "strategy_return": ("Forecasts followed", wording.change),
    "buy_and_hold_return": ("Buy and hold", wording.change),
}


def by_year(results: cells.Results) -> cells.Table:
    """The scores of each calendar year: a model that lives off one good year shows here."""
    years = results.value("evaluation.by_year")
    return cells.Table(
        "years",
        "Year by year",
        "Year",
        tuple(head for head, _ in _GROUP_COLUMNS.values()),
        tuple(
            cells.Row(
                results.cell(f"evaluation.by_year.{place}.year", wording.plain),
                tuple(
                    results.cell(f"evaluation.by_year.{place}.{key}", write)
                    for key, (_, write) in _GROUP_COLUMNS.items()
                ),
            )
            for place in range(len(years))
        ),
    )


def by_volatility(results: cells.Results) -> cells.Table:
    """The scores of the calmest, the middle and the stormiest third of the forecasts."""
    groups = results.value("evaluation.by_volatility")

    def line(place: int, tercile: str) -> cells.Row:
        at = f"evaluation.by_volatility.{place}"
        low, high = (results.cell(f"{at}.volatility_{end}", wording.fine_percent) for end in ("from", "to"))
        found = (results.cell(f"{at}.{key}", write) for key, (_, write) in _GROUP_COLUMNS.items())
        return cells.row(tercile.capitalize(), dataclasses.replace(low, upto=high), *found)

    return cells.Table(
        "volatility-scores",
        "In calm, usual and stormy times",
        "Third",
        ("Move a session", *(head for head, _ in _GROUP_COLUMNS.values())),
        tuple(line(place, group["tercile"]) for place, group in enumerate(groups)),
    )
