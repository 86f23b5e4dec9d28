"""What deploy/celery starts, each service on a machine of its own: folders, home, logs and watchlist that no other
sees. In common they have what machines have: two databases, the queue, and a bucket. No test lives here.

    with cluster.of(folder, ("GOOD", "FINE"), postgres_socket, evening) as made:
        run = made.server.launch("whole_graph_job", "GOOD", session)
        made.kill(cluster.WORKERS[0])

They load `scheduled_definitions`, whose schedules know of one evening and are off until switched on.
"""

import contextlib
import dataclasses
import datetime as dt
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
import yaml

from stock_assets.settings import project_root
from stock_assets.storage import formats, models, tables
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests import postgres, s3
from stock_assets_tests.defs.graph import SMALL_MODEL
from stock_assets_tests.end_to_end.ui_server import REPOSITORY, Server
from stock_assets_tests.place import Place, clean_environment, free_port
from stock_assets_tests.redis_server import RedisServer

DEPLOY = project_root() / "deploy" / "celery"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
WORKERS = ("worker 1", "worker 2")
STAND_IN = "worker 3"
"""A machine that is there from the moment that `start` is told of it."""
SECONDS = 1800
"""How long to wait for anything: twenty times what the longest of it takes on a quiet machine."""
SILENCE_SECONDS = 10
"""After which a worker is taken for dead: many times what one that lives needs for an answer, however busy it is."""

_DEFINITIONS = "stock_assets_tests.end_to_end.scheduled_definitions"
_BIN = Path(sys.executable).parent
_PORTS = ("3000", "4000")
_RUNS = """
    query ($filter: RunsFilter) {
      runsOrError(filter: $filter) { ... on Runs { results { id status jobName tags { key value } } } }
    }"""
_EVENTS = """
    query ($id: ID!, $after: String) {
      logsForRun(runId: $id, afterCursor: $after) { ... on EventConnection { cursor hasMore events {
        __typename ... on MaterializationEvent { partition assetKey { path } }
      } } }
    }"""
_START_SCHEDULE = """
    mutation ($selector: ScheduleSelector!) { done: startSchedule(scheduleSelector: $selector) { __typename } }"""
_STOP = """
    mutation ($id: String!) { done: terminateRun(runId: $id) { __typename } }"""


class Cluster:
    """Everything but the databases, the queue and the bucket, which others keep."""

    def __init__(self, folder: Path, tickers: Sequence[str], queue: RedisServer, variables: dict[str, str]) -> None:
        self.folder, self.queue = folder, queue
        self._tickers, self._variables = tickers, variables
        self._ports = {port: str(free_port()) for port in _PORTS}
        self._processes: dict[str, subprocess.Popen] = {}
        self.server = Server(f"http://127.0.0.1:{self._ports['3000']}", Path(variables["STOCK_ASSETS_DATA_DIR"]))

    @property
    def data(self) -> str:
        """URL of where artefacts are in the bucket."""
        return self._variables["STOCK_ASSETS_DATA_DIR"]

    def rows(self, query: sa.Select) -> list[tuple]:
        """What the monitoring database has."""
        engine = sa.create_engine(self._variables["STOCK_ASSETS_DATABASE_URL"])
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(query)]
        finally:
            engine.dispose()

    def files(self) -> dict[str, bytes]:
        """Content by relative path of everything in the bucket."""
        import s3fs

        root = self.data.removeprefix("s3://")
        bucket = s3fs.S3FileSystem(use_listings_cache=False)
        return {path.removeprefix(f"{root}/"): bucket.cat_file(path) for path in bucket.find(root)}

    def machine(self, name: str) -> Path:
        """The folder that is all there is of the machine; made, with what deploy/celery puts there."""
        here = self.folder / name.replace(" ", "-")
        home = here / ".dagster"
        if not here.exists():
            home.mkdir(parents=True)
            (here / "watchlist.yaml").write_text(f"model: {SMALL_MODEL}\ntickers: [{', '.join(self._tickers)}]\n")
            configured = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
            configured["run_launcher"]["config"]["silence_seconds"] = SILENCE_SECONDS
            configured["run_monitoring"] |= {"poll_interval_seconds": 2, "cancellation_thread_poll_interval_seconds": 2}
            configured["concurrency"]["runs"]["max_concurrent_runs"] = len(WORKERS)
            (home / "dagster.yaml").write_text(yaml.safe_dump(configured))
            [workspace] = yaml.safe_load((DEPLOY.parent / "workspace.yaml").read_text())["load_from"]
            workspace["grpc_server"] |= {"host": "127.0.0.1", "port": int(self._ports["4000"])}
            (here / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [workspace]}))
        return here

    def _environment(self, here: Path) -> dict[str, str]:
        path = os.pathsep.join(filter(None, (str(project_root()), os.environ.get("PYTHONPATH"))))
        own = {
            "HOME": str(here),
            "TMPDIR": str(here),
            "DAGSTER_HOME": str(here / ".dagster"),
            "STOCK_ASSETS_LOG_DIR": str(here / "logs"),
            "STOCK_ASSETS_WATCHLIST": str(here / "watchlist.yaml"),
            "PYTHONPATH": path,
        }
        return clean_environment() | self._variables | own

    def start(self, name: str) -> None:
        """Start what runs on that machine, by the command of compose.yaml; it need not be ready on return."""
        here = self.machine(name)
        command = COMPOSE["services"][name.partition(" ")[0]]["command"]
        words = [re.sub(r"^\$\{RUNS:-\d+\}$", "1", word).replace("0.0.0.0", "127.0.0.1") for word in command]
        instead = self._ports | {"stock_assets.definitions": _DEFINITIONS}
        words = [instead.get(word, word) for word in words]
        with (here / "told.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [str(_BIN / words[0]), *words[1:]],
                cwd=here,
                env=self._environment(here),
                stdout=log,
                stderr=log,
                # A group of its own, with the processes of its runs: the machine is pulled with all that is on it.
                start_new_session=True,
            )

    def signal(self, name: str, how: signal.Signals) -> None:
        """To everything that runs on that machine."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._processes[name].pid, how)

    def kill(self, name: str) -> None:
        """kill -9, of everything that runs on that machine."""
        self.signal(name, signal.SIGKILL)
        self._processes[name].wait()

    def told(self, name: str) -> str:
        return (self.machine(name) / "told.log").read_text()

    def is_ready(self, name: str) -> bool:
        assert self._processes[name].poll() is None, f"{name} has ended:\n{self.told(name)[-3000:]}"
        if name.startswith("worker"):
            return "ready." in self.told(name)
        if name == "daemon":
            return "Instance is configured with the following daemons" in self.told(name)
        port = {"code": "4000", "web": "3000"}[name]
        try:
            with socket.create_connection(("127.0.0.1", int(self._ports[port])), timeout=5):
                return True
        except ConnectionError:
            return False

    def end(self) -> None:
        """End everything, by the polite way first."""
        for name, process in self._processes.items():
            self.signal(name, signal.SIGCONT)
            process.terminate()
        for name, process in self._processes.items():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            self.kill(name)

    def until(self, tell: Callable[[], Any], what: str) -> Any:
        """What `tell` tells, once that is not nothing."""
        end = time.monotonic() + SECONDS
        while not (told := tell()):
            if time.monotonic() > end:
                logs = "".join(f"\n--- {name}\n{self.told(name)[-3000:]}" for name in self._processes)
                raise AssertionError(f"waited {SECONDS} s in vain until {what}{logs}")
            time.sleep(0.2)
        return told

    def stop_run(self, run_id: str) -> None:
        """As the button of the UI does."""
        answer = self.server.ask(_STOP, id=run_id)
        assert answer["done"]["__typename"] == "TerminateRunSuccess", answer

    def switch_on(self, schedule: str) -> None:
        answer = self.server.ask(_START_SCHEDULE, selector=REPOSITORY | {"scheduleName": schedule})
        assert answer["done"]["__typename"] == "ScheduleStateResult", answer

    def runs(self, *statuses: str) -> list[dict[str, Any]]:
        """The newest first: all, or those with a status. `tags` of each as a dictionary."""
        wanted = {"statuses": list(statuses)} if statuses else {}
        found = self.server.ask(_RUNS, filter=wanted)["runsOrError"]["results"]
        return [run | {"tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]

    def attempts(self, run_id: str) -> list[dict[str, Any]]:
        """The run, and those by which it was made again, the oldest first."""
        found = [run for run in self.runs() if run_id in (run["id"], run["tags"].get("dagster/root_run_id"))]
        return found[::-1]

    def is_over(self, run_id: str) -> bool:
        """Whether it is over, and will not be made again."""
        last = self.attempts(run_id)[-1]
        final = last["tags"].get("dagster/will_retry") == "false"
        return last["status"] in ("SUCCESS", "CANCELED") or (last["status"] == "FAILURE" and final)

    def materialised(self, run_id: str) -> list[str]:
        """Assets, in the order in which the run made them."""
        return [asset for asset, _ in self.made_by(run_id)]

    def made_by(self, run_id: str) -> list[tuple[str, str]]:
        """(asset, partition), in the order in which the run made them."""
        events, told = [], {"cursor": None, "hasMore": True}
        while told["hasMore"]:
            # A thousand at most are told at once.
            told = self.server.ask(_EVENTS, id=run_id, after=told["cursor"])["logsForRun"]
            events += told["events"]
        made = [event for event in events if event["__typename"] == "MaterializationEvent"]
        return [(event["assetKey"]["path"][-1], event["partition"]) for event in made]

    def worker_of(self, run_id: str) -> str:
        """The machine on which the run is made, by its assets' logs, which name the run."""
        workers = [name for name in self._processes if name.startswith("worker")]
        logs = {name: [*(self.machine(name) / "logs").glob("*.log")] for name in workers}
        [worker] = [name for name in workers if any(run_id in log.read_text() for log in logs[name])]
        return worker


@contextmanager
def of(folder: Path, tickers: Sequence[str], postgres_socket: Path, evening: dt.datetime) -> Iterator[Cluster]:
    """All of deploy/celery but the forecasts over HTTP, with two workers of a run each; schedules are off.

    `evening`: the moment that schedules take it for, once they are on.
    """
    queue = RedisServer(folder / "queue")
    history, monitoring = (_database(postgres_socket) for _ in range(2))
    with s3.server() as url, s3.bucket(url) as bucket:
        variables = {
            "DAGSTER_POSTGRES_URL": history.replace("+psycopg", "+psycopg2"),
            "DAGSTER_QUEUE_URL": queue.url,
            "STOCK_ASSETS_DATABASE_URL": monitoring,
            "STOCK_ASSETS_DATA_DIR": f"s3://{bucket}/stock_assets",
            "STOCK_ASSETS_SOURCE": "simulated",
            "STOCK_ASSETS_FIRST_SESSION": "2013-01-02",
            "SCHEDULED_EVENING": evening.isoformat(),
        }
        made = Cluster(folder, tickers, queue, variables)
        try:
            queue.start()
            for name in ("code", "web"):
                made.start(name)
                made.until(lambda name=name: made.is_ready(name), f"{name} is ready")
            made.server.stop_schedules()
            for name in ("daemon", *WORKERS):
                made.start(name)
            for name in ("daemon", *WORKERS):
                made.until(lambda name=name: made.is_ready(name), f"{name} is ready")
            yield made
        finally:
            made.end()
            queue.kill()


def _database(socket: Path) -> str:
    """A new one on the server. It lets go of a machine that stands still as that of compose.yaml does, but sooner."""
    [seconds] = [word for word in COMPOSE["services"]["database"]["command"] if "idle_in_transaction" in word]
    setting, _, _ = seconds.removeprefix("-c").partition("=")
    name = f"cluster-{uuid.uuid4().hex}"
    url = postgres.create_database(socket, name)
    with psycopg.connect(host=str(socket), user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE \"{name}\" SET {setting} = '{SILENCE_SECONDS}s'")
    return url


def alone(folder: Path, tickers: Sequence[str]) -> Place:
    """A single machine with the same settings, on SQLite and a folder."""
    place = Place(folder, {"STOCK_ASSETS_SOURCE": "simulated", "STOCK_ASSETS_FIRST_SESSION": "2013-01-02"})
    place.watchlist.write_text(f"model: {SMALL_MODEL}\ntickers: [{', '.join(tickers)}]\n")
    return place


def share_out(store: ArtefactStore, session: dt.date, owner: str, heirs: Sequence[str]) -> None:
    """Give `heirs` what forecasts and reports need of the training of `owner`, as if each had been trained itself."""
    who = {"ticker": owner, "as_of": session}
    model = models.decode_model(store.read("model", owner, session), **who)
    evaluation = formats.decode_json(store.read("evaluation", owner, session)[".json"], asset="evaluation", **who)
    backtest = tables.decode(store.read("backtest", owner, session), asset="backtest", **who)
    for heir in heirs:
        whose = {"ticker": heir}
        theirs = dataclasses.replace(model, card=model.card | whose)
        store.write("model", heir, session, models.encode_model(theirs))
        store.write("evaluation", heir, session, {".json": formats.encode_json(evaluation | whose)})
        named = {"asset": "backtest", "ticker": heir, "as_of": session, "source": backtest.attrs["source"]}
        store.write("backtest", heir, session, tables.encode(backtest, **named))
