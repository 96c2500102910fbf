"""``@task``: a function that can run in the background, here or in another process.

::

    @task("shop.recount")
    def recount(work: Work, product_id: int) -> None:
        with work.scope["database"]["main"] as session: ...
        work.progress(0.5, "counted half of them")

    app["tasks"].submit(recount, 7)
    recount.delay_after_commit(7)        # by the application that is running; not at all when the current work is rolled back
"""

from __future__ import annotations

import logging
import time
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

from qapla.errors import ConfigurationError, PluginError, QaplaError, Unavailable
from qapla.ports import NullJobs, NullMetrics, current_task
from qapla.scope import find_current

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qapla.application import Application
    from qapla.ports import JobStore, MetricsBackend, TaskQueue
    from qapla.scope import Scope

PROGRESS_EVERY_S = 0.5
log = logging.getLogger(__name__)


class Task:
    """A function with a name that every process knows it by. Calling it calls the function."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function
        update_wrapper(self, function)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the function, here and now."""
        return self.function(*arguments, **keywords)

    def __repr__(self) -> str:
        return f"<Task {self.name!r}>"

    def delay(self, *arguments: Any, subject: int | None = None) -> str:
        """Queue it, in the application that is running, and return the id of its job; see ``TaskQueue.submit``."""
        return find_queue(self.name).submit(self, *arguments, subject=subject)

    def delay_after_commit(self, *arguments: Any, subject: int | None = None) -> str:
        """Queue it when the work of the current scope is committed, never when it is rolled back; return the id of its job.

        Where there is no scope, or no session open in it, it is queued at once.
        """
        return find_queue(self.name).submit_after_commit(self, *arguments, subject=subject)


TASKS: dict[str, Task] = {}
RUNNING: list[TaskQueue] = []
"""The queues of the applications that are running, the youngest last."""


def find_queue(name: str) -> TaskQueue:
    """Return the queue of the current scope's application, else of the one that was started last; *name* is the task's.

    Raises:
        PluginError: none is running.
    """
    scope = find_current()
    if scope is not None and "tasks" in scope.app:
        queue: TaskQueue = scope.app["tasks"]
        return queue
    if not RUNNING:
        raise PluginError(f"task {name!r} cannot be queued: no application is running", hint="call one of its run_… methods first")
    return RUNNING[-1]


def task_name(task: Callable[..., Any]) -> str:
    """Return the name that *task* is known by.

    Raises:
        ConfigurationError: it was not made with ``@task``.
    """
    name = getattr(task, "name", None)
    if name not in TASKS:
        raise ConfigurationError(f"{task!r} is no task", hint="decorate it with @task")
    return str(name)


def task(name: str) -> Callable[[Callable[..., Any]], Task]:
    """Make a task of the decorated function. Its first argument is a ``qapla.ports.Work``; it may run twice.

    Raises:
        ConfigurationError: another function has this name.
    """

    def make(function: Callable[..., Any]) -> Task:
        known = TASKS.get(name)
        if known is not None and known.function.__qualname__ != function.__qualname__:
            raise ConfigurationError(f"task {name!r} is defined twice", hint=f"the first time in {known.function.__module__!r}")
        TASKS[name] = Task(name, function)
        return TASKS[name]

    return make


class RunningWork:
    """The ``Work`` of one run; writes its progress at most twice a second."""

    def __init__(self, app: Application, scope: Scope, job_id: str, jobs: JobStore) -> None:
        self.app = app
        self.scope = scope
        self.id = job_id
        self._jobs = jobs
        self._said_at = float("-inf")

    def progress(self, fraction: float, message: str = "") -> None:
        """Say how far it is, 0 to 1, and what it does now."""
        if time.monotonic() - self._said_at >= PROGRESS_EVERY_S:
            self._said_at = time.monotonic()
            try:
                self._jobs.update(self.id, progress=min(max(fraction, 0.0), 1.0), message=message)
            except Unavailable:  # not a reason to give up the work; the next call may be luckier
                log.warning("the progress of job %s could not be kept", self.id)


def run_task(app: Application, name: str, job_id: str, arguments: Sequence[Any], too_long: tuple[type[Exception], ...] = ()) -> None:
    """Run a task in a scope of its own, and keep its state. *too_long* is what a queue with a limit on time raises in it.

    A job that is done is not done again: a broker may deliver a message twice. A task that fails is logged, its job says why.
    """
    jobs: JobStore = app.find("jobs") or NullJobs()
    known = jobs.find(job_id)
    if known is not None and known.state == "done":
        return
    jobs.update(job_id, state="running")
    token, begin, outcome = current_task.set(job_id), time.monotonic(), "failed"
    try:
        with app.scope() as scope:
            TASKS[name](RunningWork(app, scope, job_id, jobs), *arguments)
    except too_long:
        log.error("task %s (job %s) took too long", name, job_id)
        jobs.update(job_id, state="failed", message="stopped: it took longer than a task may take here")
    except Exception as error:
        log.exception("task %s (job %s) failed", name, job_id)
        jobs.update(job_id, state="failed", message=reason(error))
    else:
        outcome = "done"
        jobs.update(job_id, state="done", progress=1.0)
    finally:
        current_task.reset(token)
        metrics: MetricsBackend = app.find("metrics") or NullMetrics()
        metrics.increment("tasks", task=name, outcome=outcome)
        metrics.observe("task_seconds", time.monotonic() - begin, task=name)


def reason(error: BaseException) -> str:
    """Return what may be shown of *error*: the text of our own ones, which hold no secrets, else only the kind."""
    return str(error) if isinstance(error, QaplaError) else f"stopped by an error of kind {type(error).__name__}; the log says more"
