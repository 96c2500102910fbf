"""What the reader has exported: how far it is, its download, and how to be rid of it. Nobody sees anybody else's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.response import FileResponse, Response

from lazydb.exporting import told
from lazydb.exports import FORMATS
from lazydb.models import now
from lazydb.views.links import Links
from qapla.errors import AccessError, NotFound
from qapla.plugins.admin.csvs import attachment
from qapla.plugins.admin.listing import parse
from qapla.plugins.admin.pages import notify

if TYPE_CHECKING:
    from datetime import datetime

    from pyramid.request import Request

    from lazydb.exports import Exported

CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}
SILENT_S = 60  # a worker that works says something more often
LOOKS = {
    "queued": ("quiet", "waiting"),
    "running": ("quiet", "being written"),
    "done": ("ok", "ready"),
    "failed": ("bad", "failed"),
}


@dataclass(frozen=True, slots=True)
class ShownExport:
    """One export on the page. ``percent`` is None while it is not running, 0 where nobody knows how many rows there will be."""

    id: str  # so that the keyboard's focus stays on its buttons while the page asks again
    table: str
    database: str
    format: str
    narrowed: str
    kind: str
    state: str
    message: str
    percent: int | None
    began: str
    began_text: str
    expires: str
    expires_text: str
    file: str | None
    again: str | None
    delete: str


def show_exports(request: Request) -> dict[str, Any]:
    """Show what the reader has exported, newest first; the page asks again while something is under way."""
    links = Links.of_request(request)
    mine = request.app["exports"].list_of(request.identity)
    return {
        "title": "Exports",
        "crumbs": [("Exports", None)],
        "links": links,
        "exports": [_shown(each, links) for each in mine],
        "is_waiting": any(each.is_unfinished for each in mine),
    }


def send_file(request: Request) -> Response:
    """Send the file, in pieces, to who asked for it.

    Raises:
        NotFound: there is no such export of the reader, it is not ready, or its file is on another machine.
        AccessError: the reader may not read this table any more.
    """
    exports = request.app["exports"]
    export: Exported = exports.get(request.identity, request.matchdict["export"])
    if not request.rights(export.database).allows("select", export.schema, export.table):
        raise AccessError(f"table {export.table!r} may not be read by you any more")
    path = exports.path(export)
    if export.state != "done":
        raise NotFound("this export is not ready", hint="its page says how far it is")
    if not path.is_file():
        hint = "a worker on another machine wrote it: the folder 'exports' of LAZYDB_HOME must be shared with it; else export it again"
        raise NotFound("the file of this export is not on this machine", hint=hint)
    response = FileResponse(str(path), request=request, content_type=CONTENT_TYPES[export.format])
    response.headers["Content-Disposition"] = attachment(export.table, export.format)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, no-store"
    return response


def delete(request: Request) -> Response:
    """Remove an export and its file."""
    request.app["exports"].remove(request.identity, request.matchdict["export"])
    notify(request, "The export is deleted.")
    return HTTPSeeOther(Links.of_request(request).exports)


def again(request: Request) -> Response:
    """Begin an export anew, as it was."""
    path = request.app["exports"].again(request.identity, request.matchdict["export"])
    return HTTPSeeOther(f"{request.script_name}{path}")


def _shown(export: Exported, links: Links) -> ShownExport:
    kind, state = LOOKS[export.state]
    return ShownExport(
        id=export.id,
        table=export.table if export.schema is None else f"{export.schema}.{export.table}",
        database=export.database,
        format=FORMATS.get(export.format, export.format),
        narrowed=_narrowed(export.listing),
        kind=kind,
        state=state,
        message=_message(export),
        percent=int(export.progress * 100) if export.state == "running" else None,
        began=export.created_at.isoformat(),
        began_text=_moment(export.created_at),
        expires=export.expires_at.isoformat(),
        expires_text=_moment(export.expires_at),
        file=links.export(export.id, "file") if export.state == "done" else None,
        again=links.export(export.id, "again") if export.state == "failed" else None,
        delete=links.export(export.id, "delete"),
    )


def _message(export: Exported) -> str:
    """Return what the job says, and that it has said nothing for long: a worker that was killed leaves its work to another one."""
    if export.state == "running" and (now() - export.heard_at).total_seconds() > SILENT_S:
        return f"{export.message or 'begun'}; no news since {_moment(export.heard_at)}. If its worker was stopped, another one does it anew"
    if export.state == "done" and not export.message:
        return told(export.count_rows or 0, export.size_bytes or 0)
    return export.message


def _narrowed(listing: str) -> str:
    """Return the filters, the search and the order of a list, as its address has them."""
    read = parse(parse_qsl(listing, keep_blank_values=True))
    parts = [str(each) for each in read.filters] + ([f"search: {read.words}"] if read.words else [])
    parts += [f"by {', '.join(map(str, read.sorts))}"] if read.sorts else []
    return " · ".join(parts)


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
