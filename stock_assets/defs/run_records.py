"""A finished run of Dagster and its log as plain values: what monitoring keeps of it.

Only what is about a partition of the grid is kept of artefacts and checks; a step's name, attempts, seconds and error
of every step. Which runs are read, and when, is in sensors.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from stock_assets.defs import describe, failures, partitions

if TYPE_CHECKING:
    from stock_assets.monitoring.records import (
        CheckRecord,
        FetchRecord,
        MaterialisationRecord,
        RunRecord,
        StepRecord,
    )

FINISHED = {
    dg.DagsterRunStatus.SUCCESS: "success",
    dg.DagsterRunStatus.FAILURE: "failure",
    dg.DagsterRunStatus.CANCELED: "canceled",
}

_FETCHING = "raw_prices"
_TICKER_TAG = f"dagster/partition/{partitions.TICKER}"
_STARTS = (dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_RESTARTED)
_CHECKED = dg.DagsterEventType.ASSET_CHECK_EVALUATION
_PLANS = (dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)
_READ = {
    *_STARTS,
    *_PLANS,
    *failures.TELLING,
    dg.DagsterEventType.STEP_UP_FOR_RETRY,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_SKIPPED,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
}
_TOLD_OF_CHECKS = ("observed", "expected", "threshold")
_BROKEN_OFF = "the run ended in the middle of it"


def read(instance: dg.DagsterInstance, record: dg.RunRecord) -> "RunRecord":
    """What is known of a finished run.

    Raises `DagsterError` when its log can't be read; `unreadable` then makes what is left to be known.
    """
    run, where, partition = record.dagster_run, _where(record), _partition(record)
    log = [entry for entry in instance.all_logs(run.run_id, of_type=_READ) if entry.dagster_event is not None]
    events = [entry.get_dagster_event() for entry in log]
    found = _without_log(record)
    if failures.stopped(events):
        found = replace(found, status="canceled", error=f"{where}: somebody stopped the run")
    elif run.status == dg.DagsterRunStatus.FAILURE:
        # A check of one partition, among the many of a backfill, is not why the run failed.
        causes = events if partition else [event for event in events if event.event_type != _CHECKED]
        found = replace(found, error=failures.cause_of(causes, where).why)
    return replace(
        found,
        steps=tuple(_steps(log, where)),
        materialisations=tuple(_materialisations(log)),
        checks=tuple(_checks(log)),
        fetches=tuple(_fetches(log, *partition, where, ended=found.ended)) if partition else (),
    )


def unreadable(record: dg.RunRecord, error: Exception) -> "RunRecord":
    """What is known of a finished run whose log can't be read: that it ended and how, and why there is no more."""
    told = " ".join(str(error).split())
    return replace(_without_log(record), error=f"{_where(record)}: its log can't be read: {told}")


def _without_log(record: dg.RunRecord) -> "RunRecord":
    from stock_assets.monitoring.records import RunRecord

    # A backfill is about one ticker, but no session.
    ticker, session = _partition(record) or (record.dagster_run.tags.get(_TICKER_TAG), None)
    return RunRecord(
        run_id=record.dagster_run.run_id,
        job=record.dagster_run.job_name,
        status=FINISHED[record.dagster_run.status],
        ticker=None if ticker == partitions.ALL_TICKERS else ticker,
        session=session,
        started=None if record.start_time is None else datetime.fromtimestamp(record.start_time, UTC),
        ended=_ended(record),
    )


def _ended(record: dg.RunRecord) -> datetime:
    if record.end_time is None:
        return record.update_timestamp
    return datetime.fromtimestamp(record.end_time, UTC)


def _partition(record: dg.RunRecord) -> tuple[str, date] | None:
    return _split(record.dagster_run.tags.get("dagster/partition"))


def _split(partition_key: str | None) -> tuple[str, date] | None:
    """Ticker and session; None for what is about no partition, or about one of somebody else's."""
    try:
        return None if partition_key is None else partitions.split(partition_key)
    except ValueError:
        return None


def _where(record: dg.RunRecord) -> str:
    """What a run is about: the words its error begins with."""
    partition = _partition(record)
    if partition is None:
        return record.dagster_run.tags.get(_TICKER_TAG, record.dagster_run.job_name)
    return f"{partition[0]} {partition[1]}"


def _at(entry: dg.EventLogEntry) -> datetime:
    return datetime.fromtimestamp(entry.timestamp, UTC)


def _steps(log: Iterable[dg.EventLogEntry], where: str) -> "list[StepRecord]":
    from stock_assets.monitoring.records import StepRecord

    steps: dict[str, StepRecord] = {}
    started: dict[str, float] = {}
    for entry in log:
        event = entry.get_dagster_event()
        step, kind = event.step_key, event.event_type
        if step is None:
            continue
        # Planned, but never begun: held up by a step before it.
        known = steps.setdefault(step, StepRecord(step, "skipped", attempts=0))
        if kind in _STARTS:
            started[step] = entry.timestamp
            steps[step] = replace(known, status="failure", attempts=known.attempts + 1, seconds=None, error=_BROKEN_OFF)
        elif kind in (dg.DagsterEventType.STEP_UP_FOR_RETRY, dg.DagsterEventType.STEP_FAILURE):
            seconds = entry.timestamp - started[step] if step in started else None
            told = failures.of_step(event, where)
            steps[step] = replace(known, status="failure", seconds=seconds, error=told)
        elif kind == dg.DagsterEventType.STEP_SUCCESS:
            seconds = event.step_success_data.duration_ms / 1000
            steps[step] = replace(known, status="success", seconds=seconds, error=None)
    return list(steps.values())


def _materialisations(log: Iterable[dg.EventLogEntry]) -> "list[MaterialisationRecord]":
    from stock_assets.monitoring.records import MaterialisationRecord

    found: dict[tuple, MaterialisationRecord] = {}
    for entry in log:
        event = entry.get_dagster_event()
        if event.event_type != dg.DagsterEventType.ASSET_MATERIALIZATION:
            continue
        told = event.step_materialization_data.materialization
        partition = _split(told.partition)
        if partition is None:
            continue
        asset = told.asset_key.to_user_string()
        values: dict[str, Any] = {key: value.value for key, value in told.metadata.items()}
        # One that was made twice, on a retry, is there as it was made last.
        found[asset, *partition] = MaterialisationRecord(
            asset,
            *partition,
            made=_at(entry),
            source=describe.plain_source(values["source"]) if "source" in values else None,
            rows=values.get("dagster/row_count"),
            bytes=values.get("bytes"),
            checksum=values.get("checksum"),
        )
    return list(found.values())


def _checks(log: Iterable[dg.EventLogEntry]) -> "list[CheckRecord]":
    from stock_assets.monitoring.records import CheckRecord

    found: dict[tuple, CheckRecord] = {}
    for entry in log:
        event = entry.get_dagster_event()
        if event.event_type != dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            continue
        told = event.asset_check_evaluation_data
        partition = _split(told.partition)
        if partition is None:
            continue
        asset = told.asset_key.to_user_string()
        values = {key: str(value.value) for key, value in told.metadata.items() if key in _TOLD_OF_CHECKS}
        found[asset, told.check_name, *partition] = CheckRecord(
            asset,
            told.check_name,
            *partition,
            passed=told.passed,
            severity=told.severity.value.lower(),
            blocking=bool(told.blocking),
            evaluated=_at(entry),
            told=told.description,
            **values,
        )
    return list(found.values())


def _fetches(
    log: Iterable[dg.EventLogEntry], ticker: str, session: date, where: str, *, ended: datetime
) -> "list[FetchRecord]":
    """The attempts to fetch prices; one that nothing is told of any more ended with the run at the latest."""
    from stock_assets.monitoring.records import FetchRecord

    found: list[FetchRecord] = []
    for entry in log:
        event = entry.get_dagster_event()
        if event.step_key != _FETCHING:
            continue
        if event.event_type in _STARTS:
            found.append(FetchRecord(len(found) + 1, ticker, session, succeeded=False, ended=ended, error=_BROKEN_OFF))
        elif event.event_type == dg.DagsterEventType.STEP_SUCCESS:
            found[-1] = replace(found[-1], succeeded=True, ended=_at(entry), error=None)
        elif event.event_type in (dg.DagsterEventType.STEP_UP_FOR_RETRY, dg.DagsterEventType.STEP_FAILURE) and found:
            found[-1] = replace(found[-1], ended=_at(entry), error=failures.of_step(event, where))
    return found
