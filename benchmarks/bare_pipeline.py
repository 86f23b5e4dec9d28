"""The whole graph as a plain script: the same functions of core, reporting and storage, and no Dagster.

    python -m benchmarks.bare_pipeline TICKER DATE DATA_DIR [--prices DIR]

It writes the artefacts that `stock-assets run` writes, to the byte; `run_overhead` verifies that. Tables are checked as
in the graph, and what is computed is handed on in memory. What is left out is what Dagster is there for: retries, logs,
metadata, a history of runs, a UI.
"""

import argparse
import datetime
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stock_assets.core import (
    adjusting,
    backtesting,
    checks,
    cleaning,
    configuration,
    metrics,
    modelling,
    prediction,
    quality,
    schemas,
    sessions,
    trading,
    validation,
)
from stock_assets.core import evaluation as evaluating
from stock_assets.core import features as building
from stock_assets.core import track_record as records
from stock_assets.reporting import html
from stock_assets.sources.base import PriceSource
from stock_assets.sources.csv_files import CsvSource
from stock_assets.sources.simulated import SimulatedSource
from stock_assets.storage import formats, ledger, made_forecasts, models, snapshots, tables
from stock_assets.storage.artefacts import ArtefactStore


@dataclass(frozen=True)
class Work:
    """One partition, where its prices come from, and where its artefacts go."""

    ticker: str
    session: datetime.date
    prices: PriceSource
    store: ArtefactStore

    @property
    def about(self) -> dict[str, Any]:
        return {"ticker": self.ticker, "as_of": self.session}

    @property
    def about_and_source(self) -> dict[str, Any]:
        return {**self.about, "source": self.prices.name}


# As without a `model` in the watchlist.
CONFIGURED = configuration.combine()

# One function an asset. As in Dagster, its inputs are the assets that its parameters are called.


def raw_prices(work: Work) -> pd.DataFrame:
    snapshot = adjusting.as_served_on(work.prices.fetch(work.ticker, work.session).bars, work.session)
    schemas.validate(snapshot, schemas.RAW_PRICES, **work.about)
    snapshot.attrs["source"] = work.prices.name
    return snapshot


def clean_prices(work: Work, raw_prices: pd.DataFrame) -> pd.DataFrame:
    return cleaning.clean_prices(raw_prices, **work.about)


def price_metrics(work: Work, clean_prices: pd.DataFrame) -> dict[str, Any]:
    return metrics.price_metrics(clean_prices, **work.about_and_source)


def features(work: Work, clean_prices: pd.DataFrame) -> pd.DataFrame:
    return building.build_features(clean_prices, **work.about)


def model(work: Work, features: pd.DataFrame) -> modelling.Model:
    return modelling.train(features, CONFIGURED.model, **work.about_and_source)


def backtest(work: Work, features: pd.DataFrame) -> pd.DataFrame:
    return backtesting.walk_forward(features, CONFIGURED.model, **work.about)


def evaluation(work: Work, backtest: pd.DataFrame) -> dict[str, Any]:
    sharpe = trading.scores(backtest, CONFIGURED.rules, CONFIGURED.model.horizon, trading.Luck())["sharpe"]
    this = ledger.Entry(CONFIGURED.fingerprint(), sharpe, "evaluation", CONFIGURED.overrides())
    tried = [*ledger.tried(work.store, work.ticker, work.session), this]
    scores = evaluating.evaluate(
        backtest,
        **work.about_and_source,
        rules=CONFIGURED.rules,
        calibrated_by=CONFIGURED.model.calibration,
        trials=ledger.as_trials(tried, horizon=CONFIGURED.model.horizon),
    )
    ledger.record(work.store, work.ticker, work.session, [this])
    return scores


def predictions(work: Work, features: pd.DataFrame, model: modelling.Model, evaluation: dict[str, Any]) -> pd.DataFrame:
    return prediction.predict(features, model, evaluation, **work.about_and_source)


def track_record(work: Work, clean_prices: pd.DataFrame, features: pd.DataFrame) -> records.TrackRecord:
    clean_prices.attrs["source"] = work.prices.name
    made = made_forecasts.made_before(work.store, work.ticker, work.session)
    earlier = snapshots.Snapshot(work.store, work.ticker, work.session).earlier_table("backtest")
    unreadable = [session.isoformat() for session in made.unreadable]
    return records.build(
        made.table,
        clean_prices,
        features,
        earlier,
        **work.about,
        window=CONFIGURED.model.window,
        unreadable=unreadable,
    )


def report(
    work: Work,
    raw_prices: pd.DataFrame,
    clean_prices: pd.DataFrame,
    price_metrics: dict[str, Any],
    model: modelling.Model,
    backtest: pd.DataFrame,
    evaluation: dict[str, Any],
    predictions: pd.DataFrame,
    track_record: records.TrackRecord,
) -> dict[str, bytes]:
    return html.render_report(
        html.ReportInputs(
            ticker=work.ticker,
            as_of=work.session,
            source=work.prices.name,
            clean=clean_prices,
            metrics=price_metrics,
            backtest=backtest,
            evaluation=evaluation,
            predictions=predictions,
            card=model.card,
            quality=quality.describe(
                raw_prices,
                clean_prices,
                snapshots.Snapshot(work.store, work.ticker, work.session).earlier_table(
                    "raw_prices", not_before=sessions.previous_session(work.session)
                ),
                **work.about_and_source,
                checksum=work.store.file_checksum("raw_prices", work.ticker, work.session, ".parquet"),
            ),
            track_record=track_record.summary,
        )
    )


ASSETS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        raw_prices,
        clean_prices,
        price_metrics,
        features,
        model,
        backtest,
        evaluation,
        predictions,
        track_record,
        report,
    )
}


def inputs_of(asset: str) -> list[str]:
    """The assets that `asset` is made from."""
    return list(inspect.signature(ASSETS[asset]).parameters)[1:]


def encode(work: Work, asset: str, value: Any) -> Mapping[str, bytes]:
    """The asset's files, suffix -> bytes."""
    if isinstance(value, pd.DataFrame):
        return tables.encode(value, asset=asset, **work.about_and_source)
    if isinstance(value, modelling.Model):
        return models.encode_model(value)
    if isinstance(value, records.TrackRecord):
        table = tables.encode(value.forecasts, asset=asset, **work.about_and_source)
        return {**table, ".json": formats.encode_json(value.summary)}
    if asset == "report":
        return {f"/{name}": data for name, data in value.items()}
    return {".json": formats.encode_json(value)}


def check(work: Work, asked: Sequence[checks.Check], *frames: Any) -> None:
    """Asks what the graph's checks ask, and halts where they do."""
    for question, finding in validation.ask(asked, *frames, **work.about):
        if question.blocking and not finding.passed:
            raise SystemExit(f"{work.ticker} {work.session}: {question.name}: {finding.observed}, {finding.expected}")


def run(work: Work) -> dict[str, float]:
    """Make, check and store everything; seconds by step, named as in the graph."""
    values: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for asset, make in ASSETS.items():
        started = time.perf_counter()
        values[asset] = make(work, **{name: values[name] for name in inputs_of(asset)})
        work.store.write(asset, work.ticker, work.session, encode(work, asset, values[asset]))
        made = time.perf_counter()
        seconds[asset] = made - started
        if asset == "raw_prices":
            check(work, checks.RAW, values["raw_prices"])
            earlier = snapshots.Snapshot(work.store, work.ticker, work.session).earlier_table("raw_prices")
            check(work, checks.RAW_BESIDE_EARLIER, values["raw_prices"], earlier)
            seconds["raw_prices_checks"] = time.perf_counter() - made
        if asset == "clean_prices":
            check(work, checks.CLEAN, values["clean_prices"])
            check(work, checks.CLEAN_BESIDE_RAW, values["clean_prices"], values["raw_prices"])
            seconds["clean_prices_checks"] = time.perf_counter() - made
        if asset == "features":
            check(work, checks.FEATURES, values["features"])
            check(work, checks.FEATURES_BESIDE_CLEAN, values["features"], values["clean_prices"])
            seconds["features_checks"] = time.perf_counter() - made
        if asset == "backtest":
            check(work, checks.BACKTEST, values["features"], CONFIGURED.model)
            seconds["backtest_checks"] = time.perf_counter() - made
        if asset == "evaluation":
            check(work, checks.EVALUATION, values["evaluation"])
            seconds["evaluation_checks"] = time.perf_counter() - made
        if asset == "track_record":
            check(work, checks.TRACK_RECORD, values["track_record"].summary)
            seconds["track_record_checks"] = time.perf_counter() - made
    return seconds


def work_on(ticker: str, session: datetime.date, prices: Path | None, data_dir: str) -> Work:
    """Work on simulated prices, or on those in the folder `prices`."""
    source = SimulatedSource() if prices is None else CsvSource(prices)
    return Work(ticker, session, source, ArtefactStore(data_dir))


def parser() -> argparse.ArgumentParser:
    """What to work on: TICKER, DATE, DATA_DIR and `--prices`."""
    wanted = argparse.ArgumentParser(description="The whole graph without Dagster.")
    wanted.add_argument("ticker")
    wanted.add_argument("session", type=datetime.date.fromisoformat)
    wanted.add_argument("data_dir")
    wanted.add_argument("--prices", type=Path)
    return wanted


def main() -> None:
    arguments = parser().parse_args()
    run(work_on(arguments.ticker, arguments.session, arguments.prices, arguments.data_dir))


if __name__ == "__main__":
    main()
