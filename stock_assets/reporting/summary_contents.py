"""What a summary shows of the results: which figures of the report, with their words, and which tables.

Where they stand on the pages is in summary_pdf.
"""

from dataclasses import replace

from stock_assets.reporting import alt_texts, tables, wording

Figure = tuple[str, str, str]
"""Its name, what it shows in words for those who can't see it, and its caption."""


def figures(results: tables.Results) -> list[tuple[Figure, Figure]]:
    """The figures of every summary, the most telling first."""
    close = wording.price(results.value("metrics.last_close"))
    first, last = (results.value(f"metrics.{name}") for name in ("first_session", "as_of"))
    averages = " and ".join(
        f"over {window} sessions {wording.price(results.value(f'metrics.moving_averages.{window}.value'))}"
        for window in ("50", "200")
    )
    followed, held = (
        wording.change(results.value(f"evaluation.backtest.{path}annual_return")) for path in ("", "buy_and_hold.")
    )
    return [
        (
            (
                "equity",
                f"Growth of one unit of money out of sample, after costs: {followed} a year when the forecasts are "
                f"followed, {held} a year when held throughout.",
                "Growth of 1, out of sample, after costs: following the forecasts beside holding throughout.",
            ),
            (
                "drawdown",
                alt_texts.drawdown(results),
                "How far a holder was below the best moment so far, dividends reinvested.",
            ),
        ),
        (
            (
                "price",
                f"Close of the last year up to {last}: {close}; moving averages {averages}. Below it, the volume.",
                "The last year, with moving averages and volume.",
            ),
            (
                "history",
                f"Close of the whole history from {first} to {last}, last {close}.",
                "The whole history. Prices are adjusted for splits up to this session, not for dividends.",
            ),
        ),
    ]


def more_figures(results: tables.Results) -> list[tuple[Figure, Figure]]:
    """Figures for where there is room."""
    matrix = results.value("evaluation.classification.confusion_matrix")
    brier, naive = (wording.score(results.value(f"evaluation.classification.brier{end}")) for end in ("", "_naive"))
    inside = wording.percent(results.value("evaluation.interval.coverage"))
    promised = wording.short_percent(results.value("evaluation.interval.level"))
    low, high = (wording.fine_change(results.value(f"metrics.{name}.return")) for name in ("worst", "best"))
    return [
        (
            (
                "confusion_matrix",
                alt_texts.confusion_matrix(matrix),
                "Forecast against outcome: rows are what happened. Skill is a strong diagonal from top left.",
            ),
            (
                "calibration",
                f"Forecast probability of a rise against how often the price rose; Brier score {brier}, naive {naive}.",
                "Calibration: honest probabilities lie on the dashed line.",
            ),
        ),
        (
            (
                "distribution",
                f"Histogram of the returns of one session beside a normal curve; worst {low}, best {high}.",
                "Returns of one session beside a normal curve.",
            ),
            (
                "volatility",
                alt_texts.volatility(results),
                "Volatility along the way, scaled to a year of 252 sessions.",
            ),
        ),
        (
            (
                "returns",
                alt_texts.returns(results),
                "Return of each session, from close to close, dividends included.",
            ),
            (
                "coverage",
                f"Share of outcomes that were inside the interval along the way: {inside} in all, {promised} promised.",
                "How many outcomes were inside the interval, along the way.",
            ),
        ),
    ]


def _row(name: str, *cells: tables.Cell) -> tables.Row:
    return tables.Row(tables.Cell(name), cells)


def scores(results: tables.Results) -> tables.Table:
    """How good the forecasts were, beside forecasts that need no model."""
    at = "evaluation.classification."
    of, promised = "evaluation.regression.", results.cell("evaluation.interval.level", wording.short_percent)
    low, high = (results.cell(f"{at}accuracy_ci95.{end}", wording.percent) for end in (0, 1))
    n = results.cell("evaluation.n_forecasts", wording.count).text
    first, last = (results.value(f"evaluation.{end}_forecast") for end in ("first", "last"))
    return tables.Table(
        "scores",
        f"Key numbers: {n} forecasts out of sample, {first} to {last}",
        "Score",
        ("Model", "Naive forecast", "Model is"),
        (
            _row(
                "Right directions",
                *results.compared(
                    f"{at}accuracy", f"{at}majority_accuracy", wording.percent, lower=False, note="more frequent"
                ),
            ),
            _row("… 95% interval", replace(low, upto=high), tables.NOTHING, tables.NOTHING),
            _row(
                "Brier score of the probability",
                *results.compared(f"{at}brier", f"{at}brier_naive", wording.score, lower=True, note="share of rises"),
            ),
            _row(
                "RMSE of the close",
                *results.compared(f"{of}rmse", f"{of}rmse_naive", wording.score, lower=True, note="last close"),
            ),
            _row(
                "Mean error of the close",
                *results.compared(
                    f"{of}mape", f"{of}mape_naive", wording.finest_percent, lower=True, note="last close"
                ),
            ),
            _row(
                "R² out of sample",
                *results.against(f"{of}r2_oos", 0.0, wording.fine_change, lower=False, note="mean so far"),
            ),
            _row(
                "Outcomes inside the interval",
                results.cell("evaluation.interval.coverage", wording.percent),
                replace(promised, note="promised"),
                tables.NOTHING,
            ),
        ),
    )


def money(results: tables.Results) -> tables.Table:
    """Following the forecasts beside holding throughout, after costs."""
    lines: tuple[tuple[str, str, wording.Writer], ...] = (
        ("Return a year", "annual_return", wording.change),
        ("Volatility a year", "annual_volatility", wording.percent),
        ("Sharpe ratio", "sharpe", wording.ratio),
        ("Deepest drawdown", "max_drawdown", wording.change),
        ("Turnover a year", "turnover", wording.ratio),
    )
    return tables.Table(
        "money",
        "Following the forecasts, after costs",
        "Measure",
        ("Followed", "Held"),
        tuple(
            _row(
                name,
                results.cell(f"evaluation.backtest.{key}", write),
                results.cell(f"evaluation.backtest.buy_and_hold.{key}", write),
            )
            for name, key, write in lines
        ),
    )


def price(results: tables.Results) -> tables.Table:
    """How the stock has done and how wild it was."""
    lines: tuple[tuple[str, str, wording.Writer], ...] = (
        ("Return, 21 sessions", "returns.21", wording.change),
        ("Return, 252 sessions", "returns.252", wording.change),
        ("Volatility a year, 63 sessions", "annual_volatility.63", wording.percent),
        ("Drawdown now", "drawdown.current", wording.change),
        ("Deepest drawdown", "drawdown.max", wording.change),
    )
    return tables.Table(
        "price",
        "The stock itself",
        "Measure",
        ("Value",),
        tuple(_row(name, results.cell(f"metrics.{path}", write)) for name, path, write in lines),
    )
