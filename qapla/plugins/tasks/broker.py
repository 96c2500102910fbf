"""Tasks on a broker, done by Celery's workers. The only module of this plugin that imports Celery."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from celery.exceptions import SoftTimeLimitExceeded

from qapla.database.aftercommit import after_commit
from qapla.errors import Unavailable
from qapla.plugins.tasks.task import TASKS, run_task, task_name
from qapla.ports import NullJobs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from celery import Celery

    from qapla.application import Application
    from qapla.ports import JobStore


class BrokerQueue:
    """A ``TaskQueue`` on a broker: a task is acknowledged when it is done, so one whose worker dies is done by another."""

    def __init__(self, app: Application, celery: Celery) -> None:
        self._app = app
        self._celery = celery
        for name in TASKS if app.start_point == "celery" else ():
            self._register(name)

    def submit(self, task: Callable[..., Any], *arguments: Any, subject: int | None = None) -> str:
        """Send *task* to the broker and return the id of its job.

        Raises:
            Unavailable: the broker does not answer.
        """
        return self._send(uuid.uuid4().hex, task_name(task), arguments, subject)

    def submit_after_commit(self, task: Callable[..., Any], *arguments: Any, subject: int | None = None) -> str:
        """Do as ``submit`` does when the work of the current scope is committed; never when it is rolled back."""
        name, job_id = task_name(task), uuid.uuid4().hex
        after_commit(lambda: self._send(job_id, name, arguments, subject))
        return job_id

    def run_worker(self, arguments: Sequence[str] = ()) -> None:
        """Do tasks until the process is told to stop; *arguments* are those of ``celery worker``."""
        self._celery.worker_main(["worker", "--without-gossip", "--without-mingle", *arguments])

    def stop(self) -> None:
        """Do nothing: the connections are Celery's."""

    @property
    def _jobs(self) -> JobStore:
        return self._app.find("jobs") or NullJobs()

    def _send(self, job_id: str, name: str, arguments: Sequence[Any], subject: int | None) -> str:
        self._jobs.add(job_id, name, subject)  # before the message: a worker may be faster than this process
        try:
            self._celery.send_task(name, args=arguments, task_id=job_id)
        except Unavailable as error:
            self._jobs.update(job_id, state="failed", message=error.message)
            raise
        return job_id

    def _register(self, name: str) -> None:
        @self._celery.task(name=name, bind=True, shared=False, is_counted=False)
        def run(self_task: Any, *arguments: Any) -> None:
            run_task(self._app, name, self_task.request.id, arguments, too_long=(SoftTimeLimitExceeded,))
