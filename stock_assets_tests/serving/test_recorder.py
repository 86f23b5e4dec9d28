"""What was served reaches the database exactly once: across kills, replays, a database that is down, a full spool."""

import contextlib
import datetime as dt
import itertools
import json
import logging
import os
import resource
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.core.errors import MonitoringError
from stock_assets.monitoring import forecasts, intake, served, tables
from stock_assets.monitoring.database import Database, open_database
from stock_assets.serving import recorder as recorders
from stock_assets.serving import spool
from stock_assets.serving.recorder import Recorder
from stock_assets_tests.monitoring import examples
from stock_assets_tests.place import PATIENCE
from stock_assets_tests.serving.forecasts_told import CHECKSUM, FRIDAY, MONDAY, told

NINE = dt.datetime(2024, 3, 11, 9, 0, 12, tzinfo=dt.UTC)
LATE = float(PATIENCE)

# Later versions of Python warn of it, as locks of other threads stay locked for ever: none is at work here.
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: dt.datetime = NINE) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now.timestamp()


@pytest.fixture
def make(tmp_path):
    """Makes recorders on one folder, whose threads stay out of the way unless they are given a database."""
    made: list[Recorder] = []

    def make(database_url: str | None = None, **more) -> Recorder:
        recorder = Recorder(tmp_path / "served", database_url, **({"seconds": 3600, "clock": Clock()} | more))
        made.append(recorder)
        return recorder

    yield make
    for recorder in made:
        recorder.close(patience=LATE)


def rows(database: Database, table: sa.Table = tables.served) -> list[dict]:
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def total(database: Database) -> int:
    return sum(row["times"] for row in rows(database))


def wait_until(true, what: str) -> None:
    end = time.monotonic() + LATE
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def test_what_was_served_is_counted_by_route_and_minute(database, make):
    clock = Clock()
    recorder = make(clock=clock)
    forecast = told()
    recorder.served(forecast, "predict")
    recorder.served(forecast, "predict")
    recorder.served(forecast, "batch", 40)
    clock.now += dt.timedelta(seconds=48)  # 09:01:00
    recorder.served(forecast, "predict")
    assert recorder.drain(database) == 43
    minute = NINE.replace(second=0)
    shared = {"ticker": "TSLA", "session": FRIDAY, "checksum": CHECKSUM}
    assert sorted(rows(database), key=lambda row: (row["route"], row["minute"])) == [
        shared | {"route": "batch", "minute": minute, "times": 40},
        shared | {"route": "predict", "minute": minute, "times": 2},
        shared | {"route": "predict", "minute": minute + dt.timedelta(minutes=1), "times": 1},
    ]


def test_the_forecast_itself_is_stored_as_served(database, make):
    recorder = make()
    recorder.served(told(), "predict")
    recorder.drain(database)
    [row] = rows(database, tables.forecasts)
    assert row == {
        "ticker": "TSLA",
        "session": FRIDAY,
        "checksum": CHECKSUM,
        "target_session": MONDAY,
        "made": NINE,
        "run_id": None,
        "origin": "served",
        "source": "csv",
        "last_close": 100.0,
        "probability_up": 0.55,
        "expected_return": 0.01,
        "predicted_close": 101.0,
        "interval_low": 95.0,
        "interval_high": 107.0,
        "interval_level": 0.9,
        "naive_close": 100.0,
        "naive_probability_up": None,
        "model_session": FRIDAY,
        "beats_naive": False,
    }


def test_a_forecast_that_the_graph_made_stays_the_graphs(database, make):
    made = replace(examples.forecast(CHECKSUM), origin="asset", run_id="a")
    with database.begin() as connection:
        forecasts.store(connection, made)
    recorder = make()
    recorder.served(told(), "predict")
    recorder.drain(database)
    assert [(row["origin"], row["run_id"]) for row in rows(database, tables.forecasts)] == [("asset", "a")]
    assert total(database) == 1


def test_a_forecast_that_was_served_first_is_still_missing_as_the_runs(database, make):
    """Somebody asks while the run that made it is still at the report."""
    recorder = make()
    recorder.served(told(checksum="p"), "predict")
    recorder.drain(database)
    with database.begin() as connection:
        intake.take(connection, examples.run("a"))
        assert [one.run_id for one in forecasts.lacking(connection, "TSLA", since=examples.minutes(0))] == ["a"]


def test_nothing_is_left_when_all_is_stored(database, make):
    recorder = make()
    for n in range(5):
        recorder.served(told(checksum=f"{n}"), "predict")
        recorder.drain(database)
    assert recorder.drain(database) == 0
    assert recorder.backlog() == spool.Backlog(0, 0, 0.0)
    assert rows(database, tables.cursors) == []


def test_a_line_is_there_before_served_returns(make, tmp_path):
    make().served(told(), "predict")
    [path] = spool.paths(tmp_path / "served")
    definition, answer = path.read_text().splitlines()
    assert json.loads(definition)["row"]["predicted_close"] == 101.0
    assert json.loads(answer) == ["TSLA", "2024-03-08", CHECKSUM, "predict", NINE.timestamp() // 60, 1]


def test_a_segment_is_left_alone_while_its_process_lives(database, make):
    """Another process's recorder empties everything but the file that this one still writes to."""
    mine, other = make(), make()
    mine.served(told(), "predict")
    assert other.drain(database) == 0
    mine.served(told(), "predict")
    assert mine.drain(database) == 2


def test_many_small_segments(database, make):
    recorder = make(segment_bytes=2000)
    for _ in range(200):
        recorder.served(told(), "predict")
    assert recorder.backlog().files > 5
    assert recorder.drain(database) == 200
    assert total(database) == 200


def test_taken_in_many_transactions_all_is_stored_once(database, make, monkeypatch):
    monkeypatch.setattr(recorders, "_LINES_AT_ONCE", 7)
    monkeypatch.setattr(recorders, "_FORECASTS_AT_ONCE", 2)
    recorder = make()
    for n in range(40):
        recorder.served(told(checksum=f"{n % 9}"), "predict")
    assert recorder.drain(database) == 40
    assert total(database) == 40
    assert len(rows(database, tables.forecasts)) == 9


class StoppedError(Exception):
    """Stands for the end of the process."""


def test_stopped_anywhere_and_emptied_again_each_answer_counts_once(database, make, monkeypatch):
    """Stopped before or after any transaction, and before the file is removed: the next one goes on from there."""
    monkeypatch.setattr(recorders, "_LINES_AT_ONCE", 10)
    stop_at, steps = 0, itertools.count()

    def stop_at_a_step() -> None:
        if next(steps) == stop_at:
            raise StoppedError

    real_begin, real_unlink = Database.begin, Path.unlink

    @contextlib.contextmanager
    def begin(opened: Database):
        stop_at_a_step()
        with real_begin(opened) as connection:
            yield connection
        stop_at_a_step()

    def unlink(path: Path, *arguments, **named) -> None:
        if path.suffix == ".jsonl":
            stop_at_a_step()
        real_unlink(path, *arguments, **named)

    monkeypatch.setattr(Database, "begin", begin)
    monkeypatch.setattr(Path, "unlink", unlink)
    for n in itertools.count(1):
        recorder, steps = make(segment_bytes=3000), itertools.count()
        for _ in range(60):
            recorder.served(told(), "predict")
        try:
            recorder.drain(database)
        except StoppedError:
            steps = itertools.count(1000)
            make().drain(database)
        else:
            assert stop_at > 12  # there was no such step any more
            break
        assert total(database) == 60 * n
        assert recorder.backlog().files == 0
        stop_at += 1


@forks
@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGTERM])
def test_killed_between_spool_and_database(database, make, signal_):
    """Every answer that the process has told of is stored; at most the one that it was at beyond them."""
    told_of = {}
    for n in range(4):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            recorder = Recorder(make().folder, segment_bytes=4096, seconds=3600)
            while True:
                recorder.served(told(checksum=f"{n}"), "predict")
                os.write(writing, b".")
        os.close(writing)
        with os.fdopen(reading, "rb", 0) as answers:
            came = len(answers.read(100) or b"")
            os.kill(child, signal_)
            came += len(answers.readall() or b"")
        os.waitpid(child, 0)
        told_of[f"{n}"] = came
    make().drain(database)
    stored = {row["checksum"]: row["times"] for row in rows(database)}
    assert {checksum: stored[checksum] - came for checksum, came in told_of.items()}.items() <= {
        (checksum, beyond) for checksum in told_of for beyond in (0, 1)
    }
    assert len(rows(database, tables.forecasts)) == 4


def test_half_a_line_of_a_process_that_was_killed_in_it(database, make, tmp_path, caplog):
    recorder = make()
    recorder.served(told(), "predict")
    recorder.served(told(), "predict")
    recorder.close(patience=0)
    [path] = spool.paths(tmp_path / "served")
    path.write_bytes(path.read_bytes()[:-9])
    assert make().drain(database) == 1
    assert "1 lines up to byte" in caplog.text
    assert recorder.backlog().files == 0


@pytest.fixture(scope="module")
def a_database(tmp_path_factory):
    folder = tmp_path_factory.mktemp("module")
    database = open_database(f"sqlite:///{folder / 'monitoring.db'}")
    yield database, folder
    database.close()


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=200),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
            ).map(lambda value: json.dumps(value).encode()),
        ),
        max_size=6,
    )
)
def test_whatever_is_in_a_spool_the_rest_is_stored(a_database, lines):
    database, folder = a_database
    recorder = Recorder(folder / "served", clock=Clock(), seconds=3600)
    recorder.served(told(), "predict", 3)
    recorder.close()
    [path] = spool.paths(folder / "served")
    path.write_bytes(b"\n".join([*lines, path.read_bytes()]))
    assert recorder.drain(database) == 3
    assert recorder.backlog().files == 0


@pytest.mark.parametrize(
    "damage",
    [
        {"predicted_close": float("nan")},
        {"predicted_close": "high"},
        {"ticker": "TSLA\x00"},
        {"ticker": "T" * 33},
        {"source": ""},
        {"as_of": "yesterday"},
    ],
    ids=repr,
)
def test_a_forecast_that_the_database_would_refuse_holds_nothing_up(database, make, damage):
    """A row that is refused would be refused for ever, and all that comes after it would wait."""
    recorder = make()
    bad = told(checksum="bad")
    spoiled = {**bad.row, **damage}
    line = json.dumps({"checksum": "bad", "made": 0, "row": spoiled}, default=str) + "\n"
    recorder.served(told(), "predict")
    recorder.close(patience=0)
    [path] = spool.paths(recorder.folder)
    path.write_bytes(line.encode() + path.read_bytes())
    assert recorder.drain(database) == 1
    assert [row["checksum"] for row in rows(database, tables.forecasts)] == [CHECKSUM]


def test_threads_lose_nothing(database, make):
    recorder = make(segment_bytes=4096)

    def serve(n: int) -> None:
        for _ in range(300):
            recorder.served(told(checksum=f"{n}"), "predict")

    threads = [threading.Thread(target=serve, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    drained = 0
    while any(thread.is_alive() for thread in threads):
        drained += recorder.drain(database)
    drained += recorder.drain(database)
    assert drained == total(database) == 8 * 300
    assert {row["checksum"]: row["times"] for row in rows(database)} == {f"{n}": 300 for n in range(8)}


def test_two_that_empty_the_folder_at_once_store_each_answer_once(database, make):
    writer, *emptiers = make(segment_bytes=2000), make(), make()
    for _ in range(300):
        writer.served(told(), "predict")
    with writer._lock:
        writer._close_segment()
    threads = [threading.Thread(target=one.drain, args=(database,), kwargs={"patience": LATE}) for one in emptiers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total(database) == 300


@forks
def test_a_forked_process_goes_on_by_itself(database, make):
    """As gunicorn's workers do: neither has the other's file, lock or thread."""
    recorder = make()
    recorder.served(told(), "predict")
    child = os.fork()
    if child == 0:
        recorder.served(told(), "predict", 10)
        os._exit(0 if recorder.backlog().files == 2 else 1)
    recorder.served(told(), "predict")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert recorder.drain(database) == 12


def test_the_thread_stores_by_itself(database, database_url, make):
    recorder = make(database_url, seconds=0.05)
    recorder.served(told(), "predict", 5)
    wait_until(lambda: total(database) == 5, "the recorder's thread stored nothing")
    recorder.served(told(), "predict", 5)
    wait_until(lambda: total(database) == 10, "the recorder's thread stored nothing more")


def test_closing_stores_what_is_there(database, database_url, make):
    recorder = make(database_url)
    recorder.served(told(), "predict", 7)
    recorder.close()
    assert total(database) == 7


def test_database_down_and_back(tmp_path, make, caplog):
    """A file stands where the database's folder belongs, until it is taken away."""
    caplog.set_level(logging.INFO)
    (tmp_path / "data").write_text("")
    url = f"sqlite:///{tmp_path / 'data' / 'monitoring.db'}"
    recorder = make(url, seconds=0.02)
    recorder.served(told(), "predict", 4)
    wait_until(lambda: "served forecasts wait in" in caplog.text, "nothing was told of the database")
    recorder.served(told(), "predict", 5)
    (tmp_path / "data").unlink()
    wait_until(lambda: recorder.backlog().files == 0, "the spool was not emptied")
    database = open_database(url)
    assert total(database) == 9
    database.close()
    wait_until(lambda: "are recorded again" in caplog.text, "nothing was told of its return")
    assert caplog.text.count("served forecasts wait in") == 1


def test_an_error_of_the_database_keeps_the_spool(database, make):
    recorder = make()
    recorder.served(told(), "predict")
    with database.begin() as connection:
        tables.served.drop(connection)
    with pytest.raises(MonitoringError):
        recorder.drain(database)
    assert recorder.backlog().files == 1
    with database.begin() as connection:
        tables.served.create(connection)
    assert recorder.drain(database) == 1


def test_beyond_the_bound_answers_are_counted_as_dropped(database, make, caplog, monkeypatch):
    monkeypatch.setattr(recorders, "_FULL_SECONDS", 0.0)
    dropped: list[int] = []
    recorder = make(max_bytes=5000, segment_bytes=1000, dropped=dropped.append)
    for _ in range(200):
        recorder.served(told(), "predict", 2)
    assert recorder.backlog().size <= 5000 + 1000 + 200
    assert recorder.dropped == sum(dropped) > 0
    assert caplog.text.count("has reached its bound of 5,000 bytes") == 1
    assert recorder.drain(database) == 400 - recorder.dropped
    recorder.served(told(), "predict")  # there is room again
    assert recorder.drain(database) == 1
    assert recorder.dropped == sum(dropped)


def test_a_disk_that_takes_no_more(database, make, caplog):
    """Files of this process may have 1,000 bytes for a while: the answer goes out, and is counted as dropped."""
    recorder = make()
    recorder.served(told(), "predict")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        for _ in range(30):
            recorder.served(told(), "predict")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert recorder.dropped > 0
    assert "can't be written" in caplog.text
    assert recorder.drain(database) == 31 - recorder.dropped


def test_a_folder_that_is_removed_is_made_again(database, make, tmp_path):
    recorder = make()
    recorder.served(told(), "predict")
    recorder.drain(database)
    (tmp_path / "served" / ".lock").unlink()
    (tmp_path / "served").rmdir()
    recorder.served(told(), "predict")
    assert recorder.drain(database) == 1


def test_without_a_database_the_spool_waits_for_one(database, make, caplog):
    recorder = make(None, seconds=0.01)
    recorder.served(told(), "predict")
    wait_until(lambda: "there is no monitoring database" in caplog.text, "it was not told")
    recorder.close()
    assert make().drain(database) == 1


def test_totals_of_a_ticker(database, make):
    recorder = make()
    recorder.served(told(), "predict", 2)
    recorder.served(told(), "batch", 3)
    recorder.served(told("STX", "s"), "batch", 30)
    recorder.drain(database)
    with database.reading() as connection:
        assert served.totals(connection, "TSLA") == {FRIDAY: 5}
        assert served.totals(connection, "STX") == {FRIDAY: 30}
        assert served.totals(connection, "AAPL") == {}
