"""Read rows back by their keys, inside the transaction that wrote them, and hash a row to see whether it has changed."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, cast

from qapla.database.query.compile import compile
from qapla.database.query.description import Query
from qapla.database.query.printing import clean, print_array
from qapla.database.query.resolve import resolve
from qapla.driver.keys import key_condition
from qapla.errors import NotOffered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qapla.database.bulkhead import Transaction
    from qapla.database.catalog import Served
    from qapla.database.query.description import Selection
    from qapla.database.query.printing import Body
    from qapla.database.schema.description import ColumnType, Table
    from qapla.database.statement import Statement
    from qapla.driver.keys import KeyValues
    from qapla.ports import Rights


class ReadBack:
    """Rows of one table as one caller's selection shows them. Names and rights are looked up when it is made, before anything is written.

    Raises:
        QueryError, AccessError: the selection names what is not there, or what the caller may not read.
        NotOffered: rows of this table cannot be told apart.
    """

    def __init__(self, served: Served, rights: Rights, table: Table, select: Selection) -> None:
        if table.identity.by == "none":
            raise NotOffered(
                f"rows of {table.name.name!r} cannot be given back after a write: it has no key to find them by",
                hint="send Prefer: return=minimal",
            )
        self._served = served
        self._table = table
        self._rights = rights
        self._query = Query(table.name, select)
        resolve(self._query, served.schema, rights, served.options, is_list=False)

    def statement(self, key: KeyValues) -> Statement:
        """Return the statement that reads the row with this key; its shape is compiled once."""
        query = replace(self._query, where=key_condition(self._table, key))
        resolved = resolve(query, self._served.schema, self._rights, self._served.options, is_list=False)
        return compile(resolved, self._served.schema, self._served.statements)

    def rows(self, transaction: Transaction, keys: Sequence[KeyValues]) -> bytes:
        """Return the JSON array of the rows with these keys, in this order; those that are not to be seen are left out."""
        return print_array([cast("Body", row[0]) for key in keys for row in transaction.execute(self.statement(key)).rows])


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
