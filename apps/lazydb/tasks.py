"""What runs in the background: reading a database's structure again, and long exports.

Arguments are ids and names, never secrets. Every task may run twice: a refresh reads again, an export writes the same file anew.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qapla.database.query.description import Query
from qapla.database.schema.description import TableName
from qapla.errors import InputError, NotFound
from qapla.plugins.celery.task import task
from qapla.ports import Identity

if TYPE_CHECKING:
    from qapla.application import Application
    from qapla.driver.table_read import Format
    from qapla.ports import Work

FORMATS: tuple[Format, ...] = ("csv", "ndjson", "json")
KEEP_EXPORTS_S = 24 * 3600
SENTENCES_MAX = 20


@task("lazydb.refresh_schema")
def refresh_schema(work: Work, connection_id: int) -> None:
    """Read the structure of a registered database again; the job's message says what changed."""
    connections = work.app["connections"]
    known = connections.find_by_id(connection_id)
    if known is None:
        raise NotFound("the database has been removed meanwhile")
    work.progress(0.1, f"reading the structure of {known.name}")
    refreshed = connections.refresh(known.name)
    work.app["jobs"].update(work.id, message=_told(refreshed.changes, refreshed.is_first))


@task("lazydb.export_rows")
def export_rows(work: Work, connection_id: int, schema: str | None, table: str, format: Format, caller: list[Any]) -> None:
    """Write all rows of a table that the caller may see into the file ``export_path(…)``.

    Args:
        caller: kind, id and name of the ``Identity`` whose rights hold.
    """
    known = work.app["connections"].find_by_id(connection_id)
    if known is None:
        raise NotFound("the database has been removed meanwhile")
    path = export_path(work.app, work.id, format)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _remove_old(path.parent)
    fresh = path.with_suffix(".part")
    size = 0
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for part in _rows(work, known.name, TableName(schema, table), format, Identity(*caller)):
                file.write(part)
                size += len(part)
                work.progress(0.5, f"{size:,} bytes written")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    work.app["jobs"].update(work.id, message=f"{size:,} bytes written")


def export_path(app: Application, job_id: str, format: Format) -> Path:
    """Return the file of an export, which is kept for a day.

    Raises:
        InputError: there is no such format, or *job_id* is none.
    """
    if format not in FORMATS or not job_id.replace("-", "").isalnum():
        raise InputError(f"format {format[:100]!r} is not offered for exports", hint=f"there are {', '.join(FORMATS)}")
    return Path(app.settings["lazydb:home"]) / "exports" / f"{job_id}.{format}"


def _rows(work: Work, name: str, table: TableName, format: Format, identity: Identity) -> Any:
    from qapla.driver.table_read import TableReadDriver

    rights = work.app["policy"].rights(identity, name)
    return TableReadDriver(work.app["catalog"].get(name), rights).stream(Query(table), format)


def _remove_old(folder: Path) -> None:
    for path in folder.iterdir():
        if path.stat().st_mtime < time.time() - KEEP_EXPORTS_S:
            path.unlink(missing_ok=True)


def _told(changes: Any, is_first: bool) -> str:
    """Return what a refresh found, in words."""
    if is_first:
        return "read for the first time"
    if not changes:
        return "nothing has changed"
    sentences = [change.sentence for change in changes[:SENTENCES_MAX]]
    if len(changes) > SENTENCES_MAX:
        sentences.append(f"and {len(changes) - SENTENCES_MAX} more changes")
    return "; ".join(sentences)
