"""The run launcher of deploy/celery: runs go through a queue to workers, on as many machines as there are.

dagster-celery's own launcher with what it leaves open. A worker that is gone is found out: dagster-celery believes what
the worker itself wrote last, which after a kill is "started", for ever. A queue that can't be reached costs no run. And
a run that is stopped is not taken for one whose worker died. What starts a worker is commands/worker; that a run goes
on elsewhere is Dagster's own work (`run_retries` in dagster.yaml), which needs to be told only that a worker is gone.

Loaded by Dagster from dagster.yaml, and by nothing else: it needs the extra `cluster`.
"""

import os
import signal
import threading
import time
from typing import Any

import dagster as dg
import kombu.exceptions
import redis.exceptions
import sqlalchemy.exc
from celery import Celery
from celery.states import READY_STATES
from dagster._cli.api import _execute_run_command_body
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.instance import InstanceRef
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClassData, unpack_value
from dagster._utils import send_interrupt
from dagster_celery.config import TASK_EXECUTE_JOB_NAME
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

AWAY = (kombu.exceptions.OperationalError, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)
"""What a queue that can't be reached raises."""

CELERY = {
    # A process for each run, as without a queue: its memory is given back, and it reads the watchlist as it is now.
    "worker_max_tasks_per_child": 1,
    # A worker takes what it can begin at once: what it held besides would wait while others are idle, or die with it.
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    # Taken is taken: whether a run has to be made again, Dagster knows; the queue's own second try would be one more.
    "task_acks_late": False,
    # The queue may be started again meanwhile.
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # What can't be handed over goes back into Dagster's own queue: no need to be stubborn.
    "task_publish_retry_policy": {"max_retries": 5, "interval_start": 0.2, "interval_step": 0.5, "interval_max": 2},
    "worker_hijack_root_logger": False,
}

_ANSWER_SECONDS = 3.0
_LAST_SECONDS = 3.0
"""From a run's last event to its process's end."""


class WorkerRunLauncher(CeleryRunLauncher):
    """Hands runs to `stock-assets worker` processes by a Redis queue, and notices which of them are gone."""

    def __init__(
        self,
        broker: str,
        silence_seconds: int,
        inst_data: ConfigurableClassData | None = None,
        clock: Any = time.monotonic,
    ) -> None:
        self._silence = silence_seconds
        self._clock = clock
        self._silent_since: dict[str, float] = {}
        super().__init__("dagster", broker, broker, config_source=CELERY, inst_data=inst_data)

    @classmethod
    def config_type(cls) -> dict[str, dg.Field]:
        return {
            "broker": dg.Field(dg.StringSource, description="URL of the queue, such as redis://:password@host:6379/0"),
            "silence_seconds": dg.Field(
                int,
                is_required=False,
                default_value=60,
                description="A run whose worker gives no answer for so long has failed, and is made again elsewhere",
            ),
        }

    def launch_run(self, context: LaunchRunContext) -> None:
        """Put the run into the queue; back into Dagster's own, for a while, when there is none to be reached."""
        try:
            super().launch_run(context)
        except AWAY as error:
            # What Dagster knows how to wait for: run_queue > max_user_code_failure_retries.
            raise DagsterUserCodeUnreachableError(f"the queue of the workers can't be reached: {error}") from error

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether a worker has the run in hand: it is asked itself, and may be silent for a while."""
        task = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if task is None:
            # Its number was lost as the daemon died: the limit of time is left.
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        told = self.celery.AsyncResult(task)
        state, info = told.state, told.info
        if state in READY_STATES:
            # What a run tells last comes before; Dagster looks again whether it has come since.
            self._silent_since.pop(task, None)
            return CheckRunHealthResult(WorkerStatus.FAILED, f"Its worker has ended it ({state}) without a word.")
        worker = info.get("hostname") if isinstance(info, dict) else None
        asked = self.celery.control.inspect(destination=[worker] if worker else None, timeout=_ANSWER_SECONDS)
        answers = asked.query_task(task) or {}
        if any(task in tasks for tasks in answers.values()):
            self._silent_since.pop(task, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if worker in answers:
            self._silent_since.pop(task, None)
            return CheckRunHealthResult(
                WorkerStatus.FAILED, f"Worker {worker} was started anew, and knows nothing of it."
            )
        silent = self._clock() - self._silent_since.setdefault(task, self._clock())
        if silent < self._silence:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        del self._silent_since[task]
        return CheckRunHealthResult(
            WorkerStatus.FAILED, f"Worker {worker or '(unknown)'} was silent for {silent:.0f} s."
        )

    def terminate(self, run_id: str) -> bool:
        """Stop the run: its worker looks every few seconds whether it is to; while it waits, none will take it."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        if task := run.tags.get(DAGSTER_CELERY_TASK_ID_TAG):
            self.celery.control.revoke(task)
        return True


def make_runs(app: Celery) -> None:
    """Have a worker make the runs that come by the queue of `app`, as dagster-celery's task of that name does.

    Besides, it looks every ten seconds (`cancellation_thread_poll_interval_seconds`) whether Dagster wants its run no
    longer: somebody stops it, or this worker was taken for dead and the run is made elsewhere.
    """

    @app.task(name=TASK_EXECUTE_JOB_NAME, track_started=True)
    def make_run(execute_job_args_packed: Any) -> int:
        run_id = unpack_value(execute_job_args_packed, as_type=ExecuteRunArgs).run_id
        with dg.DagsterInstance.get() as instance:
            ended = threading.Event()
            looking = threading.Thread(target=_look, args=(instance.get_ref(), run_id, ended), daemon=True)
            looking.start()
            try:
                return _execute_run_command_body(run_id, instance, _to_nobody, set_exit_code_on_failure=True)
            finally:
                ended.set()
                looking.join()


def _look(instance_ref: InstanceRef, run_id: str, ended: threading.Event) -> None:
    """Until the run has ended here, look whether it is to be stopped, or has ended for Dagster."""
    with dg.DagsterInstance.from_ref(instance_ref) as instance:
        while not ended.wait(instance.cancellation_thread_poll_interval_seconds):
            try:
                run = instance.get_run_by_id(run_id)
            except sqlalchemy.exc.DBAPIError:
                continue  # the database may be started again at the moment
            if run is not None and run.status == dg.DagsterRunStatus.CANCELING:
                send_interrupt()
            elif (run is None or run.is_finished) and not ended.wait(_LAST_SECONDS):
                # Not the end of this process's own making. An interrupt would be one more error that a step may try
                # again after; a kill leaves nothing half-written.
                os.kill(os.getpid(), signal.SIGKILL)


def _to_nobody(event: dg.DagsterEvent) -> None:
    """Events are in Dagster's database already."""
