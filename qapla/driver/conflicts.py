"""Rows of an upsert that are there already: which of them are, found by the values of the columns that make two rows the same.

What is the same is the database's matter, by its collation and its types: it is asked, several hundred rows at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.database.query.description import MISSING
from qapla.database.query.sql import Slot, join, name, sql
from qapla.database.query.write import select_statement
from qapla.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qapla.database.dialects import Engine
    from qapla.database.query.write import ResolvedInsert
    from qapla.database.transaction import Transaction

    Row = tuple[object, ...]

SOME_ROWS = 200  # asked about at once


def refuse_twice(insert: ResolvedInsert) -> None:
    """Refuse to write one row twice: which of the two should stay?

    Raises:
        DatabaseError: 21000, as PostgreSQL says it.
    """
    seen = set()
    for row in insert.rows:
        values = key_of(insert, row)
        if values is None:
            continue
        if values in seen:
            message = "ON CONFLICT DO UPDATE command cannot affect row a second time"
            hint = "Ensure that no rows proposed for insertion within the same command have duplicate constrained values."
            raise DatabaseError(message, code="21000", status=400, hint=hint)
        seen.add(values)


def key_of(insert: ResolvedInsert, row: Row) -> Row | None:
    """Return the values by which *row* may be there already; None for one that cannot be, since NULL equals nothing."""
    given = {column.name: value for column, value in zip(insert.columns, row, strict=True)}
    values = tuple(given.get(column) for column in insert.conflict_columns)
    return None if any(value is None or value is MISSING for value in values) else values


def cut(rows: Sequence[Row], size: int = SOME_ROWS) -> Iterator[Sequence[Row]]:
    """Yield *rows* in pieces."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def count_there(transaction: Transaction, insert: ResolvedInsert, rows: Sequence[Row], engine: Engine, *, lock: bool = False) -> int:
    """Return how many rows of the table *rows* would be in conflict with, and lock them when wanted."""
    keys = [key for row in rows if (key := key_of(insert, row)) is not None]
    if not keys:
        return 0
    width = len(insert.conflict_columns)
    tests = []
    for place in range(len(keys)):
        equal = [
            sql("{} = {}", name(insert.table.name.name, column), Slot(place * width + offset))
            for offset, column in enumerate(insert.conflict_columns)
        ]
        tests.append(sql("({})", join(" AND ", equal)))
    operands = [value for key in keys for value in key]
    return len(transaction.execute(select_statement(insert.table, (), join(" OR ", tests), operands, engine.key, lock=lock)).rows)


def has_new(transaction: Transaction, insert: ResolvedInsert, engine: Engine) -> bool:
    """Tell whether any row of *insert* is not there yet."""
    return any(count_there(transaction, insert, rows, engine) < len(rows) for rows in cut(insert.rows))
