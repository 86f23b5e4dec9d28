"""Results of checks that no run told, into Dagster's event log.

`instance.report_runless_asset_event` alone is not enough on 1.13: its table of results takes one without a run for each
check and partition, and refuses the second with an integrity error, so that what is red could never turn green.
"""

import dagster as dg
import sqlalchemy as sa
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster_shared.record import replace


def report(instance: dg.DagsterInstance, evaluation: dg.AssetCheckEvaluation) -> None:
    """Makes `evaluation`, of one partition, the newest result of its check there.

    As the result of a run would, it points to the newest artefact of the partition: results of older ones don't count.
    An earlier result without a run gives way; it stays in the event log.
    """
    wanted = dg.AssetRecordsFilter(evaluation.asset_key, asset_partitions=[str(evaluation.partition)])
    made = instance.fetch_materializations(wanted, limit=1).records
    table = AssetCheckExecutionsTable.c
    earlier = sa.and_(
        table.asset_key == evaluation.asset_key.to_string(),
        table.check_name == evaluation.check_name,
        table.partition == evaluation.partition,
        table.run_id == "",
    )
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        connection.execute(AssetCheckExecutionsTable.delete().where(earlier))
    pointed = replace(evaluation, target_materialization_data=next(map(_pointer, made), None))
    instance.report_runless_asset_event(pointed)


def _pointer(made: dg.EventLogRecord) -> AssetCheckEvaluationTargetMaterializationData:
    return AssetCheckEvaluationTargetMaterializationData(
        storage_id=made.storage_id, run_id=made.run_id, timestamp=made.timestamp
    )
