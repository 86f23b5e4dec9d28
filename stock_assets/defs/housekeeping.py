"""The job that deletes what is old: artefacts that core.retention lets go, and Dagster's history of their runs.

By hand, and never more than it was told: `dry_run` is the default, and says in tables what would go. The schedule, once
a week, is off until somebody turns it on, since data that is gone is gone.

A run is deleted with its events, from which Dagster knows what was made: the UI then shows the partition as never
materialised. So runs of partitions that are kept stay, however old. What stays for ever, such as forecasts, is shown as
missing once the rest of its session went; whatever reads it reads the store.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import dagster as dg
from pydantic import Field

from stock_assets.defs import assets, backfill, describe, partitions
from stock_assets.defs.assets.reporting import watchlist_page
from stock_assets.storage.artefacts import ArtefactStore

if TYPE_CHECKING:
    from stock_assets.core.retention import Policy
    from stock_assets.storage.inventory import Stored

ASSETS = (*(asset.key.to_user_string() for asset in assets.ALL), "quarantine")
"""What is tidied up; other folders, as that of the ledger, are never looked into."""

_SHOWN = 100
_FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_BATCH = 100


class Housekeeping(dg.Config):
    """What is kept."""

    dry_run: bool = Field(default=True, description="Only tell what would go; false: delete it, which is for good")
    keep_sessions: int = Field(default=60, ge=10, description="The latest sessions of each ticker to keep whole")
    keep_month_ends: bool = Field(default=True, description="Keep the last session of each month too")
    keep_runs_days: int = Field(default=90, ge=7, description="For so many days Dagster's history of every run is kept")
    unfollowed: bool = Field(default=False, description="Tidy up tickers too that are not on the watchlist any more")


class Going(NamedTuple):
    """An artefact that goes, and what lies there of it."""

    asset: str
    ticker: str
    session: date
    stored: "Stored"


class Plan(NamedTuple):
    """What goes, what lies there in all, and the partitions that are kept: those not only for forecasts' sake."""

    going: list[Going]
    files: dict[str, int]
    bytes: dict[str, int]
    kept: set[str]
    left_alone: list[str]
    """Tickers that are not on the watchlist."""


def plan(
    store: ArtefactStore,
    followed: Collection[str],
    policy: "Policy",
    *,
    unfollowed: bool,
    under_way: Collection[str] = (),
) -> Plan:
    """What goes of the store under `policy`; of tickers that are not `followed` nothing, unless `unfollowed`.

    Partitions that are `under_way` are left alone, as a run that goes on reads what it has just made.
    Raises `ArtefactError` when the store can't be listed.
    """
    from stock_assets.core import retention
    from stock_assets.storage import inventory

    made = Plan([], {}, {}, set(), [])
    names = {asset: inventory.tickers(store, asset) for asset in (*ASSETS, watchlist_page.NAME)}
    for ticker in sorted({ticker for listed in names.values() for ticker in listed}):
        stored = {
            asset: inventory.contents(store, asset, ticker) for asset, listed in names.items() if ticker in listed
        }
        for asset, found in stored.items():
            made.files[asset] = made.files.get(asset, 0) + sum(one.files for one in found.values())
            made.bytes[asset] = made.bytes.get(asset, 0) + inventory.size(found.values())
        if ticker not in (*followed, partitions.ALL_TICKERS) and not unfollowed:
            made.left_alone.append(ticker)
            made.kept.update(_key(ticker, session) for found in stored.values() for session in found)
            continue
        # What no seal speaks for was never whole: it goes with its session, and keeps nothing.
        sealed = {asset: {session for session in found if found[session].sealed} for asset, found in stored.items()}
        kept, whole = retention.kept(sealed, policy), retention.kept_sessions(sealed, policy)
        # A newer one than all that is whole is being made.
        newest = max(whole, default=date.min)
        for asset, found in stored.items():
            made.going.extend(
                Going(asset, ticker, session, one)
                for session, one in found.items()
                if session not in (kept[asset] | whole) and session < newest and _key(ticker, session) not in under_way
            )
        of_runs = (dates for asset, dates in kept.items() if asset not in retention.ALWAYS)
        made.kept.update(_key(ticker, session) for dates in of_runs for session in dates)
    return made


def _key(ticker: str, session: date) -> str:
    return str(session) if ticker == partitions.ALL_TICKERS else str(partitions.key(ticker, session))


def _under_way(instance: dg.DagsterInstance) -> set[str]:
    unfinished = [status for status in dg.DagsterRunStatus if status not in _FINISHED]
    runs = instance.get_runs(dg.RunsFilter(statuses=unfinished))
    return {key for run in runs for key in _about(run)}


def _about(run: dg.DagsterRun) -> set[str]:
    """Partitions that a run is about: one, none, or the many of an evening or a backfill."""
    return {*partitions.of_run(run), *backfill.partitions_of(run)}


def old_runs(instance: dg.DagsterInstance, before: datetime, kept: Collection[str]) -> Iterator[str]:
    """Ids of the runs that ended before, but for those of partitions that are kept."""
    wanted = dg.RunsFilter(statuses=list(_FINISHED), updated_before=before)
    cursor = None
    while records := instance.get_run_records(wanted, limit=_BATCH, cursor=cursor):
        for record in records:
            if _about(record.dagster_run).isdisjoint(kept):
                yield record.dagster_run.run_id
        cursor = records[-1].dagster_run.run_id


def delete_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """The run, its events, and the files that Dagster leaves behind: what was printed, and its emptied database."""
    instance.delete_run(run_id)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    shard = getattr(instance.event_log_storage, "path_for_shard", None)
    if shard is not None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{shard(run_id)}{suffix}").unlink(missing_ok=True)


@dg.op(required_resource_keys={"store", "watchlist", "clock"})
def tidy_up(context: dg.OpExecutionContext, config: Housekeeping) -> dict[str, int]:
    """Deletes, or tells what it would delete."""
    from stock_assets.core import retention
    from stock_assets.storage import inventory

    store, followed = context.resources.store, context.resources.watchlist.tickers
    policy = retention.Policy(config.keep_sessions, config.keep_month_ends)
    under_way = _under_way(context.instance)
    found = plan(store, followed, policy, unfollowed=config.unfollowed, under_way=under_way)
    before = context.resources.clock.now().astimezone(UTC) - timedelta(days=config.keep_runs_days)
    # All before the first goes: paging on from a run that is gone would end the list.
    runs = list(old_runs(context.instance, before, found.kept))
    if not config.dry_run:
        for one in found.going:
            inventory.delete(store, one.asset, one.ticker, one.session)
        for run_id in runs:
            delete_run(context.instance, run_id)
        # What the UI remembers of partitions: it would show those as made whose events have just gone.
        context.instance.wipe_asset_cached_status([dg.AssetKey(asset) for asset in (*ASSETS, watchlist_page.NAME)])
    told = "would go" if config.dry_run else "went"
    size = inventory.freed(one.stored for one in found.going)
    context.log.info(
        f"{len(found.going)} artefacts, {size:,} bytes, and {len(runs)} runs {told}"
        + (f"; not on the watchlist, and left alone: {', '.join(found.left_alone)}" if found.left_alone else "")
    )
    context.add_output_metadata(
        {
            "deleted": not config.dry_run,
            f"artefacts that {told}": len(found.going),
            f"bytes that {told}": size,
            f"runs that {told}": len(runs),
            "left alone": ", ".join(found.left_alone) or "none",
            "by asset": _by_asset(found, told),
            f"first {_SHOWN} that {told}": _first(found.going),
        }
    )
    return {"artefacts": len(found.going), "bytes": size, "runs": len(runs)}


def _by_asset(found: Plan, told: str) -> dg.TableMetadataValue:
    from stock_assets.storage import inventory

    rows: list[Sequence[Any]] = []
    for asset in sorted(found.bytes):
        going = [one.stored for one in found.going if one.asset == asset]
        rows.append(
            [
                asset,
                f"{found.files[asset]:,}",
                f"{found.bytes[asset]:,}",
                f"{sum(one.files for one in going):,}",
                f"{inventory.freed(going):,}",
            ]
        )
    return describe.lines(["asset", "files", "bytes", f"files that {told}", f"bytes that {told}"], rows)


def _first(going: Sequence[Going]) -> dg.TableMetadataValue:
    rows = [[one.asset, one.ticker, str(one.session), f"{one.stored.bytes:,}"] for one in going[:_SHOWN]]
    return describe.lines(["asset", "ticker", "session", "bytes of its own"], rows)


@dg.job(
    executor_def=dg.in_process_executor,
    description="Deletes artefacts of old sessions and Dagster's history of old runs; by default it only tells what "
    "would go. Kept are the latest sessions, the last one of each month, and what they need; forecasts for ever.",
)
def housekeeping_job():
    tidy_up()


housekeeping_schedule = dg.ScheduleDefinition(
    name="housekeeping_schedule",
    job=housekeeping_job,
    cron_schedule="0 16 * * 6",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    run_config={"ops": {"tidy_up": {"config": {"dry_run": False}}}},
    description="Every Saturday, when nothing else goes on: housekeeping that does delete. Off until you turn it on.",
)
