"""Dagster's instance with the states of checks put together in one go, named as `instance_class` in dagster.yaml.

Whenever a page shows assets, Dagster tells of every check in which partitions it passed, from all results there are. It
takes them one by one, and asks of each whether its session is on the calendar, with all the exchange's holidays: 2 to 5
ms a result, which makes a minute of 40 checks on 10 tickers and 60 sessions, and half an hour of 250 tickers. Here the
question is asked once a session. What is answered is the same, and in what database results lie does not matter.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import dagster as dg
from dagster._core.asset_graph_view.serializable_entity_subset import SerializableEntitySubset
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage import asset_check_state
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus,
    AssetCheckExecutionResolvedStatus,
    AssetCheckPartitionInfo,
)
from dagster._core.storage.asset_check_state import AssetCheckState
from dagster._core.storage.dagster_run import FINISHED_STATUSES

_IN_PROGRESS = AssetCheckExecutionResolvedStatus.IN_PROGRESS
_OUTCOMES = {
    AssetCheckExecutionRecordStatus.SUCCEEDED: AssetCheckExecutionResolvedStatus.SUCCEEDED,
    AssetCheckExecutionRecordStatus.FAILED: AssetCheckExecutionResolvedStatus.FAILED,
}


class Instance(dg.DagsterInstance):
    """See the module."""

    def __init__(self, *args: Any, **more: Any):
        super().__init__(*args, **more)
        # Set on the storage that is there, whichever dagster.yaml names, as all who ask for states ask that one.
        self.event_log_storage.get_asset_check_state = self._check_states  # type: ignore[method-assign]

    @classmethod
    def config_schema(cls) -> dict[str, dg.Field]:
        """What dagster.yaml may say of this class beside Dagster's own: nothing."""
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Mapping[str, Any]:
        """Storages and all else where dagster.yaml names none: as Dagster has them."""
        return InstanceRef.config_defaults(base_dir)

    def _check_states(
        self, keys: Sequence[tuple[dg.AssetCheckKey, dg.PartitionsDefinition | None]]
    ) -> Mapping[dg.AssetCheckKey, AssetCheckState]:
        found: dict[dg.AssetCheckKey, list[AssetCheckPartitionInfo]] = defaultdict(list)
        for info in self.event_log_storage.get_asset_check_partition_info([key for key, _ in keys]):
            found[info.check_key].append(info)
        planned = {
            info.latest_planned_run_id
            for infos in found.values()
            for info in infos
            if info.latest_execution_status is AssetCheckExecutionRecordStatus.PLANNED
        }
        ended = self.get_runs(dg.RunsFilter(run_ids=list(planned), statuses=FINISHED_STATUSES)) if planned else []
        statuses = {run.run_id: run.status for run in ended}
        # Every check comes with a definition of its own, though all are of one grid: found alike, they share answers.
        grids: dict[str | None, Callable[[str | None], bool]] = {}
        states = {}
        for key, grid in keys:
            name = grid.get_serializable_unique_identifier() if grid else None
            holds = grids.setdefault(name, _membership(grid))
            states[key] = _state(key, grid, [one for one in found[key] if holds(one.partition_key)], statuses)
        return states


def _membership(grid: dg.PartitionsDefinition | None) -> Callable[[str | None], bool]:
    """Whether a grid has a partition of that key; each session and each ticker is asked for once."""
    if not isinstance(grid, dg.MultiPartitionsDefinition):
        return cache(lambda key: asset_check_state._valid_partition_key(key, grid))
    dimensions = [cache(dimension.partitions_def.has_partition_key) for dimension in grid.partitions_defs]

    @cache
    def holds(key: str | None) -> bool:
        parts = (key or "").split("|")
        return len(parts) == len(dimensions) and all(has(part) for has, part in zip(dimensions, parts, strict=True))

    return holds


def _state(
    key: dg.AssetCheckKey,
    grid: dg.PartitionsDefinition | None,
    infos: Sequence[AssetCheckPartitionInfo],
    ended: Mapping[str, dg.DagsterRunStatus],
) -> AssetCheckState:
    """As Dagster puts it together from nothing, each partition being told of once."""
    listed: dict[AssetCheckExecutionResolvedStatus, list[str | None]] = defaultdict(list)
    going_on: dict[str, list[str | None]] = defaultdict(list)
    for info in infos:
        if info.latest_execution_status is AssetCheckExecutionRecordStatus.PLANNED:
            listed[_IN_PROGRESS].append(info.partition_key)
            going_on[info.latest_planned_run_id].append(info.partition_key)
        elif info.is_current:
            listed[_OUTCOMES[info.latest_execution_status]].append(info.partition_key)

    def subset(partition_keys: Sequence[str | None]) -> SerializableEntitySubset:
        if not partition_keys:
            return SerializableEntitySubset.empty(key, grid)
        return SerializableEntitySubset.from_coercible_value(key, list(partition_keys) if grid else None, grid)  # type: ignore[arg-type]

    subsets, in_progress = asset_check_state._process_run_statuses(
        key,
        grid,
        {status: subset(listed[status]) for status in AssetCheckExecutionResolvedStatus},
        {run: subset(partition_keys) for run, partition_keys in going_on.items()},
        ended,
    )
    newest = [max(one.latest_check_event_storage_id, one.latest_materialization_storage_id or 0) for one in infos]
    return AssetCheckState(latest_storage_id=max(newest, default=0), subsets=subsets, in_progress_runs=in_progress)
