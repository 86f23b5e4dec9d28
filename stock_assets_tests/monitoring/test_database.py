"""Opening the database: where it is, what is made in it, several processes at once, and what it says when it can't."""

import datetime
import multiprocessing
import shutil
import threading

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from stock_assets.core.errors import MonitoringError, SettingsError
from stock_assets.monitoring import tables
from stock_assets.monitoring.database import VERSION_TABLE, Database, open_database
from stock_assets_tests.place import PATIENCE

CURSOR = {"name": "a", "value": "1"}


def test_the_migrations_make_what_the_tables_say(database: Database):
    with database.begin() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, tables.metadata) == []
        columns = {column["name"]: column for column in sa.inspect(connection).get_columns("runs")}
    assert columns["ended"]["nullable"] is False


def test_opening_again_keeps_what_is_there(database_url: str):
    database = open_database(database_url)
    with database.begin() as connection:
        connection.execute(tables.cursors.insert(), CURSOR)
    database.close()
    again = open_database(database_url)
    with again.reading() as connection:
        assert connection.execute(sa.select(tables.cursors)).mappings().all() == [CURSOR]
    again.close()


def test_a_body_that_raises_leaves_nothing(database: Database):
    def write_and_fail() -> None:
        with database.begin() as connection:
            connection.execute(tables.cursors.insert(), CURSOR)
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    with database.reading() as connection:
        assert connection.execute(sa.select(tables.cursors)).all() == []


def test_what_belongs_to_a_run_goes_with_it(database: Database):
    with pytest.raises(MonitoringError, match=r"(?i)foreign key"), database.begin() as connection:
        connection.execute(
            tables.steps.insert(), {"run_id": "unknown", "step": "report", "status": "success", "attempts": 1}
        )


def _open(url: str, start) -> None:
    start.wait(PATIENCE)
    open_database(url).close()


def test_processes_that_start_at_once_all_succeed(database_url: str):
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(4)
    processes = [context.Process(target=_open, args=(database_url, start)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE)
    assert [process.exitcode for process in processes] == [0] * 4


def test_one_writer_at_a_time_and_readers_do_not_wait(database: Database):
    """Each adds 1 to what it read: two at once would both read the same."""
    with database.begin() as connection:
        connection.execute(tables.cursors.insert(), {"name": "n", "value": "0"})

    def add() -> None:
        for _ in range(10):
            with database.begin() as connection:
                value = connection.execute(sa.select(tables.cursors.c.value)).scalar_one()
                connection.execute(tables.cursors.update().values(value=str(int(value) + 1)))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.begin() as writing, database.reading() as reading:
        writing.execute(tables.cursors.update().values(value="-1"))
        assert reading.execute(sa.select(tables.cursors.c.value)).scalar_one() == "40"


def test_a_reader_sees_one_moment(database: Database):
    with database.reading() as reading:
        assert reading.execute(sa.select(sa.func.count()).select_from(tables.cursors)).scalar_one() == 0
        with database.begin() as writing:
            writing.execute(tables.cursors.insert(), CURSOR)
        assert reading.execute(sa.select(sa.func.count()).select_from(tables.cursors)).scalar_one() == 0


def test_a_later_version_is_refused(database: Database, database_url: str):
    with database.begin() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(MonitoringError, match=r"later version .* migration 9999, and this version ends at \d{4}"):
        open_database(database_url)


def test_tables_of_somebody_else_are_left_alone(database_url: str, tmp_path):
    """Dagster's own database has a table `runs` too."""
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE runs (id INTEGER)"))
    with pytest.raises(MonitoringError, match="holds tables of something else: runs; expected a database of its own"):
        open_database(database_url)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["runs"]
    engine.dispose()


def test_a_file_whose_folder_is_removed_is_made_anew(tmp_path):
    database = open_database(f"sqlite:///{tmp_path / 'new' / 'data' / 'monitoring.db'}")
    shutil.rmtree(tmp_path / "new")
    with database.begin() as connection:
        connection.execute(tables.cursors.insert(), CURSOR)
    with database.reading() as connection:
        assert connection.execute(sa.select(tables.cursors.c.value)).scalar_one() == "1"


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "monitoring.db").write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(MonitoringError, match=r"sqlite:///.*monitoring\.db can't be used: file is not a database"):
        open_database(f"sqlite:///{tmp_path / 'monitoring.db'}")


def test_a_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MonitoringError, match=r"can't be used: .*File exists"):
        open_database(f"sqlite:///{tmp_path / 'file' / 'monitoring.db'}")


def test_a_server_that_is_not_there_and_no_password_in_the_error():
    with pytest.raises(MonitoringError, match=r"postgresql\+psycopg://me:\*\*\*@127.0.0.1:9/prices can't") as caught:
        open_database("postgresql://me:s3cret@127.0.0.1:9/prices")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (None, "not set, and the data folder is a URL"),
        ("mysql://me:s3cret@host/db", r"is 'mysql://me:\*\*\*@host/db'; expected sqlite"),
        ("sqlite://", "would be forgotten"),
        ("sqlite:///:memory:", "would be forgotten"),
        ("prices.db", "is no URL of a database"),
        ("postgresql://me:s3cret@host:port/db", "is no URL of a database"),
    ],
)
def test_a_url_of_no_use(url, told):
    with pytest.raises(SettingsError, match=told) as caught:
        open_database(url)
    assert "s3cret" not in str(caught.value)


def test_a_moment_without_a_time_zone_is_refused(database: Database):
    naive = datetime.datetime(2024, 3, 8, 22)  # noqa: DTZ001
    row = {"run_id": "r", "job": "j", "status": "success", "ended": naive}
    with pytest.raises(MonitoringError, match="has no time zone"), database.begin() as connection:
        connection.execute(tables.runs.insert(), row)
