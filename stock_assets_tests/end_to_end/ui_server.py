"""A running `stock-assets ui`, with its web server and daemon, and what its pages ask it. No test lives here."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.error import URLError

from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot
from stock_assets_tests.place import PATIENCE, clean_environment, free_port

LAUNCH = """
    mutation ($params: ExecutionParams!) {
      launchPipelineExecution(executionParams: $params) {
        __typename ... on LaunchRunSuccess { run { runId } } ... on Error { message }
      }
    }"""

_SCHEDULES = """
    query ($repository: RepositorySelector!) {
      schedulesOrError(repositorySelector: $repository) {
        ... on Schedules { results { name scheduleState { id status } } }
      }
    }"""
_STOP_SCHEDULE = """
    mutation ($id: String!) { done: stopRunningSchedule(id: $id) { __typename } }"""

LOCATION = "stock_assets.definitions"
REPOSITORY = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}


class RefusedError(AssertionError):
    """The web server answered, but did not do what was asked."""


@dataclass(frozen=True)
class Server:
    """A running `stock-assets ui`."""

    url: str
    data: Path

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            answer = json.load(response)
        if "errors" in answer:
            raise RefusedError(answer["errors"])
        return answer["data"]

    def launch(self, job: str, ticker: str, session: date, more_tags: Mapping[str, str] | None = None) -> str:
        tags = {
            "dagster/partition": f"{session}|{ticker}",
            "dagster/partition/date": str(session),
            "dagster/partition/ticker": ticker,
        }
        return self._launch(job, tags | dict(more_tags or {}))

    def launch_session(self, job: str, session: date) -> str:
        """Launch a job whose partitions are sessions."""
        return self._launch(job, {"dagster/partition": str(session)})

    def _launch(self, job: str, tags: dict[str, str]) -> str:
        params = {
            "selector": {**REPOSITORY, "pipelineName": job},
            "runConfigData": "{}",
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        launched = self.ask(LAUNCH, params=params)["launchPipelineExecution"]
        if launched["__typename"] != "LaunchRunSuccess":
            raise RefusedError(launched)
        return launched["run"]["runId"]

    def schedule_states(self) -> dict[str, dict[str, str]]:
        """Schedule -> the `id` of its state and its `status`."""
        found = self.ask(_SCHEDULES, repository=REPOSITORY)["schedulesOrError"]["results"]
        return {one["name"]: one["scheduleState"] for one in found}

    def stop_schedules(self) -> None:
        """Those that tick by themselves, at the hours of this machine's clock."""
        for state in self.schedule_states().values():
            if state["status"] == "RUNNING":
                answer = self.ask(_STOP_SCHEDULE, id=state["id"])
                assert answer["done"]["__typename"] == "ScheduleStateResult", answer

    def outcome(self, run_id: str) -> str:
        """How the run ended; waits for it."""

        def ended() -> str | None:
            query = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
            status = self.ask(query, id=run_id)["runOrError"]["status"]
            return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

        return until(ended, f"run {run_id} ends")

    def materialised(self, run_id: str) -> set[str]:
        query = """query ($id: ID!) {
          runOrError(runId: $id) { ... on Run { assetMaterializations { assetKey { path } } } } }"""
        found = self.ask(query, id=run_id)["runOrError"]["assetMaterializations"]
        return {event["assetKey"]["path"][-1] for event in found}

    def snapshot(self, ticker: str, session: date) -> Snapshot:
        return Snapshot(ArtefactStore(str(self.data)), ticker, session)


def until(tell: Callable[[], Any], what: str) -> Any:
    """What `tell` tells once it is not None."""
    deadline = time.monotonic() + PATIENCE
    while (told := tell()) is None:
        assert time.monotonic() < deadline, f"waited {PATIENCE} s in vain until {what}"
        time.sleep(0.2)
    return told


@contextmanager
def serving(folder: Path, tickers: tuple[str, ...]) -> Iterator[Server]:
    """`stock-assets ui` on a free port, prices from the files in `folder`/prices; stopped as Ctrl-C stops it."""
    (folder / "watchlist.yaml").write_text(f"tickers: [{', '.join(tickers)}]\n")
    environment = clean_environment() | {
        "STOCK_ASSETS_SOURCE": "csv",
        "STOCK_ASSETS_PRICES_DIR": str(folder / "prices"),
        "STOCK_ASSETS_DATA_DIR": str(folder / "data"),
        "STOCK_ASSETS_LOG_DIR": str(folder / "logs"),
        "STOCK_ASSETS_WATCHLIST": str(folder / "watchlist.yaml"),
        "STOCK_ASSETS_FIRST_SESSION": "2024-03-01",
        "DAGSTER_HOME": str(folder / "dagster"),
    }
    port = free_port()
    server = Server(f"http://127.0.0.1:{port}", folder / "data")
    with (folder / "ui.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "stock_assets.cli", "ui", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def answers() -> bool | None:
        assert process.poll() is None, (folder / "ui.log").read_text()
        try:
            with urllib.request.urlopen(f"{server.url}/server_info", timeout=5):
                return True
        except (URLError, ConnectionError, TimeoutError):
            return None

    try:
        until(answers, "the web server answers")
        # Whoever tests at the hour of an evening sees no other runs than his own.
        server.stop_schedules()
        yield server
    finally:
        stop(process)


def stop(process: subprocess.Popen) -> None:
    """What Ctrl-C in a terminal does: an interrupt to the whole group, which was made for this process alone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.killpg(process.pid, signal.SIGKILL)
