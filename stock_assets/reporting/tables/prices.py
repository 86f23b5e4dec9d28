"""What the price did: risk of a session, key metrics, returns by month."""

from stock_assets.reporting import wording
from stock_assets.reporting.tables import cells


def risk(results: cells.Results) -> cells.Table:
    """What a single session did at worst, and at best."""
    lines = (
        ("VaR 95%", "var_95", "One session in 20 was worse"),
        ("CVaR 95%", "cvar_95", "Mean of those"),
        ("VaR 99%", "var_99", "One session in 100 was worse"),
        ("CVaR 99%", "cvar_99", "Mean of those"),
    )
    return cells.Table(
        "risk-table",
        "Risk of one session",
        "Measure",
        ("Value",),
        (
            *(
                cells.row(name, results.cell(f"metrics.{key}", wording.fine_change), meaning=told)
                for name, key, told in lines
            ),
            cells.row("Best session", results.cell("metrics.best.return", wording.fine_change)),
            cells.row("… on", results.session_cell("metrics.best.session")),
            cells.row("Worst session", results.cell("metrics.worst.return", wording.fine_change)),
            cells.row("… on", results.session_cell("metrics.worst.session")),
        ),
    )


def price_metrics(results: cells.Results) -> tuple[cells.Table, ...]:
    """The key metrics of the price, grouped."""
    spans = {"1": "1 session", "5": "5 sessions", "21": "21 sessions", "63": "63 sessions", "252": "252 sessions"}

    def of(name: str, path: str, write: wording.Writer, meaning: str = "") -> cells.Row:
        return cells.row(name, results.cell(f"metrics.{path}", write), meaning=meaning)

    fell = results.value("metrics.drawdown.max") != 0

    def when(name: str, path: str, why: str = cells.TOO_SHORT) -> cells.Row:
        reason = why if fell else "not defined: never below its highest"
        return cells.row(name, results.session_cell(f"metrics.drawdown.{path}", why=reason))

    return (
        cells.Table(
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
        cells.Table(
            "averages-table",
            "Moving averages of the close",
            "Over",
            ("Value", "Close is"),
            tuple(
                cells.row(
                    f"{window} sessions",
                    results.cell(f"metrics.moving_averages.{window}.value", wording.price),
                    results.cell(f"metrics.moving_averages.{window}.distance", wording.change),
                )
                for window in ("20", "50", "200")
            ),
        ),
        cells.Table(
            "volatility-table",
            "Volatility, annualised",
            "Over",
            ("Volatility",),
            (
                *(of(f"{n} sessions", f"annual_volatility.{n}", wording.percent) for n in ("21", "63", "252")),
                of("Whole history", "annual_volatility.all", wording.percent),
            ),
        ),
        cells.Table(
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
        cells.Table(
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


def months(results: cells.Results) -> cells.Table:
    """The total return of every month and year, the latest year first."""
    why = "no session of it has a return"
    years = results.value("months.years")
    return cells.Table(
        "months-table",
        "Return of every month and year",
        "Year",
        (*(name[:3] for name in wording.MONTHS), "Year"),
        tuple(
            cells.Row(
                results.cell(f"months.years.{place}.year", wording.plain),
                (
                    *(results.cell(f"months.years.{place}.months.{n}", wording.change, why=why) for n in range(12)),
                    results.cell(f"months.years.{place}.total", wording.change, why=why),
                ),
            )
            for place in range(len(years))
        ),
    )
