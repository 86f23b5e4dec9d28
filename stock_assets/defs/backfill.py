"""`backfill_job`: many sessions of one ticker in one run, oldest first, for a past that was never made.

Dagster's own backfills start a run for each partition, or hand them all to one step, where one session's failure stops
all others. Here each session stands for itself (see partition_maker): one that fails is told at the end, and the others
are made. What is whole already is left alone, so that a backfill that was stopped is started again as it was.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG
from pydantic import Field

from stock_assets.core.errors import (
    BackfillError,
    DamagedArtefactError,
    MissingArtefactError,
    SettingsError,
    StockAssetsError,
    UnknownTickerError,
)
from stock_assets.defs import jobs, on_hand, open_storage, partition_maker, partitions
from stock_assets.storage import recent, snapshots
from stock_assets.storage.artefacts import ArtefactStore

NAME = "backfill_job"

MOST_SESSIONS = 600
"""Of one run: monitoring reads the log of a run in one go, for which Dagster gives it a minute."""

_TICKER_TAG = f"dagster/partition/{partitions.TICKER}"
_LONGEST_SECONDS = 24 * 60 * 60
_FORECASTS = ("predictions", "report")
_TOLD_FAILURES = 5
_ASKED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


class Backfill(dg.Config):
    """What to make."""

    ticker: str = Field(description="One of the watchlist")
    first: str = Field(description="First session, such as 2024-01-02")
    last: str = Field(description="Last session; it has to be closed")
    training: Literal["none", "weekly", "every"] = Field(
        default="none",
        description="Which sessions train, backtest and evaluate a model, which takes many times as long as the rest: "
        "none, the last ones of their week, or every one",
    )
    reports: bool = Field(
        default=True, description="Whether to draw the reports, which take longer than all else but training"
    )
    force: bool = Field(default=False, description="Make again what is whole, and replace what is of another source")


class Plan(NamedTuple):
    """A session, and the assets to make of it."""

    session: date
    wanted: tuple[str, ...]
    without: str
    """Why something is left out, in a line; empty when nothing is."""


def job(grid: dg.MultiPartitionsDefinition, steps: partition_maker.Steps) -> dg.JobDefinition:
    """The job, for partitions of `grid`."""

    @dg.op(required_resource_keys=steps.resources | {"store", "clock", "watchlist", "prices"})
    def backfill(context: dg.OpExecutionContext, config: Backfill) -> None:
        """Makes each session as a run of its own would: artefacts, checks, and what Dagster is told of them."""
        # Runs of one ticker go one at a time (dagster.yaml), this one too.
        context.instance.add_run_tags(context.run_id, {_TICKER_TAG: config.ticker})
        try:
            asked = sessions_asked_for(grid, context.resources.watchlist.tickers, config, context.resources.clock.now())
            if not config.force:
                require_one_source(context.resources.store, config.ticker, asked, context.resources.prices.name)
            with open_storage.held_open(context.instance):
                _Backfill(context, config, steps).run(asked)
        except StockAssetsError as error:
            raise dg.Failure(str(error), allow_retries=False) from error

    @dg.job(
        name=NAME,
        executor_def=dg.in_process_executor,
        # Longer than dagster.yaml allows other runs.
        tags={MAX_RUNTIME_SECONDS_TAG: str(_LONGEST_SECONDS)},
        description=_DESCRIPTION,
    )
    def backfill_job():
        backfill()

    return backfill_job


def sessions_asked_for(
    grid: dg.MultiPartitionsDefinition, tickers: Sequence[str], config: Backfill, now: datetime
) -> list[date]:
    """The sessions from first to last.

    Raises `UnknownTickerError`, `NotASessionError`, `SessionNotClosedError`, or `SettingsError` for a range that is
    empty, too long, or begins before the grid.
    """
    from stock_assets.core import sessions

    if config.ticker not in tickers:
        raise UnknownTickerError(f"{config.ticker} is not on the watchlist; expected one of {', '.join(tickers)}")
    first, last = sessions.to_session(config.first), sessions.to_session(config.last)
    begin = date.fromisoformat(partitions.sessions_of(grid).get_first_partition_key() or "")
    if first < begin:
        raise SettingsError(
            f"{config.ticker}: first session {first} is before the grid's, {begin}; set STOCK_ASSETS_FIRST_SESSION to "
            "an earlier date to go further back"
        )
    if last < first:
        raise SettingsError(f"{config.ticker}: last session {last} is before the first one, {first}")
    sessions.require_available(last, now)
    found = [session.date() for session in sessions.sessions_between(first, last)]
    if len(found) > MOST_SESSIONS:
        raise SettingsError(
            f"{config.ticker}: {len(found)} sessions from {first} to {last}; expected at most {MOST_SESSIONS} in one "
            f"run: up to {found[MOST_SESSIONS - 1]}, the others in another one"
        )
    return found


def partitions_of(run: dg.DagsterRun) -> set[str]:
    """Partitions that a run of the job was to make, and those before whose models its forecasts may rest on.

    None for another job, or when what was asked for can't be.
    """
    from stock_assets.core import sessions

    if run.job_name != NAME:
        return set()
    written: Any = run.run_config
    try:
        asked = written["ops"]["backfill"]["config"]
        first, last = sessions.to_session(asked["first"]), sessions.to_session(asked["last"])
        found = sessions.sessions_between(recent.oldest(first), last)
        return {str(partitions.key(asked["ticker"], session.date())) for session in found}
    except (LookupError, TypeError, StockAssetsError):
        return set()


def require_one_source(store: ArtefactStore, ticker: str, asked: Sequence[date], source: str) -> None:
    """Raises `SettingsError` when prices of another source than `source` are stored of a session that is asked for."""
    there = set(store.sessions("raw_prices", ticker))
    for session in asked:
        if session in there and (other := _source(store, ticker, session)) not in (None, source):
            raise SettingsError(
                f"{ticker} {session}: {store} holds prices from {other}; expected {source}; choose another "
                "STOCK_ASSETS_DATA_DIR, or replace them with force"
            )


def _source(store: ArtefactStore, ticker: str, session: date) -> str | None:
    try:
        return snapshots.Snapshot(store, ticker, session).table("raw_prices").attrs["source"]
    except (MissingArtefactError, DamagedArtefactError):
        return None


class _Backfill:
    """One run of the job."""

    def __init__(self, context: dg.OpExecutionContext, config: Backfill, steps: partition_maker.Steps):
        self._context = context
        self._config = config
        self._steps = steps
        self._store: ArtefactStore = context.resources.store

    def run(self, asked: Sequence[date]) -> None:
        """Raises `BackfillError` when sessions failed, or when the source went silent."""
        maker = partition_maker.PartitionMaker(self._context, self._steps, self._config.ticker)
        told_of = self._told_of(asked)
        failed: dict[date, str] = {}
        made = whole = 0
        for place, session in enumerate(asked):
            plan = self._plan(session)
            if not self._config.force and self._is_whole(plan, told_of):
                whole += 1
                continue
            try:
                outcome = maker.make(session, plan.wanted)
            except partition_maker.SourceSilentError as error:
                raise BackfillError(
                    f"{self._config.ticker}: the price source does not answer, so {len(asked) - place} of {len(asked)} "
                    f"sessions are not made; start the backfill again later: {error}"
                ) from error
            if outcome.why is None:
                made += 1
                self._context.log.info(f"{session}: made {', '.join(outcome.made)}{plan.without}")
            else:
                failed[session] = outcome.why
                self._context.log.error(f"{session}: failed: {outcome.why}")
        self._context.log.info(f"{made} sessions made, {whole} were whole, {len(failed)} failed")
        if failed:
            lines = [f"{session} ({why})" for session, why in list(failed.items())[:_TOLD_FAILURES]]
            more = (
                f" and {len(failed) - _TOLD_FAILURES} more, see the run's log" if len(failed) > _TOLD_FAILURES else ""
            )
            raise BackfillError(
                f"{self._config.ticker}: {len(failed)} of {len(asked)} sessions failed: {'; '.join(lines)}{more}"
            )

    def _plan(self, session: date) -> Plan:
        """What is to be made of a session, once what is before it is made."""
        from stock_assets.core import evenings, model_card

        training = self._config.training == "every" or (
            self._config.training == "weekly" and evenings.ends_a_week(session)
        )
        left_out = set() if self._config.reports else {"report"}
        without = ""
        if not training:
            left_out |= set(jobs.TRAINING_ASSETS)
            model = on_hand.last_model(self._store, self._config.ticker, session)
            if evenings.model_age(session, model) is None:
                left_out |= set(_FORECASTS)
                without = f"; no forecast: there is no model of the last {model_card.EXPIRES_AFTER_SESSIONS} sessions"
        every = (*jobs.DAILY_ASSETS, *jobs.TRAINING_ASSETS)
        return Plan(session, tuple(asset for asset in every if asset not in left_out), without)

    def _told_of(self, asked: Sequence[date]) -> set[tuple[str, str]]:
        """(asset or check, partition) that Dagster knows already: killed in between, a file may be there without."""
        every = [*jobs.DAILY_ASSETS, *jobs.TRAINING_ASSETS]
        storage = self._context.instance.event_log_storage
        keys = [str(partitions.key(self._config.ticker, session)) for session in asked]
        told = {(asset, key) for asset in every for key in storage.get_materialized_partitions(dg.AssetKey(asset))}
        checks = storage.get_asset_check_partition_info(self._steps.checks(every), partition_keys=keys)
        return told | {
            (info.check_key.to_user_string(), str(info.partition_key))
            for info in checks
            if info.latest_execution_status in _ASKED
        }

    def _is_whole(self, plan: Plan, told_of: set[tuple[str, str]]) -> bool:
        key = str(partitions.key(self._config.ticker, plan.session))
        names = [*plan.wanted, *(check.to_user_string() for check in self._steps.checks(plan.wanted))]
        return {(name, key) for name in names} <= told_of and all(
            self._store.is_whole(asset, self._config.ticker, plan.session) for asset in plan.wanted
        )


_DESCRIPTION = """Many sessions of one ticker in one run, oldest first. Say in the Launchpad which: `ops: {backfill:
{config: {ticker: TSLA, first: 2023-01-03, last: 2023-12-29}}}`.

Each session is checked and stored as by a run of its own; one that fails stops no other. What is whole already is left
alone. Forecasts and reports are made where there is a model of the last ten sessions: say `training: weekly` to have
them trained."""
