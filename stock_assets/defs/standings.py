"""How the runs and checks of each ticker and session went, asked of Dagster's event log: a few queries for all tickers.

What a page makes of it is for reporting; why a single run failed for failures.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from stock_assets.core import checks
from stock_assets.defs import assets, failures, partitions

if TYPE_CHECKING:
    from stock_assets.reporting.watchlist_page import Complaint, Standing

_FAILED = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}

_CHECKS = {
    dg.AssetCheckKey(dg.AssetKey(asset), check.name): check for asset, asked in checks.ASKED.items() for check in asked
}


def of_session(instance: dg.DagsterInstance, tickers: Sequence[str], session: date) -> "dict[str, Standing]":
    """Ticker -> how its newest run of `session` went, and the newest evaluation of each of its checks there.

    Runs that only make what is made by hand are left aside. A backfill is a run of no session: what it made is known by
    its checks, and by a report that is newer than a run that failed.
    """
    from stock_assets.reporting.watchlist_page import Standing

    newest = _newest_runs(instance, session)
    statuses = _check_statuses(instance, tickers, session)
    standings = {}
    for ticker in tickers:
        run, found = newest.get(ticker), statuses[ticker]
        failed = [key for key, status in found.items() if status is AssetCheckExecutionRecordStatus.FAILED]
        told = dict(_complaints(instance, failed, ticker, session))
        state, halted_at, why = _how_it_went(instance, run, ticker, session)
        standings[ticker] = Standing(
            run=state,
            halted_at=halted_at,
            why=why,
            n_passed=sum(status is AssetCheckExecutionRecordStatus.SUCCEEDED for status in found.values()),
            warned=tuple(told[key] for key in failed if not _CHECKS[key].blocking),
            failed=tuple(told[key] for key in failed if _CHECKS[key].blocking),
        )
    return standings


def _newest_runs(instance: dg.DagsterInstance, session: date) -> dict[str, dg.DagsterRun]:
    """Ticker -> the run of that session that was created last."""
    runs = instance.get_runs(dg.RunsFilter(tags={partitions.SESSION_TAG: session.isoformat()}))
    newest: dict[str, dg.DagsterRun] = {}
    for run in runs:  # the latest first
        for ticker, of in map(partitions.split, [] if _by_hand(run) else partitions.of_run(run)):
            if of == session and ticker != partitions.ALL_TICKERS:
                newest.setdefault(ticker, run)
    return newest


def _by_hand(run: dg.DagsterRun) -> bool:
    selected = {key.to_user_string() for key in run.asset_selection or ()}
    jobs = {f"{asset}_job" for asset in assets.BY_HAND}
    return run.job_name in jobs or (bool(selected) and selected <= set(assets.BY_HAND))


def _check_statuses(
    instance: dg.DagsterInstance, tickers: Sequence[str], session: date
) -> dict[str, dict[dg.AssetCheckKey, AssetCheckExecutionRecordStatus]]:
    """Ticker -> check -> the newest thing known of it: a query a check, not one a ticker."""
    keys = {str(partitions.key(ticker, session)): ticker for ticker in tickers}
    found: dict[str, dict[dg.AssetCheckKey, AssetCheckExecutionRecordStatus]] = defaultdict(dict)
    for info in instance.event_log_storage.get_asset_check_partition_info(list(_CHECKS), partition_keys=list(keys)):
        if info.partition_key in keys:
            found[keys[info.partition_key]][info.check_key] = info.latest_execution_status
    return found


def _complaints(
    instance: dg.DagsterInstance, failed: Sequence[dg.AssetCheckKey], ticker: str, session: date
) -> "Iterator[tuple[dg.AssetCheckKey, Complaint]]":
    """What the failed checks told."""
    from stock_assets.reporting.watchlist_page import Complaint

    where = PartitionKeyFilter(key=str(partitions.key(ticker, session)))
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(failed, partition_filter=where)
    for key in failed:
        evaluation = records[key].evaluation if key in records else None
        yield key, Complaint(key.name, (evaluation.description if evaluation else None) or "")


def _how_it_went(instance: dg.DagsterInstance, run: dg.DagsterRun | None, ticker: str, session: date):
    if run is None:
        return "none", None, ""
    if not run.is_finished:
        return "going on", None, ""
    key = str(partitions.key(ticker, session))
    if run.status not in _FAILED or _made_since(instance, run, key):
        return "done", None, ""
    logged = instance.all_logs(run.run_id, of_type=failures.TELLING)
    events = [entry.dagster_event for entry in logged if entry.dagster_event is not None]
    if partitions.TAG not in run.tags:
        mine = [event for event in events if failures.partition_of(event) == key]
        if failures.halts(mine):
            events = mine
        elif _is_made(instance, run, key):
            return "done", None, ""
    if failures.stopped(events):
        return "failed", None, "somebody stopped the run"
    asset, why = failures.cause(events, ticker, session)
    return "failed", asset, why.removeprefix(f"{ticker} {session}: ")


def _made_since(instance: dg.DagsterInstance, run: dg.DagsterRun, key: str) -> bool:
    """Whether the report was made after a run ended, by one that is not of that session alone: a backfill."""
    record, made = instance.get_run_record_by_id(run.run_id), _report(instance, key)
    return made is not None and record is not None and record.end_time is not None and made.timestamp > record.end_time


def _is_made(instance: dg.DagsterInstance, run: dg.DagsterRun, key: str) -> bool:
    """Whether a run of many partitions came to the end of this one."""
    made = _report(instance, key)
    return made is not None and made.run_id == run.run_id


def _report(instance: dg.DagsterInstance, key: str) -> dg.EventLogRecord | None:
    """How the report of a partition was made last: it is the last of what an evening makes."""
    wanted = dg.AssetRecordsFilter(dg.AssetKey("report"), asset_partitions=[key])
    return next(iter(instance.fetch_materializations(wanted, limit=1).records), None)
