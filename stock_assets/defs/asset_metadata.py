"""What each asset tells in the Dagster UI, one function an asset: headline numbers, small pictures, tables.

A number has the same name in every materialisation, so that Dagster draws it over the partitions; names that belong
together begin alike ("accuracy", "accuracy, naive"), as the UI sorts plots by name. What is not defined is not told.
Not here: path, checksum and bytes, which the IO managers tell; seconds, which logs.working tells; and how things are
told (describe).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from stock_assets.defs import describe, logs

if TYPE_CHECKING:
    import datetime

    import pandas as pd

    from stock_assets.core.configuration import Configuration
    from stock_assets.core.track_record import TrackRecord
    from stock_assets.sources.base import PriceHistory

_REPAIRED_ROWS = 20


def raw_prices(
    snapshot: "pd.DataFrame",
    history: "PriceHistory",
    earlier: "pd.DataFrame | str",
    work: logs.Work,
    *,
    now: "datetime.datetime",
) -> dict[str, Any]:
    """Of the `raw_prices` table, the fetch it is from, and `earlier`, that of the session before (see snapshots)."""
    from stock_assets.core import schemas

    facts = {
        "last close": float(snapshot["close"].iloc[-1]),
        "currency": history.currency,
        "dividends": int(snapshot["dividends"].gt(0).to_numpy().sum()),
        "splits": int(snapshot["stock_splits"].gt(0).to_numpy().sum()),
        "fetched at": dg.MetadataValue.timestamp(now),
    }
    told = describe.table(snapshot, schemas.RAW_PRICES, facts)
    return told | describe.revisions(snapshot, earlier, ticker=work.ticker, as_of=work.session)


def clean_prices(clean: "pd.DataFrame", raw: "pd.DataFrame", work: logs.Work) -> dict[str, Any]:
    """Of the `clean_prices` table and the raw one it was made from."""
    from stock_assets.core import schemas
    from stock_assets.reporting import small_charts

    repaired = clean.loc[clean["repairs"] != "", ["close", "volume", "repairs"]]
    facts = {
        "last close": float(clean["close"].iloc[-1]),
        "last return": float(clean["total_return"].iloc[-1]),
        "first session": f"{clean.index[0]:%Y-%m-%d}",
        "rows dropped": len(raw) - len(clean),
        "rows repaired": len(repaired),
    }
    pictures = {"closes": small_charts.closes(clean, **_look(work, clean.attrs["source"]))}
    told = describe.table(clean, schemas.CLEAN_PRICES, facts, pictures)
    if len(repaired):
        told["repaired rows"] = describe.preview(repaired.tail(_REPAIRED_ROWS))
    return told


def price_metrics(values: Mapping[str, Any], clean: "pd.DataFrame", work: logs.Work) -> dict[str, Any]:
    """Of the metrics and the `clean_prices` table they are of."""
    from stock_assets.reporting import small_charts

    facts = {
        "last close": values["last_close"],
        "last return": values["last_return"],
        "annual return": values["annual_return"],
        "annual volatility": values["annual_volatility"]["all"],
        "annual volatility, last 21 sessions": values["annual_volatility"]["21"],
        "drawdown": values["drawdown"]["current"],
        "drawdown, deepest": values["drawdown"]["max"],
        "Sharpe ratio": values["sharpe"],
        "value at risk, 95 %": values["var_95"],
    }
    pictures = {"drawdowns": small_charts.drawdown(clean, **_look(work, values["source"]))}
    return describe.document("metrics", values, facts, pictures)


def features(table: "pd.DataFrame", clean: "pd.DataFrame") -> dict[str, Any]:
    """Of the `features` table and the `clean_prices` table it was made from."""
    from stock_assets.core import features as core_features

    facts = {
        "features": len(core_features.feature_columns()),
        "first session": f"{table.index[0]:%Y-%m-%d}" if len(table) else None,
        "rows dropped": len(clean) - len(table),
    }
    return describe.table(table, core_features.schema(), facts)


def model(card: Mapping[str, Any], work: logs.Work) -> dict[str, Any]:
    """Of the model card. The whole card lies beside the model, under the same name with the ending `.json`."""
    in_sample, holdout = card["in_sample"], card["holdout"] or {}
    facts = {
        "estimator": card["estimator"],
        "horizon": card["target"]["horizon_sessions"],
        "rows trained on": card["n_train"],
        "trained from": card["train_start"],
        "trained to": card["train_end"],
        "usable until": card["last_session"],
        "features": len(card["features"]),
        "attempts": len(card["attempts"]),
        "accuracy, holdout": holdout.get("accuracy"),
        "accuracy, holdout, naive": holdout.get("accuracy_naive"),
        "accuracy, in sample": in_sample["accuracy"],
        "Brier score, holdout": holdout.get("brier"),
        "Brier score, holdout, naive": holdout.get("brier_naive"),
        "Brier score, in sample": in_sample["brier"],
        "R2, holdout": holdout.get("r2"),
        "R2, in sample": in_sample["r2"],
        "settings fingerprint": card["fingerprint"],
        "checksum of the training rows": card["snapshot_sha256"],
    }
    pictures = {"importance": _importance(card, work)}
    return describe.headed(card["source"], facts, pictures) | {
        "settings": dg.MetadataValue.json(card["hyperparameters"]),
        "attempts at fitting": describe.lines(
            ["part", "attempt", "outcome"], [[row["part"], row["attempt"], row["outcome"]] for row in card["attempts"]]
        ),
    }


def _importance(card: Mapping[str, Any], work: logs.Work) -> str:
    from stock_assets.reporting import small_charts

    look = _look(work, card["source"])
    shuffled = card.get("permutation_importance")
    if shuffled is None:
        measure = card["feature_importance_measures"].split(",")[0]
        return small_charts.importance(card["feature_importance"], measure=measure, **look)
    means, deviations = (
        {name: values[key] for name, values in shuffled["features"].items()} for key in ("mean", "deviation")
    )
    return small_charts.importance(means, deviations, measure="loss when a feature is shuffled", **look)


def backtest(forecasts: "pd.DataFrame", *, fits: int) -> dict[str, Any]:
    """Of the `backtest` table, whose forecasts are from so many `fits`."""
    from stock_assets.core import schemas

    facts = {
        "fits": fits,
        "first forecast": f"{forecasts.index[0]:%Y-%m-%d}",
        "last forecast": f"{forecasts.index[-1]:%Y-%m-%d}",
        "share said to rise": float((forecasts["probability_up"].to_numpy() > 0.5).mean()),
        "share that rose": float(forecasts["realised_up"].to_numpy().mean()),
    }
    return describe.table(forecasts, schemas.BACKTEST, facts)


def evaluation(
    scores: Mapping[str, Any], forecasts: "pd.DataFrame", configured: "Configuration", work: logs.Work
) -> dict[str, Any]:
    """Of the evaluation, the `backtest` table it judges, and the configuration it was judged with."""
    from stock_assets.reporting import small_charts

    direction, returns, traded = scores["classification"], scores["regression"], scores["backtest"]
    held = traded["buy_and_hold"]
    facts = {
        "verdict": scores["verdict"]["text"],
        "beats naive": scores["verdict"]["beats_naive"],
        "suspicious": scores["suspicious"],
        "forecasts": scores["n_forecasts"],
        "accuracy": direction["accuracy"],
        "accuracy, naive": direction["majority_accuracy"],
        "Brier score": direction["brier"],
        "Brier score, naive": direction["brier_naive"],
        "log loss": direction["log_loss"],
        "log loss, naive": direction["log_loss_naive"],
        "p value": direction["p_value"],
        "out-of-sample R2": returns["r2_oos"],
        "interval coverage": scores["interval"]["coverage"],
        "interval level": scores["interval"]["level"],
        "Sharpe ratio": traded["sharpe"],
        "Sharpe ratio, held": held["sharpe"],
        "deflated Sharpe ratio": traded["deflated_sharpe"],
        "drawdown, deepest": traded["max_drawdown"],
        "drawdown, deepest, held": held["max_drawdown"],
        "configurations tried": traded["n_trials"],
    }
    look = _look(work, scores["source"])
    pictures = {
        "growth": small_charts.equity(forecasts, configured.rules, configured.model.horizon, **look),
        "calibration": small_charts.calibration(forecasts, **look),
    }
    measures = ("n", "accuracy", "majority_accuracy", "brier", "r2_oos", "coverage")
    years = [[str(year["year"]), *(year[measure] for measure in measures)] for year in scores["by_year"]]
    headings = ["year", "n", "accuracy", "naive", "Brier", "R2", "coverage"]
    return describe.headed(scores["source"], facts, pictures) | {"by year": describe.lines(headings, years)}


def predictions(forecast: "pd.DataFrame", closes: "pd.Series", work: logs.Work) -> dict[str, Any]:
    """Of the one row of `predictions`; `closes`: those up to the session."""
    from stock_assets.core import schemas, sessions
    from stock_assets.reporting import small_charts

    row = forecast.iloc[0].to_dict()
    model_as_of = row["model_as_of"].date()
    facts = {
        "target session": f"{row['target_session']:%Y-%m-%d}",
        "probability up": float(row["probability_up"]),
        "expected return": float(row["expected_return"]),
        "predicted close": float(row["predicted_close"]),
        "interval low": float(row["interval_low"]),
        "interval high": float(row["interval_high"]),
        "naive close": float(row["naive_close"]),
        "beats naive": bool(row["beats_naive"]),
        "model of": model_as_of.isoformat(),
        "model's age in sessions": len(sessions.sessions_between(model_as_of, work.session)) - 1,
    }
    pictures = {"forecast": small_charts.forecast(closes, row, **_look(work, forecast.attrs["source"]))}
    return describe.table(forecast, schemas.PREDICTIONS, facts, pictures)


def track_record(record: "TrackRecord") -> dict[str, Any]:
    """Of a track record: how many forecasts, how they did, and how far inputs are from where the model learnt."""
    from stock_assets.core import schemas

    summary = record.summary
    every, quarter, drift = summary["scores"]["all"], summary["scores"]["63"], summary["drift"]
    facts = {
        "forecasts made": summary["n_forecasts"],
        "outcomes known": summary["n_known"],
        "directions right": every["right"],
        "accuracy": every["accuracy"],
        "accuracy, naive": every["accuracy_naive"],
        "accuracy, last 63": quarter["accuracy"],
        "Brier score": every["brier"],
        "Brier score, naive": every["brier_naive"],
        "Brier score, last 63": quarter["brier"],
        "log loss": every["log_loss"],
        "log loss, naive": every["log_loss_naive"],
        "error of the close": every["close_error"],
        "error of the close, naive": every["close_error_naive"],
        "interval coverage": every["coverage"],
        "interval level": every["interval_level"],
        "features that shifted": drift["n_shifted"],
        "stability index of forecasts": (drift["probability"] or {}).get("psi"),
    }
    told = describe.table(record.forecasts, schemas.TRACK_RECORD, facts)
    measures = ("n", "right", "accuracy", "accuracy_naive", "brier", "brier_naive", "coverage")
    windows = [[name, *(one[measure] for measure in measures)] for name, one in summary["scores"].items()]
    headings = ["latest", "forecasts", "right", "accuracy", "naive", "Brier score", "naive Brier", "coverage"]
    return told | {"scores": describe.lines(headings, windows)}


def tuning(document: Mapping[str, Any]) -> dict[str, Any]:
    """Of the document of a search."""
    later = document["later"]
    facts = {
        "conclusion": document["conclusion"],
        "watchlist entry": dg.MetadataValue.md(f"```yaml\n{document['watchlist_entry']}\n```"),
        "log loss of the chosen, later": later["chosen"]["log_loss"],
        "log loss in force, later": later["in_force"]["log_loss"],
        "log loss, naive, later": later["naive_log_loss"],
        "p value, better than in force": later["tests"]["p_better_than_in_force"],
        "p value, better than naive": later["tests"]["p_better_than_naive"],
        "configurations tried": document["n_trials"],
    }
    return describe.document("search", document, facts) | {"candidates": describe.candidates(document["candidates"])}


def _look(work: logs.Work, source: str) -> dict[str, Any]:
    return {"label": f"{work.ticker} {work.session}", "simulated": source == "simulated"}
