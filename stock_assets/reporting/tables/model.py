"""The model card: what the model is, what it was fitted on, how it did there, what it leans on."""

from collections.abc import Iterator, Sequence
from typing import Any

from stock_assets.reporting import wording
from stock_assets.reporting.tables import cells

_NO_HOLDOUT = "not defined: the rows before those held out saw only one direction"


def facts(results: cells.Results) -> cells.Table:
    """What was fitted, on which rows, and until when it may be used."""
    return cells.Table(
        "card-table",
        "What was fitted",
        "Fact",
        ("Value",),
        (
            cells.row("Estimator", cells.Cell(results.value("card.estimator").replace("_", " "))),
            cells.row("Model of", results.session_cell("card.as_of")),
            cells.row(
                "May forecast until",
                results.session_cell("card.last_session"),
                meaning=f"It expires after {results.value('card.expires_after_sessions')} sessions",
            ),
            cells.row("Rows it was trained on", results.cell("card.n_train", wording.count)),
            cells.row("… first", results.session_cell("card.train_start")),
            cells.row("… last", results.session_cell("card.train_end")),
            cells.row("Last outcome it saw", results.session_cell("card.last_target_session")),
            cells.row("Random seed", results.cell("card.seed", wording.exact)),
            cells.row("Fingerprint of settings", cells.Cell(results.value("card.fingerprint"), look="code")),
            cells.row("SHA-256 of training rows", cells.Cell(results.value("card.snapshot_sha256"), look="code")),
        ),
    )


def settings(results: cells.Results) -> cells.Table:
    """The hyperparameters, defaults included; "none" where there is no limit."""
    return cells.Table(
        "settings-table",
        "Hyperparameters",
        "Name",
        ("Value",),
        tuple(
            cells.row(name.replace("_", " "), _setting(results, path, value))
            for name, path, value in _leaves(results.value("card.hyperparameters"), "card.hyperparameters")
            if name not in ("estimator", "seed")
        ),
    )


def scores(results: cells.Results) -> cells.Table:
    """Scores on the training rows, and on the latest fifth by a model fitted on the rows before."""

    def line(name: str, key: str, write: wording.Writer, naive: cells.Cell, meaning: str) -> cells.Row:
        why = "not defined: the outcomes never differed"
        seen, held_out = (
            results.cell(f"card.{part}.{key}", write, why=reason)
            for part, reason in (("in_sample", why), ("holdout", why if results.value("card.holdout") else _NO_HOLDOUT))
        )
        return cells.row(name, seen, held_out, naive, meaning=meaning)

    naive = {
        key: results.cell(f"card.holdout.{key}_naive", write, why=_NO_HOLDOUT)
        for key, write in (("accuracy", wording.percent), ("brier", wording.score))
    }
    mean = cells.Cell(wording.fine_change(0.0), value="0.0", note="mean so far")
    return cells.Table(
        "card-scores",
        "Scores on its own rows",
        "Score",
        ("In sample", "Held out", "Naive, held out"),
        (
            line("Accuracy", "accuracy", wording.percent, naive["accuracy"], "Share of directions that were right"),
            line("Brier score", "brier", wording.score, naive["brier"], "Lower is better"),
            line("R² of the return", "r2", wording.fine_change, mean, "Against the mean return"),
            cells.row(
                "Rows",
                results.cell("card.n_train", wording.count),
                results.cell("card.holdout.n_forecasts", wording.count, why=_NO_HOLDOUT),
                cells.NOTHING,
            ),
        ),
    )


def attempts(results: cells.Results) -> cells.Table:
    """Each attempt to fit: one that failed was tried again with fewer demands."""
    return cells.Table(
        "attempts-table",
        "Attempts to fit",
        "Part",
        ("Attempt", "Outcome", "Changed"),
        tuple(
            cells.row(
                attempt["part"],
                results.cell(f"card.attempts.{place}.attempt", wording.count),
                cells.Cell(attempt["outcome"], look="words"),
                cells.Cell(_changes(attempt["changed"]), look="words"),
            )
            for place, attempt in enumerate(results.value("card.attempts"))
        ),
    )


def libraries(results: cells.Results) -> cells.Table:
    """The versions of what computed it."""
    return cells.Table(
        "libraries-table",
        "Library versions",
        "Library",
        ("Version",),
        tuple(cells.row(name, cells.Cell(version)) for name, version in results.value("card.libraries").items()),
    )


def importance(results: cells.Results, names: Sequence[str]) -> cells.Table:
    """Mean and deviation of the permutation importance of the features `names`."""
    at = "card.permutation_importance.features"
    return cells.Table(
        "importance-table",
        "Permutation importance",
        "Feature",
        ("Mean", "Standard deviation"),
        tuple(
            cells.row(
                name.replace("_", " "),
                *(results.cell(f"{at}.{name}.{part}", wording.fine_score) for part in ("mean", "deviation")),
            )
            for name in names
        ),
    )


def _leaves(settings: dict[str, Any], path: str) -> Iterator[tuple[str, str, Any]]:
    """(name, path, value) of each setting, those of `parameters` included."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}.{name}")
        else:
            yield name, f"{path}.{name}", value


def _setting(results: cells.Results, path: str, value: Any) -> cells.Cell:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return results.cell(path, wording.exact)
    return cells.Cell("none" if value is None else str(value))


def _changes(changed: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in changed.items()) or "nothing"
