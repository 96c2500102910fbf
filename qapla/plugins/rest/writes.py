"""Answer writes: rows of a table, and one row by its key. All or nothing, in one transaction each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qapla.database.query.description import (
    MISSING,
    And,
    Compare,
    Condition,
    Delete,
    Insert,
    OnConflict,
    Query,
    Selection,
    Update,
    Window,
)
from qapla.driver.keys import key_condition
from qapla.driver.readback import make_tag
from qapla.driver.table_read import TableReadDriver
from qapla.driver.table_write import TableWriteDriver
from qapla.errors import NotFound, NotOffered, PreconditionFailed, QueryError
from qapla.plugins.rest.answers import common_headers, make_empty, make_response
from qapla.plugins.rest.bodies import read_body
from qapla.plugins.rest.errors import NotAcceptable, method_not_allowed
from qapla.plugins.rest.etag import parse_tags
from qapla.plugins.rest.formats import OBJECTS, ROW, choose_format
from qapla.plugins.rest.language import Asked, parse
from qapla.plugins.rest.preferences import parse_preferences
from qapla.plugins.rest.printing import print_query
from qapla.plugins.rest.reads import collection_url, limits_of, no_row, row_url, single
from qapla.plugins.rest.rowformats import WRITTEN, choose_rows, print_object, print_written
from qapla.plugins.rest.uploads import read_upload
from qapla.plugins.rest.zones import in_zone

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.request import Request
    from pyramid.response import Response

    from qapla.database.query.description import Order
    from qapla.driver.keys import KeyValues
    from qapla.driver.table_base import Written
    from qapla.plugins.rest.answers import Headers
    from qapla.plugins.rest.bodies import Body
    from qapla.plugins.rest.contexts import Collection, Row


class Write:
    """What a write asks for besides its rows: parameters, preferences, the format of what comes back."""

    def __init__(self, request: Request, *, is_row: bool = False) -> None:
        context: Collection = request.context
        options = context.served.options
        environ = request.environ
        self.request = request
        self.context = context
        self.kind = choose_rows(environ.get("HTTP_ACCEPT"))
        can_override = options.db_tx_end.endswith("-allow-override")
        self.preferences = parse_preferences(
            environ.get("HTTP_PREFER"), request.method, tx_override=can_override, served=context.served
        )
        self.asked = _parse(environ["QUERY_STRING"], context, limits_of(options), request.method)
        wished = self.preferences.returned or ("representation" if is_row and request.method != "DELETE" else "minimal")
        self.wants_rows = wished == "representation"
        self.wants_headers = wished == "headers-only"
        if self.wants_rows and is_row and self.kind not in ROW:
            self.kind = choose_format(environ.get("HTTP_ACCEPT"), ROW)
        if self.wants_rows and self.kind not in WRITTEN:
            hint = "JSON, NDJSON or CSV; or Prefer: return=minimal, and read them afterwards"
            raise NotAcceptable(f"written rows are not offered as {self.kind}", hint=hint)
        self.keep = (self.preferences.tx or options.db_tx_end.split("-")[0]) == "commit"

    @property
    def driver(self) -> TableWriteDriver:
        """Return the driver for the caller's rights."""
        context = self.context
        return TableWriteDriver(context.served, context.rights, in_zone(context.served, context.local, self.preferences))

    @property
    def where(self) -> Condition | None:
        """Return the filter; where the connection requires one, there is one.

        Raises:
            QueryError: QAPLA101, there is none.
        """
        where = self.asked.query.where
        if where is None and self.context.served.options.require_filter:
            verb = {"PATCH": "change", "DELETE": "remove"}.get(self.request.method, "write")
            message = f"a filter is missing: this would {verb} every row of {self.context.table.name.name!r}"
            hint = "name the rows, ?id=eq.1; the connection's setting require_filter allows it without"
            raise QueryError(message, code="QAPLA101", hint=hint)
        return where

    @property
    def returning(self) -> Selection | None:
        """Return the columns that come back, or None."""
        return self.asked.query.select if self.wants_rows else None

    @property
    def order(self) -> tuple[Order, ...]:
        """Return the order of what comes back."""
        return self.asked.query.order if self.wants_rows else ()

    @property
    def most(self) -> int | None:
        """Return how many rows may be touched; the format of one object allows one."""
        most = self.preferences.max_affected
        return 1 if self.kind in OBJECTS and most is None else most

    def read_body(self) -> Body:
        """Return the rows in the body."""
        options = self.context.served.options
        raw = read_upload(self.request.environ, options.max_body_bytes)
        return read_body(raw, self.request.environ.get("CONTENT_TYPE"), self.asked.columns, options)

    def read_object(self) -> dict[str, object]:
        """Return the one row in the body, without what it says nothing about.

        Raises:
            QueryError: there is another number of rows in it.
        """
        body = self.read_body()
        if len(body.rows) != 1:
            raise QueryError(f"the body has {len(body.rows)} rows, and one object is needed here", code="PGRST102")
        return {name: value for name, value in zip(body.columns, body.rows[0], strict=True) if value is not MISSING}

    def headers(self) -> Headers:
        """Return the headers that all answers have."""
        return common_headers(self.context, self.preferences)

    def answer(self, written: Written, headers: Headers, status: int, empty_status: int) -> Response:
        """Return the answer: the rows with *status*, or nothing with *empty_status*."""
        if self.kind in OBJECTS:
            single(b"[]", written.count)
        if written.body is None:
            return make_empty(self.request, headers, empty_status)
        if self.kind in OBJECTS:
            return make_response(self.request, print_object(single(written.body, 1), self.kind), self.kind, headers, status)
        context = self.context
        query = Query(context.table.name, self.asked.query.select)
        body = print_written(written.body, self.kind, TableReadDriver(context.served, context.rights, context.local), query)
        return make_response(self.request, body, self.kind, headers, status)

    def total(self, written: Written) -> str:
        """Return the number behind the slash in ``Content-Range``."""
        return str(written.count) if self.preferences.count else "*"


def insert_rows(request: Request) -> Response:
    """Insert the rows of the body; with ``resolution=``, change or pass over those that are there."""
    write = Write(request)
    if write.asked.query.where is not None:
        raise QueryError("an insert takes no filters", hint="filters of embedded tables are fine: client.name=eq.x")
    body = write.read_body()
    if write.kind in OBJECTS and len(body.rows) != 1:
        single(b"[]", len(body.rows))
    insert = Insert(
        write.context.table.name,
        body.columns,
        body.rows,
        write.returning,
        write.preferences.missing == "default",
        _on_conflict(write),
        write.order,
    )
    written = write.driver.insert(insert, keep=write.keep, wants_keys=write.wants_headers)
    applies = insert.on_conflict is not None and bool(insert.on_conflict.columns or write.context.table.primary_key)
    headers = common_headers(write.context, write.preferences if applies else write.preferences.without("resolution"))
    headers.append(("Content-Range", f"*/{write.total(written)}"))
    if write.wants_headers and len(written.keys) == 1:
        where = key_condition(write.context.table, written.keys[0])
        location = print_query(Query(write.context.table.name, where=where))
        headers.append(("Location", f"{collection_url(request, write.context.table)}?{location}"))
    status = 200 if write.preferences.resolution == "merge-duplicates" and not written.created else 201
    return write.answer(written, headers, status, status)


def _on_conflict(write: Write) -> OnConflict | None:
    resolution = write.preferences.resolution
    if resolution is None:
        return None
    return OnConflict("merge" if resolution == "merge-duplicates" else "ignore", write.asked.on_conflict)


def update_rows(request: Request) -> Response:
    """Change the rows that the filters name."""
    write = Write(request)
    where = write.where
    _refuse_conditions(request)
    values = write.read_object()
    update = Update(write.context.table.name, tuple(values.items()), where, write.returning, write.most, write.order)
    written = _singular(write, lambda: write.driver.update(update, keep=write.keep))
    headers = write.headers()
    rows = f"0-{written.count - 1}" if written.count else "*"
    headers.append(("Content-Range", f"{rows}/{write.total(written)}"))
    return write.answer(written, headers, 200, 204)


def delete_rows(request: Request) -> Response:
    """Remove the rows that the filters name."""
    write = Write(request)
    where = write.where
    _refuse_conditions(request)
    delete = Delete(write.context.table.name, where, write.returning, write.most, write.order)
    written = _singular(write, lambda: write.driver.delete(delete, keep=write.keep))
    headers = write.headers()
    headers.append(("Content-Range", f"*/{write.total(written)}"))
    return write.answer(written, headers, 200, 204)


def _singular(write: Write, run: Callable[[], Written]) -> Written:
    """Run a write; more rows than the one that the format takes are 406, and nothing was changed."""
    try:
        return run()
    except QueryError as error:
        if error.code != "PGRST124" or write.kind not in OBJECTS or write.preferences.max_affected is not None:
            raise
        details = str(error.details).replace("The query affects", "The result contains")
        raise NotAcceptable("Cannot coerce the result to a single JSON object", code="PGRST116", details=details) from error


def put_row(request: Request) -> Response:
    """Replace or create the row whose whole primary key the filters name (PostgREST's upsert by PUT)."""
    write = Write(request)
    table = write.context.table
    key = _read_key(write)
    written = write.driver.replace_row(table.name, key, _with_key(write, key), returning=write.returning, keep=write.keep)
    return write.answer(written, write.headers(), 201 if written.created else 200, 204)


def _with_key(write: Write, key: KeyValues) -> dict[str, object]:
    values = write.read_object()
    missing = [name for name in write.context.table.identity.columns if name not in values]
    if missing:
        message = "Payload values do not match URL in primary key column(s)"
        raise QueryError(message, code="PGRST115", details=f"column {missing[0]!r} is missing")
    return values


def _read_key(write: Write) -> KeyValues:
    table, where = write.context.table, write.asked.query.where
    parts = where.parts if isinstance(where, And) else (where,)
    equal = (part for part in parts if isinstance(part, Compare) and part.operator == "eq" and not part.path.steps)
    found = {part.path.column: part.operand for part in equal}
    columns = table.primary_key.columns if table.primary_key else ()
    if not columns or set(found) != set(columns) or len(parts) != len(columns) or table.identity.by != "primary_key":
        message = "Filters must include all and only primary key columns with 'eq' operators"
        raise QueryError(message, code="PGRST105", status=405, headers={"Allow": ", ".join(write.context.methods)})
    return tuple(str(found[name]) for name in table.identity.columns)


# -- one row by its key -------------------------------------------------------------------------------------------------------


def update_row(request: Request) -> Response:
    """Change columns of one row; answers the row with its new ``ETag``."""
    context: Row = request.context
    write = _row_write(request)
    expect = _expected_tags(request)
    changes = write.read_object()
    written = write.driver.update_row(
        context.table.name, context.key, changes, expect=expect, seen=write.asked.query.select, returning=write.returning, keep=write.keep
    )
    return _answer_row(write, written, 200, 204)


def replace_row(request: Request) -> Response:
    """Make one row be exactly the body; 201 when it was not there."""
    context: Row = request.context
    if "PUT" not in context.methods and context.served.options.writable:
        raise method_not_allowed("PUT", context.methods)
    write = _row_write(request)
    expect = _expected_tags(request, must_exist=write)
    must_create = "HTTP_IF_NONE_MATCH" in request.environ and parse_tags(request.environ["HTTP_IF_NONE_MATCH"]) is None
    written = write.driver.replace_row(
        context.table.name,
        context.key,
        write.read_object(),
        expect=expect,
        must_create=must_create,
        seen=write.asked.query.select,
        returning=write.returning,
        keep=write.keep,
    )
    return _answer_row(write, written, 201 if written.created else 200, 204)


def delete_row(request: Request) -> Response:
    """Remove one row."""
    context: Row = request.context
    write = _row_write(request)
    expect = _expected_tags(request)
    written = write.driver.delete_row(
        context.table.name, context.key, expect=expect, seen=write.asked.query.select, returning=write.returning, keep=write.keep
    )
    if written.body is None:
        return make_empty(request, write.headers())
    return make_response(request, print_object(single(written.body, 1), write.kind), write.kind, write.headers())


def _row_write(request: Request) -> Write:
    write = Write(request, is_row=True)
    if write.asked.query.where is not None:
        raise QueryError("the URL of one row takes select only", hint="filter the collection instead")
    return write


def _answer_row(write: Write, written: Written, status: int, empty_status: int) -> Response:
    context: Row = write.context  # type: ignore[assignment]
    headers = write.headers()
    key = written.keys[0] if written.keys else context.key
    if written.created:
        headers.append(("Location", row_url(write.request, context.table, key)))
    elif key != context.key:
        headers.append(("Content-Location", row_url(write.request, context.table, key)))
    if written.body is None:
        return make_empty(write.request, headers, empty_status)
    if written.body == b"[]":  # a row that its own view or policy does not show
        raise no_row(context)
    body = single(written.body, 1)
    headers.append(("ETag", f'"{make_tag(body)}"'))
    return make_response(write.request, print_object(body, write.kind), write.kind, headers, status)


def _expected_tags(request: Request, must_exist: Write | None = None) -> tuple[str, ...] | None:
    """Return the tags of ``If-Match``, or None when any row will do.

    Args:
        must_exist: for ``If-Match: *`` on a method that would create the row.
    """
    environ = request.environ
    if "HTTP_IF_NONE_MATCH" in environ and environ["REQUEST_METHOD"] != "PUT":
        raise QueryError("If-None-Match is for GET and PUT", hint="use If-Match to change what was not changed meanwhile")
    if "HTTP_IF_MATCH" not in environ:
        return None
    tags = parse_tags(environ["HTTP_IF_MATCH"])
    if tags is None and must_exist is not None:
        context: Row = request.context
        try:
            must_exist.driver.row_tag(context.table.name, context.key)
        except NotFound as error:
            raise PreconditionFailed(error.message) from error
    return tags


def _refuse_conditions(request: Request) -> None:
    for name in ("If-Match", "If-None-Match"):
        if "HTTP_" + name.upper().replace("-", "_") in request.environ:
            raise QueryError(f"{name} belongs to the URL of one row", hint="/{table}/{key}")


def _parse(text: str, context: Collection, limits: Any, method: str) -> Asked:
    """Return what the parameters say; those that would bound what a write touches are refused by name."""
    asked = parse(text, context.table.name, limits)
    if asked.query.window != Window():
        if method == "PUT":
            raise QueryError("limit/offset querystring parameters are not allowed for PUT", code="PGRST114")
        hint = "Prefer: handling=strict, max-affected=10 bounds a write"
        raise NotOffered("limit, offset and after are not offered in writes", hint=hint)
    return asked
