"""The monitoring database: where it is, how it is opened and brought up to date, and its transactions.

SQLite (one file, made when absent) or PostgreSQL. One writer at a time, on both: whoever writes sees what the writer
before left, so that nothing is done twice. Readers never wait. What it holds is in `tables`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import alembic.command
import alembic.util
import sqlalchemy as sa
import sqlalchemy.event
import sqlalchemy.exc
from alembic.config import Config
from alembic.script import ScriptDirectory
from filelock import FileLock

from stock_assets.core.errors import MonitoringError, SettingsError

VERSION_TABLE = "stock_assets_version"
"""Where the database says which migration it has; not alembic's usual name, which Dagster's own database uses."""

_WAIT_SECONDS = 30
_LOCK = 0x73746F636B  # "stock": names our lock among those of the PostgreSQL database
_READING = "stock_assets_reading"
_MIGRATIONS = Path(__file__).with_name("migrations")
_EXPECTED = "expected sqlite:////folder/monitoring.db or postgresql+psycopg://user:password@host/database"


class Database:
    """An open database; made by `open_database`."""

    def __init__(self, url: sa.URL) -> None:
        self.url = url
        self.file = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
        self.engine = _sqlite_engine(url) if self.file else _postgresql_engine(url)

    def __str__(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A transaction that may write: committed at the end of the body, rolled back when the body raises.

        There is one at a time, of all processes; the others wait for up to 30 s. So keep it short, and talk to nobody
        else within it. Raises `MonitoringError`, as does the body when it meets an error of the database.
        """
        with self._telling():
            if self.file and not self.file.exists():
                # The folder was removed under a process that goes on, a daemon for example.
                self.migrate()
            with self.engine.begin() as connection:
                self._alone(connection)
                yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that only reads, and sees the database as it was at its first query, whatever others write.

        Raises as `begin`.
        """
        with self._telling(), self.engine.connect() as connection:
            isolation = None if self.file else "REPEATABLE READ"
            options = {"isolation_level": isolation, "postgresql_readonly": True} if isolation else {_READING: True}
            with connection.execution_options(**options).begin():
                yield connection

    def migrate(self) -> None:
        """Bring the tables up to date, which are made when there are none. Several processes may do it at once.

        All or nothing, as both databases take `CREATE TABLE` back with the transaction. Raises `MonitoringError`, also
        when the database is of a later version than this code, or has tables of the same names that are not ours.
        """
        with self._telling():
            if self.file:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                # SQLite doesn't wait for another process that switches to write-ahead logging at the same moment.
                with FileLock(f"{self.file}.lock"), self.engine.connect() as connection:
                    connection.connection.cursor().execute("PRAGMA journal_mode = WAL")
            with self.engine.begin() as connection:
                self._alone(connection)
                self._upgrade(connection)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    def _alone(self, connection: sa.Connection) -> None:
        if not self.file:
            connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'"))
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))

    def _upgrade(self, connection: sa.Connection) -> None:
        from stock_assets.monitoring import tables

        scripts = ScriptDirectory(str(_MIGRATIONS))
        newest = scripts.get_current_head()
        found = _version(connection)
        if found == newest:
            return
        if found is None:
            theirs = set(sa.inspect(connection).get_table_names()) & set(tables.metadata.tables)
            if theirs:
                raise MonitoringError(
                    f"the monitoring database {self} holds tables of something else: {', '.join(sorted(theirs))}; "
                    "expected a database of its own in STOCK_ASSETS_DATABASE_URL"
                )
        elif found not in {script.revision for script in scripts.walk_revisions()}:
            raise MonitoringError(
                f"the monitoring database {self} is of a later version of stock_assets: it has migration {found}, and "
                f"this version ends at {newest}; update stock_assets, or name another database in "
                "STOCK_ASSETS_DATABASE_URL"
            )
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        alembic.command.upgrade(config, "head")

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Errors of the database as ours, in one line and without the password."""
        try:
            yield
        except (sqlalchemy.exc.SQLAlchemyError, alembic.util.CommandError, OSError) as error:
            reason = " ".join(str(getattr(error, "orig", None) or error).split())
            if self.url.password:
                reason = reason.replace(str(self.url.password), "***")
            raise MonitoringError(f"the monitoring database {self} can't be used: {reason}") from error


def open_database(url: str | None) -> Database:
    """The database at `url`, up to date. `postgresql://` is taken for `postgresql+psycopg://`.

    Raises `SettingsError` when it is no URL of a database that can be used; `MonitoringError` when it is, but the
    database can't be reached, written to or brought up to date.
    """
    database = Database(_parsed(url))
    try:
        database.migrate()
    except MonitoringError:
        database.close()
        raise
    return database


def _parsed(url: str | None) -> sa.URL:
    if not url:
        raise SettingsError(
            "STOCK_ASSETS_DATABASE_URL is not set, and the data folder is a URL, where no SQLite file can be; "
            f"{_EXPECTED}"
        )
    try:
        parsed = sa.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        # Without what came: where it can't be parsed, it can't be told where a password would be.
        raise SettingsError(f"STOCK_ASSETS_DATABASE_URL is no URL of a database; {_EXPECTED}") from error
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    shown = parsed.render_as_string(hide_password=True)
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise SettingsError(f"STOCK_ASSETS_DATABASE_URL is {shown!r}; {_EXPECTED}")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise SettingsError(f"STOCK_ASSETS_DATABASE_URL is {shown!r}, which would be forgotten at once; {_EXPECTED}")
    return parsed


def _version(connection: sa.Connection) -> str | None:
    """The migration that the database has; None when it has none."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    # A connection a transaction: one that is kept would go on in a file that somebody has removed.
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": _WAIT_SECONDS})

    @sqlalchemy.event.listens_for(engine, "connect")
    def prepare(connection, _) -> None:
        # The driver would begin a transaction late, at the first write, where SQLite doesn't wait for other writers.
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")
        # Safe with write-ahead logging, but for a power cut, which takes the last transactions with it: whole ones.
        connection.execute("PRAGMA synchronous = NORMAL")

    @sqlalchemy.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get(_READING)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _postgresql_engine(url: sa.URL) -> sa.Engine:
    # Asked before use whether they still stand: the server may have been started anew in the night.
    return sa.create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
