"""A finished run of Dagster and its log as plain values: what monitoring keeps of it.

Only what is about a partition of the grid is kept of artefacts and checks; a step's name, attempts, seconds and error
of every step. Which runs are read, and when, is in sensors.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from stock_assets.defs import describe, failures, jobs, partitions

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
_TAG, _TICKER_TAG = partitions.TAG, partitions.TICKER_TAG
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
_OF_ONE_PARTITION = {_CHECKED, dg.DagsterEventType.ASSET_OBSERVATION}
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
        # What went wrong with one partition, among the many of a backfill, is not why the run failed.
        causes = events if partition else [event for event in events if event.event_type not in _OF_ONE_PARTITION]
        found = replace(found, error=failures.cause_of(causes, where).why)
    return replace(
        found,
        steps=tuple(_steps(log, where)),
        materialisations=tuple(_materialisations(log)),
        checks=tuple(_checks(log)),
        fetches=tuple(_fetches(log, *partition, where, ended=found.ended)) if partition else (),
    )


def of_partitions(instance: dg.DagsterInstance, record: dg.RunRecord, whole: "RunRecord") -> "list[RunRecord]":
    """What an evening's run, read as `whole`, tells of each of its partitions: as much as a run of each would.

    Their ids are the run's, a slash, and the partition's key. Nothing of a run that is about one partition, or none.
    """
    if _TAG in record.dagster_run.tags:
        return []
    log = [entry for entry in instance.all_logs(whole.run_id, of_type=_READ) if entry.dagster_event is not None]
    return [_of_partition(log, key, whole) for key in partitions.of_run(record.dagster_run)]


def _of_partition(log: Iterable[dg.EventLogEntry], key: str, whole: "RunRecord") -> "RunRecord":
    from stock_assets.monitoring.records import RunRecord

    ticker, session = partitions.split(key)
    where = f"{ticker} {session}"
    mine = [entry for entry in log if failures.partition_of(entry.get_dagster_event()) == key]
    events = [entry.get_dagster_event() for entry in mine]
    made = tuple(_materialisations(mine))
    if {one.asset for one in made} >= set(jobs.DAILY_ASSETS):
        status, error = "success", None
    elif failures.halts(events):
        status, error = "failure", failures.cause_of(events, where).why
    else:  # the run ended before it, or in the middle of it
        status, error = whole.status, f"{where}: {(whole.error or _BROKEN_OFF).removeprefix(f'{whole.job}: ')}"
    return RunRecord(
        run_id=f"{whole.run_id}/{key}",
        # As what it does is called elsewhere: a run of its own, later, tells that all is well again.
        job=jobs.daily_job.name,
        status=status,
        ticker=ticker,
        session=session,
        started=min((_began(entry) for entry in mine), default=None),
        ended=max((_at(entry) for entry in mine), default=whole.ended),
        error=error,
        steps=tuple(_partition_steps(mine, where)),
        materialisations=made,
        checks=tuple(_checks(mine)),
        fetches=tuple(_partition_fetches(mine, ticker, session)),
    )


def _began(entry: dg.EventLogEntry) -> datetime:
    event = entry.get_dagster_event()
    if event.event_type != dg.DagsterEventType.ASSET_MATERIALIZATION:
        return _at(entry)
    return _at(entry) - timedelta(seconds=_seconds(event) or 0.0)


def _seconds(event: dg.DagsterEvent) -> float | None:
    """What the asset itself told of how long it took."""
    told = event.step_materialization_data.materialization.metadata.get("seconds")
    return None if told is None else float(told.value)  # type: ignore[arg-type]


def _partition_steps(log: Iterable[dg.EventLogEntry], where: str) -> "list[StepRecord]":
    from stock_assets.monitoring.records import StepRecord

    steps = {asset: StepRecord(asset, "skipped", attempts=0) for asset in jobs.DAILY_ASSETS}
    for entry in log:
        event = entry.get_dagster_event()
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            name, told = str(event.asset_key and event.asset_key.to_user_string()), {"seconds": _seconds(event)}
            told |= {"status": "success", "error": None}
        elif failed := failures.of_partition(event):
            name, told = failed.step, {"status": "failure", "error": f"{where}: {failed.why}"}
        else:
            continue
        known = steps.get(name) or StepRecord(name, "skipped", attempts=0)
        steps[name] = replace(known, attempts=known.attempts + 1, **told)
    return list(steps.values())


def _partition_fetches(log: Iterable[dg.EventLogEntry], ticker: str, session: date) -> "list[FetchRecord]":
    from stock_assets.monitoring.records import FetchRecord

    found: list[FetchRecord] = []
    for entry in log:
        event = entry.get_dagster_event()
        if event.asset_key != dg.AssetKey(_FETCHING):
            continue
        attempt = {"attempt": len(found) + 1, "ticker": ticker, "session": session, "ended": _at(entry)}
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            found.append(FetchRecord(**attempt, succeeded=True))
        elif (failed := failures.of_partition(event)) and _was_tried(failed):
            found.append(FetchRecord(**attempt, succeeded=False, error=f"{ticker} {session}: {failed.why}"))
    return found


def _was_tried(failed: failures.PartitionFailure) -> bool:
    return failed.step == _FETCHING and not failed.why.startswith(failures.NOT_TRIED)


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
    return _split(record.dagster_run.tags.get(_TAG))


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
