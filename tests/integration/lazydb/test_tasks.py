"""What runs in the background."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from lazydb.tasks import export_path, export_rows, refresh_schema
from qapla.database.statement import Statement
from qapla.errors import DatabaseError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazydb.application import LazydbApplication
    from qapla.database.spec import ConnectionSpec
    from qapla.ports import Job

    MakeFile = Callable[..., ConnectionSpec]


def wait(app: LazydbApplication, job_id: str) -> Job:
    """Return the job when it has ended."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        job = app["jobs"].find(job_id)
        if job is not None and job.state in ("done", "failed"):
            return job
        time.sleep(0.02)
    raise AssertionError("the job does not end")


def test_a_refresh_says_what_changed(app: LazydbApplication, make_file: MakeFile, sql: Callable[..., None]) -> None:
    """The job of a refresh ends with the difference in words, and the new schema is served."""
    known = app["connections"].add(make_file()).connection
    assert wait(app, app["tasks"].submit(refresh_schema, known.id, subject=known.id)).message == "nothing has changed"
    sql(known.spec.path, "CREATE TABLE other (id)")

    job = wait(app, app["tasks"].submit(refresh_schema, known.id, subject=known.id))

    assert (job.kind, job.subject, job.state, job.progress) == ("lazydb.refresh_schema", known.id, "done", 1.0)
    assert job.message == "table other was added"
    assert app["catalog"].get("shop").schema.find_table("other") is not None
    assert len(app["jobs"].list(known.id)) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_refresh_of_what_was_removed_fails_in_words(app: LazydbApplication) -> None:
    """A job whose database is gone says so."""
    job = wait(app, app["tasks"].submit(refresh_schema, 999))

    assert (job.state, job.message) == ("failed", "the database has been removed meanwhile")


def test_an_export_is_a_whole_file_or_none(app: LazydbApplication, make_file: MakeFile, sql: Callable[..., None]) -> None:
    """An export writes every row with the rights of its caller into a private file; a refused one leaves none."""
    known = app["connections"].add(make_file()).connection
    sql(known.spec.path, "INSERT INTO item VALUES (1, 'nut'), (2, 'bolt, long')")
    ann = app["accounts"].add_user("ann")

    done = app["tasks"].submit(export_rows, known.id, None, "item", "csv", ["user", ann.id, "ann"])
    refused = app["tasks"].submit(export_rows, known.id, None, "item", "csv", ["anonymous", None, "anonymous"])

    assert wait(app, done).state == "done"
    path = export_path(app, done, "csv")
    assert path.read_bytes().splitlines() == [b"id,name", b"1,nut", b'2,"bolt, long"']
    assert path.stat().st_mode & 0o777 == 0o600
    assert wait(app, refused).state == "failed"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_export_paths_stay_in_their_folder(app: LazydbApplication) -> None:
    """Neither a job's id nor a format leads anywhere else."""
    for job_id, format in (("../x", "csv"), ("abc", "../../x"), ("abc", "exe"), ("", "csv")):
        with pytest.raises(InputError):
            export_path(app, job_id, format)  # type: ignore[arg-type]


def test_a_change_under_way_is_read_by_itself(app: LazydbApplication, make_file: MakeFile, sql: Callable[..., None]) -> None:
    """A statement that meets a missing table is a clear error, and the structure is read again in the background."""
    known = app["connections"].add(make_file()).connection
    bulkhead = app["catalog"].get("shop").bulkhead
    sql(known.spec.path, "ALTER TABLE item RENAME TO thing")

    for _ in range(3):
        with pytest.raises(DatabaseError, match="item"):
            bulkhead.fetch(Statement('SELECT "id" FROM "item"'))

    jobs = app["jobs"].list(known.id)
    assert len(jobs) == 1
    assert "table item was removed" in wait(app, jobs[0].id).message
    assert app["catalog"].get("shop").schema.find_table("thing") is not None
