"""Answer calls of stored functions: ``/rpc/{function}``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from qapla.database.local import Said
from qapla.database.query.call import find_media_domain, gives
from qapla.database.query.description import Call
from qapla.database.query.nulls import strip_nulls
from qapla.database.query.overloads import get_function
from qapla.driver.table_call import FunctionDriver
from qapla.errors import QueryError
from qapla.plugins.rest import explain, overrides, paging
from qapla.plugins.rest.answers import common_headers, make_empty, make_response, make_stream
from qapla.plugins.rest.arguments import check_body, read_arguments, split_question
from qapla.plugins.rest.errors import MethodNotAllowed, NotAcceptable
from qapla.plugins.rest.formats import OBJECTS, READ_ROWS, accepts
from qapla.plugins.rest.language import parse, parse_query
from qapla.plugins.rest.local import make_local
from qapla.plugins.rest.preferences import parse_preferences
from qapla.plugins.rest.reads import database_url, limits_of, single
from qapla.plugins.rest.rowformats import FIRST_ROWS, FORMS, WHOLE_ROWS, choose_rows, file_headers, is_long
from qapla.plugins.rest.uploads import read_upload
from qapla.plugins.rest.zones import in_zone

if TYPE_CHECKING:
    from pyramid.request import Request
    from pyramid.response import Response

    from qapla.database.catalog import Options
    from qapla.database.local import Local
    from qapla.database.query.call import Printed
    from qapla.database.query.description import CountMode, Query
    from qapla.database.schema.description import Function as Described
    from qapla.driver.called import Called
    from qapla.plugins.rest.contexts import Function
    from qapla.plugins.rest.formats import Format
    from qapla.plugins.rest.preferences import Preferences

ANY = "*/*"
PLAIN_TYPES = {"text": "text/plain; charset=utf-8", "xml": "text/xml; charset=utf-8", "bytea": "application/octet-stream"}


def call_function(request: Request) -> Response:
    """Call a function, and answer what it gives: rows, a value, or nothing (204)."""
    context: Function = request.context
    served, environ = context.served, request.environ
    reads = environ["REQUEST_METHOD"] in ("GET", "HEAD")
    can_override = served.options.db_tx_end.endswith("-allow-override")
    method = "GET" if reads else "CALL"
    preferences = parse_preferences(environ.get("HTTP_PREFER"), method, tx_override=can_override, served=served)
    call = _read_call(request, preferences, reads=reads)
    function = get_function(served.schema, call)
    media = find_media(function, environ.get("HTTP_ACCEPT"))
    kind: Format = "json" if media is not None else choose_rows(environ.get("HTTP_ACCEPT"), READ_ROWS)
    context.local = _make_local(request, preferences)
    if kind == "plan":
        return explain.answer_call_plan(request, FunctionDriver(served, context.rights, context.local), call)
    printed: Printed = "raw" if media is not None else "values" if kind in ("json", "ndjson", "stripped", *OBJECTS) else "rows"
    may_be_long = reads and function.returns_set and function.volatility != "volatile" and _is_long(call, kind, served.options)
    called = FunctionDriver(served, context.rights, context.local).call(
        _cut(call, WHOLE_ROWS.get(kind, FIRST_ROWS)) if may_be_long else call,
        keep=(preferences.tx or served.options.db_tx_end.split("-")[0]) == "commit",
        reads=reads,
        printed=printed,
        form=FORMS.get(kind, "row"),
        max_affected=preferences.max_affected,
    )
    if may_be_long and called.more:
        return _stream(request, called, call, kind, printed, preferences)
    return _answer(request, called, call, kind, media, preferences)


def _is_long(call: Call, kind: Format, options: Options) -> bool:
    query = cast("Query", call.query)
    return kind not in OBJECTS and is_long(kind, query.window.limit, options.db_max_rows)


def _cut(call: Call, limit: int) -> Call:
    query = cast("Query", call.query)
    return replace(call, query=replace(query, window=replace(query.window, limit=limit)))


def _stream(request: Request, called: Called, call: Call, kind: Format, printed: Printed, preferences: Preferences) -> Response:
    """Answer more rows than are made in one piece, by calling once more a function that writes nothing."""
    context: Function = request.context
    query, most = cast("Query", call.query), context.served.options.db_max_rows
    window, total = query.window, called.total if preferences.count else None
    count = paging.expect_rows(window, most, total)
    headers = common_headers(context, preferences)
    headers.append(("Content-Range", paging.content_range(window, count, total)))
    headers += file_headers(kind, called.function.name)
    local = replace(context.local, said=None) if context.local is not None else None  # it has said all when it was called first
    driver = FunctionDriver(context.served, context.rights, local)
    following = paging.find_next(window, most)
    if following is not None and request.method in ("GET", "HEAD"):
        behind = replace(call, query=replace(query, window=following, count="none"))
        if driver.call(behind, reads=True).bodies:
            headers.append(("Link", _print_link(request, query, following.offset - window.offset)))
    chunks = iter(driver.stream(call, kind, printed))
    return make_stream(request, chunks, kind, headers, 206 if paging.is_partial(window, count, total) else 200)


def _read_call(request: Request, preferences: Preferences, *, reads: bool) -> Call:
    """Return what the request asks for.

    Raises:
        QueryError, InputError, TooLarge: it is malformed.
    """
    context: Function = request.context
    served, environ = context.served, request.environ
    name = context.full_name
    limits, text = limits_of(served.options), environ["QUERY_STRING"]
    raw = None
    if reads:
        arguments, rest = split_question(text, name, served)
        query = parse_query(rest, name, limits)
        if "HTTP_RANGE" in environ:
            query = replace(query, window=paging.narrow(query.window, environ["HTTP_RANGE"]))
    else:
        asked = parse(text, name, limits)
        if asked.on_conflict is not None:
            raise QueryError("parameter 'on_conflict' belongs to inserts")
        query = asked.query
        body = read_upload(environ, served.options.max_body_bytes)
        arguments, raw = read_arguments(body, environ.get("CONTENT_TYPE"), asked.columns, served.options)
    if preferences.count:
        query = replace(query, count=cast("CountMode", preferences.count))
    call = Call(name, arguments, query, raw)
    check_body(call, served)
    return call


def _make_local(request: Request, preferences: Preferences) -> Local | None:
    """Return the settings of the transaction: functions may look at the request, and say something about the answer."""
    context: Function = request.context
    local = context.local or make_local(request, context.served, request.identity, None, context.profile)
    if local is not None:
        local = replace(local, said=Said())
    return in_zone(context.served, local, preferences)


def find_media(function: Described, accept: str | None) -> str | None:
    """Return the media type as which a function's value is sent as it is, or None when it is sent as JSON or another format of rows.

    A function that returns a domain called like a media type makes answers of that type; those that return text, XML or bytes can be asked
    for them.

    Raises:
        NotAcceptable: it makes one type of answers, and the caller takes others only (PGRST107).
    """
    if function.returns is None or gives(function) != "values":
        return None
    media = find_media_domain(function)
    if media is None:
        plain = PLAIN_TYPES.get(function.returns.name)
        return plain if plain is not None and accepts(accept, plain.partition(";")[0]) == "by name" else None
    if media == ANY:
        first = (accept or ANY).partition(",")[0].partition(";")[0].strip()
        return "application/octet-stream" if "*" in first or not first.isprintable() else first
    if not accepts(accept, media):
        raise NotAcceptable(f"None of these media types are available: {(accept or '')[:200]}", hint=f"one of {media}")
    return f"{media}; charset=utf-8" if media.startswith("text/") else media


def _answer(request: Request, called: Called, call: Call, kind: Format, media: str | None, preferences: Preferences) -> Response:
    query = cast("Query", call.query)
    total = called.total if preferences.count else None
    headers = common_headers(request.context, preferences)
    if called.is_list:
        count = len(called.bodies)
        paging.check_offset(query.window, count, total)
        headers.append(("Content-Range", paging.content_range(query.window, count, total)))
        status = 206 if paging.is_partial(query.window, count, total) else 200
    else:
        headers.append(("Content-Range", "0-0/1" if preferences.count else "0-0/*"))
        status = 200
    if called.is_empty:
        return make_empty(request, headers)
    if media is not None:
        headers.append(overrides.SANDBOX)
        return make_response(request, called.raw or b"", kind, headers, status, media)
    if called.is_list and called.bodies and called.more and kind not in OBJECTS and request.method in ("GET", "HEAD"):
        headers.append(("Link", _print_link(request, query, len(called.bodies))))
    headers += file_headers(kind, called.function.name)
    return make_response(request, _print(called, kind), kind, headers, status)


def _print(called: Called, kind: Format) -> bytes:
    if kind in OBJECTS:
        body = single(called.body, len(called.bodies), called.more) if called.is_list else called.body
    elif kind in ("json", "stripped"):
        body = called.body
    else:
        return called.print(kind)
    return strip_nulls(body) if FORMS.get(kind) == "stripped" and not called.names else body


def _print_link(request: Request, query: Query, count: int) -> str:
    """Return the ``Link`` to the rows behind these: they have no cursors, so that it goes by number."""
    pairs = [pair for pair in request.environ["QUERY_STRING"].split("&") if pair.partition("=")[0] not in ("limit", "offset", "")]
    url = f"{database_url(request)}/rpc/{quote(request.context.name, safe='')}"
    limit = count if query.window.limit is None else query.window.limit
    return paging.make_links(paging.first_page(url, "&".join(pairs), limit), query.window, count, None)


def refuse_method(request: Request) -> Response:
    """Refuse every method but those of calls."""
    context: Function = request.context
    message = f"Cannot use the {request.method[:20]} method on RPC"
    raise MethodNotAllowed(message, code="PGRST101", headers={"Allow": ", ".join(context.methods)})
