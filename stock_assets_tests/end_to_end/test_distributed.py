"""Runs on workers that share nothing but databases, a queue and a bucket: deploy/celery as it is, on this machine.

Three evenings. In the first, of four tickers and with training, a worker is killed in the middle of a run. The second
is a whole one, of fifty tickers, in the two runs for which `daily_schedule` asks: the queue is killed, once with the
runs in it that nobody has taken, once while they go on, and so is a worker in the middle, for which another machine
comes. In the third a worker stands still until it is taken for dead, and then goes on; somebody stops a run. What is in
the bucket in the end is what a single machine makes.
"""

import datetime as dt
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import sqlalchemy as sa

from stock_assets.core import evenings, sessions
from stock_assets.defs import evening, jobs, partitions
from stock_assets.monitoring import tables
from stock_assets.settings import project_root
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.defs.graph import ALL
from stock_assets_tests.end_to_end import cluster
from stock_assets_tests.end_to_end.cluster import STAND_IN, WORKERS, Cluster
from stock_assets_tests.place import Done, Place, at_once

pytest.importorskip("dagster_celery", reason="needs the extra cluster: dagster-celery[redis]")

# The simulation begins in 2010: three years of it are enough for a small model, and quick.
FIRST = dt.date(2013, 3, 8)
SECOND, THIRD = sessions.next_session(FIRST), sessions.next_session(FIRST, 2)
AFTER_SECOND = dt.datetime.combine(SECOND, dt.time(22, 10), dt.UTC)

TICKERS = ("GOOD", "FINE", "FAIR", "WELL")
"""Those that are trained: in the first evening."""
_NAMES = (f"T{n}" for n in range(100))
OTHERS = tuple(
    islice((name for name in _NAMES if not evenings.is_its_turn(name, SECOND)), 2 * evening.MOST_TICKERS - len(TICKERS))
)
"""Nobody's turn to be trained is in the second evening, which so goes by two runs."""
FOLLOWED = TICKERS + OTHERS
NOT_THERE = "Connection refused"
"""What the daemon tells when it asks after runs, and the queue is gone."""
MADE_BEFORE = 5
"""Tickers of the second evening's first run that are done when its worker is killed."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, postgres_socket: Path) -> Iterator[Cluster]:
    with cluster.of(tmp_path_factory.mktemp("cluster"), FOLLOWED, postgres_socket, AFTER_SECOND) as running:
        yield running


@pytest.fixture(scope="module")
def first_evening(made: Cluster) -> dict[str, str]:
    """Ticker -> the run that was asked for."""
    asked = {ticker: made.server.launch("whole_graph_job", ticker, FIRST) for ticker in TICKERS}
    victim = asked[TICKERS[0]]
    made.until(lambda: "features" in made.materialised(victim), "the first run is in the middle")
    made.kill(made.worker_of(victim))
    made.until(lambda: all(made.is_over(run) for run in asked.values()), "the evening is over")
    return asked


@pytest.fixture(scope="module")
def second_evening(made: Cluster, first_evening: dict[str, str]) -> list[str]:
    """The runs that the schedule asked for; a worker is killed in the first of them."""
    cluster.share_out(ArtefactStore(made.data), FIRST, TICKERS[0], OTHERS)
    for name in WORKERS:
        made.kill(name)
    made.switch_on("daily_schedule")
    made.until(lambda: len(made.runs("STARTING")) == len(WORKERS), "its runs lie in the queue")
    made.server.stop_schedules()
    asked = [run["id"] for run in made.runs("STARTING")]
    made.queue.kill()
    made.queue.start()
    for name in WORKERS:
        made.start(name)
    made.until(lambda: made.materialised(asked[0]).count("report") >= MADE_BEFORE, "the first run is in the middle")
    made.kill(made.worker_of(asked[0]))
    noticed = made.told("daemon").count(NOT_THERE)
    made.queue.kill()
    made.until(lambda: made.told("daemon").count(NOT_THERE) > noticed, "the queue was missed")
    made.queue.start()
    made.start(STAND_IN)
    made.until(lambda: all(made.is_over(run) for run in asked), "the evening is over")
    return asked


@pytest.fixture(scope="module")
def third_evening(made: Cluster, second_evening: list[str]) -> str:
    """The run of the first ticker."""
    run = made.server.launch("daily_job", TICKERS[0], THIRD)
    made.until(lambda: "raw_prices" in made.materialised(run), "the run has begun")
    worker = made.worker_of(run)
    made.signal(worker, signal.SIGSTOP)
    made.until(lambda: made.is_over(run), "it is made elsewhere")
    made.signal(worker, signal.SIGCONT)
    made.until(lambda: "exited with 'signal 9 (SIGKILL)'" in made.told(worker), "the worker has noticed")
    return run


def statuses(made: Cluster, run: str) -> list[str]:
    return [attempt["status"] for attempt in made.attempts(run)]


def test_what_a_killed_worker_had_in_hand_is_finished_by_the_other(
    made: Cluster, first_evening: dict[str, str]
) -> None:
    killed, others = first_evening[TICKERS[0]], [first_evening[ticker] for ticker in TICKERS[1:]]
    assert statuses(made, killed) == ["FAILURE", "SUCCESS"]
    assert [statuses(made, run) for run in others] == [["SUCCESS"]] * 3
    died, again = (made.worker_of(attempt["id"]) for attempt in made.attempts(killed))
    assert {died, again} == set(WORKERS)


def test_it_goes_on_from_where_it_was(made: Cluster, first_evening: dict[str, str]) -> None:
    """Each asset is made once, but perhaps the one at which it was killed: features, if their step had not ended."""
    attempts = made.attempts(first_evening[TICKERS[0]])
    times = Counter(asset for attempt in attempts for asset in made.materialised(attempt["id"]))
    assert set(times) == set(ALL)
    assert times["raw_prices"] == times["clean_prices"] == 1
    assert times.total() <= len(ALL) + 1


def test_a_whole_evening_is_two_runs_of_the_schedule(made: Cluster, second_evening: list[str]) -> None:
    runs = [run for run in made.runs() if run["id"] in second_evening]
    assert [(run["jobName"], run["tags"]["dagster/schedule_name"]) for run in runs] == [
        (evening.JOB, "daily_schedule")
    ] * 2


def test_the_run_of_a_killed_worker_is_made_on_another_machine(made: Cluster, second_evening: list[str]) -> None:
    """The other outlives the queue, in which it lay and which it lost, without a second attempt."""
    killed, other = second_evening
    assert statuses(made, killed) == ["FAILURE", "SUCCESS"]
    assert statuses(made, other) == ["SUCCESS"]
    died, again = (made.worker_of(attempt["id"]) for attempt in made.attempts(killed))
    assert died in WORKERS
    assert again == STAND_IN


def test_the_runs_that_ended_well_make_each_of_the_fifty_once(made: Cluster, second_evening: list[str]) -> None:
    by_run = [made.made_by(made.attempts(run)[-1]["id"]) for run in second_evening]
    assert [len(found) for found in by_run] == [evening.MOST_TICKERS * len(jobs.DAILY_ASSETS)] * 2
    expected = [(asset, str(partitions.key(ticker, SECOND))) for asset in jobs.DAILY_ASSETS for ticker in FOLLOWED]
    assert sorted(by_run[0] + by_run[1]) == sorted(expected)


def test_monitoring_has_each_forecast_of_the_fifty_once(made: Cluster, second_evening: list[str]) -> None:
    """Those too that the killed run had made, and the other made again."""
    ended_well = {made.attempts(run)[-1]["id"] for run in second_evening}
    known = sa.select(tables.runs.c.run_id)
    made.until(lambda: ended_well <= {run for (run,) in made.rows(known)}, "monitoring has read of both")
    forecasts = sa.select(tables.forecasts.c.ticker).where(tables.forecasts.c.session == SECOND)
    assert sorted(made.rows(forecasts)) == [(ticker,) for ticker in sorted(FOLLOWED)]


def test_a_worker_that_was_taken_for_dead_stops_when_it_comes_back(made: Cluster, third_evening: str) -> None:
    assert statuses(made, third_evening) == ["FAILURE", "SUCCESS"]
    stopped, again = (made.worker_of(attempt["id"]) for attempt in made.attempts(third_evening))
    assert stopped != again


def test_a_run_that_somebody_stops_is_not_made_again(made: Cluster, third_evening: str) -> None:
    run = made.server.launch("daily_job", TICKERS[-1], SECOND)
    made.until(lambda: "raw_prices" in made.materialised(run), "the run has begun")
    made.stop_run(run)
    made.until(lambda: made.is_over(run), "it has stopped")
    assert statuses(made, run) == ["CANCELED"]
    assert "report" not in made.materialised(run)


def test_nothing_is_left_over(made: Cluster, third_evening: str) -> None:
    unfinished = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")
    made.until(lambda: not made.runs(*unfinished), "nothing goes on")


def test_machines_keep_no_artefact_to_themselves(made: Cluster, third_evening: str) -> None:
    kept = [path for path in made.folder.rglob("*") if path.suffix in (".parquet", ".skops", ".sha256", ".html")]
    assert kept == []
    logged = [path.parent.parent.name for path in made.folder.glob("*/logs/raw_prices.log")]
    assert sorted(logged) == [name.replace(" ", "-") for name in (*WORKERS, STAND_IN)]


def test_the_bucket_holds_what_a_single_machine_makes(
    made: Cluster, third_evening: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    alone = cluster.alone(tmp_path_factory.mktemp("alone"), FOLLOWED)
    done = alone.run("run", *TICKERS, "--as-of", str(FIRST))
    assert done.code == 0, done.err
    cluster.share_out(ArtefactStore(alone.data), FIRST, TICKERS[0], OTHERS)
    keys = [partitions.key(ticker, SECOND) for ticker in FOLLOWED]
    halves = at_once(*(lambda mine=mine: make_evening(alone, mine) for mine in evening.groups(keys)))
    third = make_evening(alone, [partitions.key(TICKERS[0], THIRD)])
    for done in (*halves, third):
        assert done.code == 0, done.err
    found, expected = (
        {path: data for path, data in files.items() if path.partition("/")[0] in ALL}
        for files in (made.files(), alone.files())
    )
    assert sorted(found) == sorted(expected)
    assert [path for path in found if found[path] != expected[path]] == []


def make_evening(place: Place, keys: list[str]) -> Done:
    config = place.folder / f"{keys[0]}.yaml"
    config.write_text(json.dumps(evening.config_of(keys)))
    words = ["job", "execute", "-m", "stock_assets.definitions", "-d", project_root(), "-j", evening.JOB, "-c", config]
    done = subprocess.run(
        [sys.executable, "-m", "dagster", *map(str, words)],
        cwd=place.folder,
        env=place.environment(),
        capture_output=True,
        text=True,
    )
    return Done(done.returncode, done.stdout, done.stderr)
