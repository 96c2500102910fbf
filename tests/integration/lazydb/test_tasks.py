"""What runs in the background."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from lazydb.tasks import export_rows, refresh_schema
from qapla.database.statement import Statement
from qapla.errors import DatabaseError
from qapla.ports import Identity

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


def test_an_export_that_runs_twice_is_one_file(app: LazydbApplication, make_file: MakeFile, sql: Callable[..., None]) -> None:
    """A broker may deliver a task twice: the second run writes the same file anew; one whose export is gone writes none."""
    known = app["connections"].add(make_file()).connection
    sql(known.spec.path, "INSERT INTO item VALUES (1, 'nut'), (2, 'bolt, long')")
    ann = Identity("user", app["accounts"].add_user("ann").id, "ann")
    exports = app["exports"]
    exports.start(ann, known.name, None, "item", "sort=-id", "csv")
    export = exports.list_of(ann)[0]
    assert wait(app, app["jobs"].list(known.id)[0].id).message == "2 rows, 32 bytes"

    again = wait(app, app["tasks"].submit(export_rows, export.id))
    gone = wait(app, app["tasks"].submit(export_rows, "0" * 32))

    assert again.state == "done"
    assert (gone.state, gone.message) == ("failed", "the export was deleted")
    assert exports.path(export).read_bytes().splitlines() == [b"id,name", b'2,"bolt, long"', b"1,nut"]
    assert [entry.name for entry in exports.folder.iterdir()] == [f"{export.id}.csv"]


def test_what_a_killed_process_left_is_removed(app: LazydbApplication, make_file: MakeFile) -> None:
    """Half a file goes after an hour, a file that belongs to no export at once, others stay."""
    known = app["connections"].add(make_file()).connection
    ann = Identity("user", app["accounts"].add_user("ann").id, "ann")
    exports = app["exports"]
    exports.start(ann, known.name, None, "item", "", "ndjson")
    wait(app, app["jobs"].list(known.id)[0].id)
    export = exports.list_of(ann)[0]
    for name, age_s in ((f"{export.id}.old.part", 2 * 3600), (f"{export.id}.new.part", 10), (f"{'0' * 32}.csv", 10)):
        (exports.folder / name).touch()
        os.utime(exports.folder / name, (time.time() - age_s,) * 2)

    exports.remove_old()

    assert sorted(entry.name for entry in exports.folder.iterdir()) == sorted([f"{export.id}.new.part", f"{export.id}.ndjson"])


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
