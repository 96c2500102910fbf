"""Read rows back by their keys, inside the transaction that wrote them, and hash a row to see whether it has changed."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, cast

from qapla.database.query.call import check_volatile
from qapla.database.query.compile import Compiler, compile, compile_separate
from qapla.database.query.description import Or, Query
from qapla.database.query.printing import TOO_LARGE, clean, print_array, print_row
from qapla.database.query.resolve import resolve
from qapla.database.query.shape import Cell, Columns
from qapla.database.query.sql import name, sql
from qapla.driver.keys import key_condition
from qapla.errors import DatabaseError, NotOffered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qapla.database.catalog import Served
    from qapla.database.query.description import Condition, Order, Selection
    from qapla.database.query.printing import Body
    from qapla.database.query.shape import Resolved
    from qapla.database.query.sql import Sql
    from qapla.database.schema.description import ColumnType, DatabaseSchema, Table
    from qapla.database.statement import Statement
    from qapla.database.transaction import Transaction
    from qapla.driver.keys import KeyValues
    from qapla.ports import Rights

MOST_ORDERED = 500  # rows that are read back at once, since they are wanted in an order
ALIAS = "qapla row"  # not a table's name, so that a column is still the table's own


class ReadBack:
    """Rows of one table as one caller's selection shows them. Names and rights are looked up when it is made, before anything is written.

    ``body`` is the JSON of a row as an expression for RETURNING, None where the selection has related rows in it: those are read
    afterwards, since a statement does not see its own rows elsewhere.

    Raises:
        QueryError, AccessError: the selection names what is not there, or what the caller may not read.
    """

    def __init__(self, served: Served, rights: Rights, table: Table, select: Selection, order: tuple[Order, ...] = ()) -> None:
        self._served = served
        self._table = table
        self._rights = rights
        self.select = select
        self._query = Query(table.name, select, order=order)
        resolved = resolve(self._query, served.schema, rights, served.options, is_list=False)
        check_volatile(resolved.volatile, served, rights)
        self.body = _body(resolved, served.schema, table) if not order else None

    def require_key(self) -> None:
        """Refuse to go on where rows can only be found again by a key.

        Raises:
            NotOffered: the table has none.
        """
        if self._table.identity.by == "none":
            raise NotOffered(
                f"these rows of {self._table.name.name!r} cannot be given back after a write: it has no key to find them by",
                hint="send Prefer: return=minimal",
            )

    def find(self, run: Callable[[Statement], Sequence[tuple[Any, ...]]], key: KeyValues) -> Body:
        """Return the JSON of the row with this key, or None when it is not to be seen. *run* gives the rows of a statement."""
        rows = self._fetch(run, key_condition(self._table, key))
        return rows[0][0] if rows else None

    def _fetch(self, run: Callable[[Statement], Sequence[tuple[Any, ...]]], where: Condition) -> Sequence[tuple[Any, ...]]:
        resolved = resolve(replace(self._query, where=where), self._served.schema, self._rights, self._served.options, is_list=False)
        try:
            return run(compile(resolved, self._served.schema, self._served.statements))
        except DatabaseError as error:
            separate = compile_separate(resolved, self._served.schema) if error.code == TOO_LARGE else None
            if separate is None:
                raise
            statement, names, forms = separate
            return [(print_row(names, forms, row[: len(names)]),) for row in run(statement)]

    def rows(self, transaction: Transaction, keys: Sequence[KeyValues]) -> bytes:
        """Return the JSON array of the rows with these keys, in this order unless another is wanted; what is not to be seen is left out.

        Raises:
            NotOffered: they are too many to be put in an order.
        """
        if self._query.order and len(keys) > 1:
            return self._ordered(transaction, keys)
        found = (self.find(lambda statement: transaction.execute(statement).rows, key) for key in keys)
        return print_array([body for body in found if body is not None])

    def _ordered(self, transaction: Transaction, keys: Sequence[KeyValues]) -> bytes:
        if len(keys) > MOST_ORDERED:
            message = f"order is not offered for more than {MOST_ORDERED} written rows, and these are {len(keys)}"
            raise NotOffered(message, hint="leave order out, or read them afterwards")
        where = Or(tuple(key_condition(self._table, key) for key in dict.fromkeys(keys)))
        return print_array([row[0] for row in self._fetch(lambda statement: transaction.execute(statement).rows, where)])


def _body(resolved: Resolved, schema: DatabaseSchema, table: Table) -> Sql | None:
    """Return the JSON of one row of a table under its own name, or None when that takes more than the row."""
    cells = resolved.shape.cells
    if resolved.operands or not all(isinstance(cell, Cell | Columns) for cell in cells):
        return None
    compiler = Compiler(schema)
    beside = sql("(SELECT 1) AS {}", name(ALIAS))
    body, source = compiler.renderer.body(compiler.cells(cells, table, table.name.name), beside, ALIAS)
    return body if source == beside else sql("(SELECT {} FROM {})", body, source)


def make_tag(body: object) -> str:
    """Return the strong tag of a row, from its JSON as the driver gave it."""
    return blake2b(clean(cast("Body", body)), digest_size=16).hexdigest()


def key_text(value: object, type: ColumnType) -> str:
    """Return one value of a key, as the driver gave it or would bind it, as the text that addresses the row."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray | memoryview):
        raw = bytes(value)
        return f"\\x{raw.hex()}" if type.kind in ("binary", "bits") else raw.decode("utf-8", "replace")
    if isinstance(value, float):
        return repr(value)
    return str(value)
