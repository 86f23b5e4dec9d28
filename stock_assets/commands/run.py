"""`run`: the whole graph for some tickers and one session, one Dagster run a ticker, in this process."""

import time
import uuid
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import dagster as dg
import sqlalchemy.exc

from stock_assets.commands import home
from stock_assets.core import errors, sessions
from stock_assets.core.errors import DamagedArtefactError, MissingArtefactError, SettingsError, StockAssetsError
from stock_assets.definitions import build_defs
from stock_assets.defs import assets, partitions
from stock_assets.settings import Settings
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo

ASSETS = tuple(asset.key.to_user_string() for asset in assets.ALL)

# Dagster's own messages go to its event log and to ours under logs/; the terminal shows progress instead.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

# Assets whose artefacts tell where their prices came from, in the order of the graph.
_TELLING = tuple(asset for asset in ASSETS if asset != "report")
_DOCUMENTS = {"price_metrics", "model", "evaluation"}

_INTERRUPTIONS = {dg.DagsterExecutionInterruptedError.__name__, KeyboardInterrupt.__name__}
_FAILURES = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
_SHOWN_SESSIONS = 5

_OUR_ERRORS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, StockAssetsError)
}


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
            self._materialise(ticker, session, progress)
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
        return home.instance(self._settings.dagster_home)

    @cached_property
    def _job(self) -> dg.JobDefinition:
        return build_defs(self._settings).resolve_job_def("whole_graph_job")

    def close(self) -> None:
        """Let go of Dagster's storage, if it was used."""
        if "_instance" in self.__dict__:
            self._instance.dispose()

    def _materialise(self, ticker: str, session: date, progress: Progress) -> None:
        run_id = str(uuid.uuid4())

        def tell(entry: dg.EventLogEntry) -> None:
            event = entry.dagster_event
            if event is None or event.step_key not in ASSETS:
                return
            if event.event_type == dg.DagsterEventType.STEP_START:
                progress.asset_started(event.step_key)
            elif event.event_type == dg.DagsterEventType.STEP_SUCCESS:
                progress.asset_finished(event.step_key)
            elif event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY:
                progress.retrying(event.step_key)

        try:
            self._instance.add_event_listener(run_id, tell)
            result = self._job.execute_in_process(
                partition_key=partitions.key(ticker, session),
                instance=self._instance,
                run_id=run_id,
                run_config=_QUIET,
                raise_on_error=False,
            )
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise home.unusable(self._settings.dagster_home, error) from error
        if not result.success:
            raise RunFailedError(_why(result, ticker, session))

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
    """What made the run fail, in one line.

    Raises `KeyboardInterrupt` when somebody stopped it: Dagster makes a failure of Ctrl-C, and the next ticker would
    have its turn.
    """
    where = f"{ticker} {session}"
    stopped = any(event.event_type == dg.DagsterEventType.RUN_CANCELED for event in result.all_events)
    failures = [(event.step_key, _chain(event)) for event in result.all_events if event.event_type in _FAILURES]
    if stopped or any(error.cls_name in _INTERRUPTIONS for _, chain in failures for error in chain):
        raise KeyboardInterrupt
    for check in result.get_asset_check_evaluations():
        if check.blocking and not check.passed:
            asset = check.asset_key.to_user_string()
            return f"{where}: check {check.check_name} on {asset} failed: {check.description}{_offending(check)}"
    for step, chain in failures:
        # Ours says all that a person needs; what caused it is in a library's words, and in the log.
        for error in chain:
            if error.cls_name in _OUR_ERRORS:
                text = _one_line(error).partition(": ")[2]
                return text if text.startswith(where) else f"{where}: {text}"
        if chain:
            return f"{where}: {step or 'the run'}: {_one_line(chain[-1])}"
    return f"{where}: the run ended early without telling why; see it in the Dagster UI"


def _chain(event: dg.DagsterEvent) -> "list[SerializableErrorInfo]":
    """The error of a failure and its causes, outermost first."""
    data = event.step_failure_data if event.is_step_failure else event.job_failure_data
    error, chain = data.error, []
    while error is not None:
        chain.append(error)
        error = error.cause
    return chain


def _one_line(error: "SerializableErrorInfo") -> str:
    return " ".join(error.message.split())


def _offending(check: dg.AssetCheckEvaluation) -> str:
    """The first sessions that a check complains about."""
    table = check.metadata.get("offending sessions")
    if not isinstance(table, dg.TableMetadataValue):
        return ""
    found = [str(record.data["session"]) for record in table.records if "session" in record.data]
    more = " ..." if len(found) > _SHOWN_SESSIONS else ""
    return f": {', '.join(found[:_SHOWN_SESSIONS])}{more}" if found else ""
