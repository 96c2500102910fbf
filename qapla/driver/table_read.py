"""Read the rows of any served table: pages, single rows, streams and counts.

The database prints the JSON; what comes through here are bytes. A page is one statement, whatever is embedded or counted.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from qapla.database.local import Local, require_role
from qapla.database.query.call import check_volatile
from qapla.database.query.compile import compile, compile_count, compile_separate, get_template
from qapla.database.query.description import ALL_COLUMNS, And, Compare, Cursor, Path, Query, Window
from qapla.database.query.estimate import estimate_rows
from qapla.database.query.printers import get_printer
from qapla.database.query.printing import TOO_LARGE, clean, parse, print_array, print_row
from qapla.database.query.renderers import get_renderer
from qapla.database.query.resolve import resolve
from qapla.driver.forms import form_bodies
from qapla.driver.plans import Plan
from qapla.errors import QaplaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from qapla.database.catalog import Served
    from qapla.database.query.description import Selection
    from qapla.database.query.printing import Body
    from qapla.database.query.shape import Form, Resolved
    from qapla.database.schema.description import DatabaseSchema, TableName
    from qapla.ports import Rights

Format = Literal["json", "stripped", "ndjson", "csv", "arrow", "parquet", "geojson"]  # keys of PRINTERS
LARGE_TYPES = ("longtext", "longblob", "mediumtext", "mediumblob", "json")  # of MariaDB, from 16 MiB; others print any row
SIZE_ROWS = 1000  # fetched at once by a stream


class Page:
    """Some rows in their order, as the database printed them.

    ``total`` is how many rows there are without the window, None when nobody asked; ``more`` tells whether there are more in the
    direction of reading. ``first`` and ``last`` are cursors for the pages before and after this one; None without a limit, without
    rows, and where a table has no key: then ``offset`` is the way.
    """

    def __init__(
        self, resolved: Resolved, rows: list[tuple[Any, ...]], total: int | None, schema: DatabaseSchema, *, more: bool
    ) -> None:
        self.total = total
        self.more = more
        self.count_rows = len(rows)
        self._resolved = resolved
        self._rows = rows
        self._schema = schema

    @cached_property
    def body(self) -> bytes:
        """Return the JSON array of the rows."""
        return print_array([row[0] for row in self._rows])

    @property
    def bodies(self) -> list[bytes]:
        """Return the JSON object of each row."""
        return [clean(row[0]) for row in self._rows]

    def print(self, format: Format) -> bytes:
        """Return the rows, which are in the form that *format* wants, as that format."""
        return b"".join(get_printer(format).print([self.bodies] if self._rows else [], self._resolved.shape, self._schema))

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows decoded, numbers exact (int, Decimal)."""
        return parse(self.body)

    @property
    def first(self) -> Cursor | None:
        """Return the cursor of the rows before this page."""
        return self._cursor(0, backward=True)

    @property
    def last(self) -> Cursor | None:
        """Return the cursor of the rows after this page."""
        return self._cursor(-1, backward=False)

    def _cursor(self, index: int, *, backward: bool) -> Cursor | None:
        resolved = self._resolved
        if not self._rows or (resolved.place is None and not resolved.shape.keys):
            return None
        row = self._rows[index]
        if resolved.place is None:
            values = parse(clean(row[1]))
        else:
            body = parse(clean(row[0]))
            if resolved.shape.form == "feature":
                body = body["properties"]
            values = [body.get(name) for name in resolved.place]  # where nulls are stripped, it is not there
        return Cursor(resolved.order, tuple(map(get_renderer(self._schema.engine).keep_place, values)), backward=backward)


class TableReadDriver:
    """Questions about the rows of one served database, within the rights of one caller.

    Args:
        local: as whom, and with which settings, the statements run; None is the account of the connection.
    """

    def __init__(self, served: Served, rights: Rights, local: Local | None = None) -> None:
        self.served = served
        self.rights = rights
        require_role(rights, local)
        self.local = local

    def page(self, query: Query, form: Form = "row") -> Page:
        """Return the rows that *query* asks for, at most ``db_max_rows``.

        Raises:
            QueryError, ValueRefused, NotOffered, AccessError, NotFound: as ``resolve`` does.
            DatabaseError, Unavailable: as the bulkhead does.
        """
        return self.run(self.plan(query, form))

    def plan(self, query: Query, form: Form = "row") -> Plan:
        """Return *query* ready to run.

        Raises:
            QueryError, ValueRefused, NotOffered, AccessError, NotFound: as ``resolve`` does.
        """
        resolved, change = self._resolve(query), None
        if form != "row":
            resolved, change = form_bodies(resolved, form, self.served.schema)
        template = get_template(resolved, self.served.schema, self.served.statements)
        return Plan(query, resolved, template, template.bind(resolved.operands), change)

    def run(self, plan: Plan) -> Page:
        """Return the rows of *plan*.

        Raises:
            DatabaseError, Unavailable: as the bulkhead does.
        """
        query, resolved = plan.query, plan.resolved
        rows, total = self._fetch(plan)
        if plan.change is not None:
            rows = [(plan.change(row[0]), *row[1:]) for row in rows]
        more = resolved.limit is not None and len(rows) > resolved.limit
        if more:
            del rows[resolved.limit :]
        if resolved.backward:
            rows.reverse()
        if query.count != "none" and total is None:
            total = self._get_total(query, plan.full, len(rows), more=more)
        return Page(resolved, rows, total, self.served.schema, more=more)

    def find_row(self, table: TableName, columns: Sequence[str], values: Sequence[str], select: Selection = ALL_COLUMNS) -> bytes | None:
        """Return the JSON object of the row whose *columns* equal *values*, as text, or None when there is none."""
        where = And(tuple(Compare(Path(column), "eq", value) for column, value in zip(columns, values, strict=True)))
        bodies = self.page(Query(table, select, where, window=Window(limit=1))).bodies
        return bodies[0] if bodies else None

    def count(self, query: Query) -> int:
        """Return exactly how many rows *query* finds, whatever its window."""
        resolved = resolve(replace(query, window=Window(), order=(), count="none"), self.served.schema, self.rights, is_list=False)
        statement = compile_count(resolved, self.served.schema, self.served.statements)
        return int(self.served.bulkhead.fetch(statement, self._local_of(resolved))[0][0])

    def stream(self, query: Query, format: Format, size_rows: int = SIZE_ROWS) -> Iterator[bytes]:
        """Yield the answer from a server-side cursor, in constant memory.

        The first rows are fetched before this returns: until then an error is an ordinary one. Afterwards it breaks the iteration.
        Whoever does not read to the end calls ``close`` of what is returned.
        """
        printer, options = get_printer(format), self.served.options
        is_cut = query.window != Window() or options.db_max_rows is not None  # then the order decides which rows come
        resolved = resolve(replace(query, count="none"), self.served.schema, self.rights, options, is_list=is_cut)
        resolved, change = form_bodies(resolved, printer.form, self.served.schema)
        chunks = self._chunks(resolved, size_rows, change)
        first = next(chunks, None)
        lists = chain(() if first is None else (first,), chunks)
        return Stream(printer.print(lists, resolved.shape, self.served.schema), chunks)

    def print(self, query: Query, format: Format, bodies: Sequence[Body]) -> bytes:
        """Return rows of *query*, that were read already in the form that *format* wants, as that format."""
        resolved = resolve(replace(query, count="none"), self.served.schema, self.rights, self.served.options, is_list=False)
        return b"".join(get_printer(format).print([bodies] if bodies else [], resolved.shape, self.served.schema))

    def _chunks(self, resolved: Resolved, size_rows: int, change: Callable[[Body], bytes] | None) -> Iterator[list[Body]]:
        """Yield lists of bodies as they are fetched."""
        left = resolved.limit  # one more row is read than that
        separate = compile_separate(resolved, self.served.schema) if self._has_large_cells(resolved) else None
        statement = separate[0] if separate else self._compile(resolved)
        with self.served.bulkhead.stream(statement, size_rows, self.local) as lists:
            for rows in lists:
                wanted = rows if left is None else rows[:left]
                bodies = [print_row(*separate[1:], row[: len(separate[1])]) if separate else row[0] for row in wanted]
                if change is not None:
                    bodies = [change(body) for body in bodies]
                if bodies:
                    yield bodies
                if left is not None:
                    left -= len(bodies)

    def _has_large_cells(self, resolved: Resolved) -> bool:
        """Tell whether a row may be larger than what the database prints in one piece, which a stream would learn too late."""
        table = self.served.schema.by_name[resolved.shape.table]
        return any(column.type.name.lower().startswith(LARGE_TYPES) for column in table.columns)

    def _fetch(self, plan: Plan) -> tuple[list[tuple[Any, ...]], int | None]:
        """Return the rows of a page as ``(body,)`` or ``(body, places)``, and the total if it was counted beside them."""
        try:
            rows = self.served.bulkhead.fetch(plan.statement, self._local_of(plan.resolved))
        except QaplaError as error:
            resolved = plan.full
            separate = compile_separate(resolved, self.served.schema) if error.code == TOO_LARGE else None
            if separate is None:
                raise
            statement, names, forms = separate
            count = len(names)
            found = self.served.bulkhead.fetch(statement, self._local_of(resolved))
            rows = [(print_row(names, forms, row[:count]), *row[count:]) for row in found]
            return rows, self.count(plan.query) if resolved.shape.total else None
        return rows, _take_total(rows) if plan.resolved.shape.total else None

    def _resolve(self, query: Query) -> Resolved:
        if query.count == "exact" and query.window == Window() and self.served.options.db_max_rows is None:
            query = replace(query, count="none")  # all rows come anyway
        return resolve(query, self.served.schema, self.rights, self.served.options)

    def _local_of(self, resolved: Resolved) -> Local | None:
        """Return as whom rows are read: where that calls what may write, in a transaction, since autocommit lets it."""
        if not resolved.volatile:
            return self.local
        if self.served.bulkhead.is_joint:
            check_volatile(resolved.volatile, self.served, self.rights)
        return self.local or Local()

    def _compile(self, resolved: Resolved) -> Any:
        return compile(resolved, self.served.schema, self.served.statements)

    def _get_total(self, query: Query, resolved: Resolved, count_rows: int, *, more: bool) -> int:
        """Return what ``count=`` asks for where the page's own statement did not count; a page that has the last row tells it by itself."""
        seen = resolved.offset + count_rows
        if not resolved.started and not more and (count_rows or not resolved.offset):
            return seen
        found = estimate_rows(query, resolved, self.served, self.local)
        if found is None:
            return self.count(query)
        return max(found, seen + more) if count_rows else found


def _take_total(rows: list[tuple[Any, ...]]) -> int:
    """Take the row that counts out of a page; it comes last, unless the database read both parts at once."""
    for index in range(len(rows) - 1, -1, -1):
        body = rows[index][0]
        if body is not None and body[:1] not in (b"{", "{"):
            del rows[index]
            return int(body)
    raise LookupError("a page that counts has no row with the number")


class Stream:
    """An iterator of bytes that lets go of its database connection when it is closed."""

    def __init__(self, pieces: Iterator[bytes], chunks: Any) -> None:
        self._pieces = pieces
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        """Stop reading."""
        self._chunks.close()
