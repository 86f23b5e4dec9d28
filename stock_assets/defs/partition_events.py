"""What Dagster's event log is told of partitions by a run that makes many: as much, and the same, as by runs of one.

Dagster writes a materialisation's versions (made by which code, from which inputs) and a check's target by itself, but
only of the one partition that a run is about. `dg.OpExecutionContext.log_event` leaves them out: the UI would call what
it tells of outdated, and checks not asked. Each event is written at once: a killed run has told what it did.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    DataVersion,
    compute_logical_data_version,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.definitions.partitions.utils.multi import get_tags_from_multi_partition_key
from dagster._core.events import AssetMaterializationPlannedData
from dagster._utils.warnings import disable_dagster_warnings

from stock_assets.defs import failures


class PartitionEvents:
    """Tells of one partition, and remembers what it told."""

    def __init__(self, context: dg.OpExecutionContext, partition: dg.MultiPartitionKey):
        self._context = context
        self._partition = partition
        self._newest: dict[str, dg.EventLogRecord | None] = {}

    def materialised(self, asset: str, code_version: str, parents: Iterable[str], metadata: Mapping[str, Any]) -> None:
        """`asset` was made from what is newest of its `parents`."""
        inputs = {dg.AssetKey(parent): self._version(parent) for parent in sorted(parents)}
        tags = {CODE_VERSION_TAG: code_version}
        for key, version in inputs.items():
            made = self._newest_of(key.to_user_string())
            tags[get_input_data_version_tag(key)] = version.value
            tags[get_input_event_pointer_tag(key)] = str(made.storage_id) if made else NULL_EVENT_POINTER
        tags[DATA_VERSION_TAG] = compute_logical_data_version(code_version, inputs).value
        tags |= get_tags_from_multi_partition_key(self._partition)
        with disable_dagster_warnings():  # that tags of its own name are for Dagster
            event = dg.AssetMaterialization(asset, metadata=metadata, partition=self._partition, tags=tags)
        self._context.log_event(event)
        self._newest.pop(asset, None)

    def checked(self, result: dg.AssetCheckResult, *, blocking: bool) -> None:
        """A check of an artefact that is there."""
        if result.asset_key is None or result.check_name is None:
            raise ValueError(f"{result} names no asset and check; expected both")
        made = self._newest_of(result.asset_key.to_user_string())
        evaluation = dg.AssetCheckEvaluation(
            asset_key=result.asset_key,
            check_name=result.check_name,
            passed=result.passed,
            metadata=result.metadata,
            target_materialization_data=made
            and AssetCheckEvaluationTargetMaterializationData(
                storage_id=made.storage_id, run_id=made.run_id, timestamp=made.timestamp
            ),
            severity=result.severity,
            description=result.description,
            blocking=blocking,
            partition=self._partition,
        )
        self._context.log_event(evaluation)  # type: ignore[arg-type]  (taken, though not declared)

    def failed(self, asset: str, step: str, why: str, *, will_retry: bool = False) -> None:
        """A step, that of `asset` or of its checks, failed: in a run of its own Dagster tells that of the step.

        As an observation: of Dagster's own event for it, open-source storages keep nothing.
        """
        observation = dg.AssetObservation(
            asset,
            partition=self._partition,
            description=f"{step} failed{', and will be tried again' if will_retry else ''}: {why}",
            metadata={failures.STEP: step, failures.WHY: why, failures.WILL_RETRY: will_retry},
        )
        self._context.log_event(observation)

    def not_made(self, assets: Iterable[str]) -> None:
        """`assets` were to be made: once the run has failed, they stand as failed in the grid."""
        for asset in assets:
            event = dg.DagsterEvent.build_asset_materialization_planned_event(
                self._context.job_name,
                self._context.op.name,
                AssetMaterializationPlannedData(dg.AssetKey(asset), partition=self._partition),
            )
            self._context.instance.report_dagster_event(event, self._context.run_id)

    def _newest_of(self, asset: str) -> dg.EventLogRecord | None:
        """The newest materialisation of that asset in this partition."""
        if asset not in self._newest:
            wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[str(self._partition)])
            self._newest[asset] = next(
                iter(self._context.instance.fetch_materializations(wanted, limit=1).records), None
            )
        return self._newest[asset]

    def _version(self, parent: str) -> DataVersion:
        """As Dagster calls an input: by the versions of its partitions, of which there is one, or none yet."""
        made = self._newest_of(parent)
        if made is not None:
            told = made.event_log_entry.asset_materialization
            version = (told.tags or {}).get(DATA_VERSION_TAG, "") if told else ""
        elif self._context.instance.get_latest_materialization_event(dg.AssetKey(parent)) is not None:
            version = ""
        else:
            return DEFAULT_DATA_VERSION
        return DataVersion(sha256(version.encode()).hexdigest())
