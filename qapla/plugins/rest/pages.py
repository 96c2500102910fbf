"""Answer what is not rows: the list of databases, the description of one, its health, and what is refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qapla.database.catalog import is_open
from qapla.database.query.call import may_call
from qapla.database.schema.describe import describe_database, describe_table, narrow
from qapla.errors import NotAuthenticated, NotFound
from qapla.plugins.rest import apipage, atroot, cors, openapi
from qapla.plugins.rest.answers import make_empty, make_json, make_response
from qapla.plugins.rest.callers import rights_to_show
from qapla.plugins.rest.contexts import may_see
from qapla.plugins.rest.errors import method_not_allowed
from qapla.plugins.rest.formats import JSON_ONLY, ROOT, choose_format
from qapla.ports import ALL_RIGHTS

if TYPE_CHECKING:
    from pyramid.request import Request
    from pyramid.response import Response

    from qapla.database.catalog import Served
    from qapla.plugins.rest.contexts import Health, Resource, Root, SchemaPage


def list_databases(request: Request) -> Response:
    """Answer the databases that the caller may see."""
    choose_format(request.environ.get("HTTP_ACCEPT"), JSON_ONLY)
    prefix = request.environ.get("SCRIPT_NAME", "")
    found = [_describe(served, prefix) for served in request.databases if may_see(request, served)]
    return make_json(request, found)


def _describe(served: Served, prefix: str) -> dict[str, Any]:
    schema = served.schema
    return {
        "name": served.name,
        "url": f"{prefix}/api/{served.name}/",
        "engine": schema.engine,
        "version": schema.version,
        "writable": served.options.writable,
        "problem": served.problem,
    }


def describe(request: Request) -> Response:
    """Answer OpenAPI 3.1 of the database, or the interactive page to a browser."""
    context: Root = request.context
    kind = choose_format(request.environ.get("HTTP_ACCEPT"), ROOT)
    if context.served.options.openapi_mode == "disabled":
        raise NotFound("Root endpoint metadata is disabled", code="PGRST126")
    if kind == "html":
        return apipage.make_page(request)
    session = request.app.find("session")
    cookie = None if session is None else session.cookie
    rights = ALL_RIGHTS if context.served.options.openapi_mode == "ignore-privileges" else rights_to_show(context)
    body = openapi.document_bytes(context.served, rights, _database_path(request), context.profile, cookie)
    return make_response(request, body, kind, [("Vary", "Accept"), ("Cache-Control", "private, no-cache")])


def _database_path(request: Request) -> str:
    prefix = request.environ.get("SCRIPT_NAME", "")
    return (prefix or "/") if atroot.KEY in request.environ else f"{prefix}/api/{request.context.served.name}"


def check_health(request: Request) -> Response:
    """Ask the database something small; 503 when it does not answer."""
    context: Health = request.context
    seconds = context.served.bulkhead.ping()
    schema = context.served.schema
    found = {"reachable": True, "latency_ms": round(seconds * 1000, 2), "engine": schema.engine, "version": schema.version}
    return make_json(request, found, [("Cache-Control", "no-store")])


def show_schema(request: Request) -> Response:
    """Answer what was introspected: of the database, or of one table."""
    context: SchemaPage = request.context
    choose_format(request.environ.get("HTTP_ACCEPT"), JSON_ONLY)
    table, served, rights = context.table, context.served, rights_to_show(context)
    if table is None:
        schema = replace(served.schema, tables=tuple(narrow(each, rights) for each in served.schema.tables))
        found = describe_database(served.name, schema, lambda each: is_open(rights, each.name), lambda each: may_call(each, rights))
        return make_json(request, found)
    if not is_open(rights, table.name):
        raise NotAuthenticated(f"permission denied for table {table.name.name}", status=403 if rights.authenticated else 401)
    return make_json(request, describe_table(narrow(table, rights)))


def answer_options(request: Request) -> Response:
    """Answer ``OPTIONS``: what is allowed here, and a browser's preflight."""
    context: Resource = request.context
    context.check()
    response = make_empty(request, [("Allow", ", ".join(context.methods))], 200)
    if cors.is_preflight(request):
        cors.add_preflight_headers(request, response, context.methods)
    return response


def refuse_method(request: Request) -> Response:
    """Refuse a method that this thing does not have."""
    raise method_not_allowed(request.method, request.context.methods)
