"""Show a database's API to a browser: an interactive page of the OpenAPI document, on assets of our own.

Nothing is loaded from elsewhere and nothing is sent anywhere. Without JavaScript, and before ``scripts/assets`` was run, the page is a
plain list of the tables, each with a line for curl.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from chameleon import PageTemplateFile
from pyramid.csrf import get_csrf_token
from pyramid.response import Response

from qapla.driver.keys import table_path
from qapla.plugins.rest.callers import rights_to_show
from qapla.plugins.rest.openapi import visible_tables

if TYPE_CHECKING:
    from pyramid.request import Request

    from qapla.plugins.rest.contexts import Root

FOLDER = Path(__file__).parent
STATIC = "qapla.plugins.rest:static/"
STATIC_URL = "api/-/static"  # no database can be called "-"
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Vary": "Accept",
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def make_page(request: Request) -> Response:
    """Return the page of the database in the request's context."""
    context: Root = request.context
    tables = visible_tables(context.served, rights_to_show(context), context.profile)
    is_user = request.identity.kind == "user"
    body = _template().render(
        database=context.served.name,
        engine=f"{context.served.schema.engine} {context.served.schema.version}",
        path=f"{request.environ.get('SCRIPT_NAME', '')}/api/{context.served.name}/",
        origin=request.host_url,
        tables=[(each.read.name.name, table_path(each.read), each.read.comment or "", sorted(each.allowed)) for each in tables],
        is_built=is_built(),
        csrf=get_csrf_token(request) if is_user else None,
        asset=lambda name: request.static_path(STATIC + name, _query={"v": _version(name)}),
    )
    return Response(body.encode("utf-8", "backslashreplace"), headerlist=list(HEADERS.items()))


def is_built() -> bool:
    """Tell whether the front-end files are there."""
    return (FOLDER / "static" / "vendor" / "manifest.json").exists()


@cache
def _template() -> PageTemplateFile:
    return PageTemplateFile(str(FOLDER / "templates" / "api.pt"))


def _version(name: str) -> str:
    found = (FOLDER / "static" / name).stat()
    return f"{found.st_size:x}{int(found.st_mtime):x}"
