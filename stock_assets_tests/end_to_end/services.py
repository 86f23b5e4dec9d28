"""Dagster's web server, daemon and code server as three processes of their own, which a test may kill. No test lives
here.

    with Services(place).running() as services:
        services.server.launch("daily_job", "TSLA", session)
        services.until(lambda: ..., "the alert has come")    # the clock goes on meanwhile
        services.kill("daemon")
        services.start("daemon")

They load `evening_definitions`, whose clock is a file: time stands still but for `until` and `Clock`.
"""

import contextlib
import datetime as dt
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

import yaml

from stock_assets.commands import home
from stock_assets.settings import project_root
from stock_assets_tests.end_to_end.ui_server import LOCATION, REPOSITORY, Server
from stock_assets_tests.place import PATIENCE, Place, free_port

CODE, WEB, DAEMON = "code", "web", "daemon"
NAMES = (CODE, WEB, DAEMON)
_DEFINITIONS = "stock_assets_tests.end_to_end.evening_definitions"
_POLL = 0.2
_STARTED = re.compile(r"Started process for run \(pid: (\d+)\)")
_EVENTS = """
    query ($id: ID!) {
      logsForRun(runId: $id) { ... on EventConnection { events { ... on MessageEvent { message } } } }
    }"""
_START_SCHEDULE = """
    mutation ($selector: ScheduleSelector!) { done: startSchedule(scheduleSelector: $selector) { __typename } }"""
_DRY_RUN = """
    mutation ($selector: ScheduleSelector!, $timestamp: Float) {
      scheduleDryRun(selectorData: $selector, timestamp: $timestamp) {
        __typename
        ... on DryRunInstigationTick {
          evaluationResult {
            skipReason error { message } runRequests { runKey assetSelection { path } tags { key value } }
          }
        }
      }
    }"""


class Clock:
    """The time that the processes are told."""

    def __init__(self, path: Path, start: dt.datetime) -> None:
        self.path = path
        self.set(start)

    @property
    def now(self) -> dt.datetime:
        return dt.datetime.fromisoformat(self.path.read_text())

    def set(self, moment: dt.datetime) -> None:
        written = self.path.with_suffix(".new")
        written.write_text(moment.isoformat())
        written.replace(self.path)

    def forward(self, **amount: float) -> None:
        """By so many `seconds`, `minutes` ..."""
        self.set(self.now + dt.timedelta(**amount))


class Services:
    """The three processes in a place of one's own, whose watchlist and prices are there already.

    `monitoring`: what is to be different under `run_monitoring` of our dagster.yaml.
    """

    def __init__(self, place: Place, start: dt.datetime, monitoring: Mapping[str, int] | None = None) -> None:
        self.place = place
        self.clock = Clock(place.folder / "clock", start)
        self._ports = {name: free_port() for name in (CODE, WEB)}
        self.server = Server(f"http://127.0.0.1:{self._ports[WEB]}", place.data)
        self._home = Path(place.variables["DAGSTER_HOME"])
        self._home.mkdir()
        configured = yaml.safe_load((project_root() / "dagster.yaml").read_text())
        configured["run_monitoring"] |= monitoring or {}
        (self._home / "dagster.yaml").write_text(yaml.safe_dump(configured))
        grpc = {"host": "127.0.0.1", "port": self._ports[CODE], "location_name": LOCATION}
        (place.folder / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"grpc_server": grpc}]}))
        self._processes: dict[str, subprocess.Popen] = {}
        self._logged: dict[str, int] = {}
        self._groups: list[int] = []
        self.initial_schedules: dict[str, str] = {}

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, (str(project_root()), os.environ.get("PYTHONPATH"))))
        return self.place.environment(PYTHONPATH=path, EVENINGS_CLOCK=str(self.clock.path))

    @contextmanager
    def running(self) -> Iterator["Services"]:
        """All three, until the end; then nothing that they started is left. Schedules are off until switched on."""
        home.instance(self._home).dispose()
        try:
            # Who finds no code server asks again only a minute later.
            self.start(CODE)
            self.wait_for(CODE)
            self.start(WEB)
            self.wait_for(WEB)
            self.initial_schedules = self.schedules()
            self.switch_schedules(on=False)
            self.start(DAEMON)
            yield self
        finally:
            self.stop()

    def start(self, name: str) -> None:
        """Start the process of that name; it need not be ready on return."""
        workspace = str(self.place.folder / "workspace.yaml")
        port = str(self._ports.get(name))
        words = {
            CODE: ["dagster", "api", "grpc", "-m", _DEFINITIONS, "-d", str(project_root()), "-p", port],
            WEB: ["dagster_webserver", "-w", workspace, "-p", port],
            DAEMON: ["dagster._daemon", "run", "-w", workspace],
        }[name]
        with self._log(name).open("ab") as log:
            self._logged[name] = log.tell()
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=self.place.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own, with the runs that the code server starts: what is left of it can be ended.
                start_new_session=True,
            )
        self._groups.append(self._processes[name].pid)

    def _log(self, name: str) -> Path:
        return self.place.folder / f"{name}.log"

    def is_ready(self, name: str) -> bool:
        """Whether the process of that name answers; of the daemon, whether it has begun its work."""
        process = self._processes[name]
        if process.poll() is not None:
            return False
        try:
            if name == CODE:
                with socket.create_connection(("127.0.0.1", self._ports[CODE]), timeout=5):
                    return True
            if name == WEB:
                with urllib.request.urlopen(f"{self.server.url}/server_info", timeout=5):
                    return True
        except (URLError, ConnectionError, TimeoutError):
            return False
        with self._log(DAEMON).open("rb") as log:
            log.seek(self._logged[DAEMON])
            return b"Instance is configured with the following daemons" in log.read()

    def wait_for(self, name: str) -> None:
        def answers() -> bool:
            ended = self._processes[name].poll() is not None
            assert not ended, f"{name} has ended:\n{self._log(name).read_text()[-3000:]}"
            return self.is_ready(name)

        self.until(answers, f"{name} answers", pace=0)

    def schedules(self) -> dict[str, str]:
        """Schedule -> its status."""
        return {name: state["status"] for name, state in self.server.schedule_states().items()}

    def switch_schedules(self, *, on: bool) -> None:
        """Those of the evenings: all that are on at first."""
        if not on:
            self.server.stop_schedules()
            return
        for name, status in self.initial_schedules.items():
            if status == "RUNNING":
                answer = self.server.ask(_START_SCHEDULE, selector=REPOSITORY | {"scheduleName": name})
                assert answer["done"]["__typename"] == "ScheduleStateResult", answer

    def dry_run(self, schedule: str, moment: dt.datetime) -> dict[str, Any]:
        """What a schedule would do at `moment`: its `runRequests`, and `skipReason`."""
        selector = REPOSITORY | {"scheduleName": schedule}
        answer = self.server.ask(_DRY_RUN, selector=selector, timestamp=moment.timestamp())
        assert answer["scheduleDryRun"]["__typename"] == "DryRunInstigationTick", answer
        told = answer["scheduleDryRun"]["evaluationResult"]
        assert told["error"] is None, told["error"]["message"]
        return told

    def kill(self, *names: str) -> None:
        """kill -9, of these processes alone: runs go on."""
        for name in names:
            self._processes[name].kill()
        for name in names:
            self._processes[name].wait()

    def kill_run(self, run_id: str) -> bool:
        """kill -9 of a run's own process; False when it has none (yet, or any more)."""
        events = self.server.ask(_EVENTS, id=run_id)["logsForRun"]["events"]
        told = [found for event in events if (found := _STARTED.search(event.get("message", "")))]
        if not told:
            return False
        pid = int(told[-1][1])
        try:
            # Numbers of processes are given out again.
            if os.getpgid(pid) not in self._groups:
                return False
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def kill_everything(self) -> None:
        """As if the power failed: the three, and all runs."""
        for process in self._processes.values():
            process.kill()
        self._end_groups(signal.SIGKILL)
        for process in self._processes.values():
            process.wait()

    def stop(self) -> None:
        """End everything, by the polite way first."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
        self.kill_everything()

    def _end_groups(self, how: signal.Signals) -> None:
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, how)

    def until(self, tell: Callable[[], Any], what: str, *, pace: float = 10) -> Any:
        """What `tell` tells, once that is not nothing. Meanwhile the clock goes `pace` times as fast as ours."""
        deadline = time.monotonic() + PATIENCE
        while not (told := tell()):
            assert time.monotonic() < deadline, f"waited {PATIENCE} s in vain until {what}"
            time.sleep(_POLL)
            if pace:
                self.clock.forward(seconds=pace * _POLL)
        return told

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`stock-assets` with `words`, on the settings of the processes."""
        return subprocess.run(
            [sys.executable, "-m", "stock_assets.cli", *words],
            cwd=self.place.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
