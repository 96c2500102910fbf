"""The progress of tasks, kept in the registry: a ``JobStore`` that every process can read."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

from lazydb.models import Job as Row
from lazydb.models import now
from lazydb.records import RegistrySession, transaction
from qapla.driver import ReadDriver, WriteDriver
from qapla.errors import DatabaseError
from qapla.ports import Job, JobState

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from qapla.database.database import Database

KEEP = timedelta(days=7)
MESSAGE_LENGTH_MAX = 2000
LOST_AFTER = timedelta(seconds=30)  # six beats: a process that is only busy must not be taken for dead
LOST = "the process was stopped before it was done; start it again"
UNFINISHED = ("queued", "running")


class JobReadDriver(ReadDriver[Row]):
    """Questions about jobs."""

    def newest(self, subject: int, limit: int) -> Sequence[Row]:
        """Return the newest jobs about one connection."""
        return self.filter(connection_id=subject, order="-created_at", limit=limit)


class JobWriteDriver(WriteDriver[Row]):
    """Changes of jobs."""

    def forget_old(self) -> None:
        """Delete those that nothing has happened to for long."""
        self.delete_where(Row.updated_at < now() - KEEP)

    def beat(self, job_ids: Collection[str]) -> None:
        """Note that the process of these jobs lives; that is no change of theirs."""
        self.update_where({"beat_at": now(), "updated_at": Row.updated_at}, Row.id.in_(job_ids))

    def fail_lost(self) -> None:
        """Mark those whose process is gone as failed."""
        lost = Row.state.in_(UNFINISHED) & (Row.beat_at < now() - LOST_AFTER)
        self.update_where({"state": "failed", "message": LOST}, lost)


class Jobs:
    """A ``JobStore``; each call is a transaction of its own. Jobs that ended are forgotten after a week."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, job_id: str, kind: str, subject: int | None) -> None:
        """Keep a new job, queued; one that is there already stays as it is. *subject* is the id of a connection."""
        try:
            with transaction(self._database) as session:
                jobs = JobWriteDriver(session)
                jobs.forget_old()
                jobs.create(id=job_id, kind=kind, connection_id=subject)
        except DatabaseError:  # a task that is sent twice, or whose connection has just been removed
            return

    def update(self, job_id: str, *, state: JobState | None = None, progress: float | None = None, message: str | None = None) -> None:
        """Change what is given; a job that is gone is no error."""
        cut = message[:MESSAGE_LENGTH_MAX] if message is not None else None
        given = {"state": state, "progress": progress, "message": cut}
        values = {name: value for name, value in given.items() if value is not None}
        with transaction(self._database) as session:
            JobWriteDriver(session).update_by_id(job_id, updated_at=now(), **values)

    def find(self, job_id: str) -> Job | None:
        """Return the job, or None."""
        with RegistrySession(self._database) as session:
            row = JobReadDriver(session).find_by_id(job_id)
            return _value(row) if row is not None else None

    def list(self, subject: int, limit: int = 10) -> list[Job]:
        """Return the newest jobs about one connection."""
        with RegistrySession(self._database) as session:
            return [_value(row) for row in JobReadDriver(session).newest(subject, limit)]

    def beat(self, job_ids: Collection[str]) -> None:
        """Say that this process, which alone will do these jobs, lives."""
        with transaction(self._database) as session:
            JobWriteDriver(session).beat(job_ids)

    def fail_lost(self) -> None:
        """Mark jobs whose process is gone as failed. Until that is done, those who read them are told so, too."""
        with transaction(self._database) as session:
            JobWriteDriver(session).fail_lost()


def is_lost(row: Row) -> bool:
    """Tell whether the process that had to do the job is gone; it may have been killed and could not say so."""
    return row.state in UNFINISHED and row.beat_at is not None and row.beat_at < now() - LOST_AFTER


def _value(row: Row) -> Job:
    if is_lost(row):
        return Job(row.id, row.kind, row.connection_id, "failed", row.progress, LOST)
    return Job(row.id, row.kind, row.connection_id, cast("JobState", row.state), row.progress, row.message)
