"""What Dagster's event log tells of partitions, put so that two graphs can be compared. No test lives here."""

from typing import Any

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from stock_assets import watchlist
from stock_assets.defs import partitions
from stock_assets_tests.defs import graph
from stock_assets_tests.defs.graph import Graph

# Of these Dagster tells the moment, or where in its own log something stands.
_CHANGING = {"seconds", "fetched at", "path"}
_POINTER = "dagster/input_event_pointer/"


def materialisations(made: Graph) -> dict[tuple[str, str], Any]:
    """(asset, partition) -> its newest materialisation, without what differs from run to run."""
    found = {}
    for asset in graph.ALL:
        for record in made.instance.fetch_materializations(dg.AssetKey(asset), limit=100).records:
            told = record.event_log_entry.asset_materialization
            metadata = {name: value for name, value in told.metadata.items() if name not in _CHANGING}
            tags = {name: value for name, value in told.tags.items() if not name.startswith(_POINTER)}
            found[asset, told.partition] = list(metadata), metadata, tags, set(told.tags)
    return found


def checks(made: Graph) -> dict[tuple[str, str], Any]:
    """(check, partition) -> its status, what it told, and whether that is about what is there now."""
    keys = list(made.defs.resolve_asset_graph().asset_check_keys)
    storage, found = made.instance.event_log_storage, {}
    for info in storage.get_asset_check_partition_info(keys):
        [record] = storage.get_asset_check_execution_history(
            info.check_key, limit=1, partition_filter=PartitionKeyFilter(key=info.partition_key)
        )
        told = record.evaluation
        if not isinstance(told, dg.AssetCheckEvaluation):
            continue  # of a step that never began, a run of its own knows that it was planned
        newest = made.instance.fetch_materializations(
            dg.AssetRecordsFilter(info.check_key.asset_key, asset_partitions=[info.partition_key]), limit=1
        ).records
        found[info.check_key.to_user_string(), info.partition_key] = (
            info.latest_execution_status,
            (told.passed, told.severity, told.blocking, told.description, dict(told.metadata)),
            # Pointing to the newest artefact, the result counts.
            told.target_materialization_data.storage_id == newest[0].storage_id,
        )
    return found


def grid(made: Graph, asset: str) -> tuple[set[str], set[str]]:
    """Partitions of an asset that are green, and that are red."""
    grid = partitions.grid(watchlist.read(made.settings.watchlist).tickers, made.settings.first_session)
    status = get_and_update_asset_status_cache_value(made.instance, dg.AssetKey(asset), grid)
    return (
        set(status.deserialize_materialized_partition_subsets(grid).get_partition_keys()),
        set(status.deserialize_failed_partition_subsets(grid).get_partition_keys()),
    )
