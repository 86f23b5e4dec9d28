"""Small stores of whole snapshots, made in no time: real cleaning, features, models and forecasts on simulated bars.

A snapshot of a ticker and session comes in versions, as if its prices had been revised and everything were made again:
the artefacts of one version agree with one another, those of two do not.
"""

import datetime as dt
import functools
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from stock_assets.core import adjusting, cleaning, features, modelling, prediction
from stock_assets.core import sessions as calendar
from stock_assets.sources.simulated import SimulatedSource
from stock_assets.storage import formats, models, snapshots, tables
from stock_assets.storage.artefacts import ArtefactStore

SESSION = dt.date(2024, 3, 8)  # a Friday
LAST = dt.date(2024, 3, 28)  # Good Friday's eve: bars are there up to it

ASSETS = ("raw_prices", "clean_prices", "model", "evaluation", "predictions", "report")
"""What a snapshot holds, in the order in which it is made; model and evaluation only where one was trained."""

_FIRST_BAR = "2022-06-01"
_SETTINGS = modelling.ModelSettings(estimator="linear", min_train=60, threads=1)

Artefacts = Mapping[str, Mapping[str, bytes]]
"""Asset -> file suffix -> bytes."""


def later(n: int) -> dt.date:
    """The session `n` sessions after SESSION; before it when negative."""
    return calendar.next_session(SESSION, n)


def small_store(
    folder: Path,
    tickers: Iterable[str] = ("TSLA", "STX"),
    sessions: Iterable[dt.date] = (SESSION,),
    *,
    source: str = "csv",
    trained: Collection[dt.date] = (),
) -> ArtefactStore:
    """A store in `folder` with a whole snapshot of each ticker and session.

    Models are trained on the sessions `trained`, or else on the first of all; every other session forecasts with the
    latest one before.
    """
    store, dates = ArtefactStore(folder), sorted(sessions)
    trainings = sorted(trained) or dates[:1]
    for ticker in tickers:
        for session in dates:
            model_as_of = max(one for one in trainings if one <= session)
            write(store, ticker, session, snapshot(ticker, session, model_as_of=model_as_of, source=source))
    return store


def write(store: ArtefactStore, ticker: str, session: dt.date, made: Artefacts, only: Collection[str] = ASSETS) -> None:
    """Put artefacts of a snapshot, or `only` some, where they belong: one after the other, as runs do."""
    for asset in ASSETS:
        if asset in made and asset in only:
            store.write(asset, ticker, session, made[asset])


@functools.lru_cache(maxsize=256)
def snapshot(
    ticker: str,
    session: dt.date,
    *,
    model_as_of: dt.date | None = None,
    version: int = 0,
    source: str = "csv",
    beats_naive: bool = False,
) -> Artefacts:
    """Every artefact of one version of a snapshot; its model and evaluation only when they are of `session` itself."""
    model_as_of = model_as_of or session
    own, trained = (_prepared(ticker, one, version, source) for one in (session, model_as_of))
    model = _model(ticker, model_as_of, version, source)
    evaluation = _evaluation(ticker, model_as_of, version, source, beats_naive)
    forecast = prediction.predict(own.features, model, evaluation, ticker=ticker, as_of=session, source=source)
    where: dict[str, Any] = {"ticker": ticker, "as_of": session, "source": source}
    made: dict[str, Mapping[str, bytes]] = {
        "raw_prices": tables.encode(own.raw, asset="raw_prices", **where),
        "clean_prices": tables.encode(own.clean, asset="clean_prices", **where),
        "predictions": tables.encode(forecast, asset="predictions", **where),
        "report": {
            "/report.html": f"<!doctype html><title>{ticker} {session}</title><p>Version {version}</p>".encode(),
            "/figures/price.png": b"\x89PNG\r\n\x1a\n",
        },
    }
    if model_as_of == session:
        made["model"] = models.encode_model(model)
        made["evaluation"] = {".json": formats.encode_json(evaluation)}
    assert trained.clean.index[-1] == pd.Timestamp(model_as_of)
    return made


class _Prepared(NamedTuple):
    raw: pd.DataFrame
    clean: pd.DataFrame
    features: pd.DataFrame


@functools.lru_cache(maxsize=8)
def _bars(ticker: str) -> pd.DataFrame:
    return SimulatedSource().fetch(ticker, LAST).bars.loc[_FIRST_BAR : LAST.isoformat()]


@functools.lru_cache(maxsize=64)
def _prepared(ticker: str, session: dt.date, version: int, source: str) -> _Prepared:
    # Another scale changes the closes, another first bar the returns that a model is trained on.
    bars = _bars(ticker).iloc[5 * version :].copy()
    bars[["open", "high", "low", "close", "adj_close", "dividends"]] *= 1 + version / 100
    raw = adjusting.as_served_on(bars, session)
    clean = cleaning.clean_prices(raw, ticker=ticker, as_of=session)
    raw.attrs["source"] = clean.attrs["source"] = source
    return _Prepared(raw, clean, features.build_features(clean, ticker=ticker, as_of=session))


@functools.lru_cache(maxsize=64)
def _model(ticker: str, session: dt.date, version: int, source: str) -> modelling.Model:
    table = _prepared(ticker, session, version, source).features
    return modelling.train(table, _SETTINGS, ticker=ticker, as_of=session, source=source)


def _evaluation(ticker: str, session: dt.date, version: int, source: str, beats_naive: bool) -> dict[str, Any]:
    verdict = "Better" if beats_naive else "No better"
    return {
        "ticker": ticker,
        "as_of": session.isoformat(),
        "source": source,
        "horizon_sessions": 1,
        "n_forecasts": 500,
        "interval": {"level": 0.9, "scaled_quantile": 1.5 + version / 100, "usual_volatility": 0.02},
        "calibration": {"method": "platt", "slope": 0.5, "n": 500},
        "verdict": {"beats_naive": beats_naive, "text": f"{verdict} than the naive forecasts (version {version})."},
    }


def table(store: ArtefactStore, asset: str, ticker: str, session: dt.date) -> pd.DataFrame:
    """A stored table."""
    return snapshots.Snapshot(store, ticker, session).table(asset)
