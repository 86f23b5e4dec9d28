"""Runs on workers that share nothing but databases, a queue and a bucket: deploy/celery as it is, on this machine.

Three evenings. In the first, of four tickers and with training, a worker is killed in the middle of a run. In the
second, of a run each and of a run for two, the queue is: once with runs in it that nobody has taken, once while runs go
on. In the third a worker stands still until it is taken for dead, and then goes on; somebody stops a run. What is in
the bucket in the end is what a single machine makes.
"""

import datetime as dt
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from stock_assets.core import sessions
from stock_assets.defs import evening, partitions
from stock_assets.settings import project_root
from stock_assets_tests.defs.graph import ALL
from stock_assets_tests.end_to_end import cluster
from stock_assets_tests.end_to_end.cluster import WORKERS, Cluster
from stock_assets_tests.place import Place

pytest.importorskip("dagster_celery", reason="needs the extra cluster: dagster-celery[redis]")

TICKERS = ("GOOD", "FINE", "FAIR", "WELL")
TOGETHER = TICKERS[:2]
"""Made by one run in the second evening."""
# The simulation begins in 2010: three years of it are enough for a small model, and quick.
FIRST = dt.date(2013, 3, 8)
SECOND, THIRD = sessions.next_session(FIRST), sessions.next_session(FIRST, 2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, postgres_socket: Path) -> Iterator[Cluster]:
    with cluster.of(tmp_path_factory.mktemp("cluster"), TICKERS, postgres_socket) as running:
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
def second_evening(made: Cluster, first_evening: dict[str, str]) -> dict[str, str]:
    """What was asked for -> the run."""
    for name in WORKERS:
        made.kill(name)
    config = evening.config_of([partitions.key(ticker, SECOND) for ticker in TOGETHER])
    asked = {"together": made.launch(evening.JOB, config)}
    asked |= {ticker: made.server.launch("daily_job", ticker, SECOND) for ticker in TICKERS if ticker not in TOGETHER}
    made.until(lambda: len(made.runs("STARTING")) == len(WORKERS), "runs lie in the queue")
    made.queue.kill()
    made.queue.start()
    for name in WORKERS:
        made.start(name)
    made.until(lambda: "features" in made.materialised(asked["together"]), "runs go on")
    made.queue.kill()
    made.until(lambda: made.told("daemon").count("the queue of the workers can't be reached") > 0, "it was missed")
    made.queue.start()
    made.until(lambda: all(made.is_over(run) for run in asked.values()), "the evening is over")
    return asked


@pytest.fixture(scope="module")
def third_evening(made: Cluster, second_evening: dict[str, str]) -> str:
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
    """Each asset is made once, but perhaps the one at which it was killed."""
    attempts = made.attempts(first_evening[TICKERS[0]])
    times = Counter(asset for attempt in attempts for asset in made.materialised(attempt["id"]))
    assert set(times) == set(ALL)
    assert times["raw_prices"] == times["clean_prices"] == times["features"] == 1
    assert times.total() <= len(ALL) + 1


def test_runs_outlive_the_queue(made: Cluster, second_evening: dict[str, str]) -> None:
    """Those that lay in it and those that went on, without a second attempt."""
    assert [statuses(made, run) for run in second_evening.values()] == [["SUCCESS"]] * 3


def test_a_worker_that_was_taken_for_dead_stops_when_it_comes_back(made: Cluster, third_evening: str) -> None:
    assert statuses(made, third_evening) == ["FAILURE", "SUCCESS"]
    stopped, again = (made.worker_of(attempt["id"]) for attempt in made.attempts(third_evening))
    assert {stopped, again} == set(WORKERS)


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
    assert sorted(logged) == [name.replace(" ", "-") for name in WORKERS]


def test_the_bucket_holds_what_a_single_machine_makes(
    made: Cluster, third_evening: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    alone = cluster.alone(tmp_path_factory.mktemp("alone"), TICKERS)
    done = alone.run("run", "--as-of", str(FIRST))
    assert done.code == 0, done.err
    later = [(ticker, SECOND) for ticker in TICKERS] + [(TICKERS[0], THIRD)]
    make_evening(alone, [partitions.key(ticker, session) for ticker, session in later])
    found, expected = (
        {path: data for path, data in files.items() if path.partition("/")[0] in ALL}
        for files in (made.files(), alone.files())
    )
    assert sorted(found) == sorted(expected)
    assert [path for path in found if found[path] != expected[path]] == []


def make_evening(place: Place, keys: list[str]) -> None:
    config = place.folder / "evening.yaml"
    config.write_text(json.dumps(evening.config_of(keys)))
    words = ["job", "execute", "-m", "stock_assets.definitions", "-d", project_root(), "-j", evening.JOB, "-c", config]
    done = subprocess.run(
        [sys.executable, "-m", "dagster", *map(str, words)],
        cwd=place.folder,
        env=place.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
