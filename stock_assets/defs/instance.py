"""Dagster's instance with the states of checks put together in one go, named as `instance_class` in dagster.yaml.

Whenever a page shows assets, Dagster tells of every check in which partitions it passed, from all results there are. It
takes them one by one, and asks of each whether its session is on the calendar, with all the exchange's holidays: 2 to 5
ms a result, which makes a minute of 40 checks on 10 tickers and 60 sessions, and half an hour of 250 tickers. Here the
question is asked once a session, and a process remembers what it found: the web server reads what is new since. What is
answered is the same, in whatever database results lie, but for this: of a run that is deleted from Dagster's history,
what its checks found is told until the process ends.
"""

import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

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

_OVERLAP = 10_000
"""Events that are looked at again: PostgreSQL numbers them before it shows them, so not always in the order of number.
An evening of 500 tickers has as many in two minutes."""

_Asked: TypeAlias = Sequence[tuple[dg.AssetCheckKey, dg.PartitionsDefinition | None]]


class Instance(dg.DagsterInstance):
    """See the module."""

    def __init__(self, *args: Any, **more: Any):
        super().__init__(*args, **more)
        self._found: dict[dg.AssetCheckKey, _Found] = {}
        self._finding = threading.Lock()
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

    def _check_states(self, asked: _Asked) -> Mapping[dg.AssetCheckKey, AssetCheckState]:
        with self._finding:
            self._find(asked)
            found = {key: self._found[key] for key, _ in asked}
            planned = {run for one in found.values() for run in one.planned.values()}
            ended = self.get_runs(dg.RunsFilter(run_ids=list(planned), statuses=FINISHED_STATUSES)) if planned else []
            statuses = {run.run_id: run.status for run in ended}
            return {key: one.state(statuses) for key, one in found.items()}

    def _find(self, asked: _Asked) -> None:
        """Bring what is known of these checks up to date."""
        wiped = self._wiped(key.asset_key for key, _ in asked)
        # Every check comes with a definition of its own, though all are of one grid: found alike, they share answers.
        grids: dict[str | None, Callable[[str | None], bool]] = {}
        holds: dict[dg.AssetCheckKey, Callable[[str | None], bool]] = {}
        since: dict[int, list[dg.AssetCheckKey]] = defaultdict(list)
        for key, grid in asked:
            name = grid.get_serializable_unique_identifier() if grid else None
            holds[key] = grids.setdefault(name, _membership(grid))
            known = self._found.get(key)
            if known is None or known.identity != (name, wiped[key.asset_key]):
                known = self._found[key] = _Found(key, grid, (name, wiped[key.asset_key]))
            since[known.newest].append(key)
        newest = max(since, default=0)
        for seen, keys in since.items():
            after = max(0, seen - _OVERLAP) if seen else None
            infos: dict[dg.AssetCheckKey, list[AssetCheckPartitionInfo]] = defaultdict(list)
            for info in self.event_log_storage.get_asset_check_partition_info(keys, after_storage_id=after):
                newest = max(newest, info.latest_check_event_storage_id, info.latest_materialization_storage_id or 0)
                if holds[info.check_key](info.partition_key):
                    infos[info.check_key].append(info)
            for key, listed in infos.items():
                self._found[key].add(listed)
        for key, _ in asked:
            self._found[key].newest = newest

    def _wiped(self, assets: Iterable[dg.AssetKey]) -> dict[dg.AssetKey, float | None]:
        """When each was wiped last, and all results of its checks with it."""
        listed = sorted(set(assets))
        details = self.event_log_storage._get_assets_details(listed)  # type: ignore[attr-defined]
        return {key: one and one.last_wipe_timestamp for key, one in zip(listed, details, strict=True)}


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


class _Found:
    """What is known of a check: the partitions of each outcome, and those in which it is planned, with the run."""

    def __init__(self, key: dg.AssetCheckKey, grid: dg.PartitionsDefinition | None, identity: tuple[Any, ...]) -> None:
        self.identity = identity
        self.newest = 0
        """Number of the newest event that is accounted for; 0: of none."""
        self.planned: dict[str | None, str] = {}
        self._key, self._grid = key, grid
        self._partitions: dict[AssetCheckExecutionResolvedStatus, set[str | None]] = defaultdict(set)
        self._subsets: dict[AssetCheckExecutionResolvedStatus, SerializableEntitySubset] = {}

    def add(self, infos: Sequence[AssetCheckPartitionInfo]) -> None:
        """Take in what is newer, or known already: the newest result of each of some partitions."""
        for info in infos:
            # Forty checks name the same partitions, hundreds of thousands of them.
            partition = None if info.partition_key is None else sys.intern(info.partition_key)
            self.planned.pop(partition, None)
            for partitions in self._partitions.values():
                partitions.discard(partition)
            if info.latest_execution_status is AssetCheckExecutionRecordStatus.PLANNED:
                self.planned[partition] = info.latest_planned_run_id
            elif info.is_current:
                self._partitions[_OUTCOMES[info.latest_execution_status]].add(partition)
        self._subsets.clear()

    def state(self, ended: Mapping[str, dg.DagsterRunStatus]) -> AssetCheckState:
        """As Dagster puts it together; `ended`: how runs ended, of those in which it was planned."""
        if not self._subsets:
            partitions = {**self._partitions, _IN_PROGRESS: self.planned}
            self._subsets = {
                status: self._subset(partitions.get(status, ())) for status in AssetCheckExecutionResolvedStatus
            }
        going_on: dict[str, list[str | None]] = defaultdict(list)
        for partition, run in self.planned.items():
            going_on[run].append(partition)
        subsets, in_progress = asset_check_state._process_run_statuses(
            self._key, self._grid, self._subsets, {run: self._subset(mine) for run, mine in going_on.items()}, ended
        )
        return AssetCheckState(latest_storage_id=self.newest, subsets=subsets, in_progress_runs=in_progress)

    def _subset(self, partitions: Iterable[str | None]) -> SerializableEntitySubset:
        listed = list(partitions)
        if not listed:
            return SerializableEntitySubset.empty(self._key, self._grid)
        return SerializableEntitySubset.from_coercible_value(self._key, listed if self._grid else None, self._grid)  # type: ignore[arg-type]
