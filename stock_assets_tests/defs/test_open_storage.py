"""Dagster's event log with its files held open: what others see of it, and that it ends."""

import sqlite3
from pathlib import Path

import dagster as dg
import pytest

from stock_assets.commands import home
from stock_assets.defs import open_storage


@dg.op
def tells(context: dg.OpExecutionContext) -> None:
    storage = context.instance.event_log_storage
    opens, has_table = storage._connect, storage.has_table
    with open_storage.held_open(context.instance):
        assert storage._connect != opens
        context.log_event(dg.AssetMaterialization("told", partition="1"))
        # Another process, such as the web server, sees what is told at once, and may write.
        with sqlite3.connect(storage.path_for_shard("index")) as other:
            assert other.execute("select partition from event_logs where asset_key is not null").fetchall() == [("1",)]
            other.execute("update event_logs set partition = '2'")
        other.close()
        [found] = context.instance.fetch_materializations(dg.AssetKey("told"), limit=9).records
        assert found.partition_key == "1"  # which Dagster reads from the event itself
        with pytest.raises(ZeroDivisionError), storage.index_connection():
            raise ZeroDivisionError
        # A transaction that broke off holds nothing up.
        context.log_event(dg.AssetMaterialization("told", partition="3"))
        for shard in ("index", context.run_id):
            with storage._connect(shard) as connection:
                assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
                # NORMAL: whole after a power cut, and waits for the disk at checkpoints only.
                assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 1
        assert storage.supports_asset_checks
        assert not storage.has_table("no such table")
    assert storage._connect == opens
    assert storage.has_table == has_table


@dg.job(executor_def=dg.in_process_executor)
def telling():
    tells()


def test_each_event_is_there_at_once_and_connections_end(tmp_path: Path) -> None:
    with home.instance(tmp_path) as instance:
        assert telling.execute_in_process(instance=instance).success
        told = instance.fetch_materializations(dg.AssetKey("told"), limit=9).records
        assert [record.partition_key for record in told] == ["3", "1"]


def test_other_storages_are_left_as_they_are() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        storage = instance.event_log_storage
        connect = storage.index_connection
        with open_storage.held_open(instance):
            assert storage.index_connection == connect
