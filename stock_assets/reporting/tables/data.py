"""What the report was made from, and how good that was: counts, gaps, repairs, revisions."""

from stock_assets.reporting import wording
from stock_assets.reporting.tables import cells


def data(results: cells.Results) -> cells.Table:
    """What the report was made from."""
    checksum = results.value("quality.checksum")
    return cells.Table(
        "data-table",
        "Prices this report was made from",
        "Fact",
        ("Value",),
        (
            cells.row("Source", cells.Cell(results.value("quality.source"))),
            cells.row("Bars as served", results.cell("quality.n_bars", wording.count)),
            cells.row("Sessions after cleaning", results.cell("quality.n_sessions", wording.count)),
            cells.row("First session", results.session_cell("metrics.first_session")),
            cells.row("Last session", results.session_cell("metrics.as_of")),
            cells.row("Splits", results.cell("metrics.n_splits", wording.count)),
            cells.row(
                "Sessions without a bar",
                results.cell("quality.missing.n", wording.count),
                meaning="The exchange was open; never filled in",
            ),
            cells.row(
                "Bars left out",
                results.cell("quality.left_out.n", wording.count),
                meaning="Served, but not of a session, or not usable",
            ),
            cells.row("Repaired sessions", results.cell("metrics.n_repaired_rows", wording.count)),
            cells.row("Forecasts out of sample", results.cell("evaluation.n_forecasts", wording.count)),
            cells.row("First forecast made on", results.session_cell("evaluation.first_forecast")),
            cells.row("Last forecast made on", results.session_cell("evaluation.last_forecast")),
            cells.row("SHA-256 of the prices", cells.Cell(checksum, look="code"), meaning="As served, before cleaning"),
        ),
    )


def named_sessions(results: cells.Results, path: str) -> tuple[cells.Cell, ...]:
    """The sessions that the list at `path` names."""
    return tuple(results.session_cell(f"{path}.{place}") for place in range(len(results.value(path))))


def repairs(results: cells.Results) -> cells.Table | None:
    """What was repaired, by kind; None when nothing was."""
    kinds = results.value("quality.repairs")
    if not kinds:
        return None
    return cells.Table(
        "repairs-table",
        "Repairs to single sessions",
        "Repair",
        ("Sessions", "Latest"),
        tuple(
            cells.row(
                kind["repair"].replace("_", " "),
                results.cell(f"quality.repairs.{place}.sessions", wording.count),
                results.session_cell(f"quality.repairs.{place}.latest"),
            )
            for place, kind in enumerate(kinds)
        ),
    )


def revisions(results: cells.Results) -> cells.Table | None:
    """What the source told differently before; None when nothing, or nothing to compare with.

    A row is a run of neighbouring sessions that were changed in one proportion; before and now are of its first.
    """
    rows = results.value("quality.revisions.rows")
    if not rows:
        return None
    why = "not there: the bar or the value was missing"
    return cells.Table(
        "revisions-table",
        "Values the source told differently before",
        "From session",
        ("To", "Column", "Values", "Before", "Now"),
        tuple(
            cells.Row(
                results.session_cell(f"quality.revisions.rows.{place}.session"),
                (
                    results.session_cell(f"quality.revisions.rows.{place}.until"),
                    cells.Cell(row["column"].replace("_", " ")),
                    results.cell(f"quality.revisions.rows.{place}.values", wording.count),
                    *(
                        results.cell(f"quality.revisions.rows.{place}.{when}", wording.amount, why=why)
                        for when in ("before", "now")
                    ),
                ),
            )
            for place, row in enumerate(rows)
        ),
    )
