"""The steps of a write inside its transaction: insert, update, delete, lock, and what is given back of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from qapla.database.dialects import get_engine
from qapla.database.query.description import MISSING
from qapla.database.query.printing import print_array
from qapla.database.query.sql import Sql, join
from qapla.database.query.write import (
    NOTHING,
    ResolvedInsert,
    column_list,
    default_of,
    delete_statement,
    insert_statements,
    key_where,
    select_statement,
    update_statement,
)
from qapla.driver.conflicts import count_there, cut, has_new, key_of, refuse_twice
from qapla.driver.readback import ReadBack, key_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qapla.database.bulkhead import Bulkhead
    from qapla.database.query.printing import Body
    from qapla.database.schema.description import Table
    from qapla.database.statement import Result
    from qapla.database.transaction import Transaction
    from qapla.driver.keys import KeyValues

FEW = 20  # rows that are read back one by one; more come by RETURNING, which does not see what AFTER triggers change


@dataclass(slots=True)
class Touched:
    """Rows that were written: how many, their keys afterwards, their JSON where the statement gave it back itself, and if any is new."""

    count: int = 0
    keys: list[KeyValues] = field(default_factory=list)
    bodies: list[Body] | None = None
    created: bool = True

    def body(self, transaction: Transaction | None, back: ReadBack | None) -> bytes | None:
        """Return the JSON array of the rows, None when nobody asked."""
        if back is None:
            return None
        if self.bodies is not None or transaction is None:
            return print_array(self.bodies or ())
        return back.rows(transaction, self.keys)


class Writing:
    """Writes one table in one transaction.

    Args:
        is_alone: there is no transaction around it: one statement writes, and gives back what is wanted.
    """

    def __init__(
        self, transaction: Transaction | Bulkhead, table: Table, engine: str, back: ReadBack | None, *, is_alone: bool = False
    ) -> None:
        self._transaction = cast("Transaction", transaction)  # a bulkhead executes, too, and here no more is asked of it
        self._is_alone = is_alone
        self._table = table
        self._engine = get_engine(engine)
        self._back = back

    # ------------------------------------------------------------------------------------------------ insert

    def insert(self, insert: ResolvedInsert, *, wants_keys: bool) -> Touched:
        """Insert rows in their order."""
        is_flat = self._is_flat("insert", len(insert.rows))
        needs_keys = wants_keys and bool(self._table.identity.columns)
        if self._back is not None and not is_flat:
            self._back.require_key()
        if insert.conflict is not None and insert.conflict.action == "merge":
            refuse_twice(insert)
        if insert.conflict is not None and not self._engine.has_on_conflict:
            return self._upsert(insert, needs_keys)
        if needs_keys and "insert" not in self._engine.returns:
            return self._insert_one_by_one(insert, insert.rows, needs_keys)
        is_merge = insert.conflict is not None and insert.conflict.action == "merge"
        touched = Touched(bodies=[] if is_flat else None, created=not is_merge or has_new(self._transaction, insert, self._engine))
        return self._insert_all(insert, touched, self._returning(is_flat, needs_keys))

    def _insert_all(self, insert: ResolvedInsert, touched: Touched, returning: Sql) -> Touched:
        """Insert rows, as many as one statement takes at once."""
        for statement, size in insert_statements(insert, self._engine.key, returning):
            result = self._transaction.execute(statement)
            touched.count += len(result.rows) if returning else result.count if result.count >= 0 else size
            self._take(touched, result)
        return touched

    def _upsert(self, insert: ResolvedInsert, wants_keys: bool) -> Touched:
        """Write rows where the engine cannot be told which key a conflict is about.

        The rows in conflict are locked by that very key, then updated; the others are inserted: ``ON DUPLICATE KEY UPDATE`` would fire on
        any key, and ``INSERT IGNORE`` would swallow other errors. What clashes with another key is an error, as it should be.
        """
        if self._back is not None:
            self._back.require_key()
        touched = Touched(created=False)
        can_tell = not wants_keys or "insert" in self._engine.returns
        for rows in cut(insert.rows):
            there = count_there(self._transaction, insert, rows, self._engine, lock=True)
            touched.created |= there < len(rows)
            if not there and can_tell and not _has_twins(insert, rows):
                plain = ResolvedInsert(insert.table, insert.columns, tuple(rows))
                self._insert_all(plain, touched, self._returning(False, wants_keys))
            else:
                self._insert_one_by_one(insert, rows, wants_keys, touched)
        return touched

    def _insert_one_by_one(
        self, insert: ResolvedInsert, rows: Sequence[tuple[object, ...]], wants_keys: bool, touched: Touched | None = None
    ) -> Touched:
        """Insert rows where the engine gives back no keys, or where some of them are there."""
        if self._back is not None:
            self._back.require_key()
        touched = touched or Touched()
        for row in rows:
            existing = self._find_conflict(insert, row)
            if existing is None:
                one = ResolvedInsert(insert.table, insert.columns, (row,))
                statement, _ = next(insert_statements(one, self._engine.key))
                last_id = self._transaction.execute(statement).last_id
                touched.count += 1
                touched.keys.extend([self._key_of_new(insert, row, last_id)] if wants_keys else ())
            elif insert.conflict is not None and insert.conflict.action == "merge":
                touched.count += 1
                touched.keys.extend(self._merge(insert, row, existing, wants_keys=wants_keys))
        return touched

    def _find_conflict(self, insert: ResolvedInsert, row: tuple[object, ...]) -> list[object] | None:
        """Return the values of the conflict's columns when there is a row with them, which is locked then."""
        if insert.conflict is None or not count_there(self._transaction, insert, (row,), self._engine, lock=True):
            return None
        return list(key_of(insert, row) or ())

    def _merge(self, insert: ResolvedInsert, row: tuple[object, ...], existing: list[object], *, wants_keys: bool) -> list[KeyValues]:
        changes = [(column, value) for column, value in _given(insert, row).items() if column not in insert.conflict_columns]
        where = key_where(insert.table, insert.conflict_columns)
        if changes:
            return self.update(changes, where, existing, wants_keys=wants_keys).keys
        return self.lock(where, existing) if wants_keys else []

    def _key_of_new(self, insert: ResolvedInsert, row: tuple[object, ...], last_id: int | None) -> KeyValues:
        given = _given(insert, row)
        columns = self._table.by_name
        return tuple(
            key_text(given[name] if given.get(name) is not None else last_id, columns[name].type) for name in self._table.identity.columns
        )

    # ------------------------------------------------------------------------------------------------ update, delete, lock

    def update(self, changes: Sequence[tuple[str, object]], where: Sql, operands: Sequence[object], *, wants_keys: bool) -> Touched:
        """Update rows; the keys are those that they have afterwards."""
        is_flat = self._is_flat("update", 0)
        if self._back is not None and not is_flat:
            self._back.require_key()
        needs_keys = wants_keys and bool(self._table.identity.columns)
        if "update" in self._engine.returns and (needs_keys or is_flat):
            returning = self._returning(is_flat, needs_keys)
            result = self._transaction.execute(
                update_statement(self._table, changes, where, operands, self._engine.key, returning)
            )
            return self._take(Touched(len(result.rows), bodies=[] if is_flat else None), result)
        before = self.lock(where, operands) if needs_keys else []
        count = self._transaction.execute(update_statement(self._table, changes, where, operands, self._engine.key)).count
        return Touched(count, [self._key_after(key, dict(changes)) for key in before])

    def _key_after(self, key: KeyValues, changed: dict[str, object]) -> KeyValues:
        types = self._table.by_name
        pairs = zip(self._table.identity.columns, key, strict=True)
        return tuple(key_text(changed[name], types[name].type) if name in changed else text for name, text in pairs)

    def replace(self, insert: ResolvedInsert, where: Sql, operands: Sequence[object]) -> None:
        """Update a row to be exactly what would have been inserted, but for its key."""
        given = _given(insert, insert.rows[0])
        changes: list[tuple[str, object]] = []
        for column in self._table.columns:
            if column.name in self._table.identity.columns or column.generated == "always":
                continue
            if column.name in given:
                changes.append((column.name, given[column.name]))
            elif column.generated is None:
                changes.append((column.name, default_of(column, self._engine.key)))
        if changes:
            self._transaction.execute(update_statement(self._table, changes, where, operands, self._engine.key))

    def delete(self, where: Sql, operands: Sequence[object]) -> Touched:
        """Delete rows; they are given back by the statement itself, or not at all."""
        is_flat = self._back is not None and self._back.body is not None and "delete" in self._engine.returns
        returning = self._returning(is_flat, False)
        result = self._transaction.execute(delete_statement(self._table, where, operands, self._engine.key, returning))
        touched = Touched(len(result.rows) if is_flat else result.count, bodies=[] if is_flat else None)
        return self._take(touched, result) if is_flat else touched

    def can_give_back_deleted(self) -> bool:
        """Tell whether DELETE itself gives back what is wanted."""
        return self._back is None or (self._back.body is not None and "delete" in self._engine.returns)

    def lock(self, where: Sql, operands: Sequence[object]) -> list[KeyValues]:
        """Return the keys of the rows that *where* holds for, which stay as they are until the transaction ends."""
        columns = self._table.identity.columns
        statement = select_statement(self._table, columns, where, operands, self._engine.key, lock=True)
        return self._keys(self._transaction.execute(statement).rows)

    # ------------------------------------------------------------------------------------------------ what comes back

    def _is_flat(self, operation: Literal["insert", "update"], count: int) -> bool:
        """Tell whether RETURNING gives the rows: where there is no key to read them by, or reading them takes many round trips."""
        if self._back is None or self._back.body is None or operation not in self._engine.returns:
            return False
        if self._is_alone:
            return True
        return self._table.identity.by == "none" or (count > FEW and not self._engine.is_file)

    def _returning(self, is_flat: bool, needs_keys: bool) -> Sql:
        parts = [self._back.body] if is_flat and self._back is not None and self._back.body is not None else []
        if needs_keys and self._table.identity.columns:
            parts.append(column_list(self._table, self._table.identity.columns))
        return join(", ", parts) if parts else NOTHING

    def _take(self, touched: Touched, result: Result) -> Touched:
        """Add the rows that a statement gave back: first the JSON, if it was asked for, then the key."""
        rows = result.rows
        if touched.bodies is not None:
            touched.bodies.extend(cast("Body", row[0]) for row in rows)
            rows = [row[1:] for row in rows]
        touched.keys.extend(self._keys(rows))
        return touched

    def _keys(self, rows: Sequence[tuple[Any, ...]]) -> list[KeyValues]:
        types = [self._table.by_name[name].type for name in self._table.identity.columns]
        return [tuple(key_text(value, type) for value, type in zip(row, types, strict=True)) for row in rows if row] if types else []


def _given(insert: ResolvedInsert, row: tuple[object, ...]) -> dict[str, object]:
    """Return what a row says, column by column."""
    return {column.name: value for column, value in zip(insert.columns, row, strict=True) if value is not MISSING}


def _has_twins(insert: ResolvedInsert, rows: Sequence[tuple[object, ...]]) -> bool:
    """Tell whether two of *rows* are the same by the conflict's columns: the first of them is the other's conflict."""
    keys = [key for row in rows if (key := key_of(insert, row)) is not None]
    return len(set(keys)) < len(keys)
