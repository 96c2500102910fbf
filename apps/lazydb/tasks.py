"""What runs in the background: reading a database's structure again, and long exports.

Arguments are ids and names, never secrets. Every task may run twice: a refresh reads again, an export writes the same file anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lazydb.exporting import write_export
from qapla.errors import NotFound
from qapla.plugins.tasks.task import task

if TYPE_CHECKING:
    from qapla.ports import Work

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
def export_rows(work: Work, export_id: str) -> None:
    """Write the file of an export, with the rights that its owner has now; the job's message says how much there is in it."""
    export = work.app["exports"].find(export_id)
    if export is None:
        raise NotFound("the export was deleted")
    work.app["jobs"].update(work.id, message=write_export(work, export))


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
