"""Rows of an upsert that are there already: which of them are, found by the values of the columns that make two rows the same.

What is the same is the database's matter, by its collation and its types: it is asked, several hundred rows at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

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


def without_twins(insert: ResolvedInsert) -> list[Row]:
    """Return the rows without those whose key an earlier one has."""
    seen: set[Row] = set()
    kept = []
    for row in insert.rows:
        values = key_of(insert, row)
        if values is None or values not in seen:
            kept.append(row)
        if values is not None:
            seen.add(values)
    return kept


def find_there(transaction: Transaction, insert: ResolvedInsert, rows: Sequence[Row], engine: Engine, *, lock: bool = False) -> set[int]:
    """Return which of *rows* are in the table already, as places, and lock them there when wanted.

    The database says for each row that it finds which of the given ones it is the same as.
    """
    keys = [(place, key) for place, row in enumerate(rows) if (key := key_of(insert, row)) is not None]
    if not keys:
        return set()
    tests, cases, operands = [], [], list[object]()
    for place, key in keys:
        columns = zip(insert.conflict_columns, range(len(operands), len(operands) + len(key)), strict=True)
        tests.append(join(" AND ", [sql("{} = {}", name(insert.table.name.name, column), Slot(slot)) for column, slot in columns]))
        cases.append(sql("WHEN {} THEN {}", tests[-1], str(place)))
        operands.extend(key)
    which = sql("CASE {} END", join(" ", cases))
    where = join(" OR ", [sql("({})", test) for test in tests])
    statement = select_statement(insert.table, which, where, operands, engine.key, lock=lock)
    return {int(cast("int", row[0])) for row in transaction.execute(statement).rows if row[0] is not None}


def has_new(transaction: Transaction, insert: ResolvedInsert, engine: Engine) -> bool:
    """Tell whether any row of *insert* is not there yet."""
    return any(len(find_there(transaction, insert, rows, engine)) < len(rows) for rows in cut(insert.rows))
