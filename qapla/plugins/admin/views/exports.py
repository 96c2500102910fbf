"""Every row of a list as a file: CSV at once, or made in the background by the application's ``Exporter``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from pyramid.httpexceptions import HTTPSeeOther

from qapla.database.query.resolve import resolve
from qapla.plugins.admin.csvs import csv_response
from qapla.plugins.admin.listing import make_query, parse
from qapla.ports import NullExporter

if TYPE_CHECKING:
    from pyramid.request import Request
    from pyramid.response import Response

    from qapla.plugins.admin.context import TableContext
    from qapla.plugins.admin.listing import Listing
    from qapla.ports import Exporter


def send_csv(context: TableContext, request: Request) -> Response:
    """Send every row of the list as CSV for a spreadsheet, streamed."""
    query = make_query(parse(request.GET.items()).first(), context.table)
    query = replace(query, window=replace(query.window, limit=None))
    return csv_response(context.reader.stream(query, "csv"), context.table)


def start_export(context: TableContext, request: Request) -> Response:
    """Have every row of the list written into a file, and lead to the page where it will be.

    Raises:
        QueryError: the list names what is not there.
        InputError, AccessError, Unavailable: as the ``Exporter`` does.
    """
    listing = parse(request.GET.items()).first()
    query, served, name = make_query(listing, context.table), context.served, context.table.name
    resolve(query, served.schema, context.rights, served.options, is_list=False)  # what cannot be is said now, and not by a failed job
    pairs = urlencode(replace(listing, schema="", exact=False).print())
    chosen = request.POST.get("format", "csv")
    path = find_exporter(request).start(request.identity, served.name, name.schema, name.name, pairs, chosen)
    return HTTPSeeOther(f"{request.script_name}{path}")


def list_exports(context: TableContext, listing: Listing) -> dict[str, Any] | None:
    """Return what can be made of a list in the background, and where to ask for it; None where nobody makes anything."""
    exporter, request = find_exporter(context.request), context.request
    if not exporter.formats:
        return None
    query = make_query(listing.first(), context.table)
    return {
        "formats": list(exporter.formats.items()),
        "action": context.links.action("export", context.table, listing=listing.first()),
        "line": exporter.find_line(context.served.name, replace(query, window=replace(query.window, limit=None)), request.application_url),
    }


def find_exporter(request: Request) -> Exporter:
    """Return the one of the application, or one that makes nothing."""
    found: Exporter = request.app.find("exports") or NullExporter()
    return found
