"""What the launcher makes of what workers answer, or don't; that it works with real ones is in end_to_end."""

from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

pytest.importorskip("dagster_celery", reason="needs the extra cluster: dagster-celery[redis]")

import redis.exceptions
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher

from stock_assets.defs import worker_launcher

WORKER = "stock-assets-1@machine"
RUN = dg.DagsterRun(job_name="daily_job", run_id="r", tags={"dagster-celery/task_id": "t"})
STARTED = ("STARTED", {"pid": 7, "hostname": WORKER})


class Launcher(worker_launcher.WorkerRunLauncher):
    """Whose queue says that of the task `t` there is `told`, and whose workers answer `answers` when asked after it."""

    def __init__(self, told: tuple[str, Any], answers: dict[str, Any] | None) -> None:
        super().__init__("redis://127.0.0.1:9/0", silence_seconds=60, clock=lambda: self.now)
        self.now = 0.0
        self.told, self.answers = told, answers
        self.asked: list[Any] = []
        self.celery = SimpleNamespace(AsyncResult=self._result, control=SimpleNamespace(inspect=self._inspect))

    def _result(self, task: str) -> SimpleNamespace:
        assert task == "t"
        return SimpleNamespace(state=self.told[0], info=self.told[1])

    def _inspect(self, destination: list[str] | None, timeout: float) -> SimpleNamespace:
        self.asked.append(destination)
        return SimpleNamespace(query_task=lambda task: self.answers)

    def health(self) -> WorkerStatus:
        return self.check_run_worker_health(RUN).status


def test_a_worker_that_has_the_run_in_hand_is_well() -> None:
    launcher = Launcher(STARTED, {WORKER: {"t": ["active", {}]}})
    assert launcher.health() == WorkerStatus.RUNNING
    assert launcher.asked == [[WORKER]]


def test_a_worker_that_knows_nothing_of_it_was_started_anew() -> None:
    launcher = Launcher(STARTED, {WORKER: {}})
    assert launcher.health() == WorkerStatus.FAILED


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "REVOKED"])
def test_a_run_that_goes_on_after_its_worker_is_done_has_failed(state: str) -> None:
    """Dagster asks only of runs that go on, and looks once more before it believes the answer."""
    launcher = Launcher((state, 0), None)
    assert launcher.health() == WorkerStatus.FAILED
    assert launcher.asked == []


def test_silence_is_borne_for_so_long() -> None:
    launcher = Launcher(STARTED, None)
    told = []
    for launcher.now in (0.0, 30.0, 59.9, 60.0):
        told.append(launcher.health())
    assert told == [WorkerStatus.RUNNING] * 3 + [WorkerStatus.FAILED]


def test_an_answer_ends_the_silence() -> None:
    launcher = Launcher(STARTED, None)
    assert launcher.health() == WorkerStatus.RUNNING
    launcher.now, launcher.answers = 59.0, {WORKER: {"t": ["active", {}]}}
    assert launcher.health() == WorkerStatus.RUNNING
    launcher.now, launcher.answers = 70.0, None
    assert launcher.health() == WorkerStatus.RUNNING
    launcher.now = 129.9
    assert launcher.health() == WorkerStatus.RUNNING
    launcher.now = 130.0
    assert launcher.health() == WorkerStatus.FAILED


def test_when_the_queue_has_forgotten_all_workers_are_asked() -> None:
    launcher = Launcher(("PENDING", None), {"other@machine": {}, WORKER: {"t": ["active", {}]}})
    assert launcher.health() == WorkerStatus.RUNNING
    assert launcher.asked == [None]
    launcher.answers = {"other@machine": {}}
    assert launcher.health() == WorkerStatus.RUNNING
    launcher.now = 60.0
    assert launcher.health() == WorkerStatus.FAILED


def test_a_run_without_a_number_is_left_to_the_limit_of_time() -> None:
    """The daemon died between handing it over and writing down what it is called there."""
    launcher = Launcher(STARTED, None)
    unnumbered = dg.DagsterRun(job_name="daily_job", run_id="r")
    launcher.now = 1e6
    assert launcher.check_run_worker_health(unnumbered).status == WorkerStatus.RUNNING


@pytest.mark.parametrize("error", [redis.exceptions.ConnectionError("refused"), redis.exceptions.TimeoutError("slow")])
def test_a_queue_that_is_away_sends_the_run_back(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the error upon which Dagster waits and hands it over again."""

    def refuse(self: CeleryRunLauncher, context: object) -> None:
        raise error

    monkeypatch.setattr(CeleryRunLauncher, "launch_run", refuse)
    with pytest.raises(DagsterUserCodeUnreachableError, match="queue of the workers can't be reached"):
        Launcher(STARTED, None).launch_run(SimpleNamespace())
