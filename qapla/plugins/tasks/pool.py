"""Tasks in this process: a few threads and a bounded queue, for installations without a broker."""

from __future__ import annotations

import logging
import os
import queue
import threading
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qapla.database.aftercommit import after_commit
from qapla.errors import Unavailable
from qapla.plugins.tasks.task import run_task, task_name
from qapla.ports import NullJobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.application import Application
    from qapla.ports import JobStore

STOP_WAIT_S = 5.0
BEAT_S = 5.0
log = logging.getLogger(__name__)


class PoolQueue:
    """A ``TaskQueue`` on threads. They begin with the first task, and anew after a fork.

    While there is work, one more thread says every few seconds that this process lives (``JobStore.beat``): nobody else will do these
    tasks when it is killed.

    Args:
        threads: how many tasks run at once.
        size: how many may wait; more are refused.
    """

    def __init__(self, app: Application, threads: int = 2, size: int = 100) -> None:
        self._app = app
        self._count = threads
        self._size = size
        self._pid: int | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._waiting: queue.Queue[tuple[str, str, tuple[Any, ...]] | None]
        self._threads: list[threading.Thread] = []
        self._unfinished: set[str] = set()

    def submit(self, task: Callable[..., Any], *arguments: Any, subject: int | None = None) -> str:
        """Queue *task* and return the id of its job.

        Raises:
            Unavailable: too many tasks are waiting, or the application is stopping.
        """
        return self._queue(uuid.uuid4().hex, task_name(task), arguments, subject)

    def submit_after_commit(self, task: Callable[..., Any], *arguments: Any, subject: int | None = None) -> str:
        """Do as ``submit`` does when the work of the current scope is committed; never when it is rolled back."""
        name, job_id = task_name(task), uuid.uuid4().hex
        after_commit(lambda: self._queue(job_id, name, arguments, subject))
        return job_id

    def _queue(self, job_id: str, name: str, arguments: tuple[Any, ...], subject: int | None) -> str:
        self._start()
        self._jobs.add(job_id, name, subject)
        self._jobs.beat([job_id])
        self._unfinished.add(job_id)
        try:
            if self._stopping.is_set():
                raise queue.Full
            self._waiting.put_nowait((name, job_id, arguments))
        except queue.Full:
            self._unfinished.discard(job_id)
            problem = f"the task queue is full, {self._size} tasks are waiting"
            self._jobs.update(job_id, state="failed", message=problem)
            raise Unavailable(problem, hint="try again later", headers={"Retry-After": "5"}) from None
        return job_id

    def stop(self) -> None:
        """Let running tasks finish for a few seconds; those that still wait are given up, and their jobs say so."""
        self._stopping.set()
        if self._pid != os.getpid():
            return
        self._give_up()
        self._tell_to_end()
        for thread in self._threads:
            thread.join(STOP_WAIT_S / len(self._threads))
        for job_id in list(self._unfinished):
            self._jobs.update(job_id, state="failed", message="the application was stopped before it was done; start it again")

    @property
    def _jobs(self) -> JobStore:
        return self._app.find("jobs") or NullJobs()

    def _start(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                return
            self._pid = os.getpid()
            self._unfinished = set()
            self._waiting = queue.Queue(self._size)
            # Daemons: a task that hangs must not keep the process from ending.
            self._threads = [threading.Thread(target=self._work, name=f"task-{number}", daemon=True) for number in range(self._count)]
            for thread in [*self._threads, threading.Thread(target=self._beat, name="task-beat", daemon=True)]:
                thread.start()

    def _tell_to_end(self) -> None:
        """Leave the word for one thread; each passes it on. A queue smaller than the threads are many would have no room for all."""
        with suppress(queue.Full):  # something waits, so a thread will look at it, and find that the pool is stopping
            self._waiting.put_nowait(None)

    def _work(self) -> None:
        while True:
            item = self._waiting.get()
            if item is None:
                self._tell_to_end()
                return
            try:
                run_task(self._app, *item)
            except Exception:  # the store of jobs is away: this thread has to do the next task all the same
                log.exception("how task %s (job %s) ended could not be kept", *item[:2])
            finally:
                self._unfinished.discard(item[1])
            if self._stopping.is_set():
                self._tell_to_end()
                return

    def _beat(self) -> None:
        while not self._stopping.wait(BEAT_S):
            unfinished = list(self._unfinished)
            if not unfinished:
                continue
            try:
                self._jobs.beat(unfinished)
            except Exception:  # the store is away for now; the next beat is soon
                log.warning("cannot say that %d tasks are still being done", len(unfinished), exc_info=True)

    def _give_up(self) -> None:
        while True:
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return
            if item is not None:
                self._unfinished.discard(item[1])
                self._jobs.update(item[1], state="failed", message="the application stopped before it began")

