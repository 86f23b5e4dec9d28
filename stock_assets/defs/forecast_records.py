"""Forecasts that runs made, and what happened, from the store into the monitoring database.

What can't be read is told and tried again with the ticker's next runs; it never holds up what else is known of a run.
"""

import datetime
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from stock_assets.core.errors import ArtefactError, DamagedArtefactError, MissingArtefactError, SchemaError
from stock_assets.defs import partitions
from stock_assets.storage import snapshots
from stock_assets.storage.artefacts import ArtefactStore

if TYPE_CHECKING:
    import pandas as pd
    import sqlalchemy as sa

    from stock_assets.monitoring.forecasts import Lacking
    from stock_assets.monitoring.records import ForecastRecord, RunRecord

TRIED_FOR = datetime.timedelta(days=10)
"""How long it is tried to read a forecast that could not be read when its run was taken."""


def follow(connection: "sa.Connection", store: ArtefactStore, run: "RunRecord") -> list[str]:
    """Store the forecasts and outcomes of the tickers whose prices or forecasts a run made.

    The run is in the database already, and the transaction is the caller's. Returns what went wrong, in lines.
    """
    problems: list[str] = []
    made = {(one.ticker, one.asset) for one in run.materialisations if one.asset in ("clean_prices", "predictions")}
    for ticker in sorted({ticker for ticker, _ in made} - {partitions.ALL_TICKERS}):
        problems += _take_forecasts(connection, store, ticker, run)
        made_again = [
            one.session for one in run.materialisations if (one.ticker, one.asset) == (ticker, "clean_prices")
        ]
        problems += _take_outcomes(connection, store, ticker, made_again)
    return problems


def _take_forecasts(connection: "sa.Connection", store: ArtefactStore, ticker: str, run: "RunRecord") -> Iterator[str]:
    from stock_assets.monitoring import forecasts

    for lacking in forecasts.lacking(connection, ticker, since=run.ended - TRIED_FOR):
        try:
            forecast = _forecast(store, ticker, lacking)
        except (ArtefactError, SchemaError) as error:
            yield f"a forecast could not be kept: {error}"
            continue
        if forecast is not None:
            forecasts.store(connection, forecast)
        elif lacking.run_id == run.run_id:
            yield (
                f"{ticker} {lacking.session}: the forecast of run {lacking.run_id} was replaced before it could be "
                "kept; the one that replaced it is kept with its own run"
            )


def _forecast(store: ArtefactStore, ticker: str, lacking: "Lacking") -> "ForecastRecord | None":
    """None when another forecast is in its place by now."""
    from stock_assets.core import schemas
    from stock_assets.monitoring import forecasts

    predictions = snapshots.Snapshot(store, ticker, lacking.session).table("predictions")
    # It may be of an earlier version of this code.
    schemas.validate(predictions, schemas.PREDICTIONS, ticker=ticker, as_of=lacking.session)
    # After reading: what was there before may have been replaced in between.
    if store.checksum("predictions", ticker, lacking.session) != lacking.checksum:
        return None
    trained = predictions["model_as_of"].iloc[0].date()
    return forecasts.of_table(
        predictions,
        checksum=lacking.checksum,
        made=lacking.made,
        run_id=lacking.run_id,
        naive_probability_up=_share_of_rises(store, ticker, trained),
    )


def _share_of_rises(store: ArtefactStore, ticker: str, session: datetime.date) -> float | None:
    """Among the rows that the model of that session was trained on; None when there is no such model any more."""
    try:
        card = snapshots.Snapshot(store, ticker, session).document("model")
    except (MissingArtefactError, DamagedArtefactError):
        return None
    return card.get("in_sample", {}).get("up_share")


def _take_outcomes(
    connection: "sa.Connection", store: ArtefactStore, ticker: str, made_again: Sequence[datetime.date]
) -> Iterator[str]:
    """What followed, each from the earliest clean prices that know of the target session."""
    from stock_assets.monitoring import forecasts

    owed = forecasts.owed(connection, ticker, made_again=made_again)
    if not owed:
        return
    there = store.sessions("clean_prices", ticker)
    tables = {}
    for pair in owed:
        known_from = next((session for session in there if session >= pair.target_session), None)
        if known_from is None:
            continue
        try:
            if known_from not in tables:
                tables[known_from] = _clean_prices(store, ticker, known_from)
        except (ArtefactError, SchemaError) as error:
            yield f"{ticker} {pair.session}: what followed up to {pair.target_session} could not be read: {error}"
            continue
        outcome = forecasts.outcome(tables[known_from], ticker, pair, known_from=known_from)
        if outcome is not None:
            forecasts.settle(connection, outcome)


def _clean_prices(store: ArtefactStore, ticker: str, session: datetime.date) -> "pd.DataFrame":
    from stock_assets.core import schemas

    clean = snapshots.Snapshot(store, ticker, session).table("clean_prices")
    return schemas.validate(clean, schemas.CLEAN_PRICES, ticker=ticker, as_of=session)
