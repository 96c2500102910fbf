"""Answer reads: the rows of a table, and one row by its key."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from qapla.database.dialects import get_engine
from qapla.database.query.description import Window
from qapla.driver import plans
from qapla.driver.keys import key_condition, row_path, table_path
from qapla.driver.plans import RowPlan
from qapla.driver.readback import make_tag
from qapla.driver.table_read import TableReadDriver
from qapla.errors import NotFound, QueryError
from qapla.plugins.rest import atroot, etag, explain, paging
from qapla.plugins.rest.answers import common_headers, make_empty, make_response, make_stream
from qapla.plugins.rest.errors import NotAcceptable
from qapla.plugins.rest.formats import OBJECTS, READ_ROWS, ROW, choose_format
from qapla.plugins.rest.language import MAX_CACHED, Limits, parse_query
from qapla.plugins.rest.preferences import parse_preferences
from qapla.plugins.rest.rowformats import FIRST_ROWS, FORMS, choose_rows, file_headers, is_long, print_object, print_page
from qapla.plugins.rest.zones import in_zone

if TYPE_CHECKING:
    from pyramid.request import Request
    from pyramid.response import Response

    from qapla.database.catalog import Options
    from qapla.database.query.description import CountMode, Cursor, Query
    from qapla.database.schema.description import Table
    from qapla.driver.plans import Plan
    from qapla.driver.table_read import Format as Streamed
    from qapla.plugins.rest.contexts import Collection, Row
    from qapla.plugins.rest.formats import Format
    from qapla.plugins.rest.preferences import Preferences

MOUNTS = 10  # places and sizes of pages that are kept for one question


def list_rows(request: Request) -> Response:
    """Answer the rows asked for; ``Content-Range`` says which, ``Link`` leads to the next."""
    context: Collection = request.context
    environ = request.environ
    kind = choose_rows(environ.get("HTTP_ACCEPT"), READ_ROWS)
    preferences = parse_preferences(environ.get("HTTP_PREFER"), "GET", served=context.served)
    driver = TableReadDriver(context.served, context.rights, in_zone(context.served, context.local, preferences))
    asked = _ask(request, driver, kind, preferences)
    if kind == "plan":
        return explain.answer_plan(request, driver, asked.query)
    return _page(request, driver, asked, kind, preferences)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list asks for, and the plan of its first or only page; *may_be_long*: there may be more rows than that page has.

    ``starts`` keeps the URLs of first pages by what else they depend on: where the application is mounted, and the size of a page.
    """

    query: Query
    plan: Plan
    may_be_long: bool
    starts: dict[tuple[str, bool, int], str] = field(default_factory=dict)


def _ask(request: Request, driver: TableReadDriver, kind: Format, preferences: Preferences) -> Asked:
    """Return what the request asks for. Nothing else than what is in the key makes a difference to it."""
    context: Collection = request.context
    text, extent = request.environ["QUERY_STRING"], request.environ.get("HTTP_RANGE")
    key = (context.table.name, text, kind, preferences.count, extent)
    asked: Asked | None = plans.find(context.served, context.rights, key)
    if asked is None:
        options = context.served.options
        query = parse_query(text, context.table.name, limits_of(options))
        if extent is not None:
            query = replace(query, window=paging.narrow(query.window, extent))
        if preferences.count:
            query = replace(query, count=cast("CountMode", preferences.count))
        may_be_long = is_long(kind, query.window.limit, options.db_max_rows)
        first = replace(query, window=replace(query.window, limit=FIRST_ROWS)) if may_be_long else query
        asked = Asked(query, driver.plan(first, FORMS.get(kind, "row")), may_be_long)
        if len(text) <= MAX_CACHED:
            plans.keep(context.served, context.rights, key, asked)
    return asked


def _page(request: Request, driver: TableReadDriver, asked: Asked, kind: Format, preferences: Preferences) -> Response:
    context: Collection = request.context
    query, may_be_long = asked.query, asked.may_be_long
    page = driver.run(asked.plan)
    if page.more and may_be_long and kind not in OBJECTS:
        return _stream(request, driver, asked, kind, preferences, page.total)
    paging.check_offset(query.window, page.count_rows, page.total)
    headers = common_headers(context, preferences)
    headers.append(("Content-Range", paging.content_range(query.window, page.count_rows, page.total)))
    if kind in OBJECTS:
        return make_response(request, single(page.body, page.count_rows, page.more), kind, headers)
    if page.more and page.count_rows:
        headers.append(_link(request, asked, page.count_rows, page.last))
    partial = paging.is_partial(query.window, page.count_rows, page.total)
    headers += file_headers(kind, context.table.name.name)
    return make_response(request, print_page(page, kind), kind, headers, 206 if partial else 200)


def _stream(
    request: Request, driver: TableReadDriver, asked: Asked, kind: Format, preferences: Preferences, total: int | None
) -> Response:
    """Answer more rows than are made in one piece. How many come is known beforehand only where all were counted."""
    context: Collection = request.context
    query, most = asked.query, context.served.options.db_max_rows
    headers = common_headers(context, preferences)
    count = paging.expect_rows(query.window, most, total) if query.count == "exact" else 0
    headers.append(("Content-Range", paging.content_range(query.window, count, total)))
    headers += file_headers(kind, context.table.name.name)
    partial = paging.is_partial(query.window, count, total)
    following = paging.find_next(query.window, most)
    if count and total is not None:
        is_more = query.window.offset + count < total
    else:
        is_more = following is not None and driver.page(replace(query, window=following, count="none")).count_rows > 0
    if is_more and following is not None:
        headers.append(_link(request, asked, following.offset - query.window.offset, None))
    return make_stream(request, iter(driver.stream(query, cast("Streamed", kind))), kind, headers, 206 if partial else 200)


def _link(request: Request, asked: Asked, count: int, last: Cursor | None) -> tuple[str, str]:
    """Return the header that leads to the rows behind these: by key, or by number where the last row is not known."""
    environ, window = request.environ, asked.query.window
    limit = count if window.limit is None else window.limit
    key = environ.get("SCRIPT_NAME", ""), atroot.KEY in environ, limit
    start = asked.starts.get(key)
    if start is None:
        context: Collection = request.context
        question = paging.print_question(environ["QUERY_STRING"], context.table.name, limits_of(context.served.options))
        start = paging.first_page(collection_url(request, context.table), question, limit)
        if len(asked.starts) < MOUNTS:
            asked.starts[key] = start
    return "Link", paging.make_links(start, window, count, last)


def single(body: bytes, count: int, more: bool = False) -> bytes:
    """Return the one object in the array *body*.

    Raises:
        NotAcceptable: PGRST116 (406), there is another number of rows.
    """
    if count != 1:
        details = f"The result contains {'more than ' if more else ''}{count} rows"
        raise NotAcceptable("Cannot coerce the result to a single JSON object", code="PGRST116", details=details)
    return body.strip()[1:-1].strip()


def get_row(request: Request) -> Response:
    """Answer one row by its key, with a strong ``ETag``; 304 when ``If-None-Match`` names it."""
    context: Row = request.context
    environ = request.environ
    kind = choose_format(environ.get("HTTP_ACCEPT"), ROW)
    preferences = parse_preferences(environ.get("HTTP_PREFER"), "GET", served=context.served)
    driver = TableReadDriver(context.served, context.rights, in_zone(context.served, context.local, preferences))
    page = driver.run(_row_plan(context, environ["QUERY_STRING"], driver))
    if page.count_rows != 1:
        raise no_row(context)
    body = single(page.body, page.count_rows)
    tag = make_tag(body)
    headers = common_headers(context, preferences)
    headers.append(("ETag", f'"{tag}"'))
    if "HTTP_IF_NONE_MATCH" in environ and etag.is_unchanged(environ["HTTP_IF_NONE_MATCH"], tag):
        return make_empty(request, headers, 304)
    return make_response(request, print_object(body, kind), kind, headers)


def _row_plan(context: Row, text: str, driver: TableReadDriver) -> Plan:
    key = (context.table.name, text)
    found: RowPlan | None = plans.find(context.served, context.rights, key)
    if found is not None:
        return found.bind(context.key)
    plan = driver.plan(row_query(context, text))
    places = plans.find_places(plan.resolved, context.table)
    if places is not None and len(text) <= MAX_CACHED:
        plans.keep(context.served, context.rights, key, RowPlan(plan, places, get_engine(context.served.schema.engine).key))
    return plan


def row_query(context: Row, text: str) -> Query:
    """Return the query for the row of *context*; its URL takes ``select`` and what belongs to embeds, nothing else.

    Raises:
        QueryError: it has a filter, an order or a window of its own.
    """
    query = parse_query(text, context.table.name, limits_of(context.served.options))
    if query.where is not None or query.order or query.window != Window():
        raise QueryError("the URL of one row takes select only", hint=f"filter the collection /{context.table.name.name} instead")
    return replace(query, where=key_condition(context.table, context.key), window=Window(1))


def no_row(context: Row) -> NotFound:
    """Return the 404 for a row that is not there."""
    key = ",".join(context.key)[:100]
    return NotFound(f"no row of {context.table.name.name!r} has the key {key!r}", hint="it may have been removed meanwhile")


def limits_of(options: Options) -> Limits:
    """Return how deep a query may go."""
    return Limits(options.max_filter_depth, options.max_embed_depth)


def collection_url(request: Request, table: Table) -> str:
    """Return the URL of a table, relative to the server's root."""
    return f"{database_url(request)}/{table_path(table)}"


def row_url(request: Request, table: Table, values: tuple[object, ...]) -> str:
    """Return the URL of one row."""
    return f"{database_url(request)}/{row_path(table, values, request.context.served.schema)}"


def database_url(request: Request) -> str:
    """Return the URL of the database, without a slash at its end."""
    environ = request.environ
    prefix = quote(environ.get("SCRIPT_NAME", ""))
    return prefix if atroot.KEY in environ else f"{prefix}/api/{quote(request.context.served.name)}"
