"""Tasks on a Celery broker, done by ``lazydb worker`` and its like. The only module that imports Celery."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError

from qapla.errors import Unavailable
from qapla.plugins.celery.pool import task_name
from qapla.plugins.celery.task import TASKS, run_task
from qapla.ports import NullJobs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qapla.application import Application
    from qapla.ports import JobStore

SOFT_LIMIT_BEFORE_S = 30


class BrokerQueue:
    """A ``TaskQueue`` on a broker: a task is acknowledged when it is done, so one whose worker dies is done by another."""

    def __init__(self, app: Application, broker_url: str, time_limit_s: int = 1800, prefix: str = "qapla") -> None:
        self._app = app
        self.celery = make_celery(broker_url, time_limit_s, prefix)

    def submit(self, task: Callable[..., Any], *arguments: Any, subject: int | None = None) -> str:
        """Send *task* to the broker and return the id of its job.

        Raises:
            Unavailable: the broker does not answer.
        """
        name, job_id = task_name(task), uuid.uuid4().hex
        self._jobs.add(job_id, name, subject)  # before the message: a worker may be faster than this process
        try:
            self.celery.send_task(name, args=arguments, task_id=job_id)
        except OperationalError as error:
            problem = "the task broker does not answer"
            self._jobs.update(job_id, state="failed", message=problem)
            raise Unavailable(problem, hint="try again later", headers={"Retry-After": "5"}) from error
        return job_id

    def run_worker(self, arguments: Sequence[str] = ()) -> None:
        """Do tasks until the process is told to stop; *arguments* are those of ``celery worker``."""
        for name in TASKS:
            self._register(name)
        self.celery.worker_main(["worker", "--without-gossip", "--without-mingle", *arguments])

    def stop(self) -> None:
        """Close the connections to the broker."""
        self.celery.close()

    @property
    def _jobs(self) -> JobStore:
        return self._app.find("jobs") or NullJobs()

    def _register(self, name: str) -> None:
        @self.celery.task(name=name, bind=True)
        def run(self_task: Any, *arguments: Any) -> None:
            run_task(self._app, name, self_task.request.id, arguments, too_long=(SoftTimeLimitExceeded,))


def make_celery(broker_url: str, time_limit_s: int, prefix: str) -> Celery:
    """Make a Celery application that loses no task: late acknowledgement, one message at a time, a limit on time."""
    celery = Celery(prefix, broker=broker_url, set_as_current=False)
    celery.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        task_time_limit=time_limit_s,
        task_soft_time_limit=max(1, time_limit_s - SOFT_LIMIT_BEFORE_S),
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_default_queue=prefix,
        task_publish_retry_policy={"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5},
        # A message comes back when it is not acknowledged within this time: longer than any task may take.
        broker_transport_options={"visibility_timeout": time_limit_s + 60, "socket_connect_timeout": 3, "max_retries": 1},
        broker_connection_retry_on_startup=True,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_hijack_root_logger=False,
    )
    return celery
