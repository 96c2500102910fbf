"""The steps of a write inside its transaction: insert, update, delete, lock, and what is given back of each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from qapla.database.dialects import get_engine
from qapla.database.query.description import MISSING
from qapla.database.query.merge import merge_statements
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
from qapla.driver.conflicts import cut, find_there, has_new, key_of, refuse_twice, without_twins
from qapla.driver.readback import ReadBack, key_text
from qapla.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from qapla.database.bulkhead import Bulkhead
    from qapla.database.query.printing import Body
    from qapla.database.query.write import Texts
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
        texts: SQL that was made before for writes of this kind.
    """

    def __init__(
        self,
        transaction: Transaction | Bulkhead,
        table: Table,
        engine: str,
        back: ReadBack | None,
        *,
        is_alone: bool = False,
        texts: Texts | None = None,
    ) -> None:
        self._texts = texts
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
            can_merge = self._engine.has_merge and not needs_keys and all(key_of(insert, row) is not None for row in insert.rows)
            return self._merge_all(insert) if can_merge else self._upsert(insert, needs_keys)
        if needs_keys and "insert" not in self._engine.returns:
            return self._insert_one_by_one(insert)
        is_merge = insert.conflict is not None and insert.conflict.action == "merge"
        touched = Touched(bodies=[] if is_flat else None, created=not is_merge or has_new(self._transaction, insert, self._engine))
        return self._insert_all(insert, touched, self._returning(is_flat, needs_keys))

    def _insert_all(self, insert: ResolvedInsert, touched: Touched, returning: Sql) -> Touched:
        """Insert rows, as many as one statement takes at once."""
        for statement, size in insert_statements(insert, self._engine.key, returning, self._texts):
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
        is_merge = insert.conflict is not None and insert.conflict.action == "merge"
        touched = Touched(created=False)
        for rows in cut(insert.rows if is_merge else without_twins(insert)):
            try:
                self._upsert_rows(insert, rows, touched, is_merge=is_merge, wants_keys=wants_keys)
            except DatabaseError as error:
                if error.code != "23505" or is_merge or len(rows) == 1:
                    raise
                for row in rows:  # two of them are the same for the database, though their values differ: 'a' and 'A'
                    self._upsert_rows(insert, (row,), touched, is_merge=False, wants_keys=wants_keys)
        return touched

    def _merge_all(self, insert: ResolvedInsert) -> Touched:
        """Write rows by MERGE; it gives nothing back, and does not match rows by NULL."""
        touched = Touched(created=has_new(self._transaction, insert, self._engine))
        for statement, _size in merge_statements(replace(insert, rows=tuple(without_twins(insert))), self._engine.key):
            touched.count += self._transaction.execute(statement).count
        return touched

    def _upsert_rows(
        self, insert: ResolvedInsert, rows: Sequence[tuple[object, ...]], touched: Touched, *, is_merge: bool, wants_keys: bool
    ) -> None:
        there = find_there(self._transaction, insert, rows, self._engine, lock=True)
        new = self._insert_new(insert, [row for place, row in enumerate(rows) if place not in there], wants_keys)
        touched.created |= new.count > 0
        touched.count += new.count
        keys = iter(new.keys)
        for place, row in enumerate(rows):
            if place not in there:
                touched.keys.extend([next(keys)] if wants_keys else ())
            elif is_merge:
                touched.count += 1
                touched.keys.extend(self._merge(insert, row, wants_keys=wants_keys))

    def _insert_new(self, insert: ResolvedInsert, rows: list[tuple[object, ...]], wants_keys: bool) -> Touched:
        plain = ResolvedInsert(insert.table, insert.columns, tuple(rows))
        if wants_keys and "insert" not in self._engine.returns:
            return self._insert_one_by_one(plain)
        return self._insert_all(plain, Touched(), self._returning(False, wants_keys))

    def _insert_one_by_one(self, insert: ResolvedInsert) -> Touched:
        """Insert rows where the engine gives back no keys."""
        if self._back is not None:
            self._back.require_key()
        touched = Touched(len(insert.rows))
        for row in insert.rows:
            one = ResolvedInsert(insert.table, insert.columns, (row,))
            statement, _ = next(insert_statements(one, self._engine.key))
            touched.keys.append(self._key_of_new(insert, row, self._transaction.execute(statement).last_id))
        return touched

    def _merge(self, insert: ResolvedInsert, row: tuple[object, ...], *, wants_keys: bool) -> list[KeyValues]:
        changes = [(column, value) for column, value in _given(insert, row).items() if column not in insert.conflict_columns]
        where, existing = key_where(insert.table, insert.conflict_columns), key_of(insert, row) or ()
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
                update_statement(self._table, changes, where, operands, self._engine.key, returning, self._texts)
            )
            return self._take(Touched(len(result.rows), bodies=[] if is_flat else None), result)
        before = self.lock(where, operands) if needs_keys else []
        statement = update_statement(self._table, changes, where, operands, self._engine.key, texts=self._texts)
        count = self._transaction.execute(statement).count
        return Touched(count, [self._key_after(key, dict(changes)) for key in before])

    def _key_after(self, key: KeyValues, changed: dict[str, object]) -> KeyValues:
        types = self._table.by_name
        pairs = zip(self._table.identity.columns, key, strict=True)
        return tuple(key_text(changed[name], types[name].type) if name in changed else text for name, text in pairs)

    def replace(self, insert: ResolvedInsert, where: Sql, operands: Sequence[object], kept: Collection[str]) -> None:
        """Update a row to be exactly what would have been inserted, but for its key, and for columns in *kept* that are not given."""
        given = _given(insert, insert.rows[0])
        changes: list[tuple[str, object]] = []
        for column in self._table.columns:
            if column.name in self._table.identity.columns or column.generated == "always":
                continue
            if column.name in given:
                changes.append((column.name, given[column.name]))
            elif column.generated is None and column.name not in kept:
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
