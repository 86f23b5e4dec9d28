"""`run`: the whole graph for some tickers and one session, one Dagster run a ticker, then the page of the watchlist.

All in this process.
"""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol

import dagster as dg
import sqlalchemy.exc

from stock_assets import watchlist as watchlists
from stock_assets.commands import dead_runs, home
from stock_assets.core import sessions
from stock_assets.core.errors import DamagedArtefactError, MissingArtefactError, SettingsError, StockAssetsError
from stock_assets.definitions import build_defs
from stock_assets.defs import assets, failures, followed, partitions
from stock_assets.defs.assets.reporting import watchlist_page as page_asset
from stock_assets.reporting import watchlist_page
from stock_assets.settings import Settings
from stock_assets.storage import quarantine
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot

_ALL = tuple(asset.key.to_user_string() for asset in assets.ALL)
ASSETS = tuple(name for name in _ALL if name not in assets.BY_HAND)

# Dagster's own messages go to its event log and to ours under logs/; the terminal shows progress instead.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

# Assets whose artefacts tell where their prices came from, in the order of the graph.
_TELLING = tuple(asset for asset in ASSETS if asset != "report")
_DOCUMENTS = {"price_metrics", "model", "evaluation"}


class RunFailedError(StockAssetsError):
    """A run that ended without all its artefacts; the message says why in one line."""


class OtherSourceError(StockAssetsError):
    """Artefacts that another source's prices would replace."""


@dataclass(frozen=True)
class Outcome:
    """What stands in the store for a ticker and session once its run is done."""

    ticker: str
    session: date
    reused: bool
    seconds: float
    source: str
    verdict: str
    beats_naive: bool
    target_session: date
    probability_up: float
    predicted_close: float
    interval_low: float
    interval_high: float
    interval_level: float
    naive_close: float
    report: str


@dataclass(frozen=True)
class Page:
    """The stored page of the watchlist: what it says in a line, and where it is."""

    summary: str
    path: str


class Progress(Protocol):
    """Told as a run goes on, for whoever shows it."""

    def asset_started(self, asset: str) -> None:
        """An asset's work begins."""

    def asset_finished(self, asset: str) -> None:
        """An asset is stored."""

    def retrying(self, asset: str) -> None:
        """An asset met a passing fault and waits for its next try."""


def session_asked_for(settings: Settings, as_of: str | None, now: datetime) -> date:
    """The session `as_of` names, or the last one whose partition is open at `now`.

    Raises `NotASessionError`, `SessionNotClosedError`, or `SettingsError` for one before the grid begins.
    """
    session = sessions.latest_available(now) if as_of is None else sessions.to_session(as_of)
    if session < settings.first_session:
        raise SettingsError(
            f"session {session} is before the first one of the grid, {settings.first_session}; "
            "set STOCK_ASSETS_FIRST_SESSION to an earlier date to go further back"
        )
    sessions.require_available(session, now)
    return session


class Runner:
    """Runs the whole graph for one ticker and session at a time, on one Dagster instance.

    Raises `SettingsError` when the folder for logs can't be used.
    """

    def __init__(self, settings: Settings):
        home.prepare_logs(settings.log_dir)
        self._settings = settings
        self._store = ArtefactStore(settings.data_dir)

    def run(self, ticker: str, session: date, *, force: bool = False, progress: Progress) -> Outcome:
        """Materialise every asset of the partition, or re-use what is there when all of it is whole.

        Raises `RunFailedError` when the run did not finish; `OtherSourceError` rather than replace what came from one
        source by another's prices, unless `force`; `KeyboardInterrupt` when somebody stopped the run;
        `SettingsError` when Dagster's own storage can't be used.
        """
        started = time.perf_counter()
        reused = not force and self._is_complete(ticker, session)
        if not reused:
            self.materialise("whole_graph_job", ticker, session, progress=progress)
        return self._outcome(ticker, session, reused, time.perf_counter() - started)

    def _is_complete(self, ticker: str, session: date) -> bool:
        sources = [self._source(asset, ticker, session) for asset in _TELLING]
        source = next((found for found in sources if found), self._settings.source)
        if source != self._settings.source:
            raise OtherSourceError(
                f"{ticker} {session}: {self._settings.data_dir} holds prices from {source}; expected "
                f"{self._settings.source}; choose another STOCK_ASSETS_DATA_DIR, or replace them with --force"
            )
        # Two sources side by side are what a run with --force leaves that was stopped half-way.
        return set(sources) == {source} and all(self._store.is_whole(asset, ticker, session) for asset in ASSETS)

    def _source(self, asset: str, ticker: str, session: date) -> str | None:
        """Where the artefact's prices came from; None when it is absent or damaged, and so not worth keeping."""
        snapshot = Snapshot(self._store, ticker, session)
        try:
            return snapshot.document(asset)["source"] if asset in _DOCUMENTS else snapshot.table(asset).attrs["source"]
        except (MissingArtefactError, DamagedArtefactError):
            return None

    @cached_property
    def _instance(self) -> dg.DagsterInstance:
        instance = home.instance(self._settings.dagster_home)
        dead_runs.bury(instance, self._settings.dagster_home)
        return instance

    @cached_property
    def _definitions(self) -> dg.Definitions:
        return build_defs(self._settings)

    def close(self) -> None:
        """Let go of Dagster's storage, if it was used."""
        if "_instance" in self.__dict__:
            self._instance.dispose()

    def materialise(
        self,
        job: str,
        ticker: str,
        session: date,
        *,
        progress: Progress,
        configs: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> None:
        """Run a job for one partition; `configs`: what the Launchpad would hold for its assets. Errors as `run`."""
        run_id = str(uuid.uuid4())

        def tell(entry: dg.EventLogEntry) -> None:
            event = entry.dagster_event
            if event is None or event.step_key not in _ALL:
                return
            if event.event_type == dg.DagsterEventType.STEP_START:
                progress.asset_started(event.step_key)
            elif event.event_type == dg.DagsterEventType.STEP_SUCCESS:
                progress.asset_finished(event.step_key)
            elif event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY:
                progress.retrying(event.step_key)

        with self._usable_home():
            self._instance.add_event_listener(run_id, tell)
        ops = {asset: {"config": dict(given)} for asset, given in configs.items()}
        result = self._execute(job, partitions.key(ticker, session), run_id, ops)
        if not result.success:
            why = _why(result, ticker, session)
            if self._store.has(quarantine.ASSET, ticker, session):
                why = f"{why}; see stock-assets inspect {ticker} --as-of {session}"
            raise RunFailedError(why)

    def page(self, session: date) -> Page:
        """Make the page of the whole watchlist, or re-use the one that is there when it would be the same.

        Raises `RunFailedError` when it can't be made; `ArtefactError` when the store can't be read; others as `run`.
        """
        listed = watchlists.read(self._settings.watchlist)
        with self._usable_home():
            found = followed.read(self._store, self._instance, listed, session)
        slot = (page_asset.NAME, partitions.ALL_TICKERS, session)
        try:
            stored = self._store.read(*slot)
        except (MissingArtefactError, DamagedArtefactError):
            stored = {}
        if stored != {page_asset.SUFFIX: watchlist_page.render(session, found)}:
            result = self._execute("watchlist_job", session.isoformat(), str(uuid.uuid4()), {})
            if not result.success:
                raise RunFailedError(_why(result, partitions.ALL_TICKERS, session))
        return Page(watchlist_page.summary(session, found), str(self._store.path(*slot, page_asset.SUFFIX)))

    def _execute(self, job: str, partition_key: str, run_id: str, ops: Mapping[str, Any]) -> dg.ExecuteInProcessResult:
        with self._usable_home(), dead_runs.alive(self._settings.dagster_home, run_id):
            return self._definitions.resolve_job_def(job).execute_in_process(
                partition_key=partition_key,
                instance=self._instance,
                run_id=run_id,
                run_config=_QUIET | {"ops": ops},
                raise_on_error=False,
            )

    @contextmanager
    def _usable_home(self) -> Iterator[None]:
        try:
            yield
        except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
            raise home.unusable(self._settings.dagster_home, error) from error

    def _outcome(self, ticker: str, session: date, reused: bool, seconds: float) -> Outcome:
        snapshot = Snapshot(self._store, ticker, session)
        evaluation = snapshot.document("evaluation")
        row = snapshot.table("predictions").iloc[0]
        return Outcome(
            ticker=ticker,
            session=session,
            reused=reused,
            seconds=seconds,
            source=evaluation["source"],
            verdict=evaluation["verdict"]["text"],
            beats_naive=evaluation["verdict"]["beats_naive"],
            target_session=row["target_session"].date(),
            probability_up=float(row["probability_up"]),
            predicted_close=float(row["predicted_close"]),
            interval_low=float(row["interval_low"]),
            interval_high=float(row["interval_high"]),
            interval_level=float(row["interval_level"]),
            naive_close=float(row["naive_close"]),
            report=str(self._store.path("report", ticker, session, "/report.html")),
        )


def _why(result: dg.ExecuteInProcessResult, ticker: str, session: date) -> str:
    """What made the run fail, in one line. Raises `KeyboardInterrupt` when somebody stopped it."""
    # Dagster makes a failure of Ctrl-C: the next ticker would have its turn.
    if failures.stopped(result.all_events):
        raise KeyboardInterrupt
    return failures.cause(result.all_events, ticker, session).why
