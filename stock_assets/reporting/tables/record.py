"""How the forecasts did that were really made, beside naive ones."""

from stock_assets.reporting import wording
from stock_assets.reporting.tables import cells

_COLUMNS = {"21": "Latest 21", "63": "Latest 63", "all": "All"}

_ROWS: tuple[tuple[str, str, wording.Writer, str], ...] = (
    ("Outcomes known", "n", wording.count, ""),
    ("Directions right", "right", wording.count, ""),
    ("Accuracy", "accuracy", wording.percent, "Share of directions that were right"),
    ("… naive", "accuracy_naive", wording.percent, "The more frequent direction by then"),
    ("Brier score", "brier", wording.score, "Mean squared error of the probability; lower is better"),
    ("… naive", "brier_naive", wording.score, "The share of rises by then"),
    ("Closes inside the interval", "coverage", wording.percent, ""),
    ("… promised", "interval_level", wording.percent, ""),
)


def track_record(results: cells.Results) -> cells.Table | None:
    """Scores of the latest forecasts and of all; None when no outcome is known yet."""
    if not results.value("record.scores.all.n"):
        return None
    return cells.Table(
        "record-table",
        "Forecasts made on earlier evenings, and what followed",
        "Score",
        tuple(_COLUMNS.values()),
        tuple(
            cells.row(
                name, *(results.cell(f"record.scores.{window}.{score}", write) for window in _COLUMNS), meaning=meaning
            )
            for name, score, write, meaning in _ROWS
        ),
    )
