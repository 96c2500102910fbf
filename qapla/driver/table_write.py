"""Write rows of any served table: insert, update, delete, and the same for one row by its key.

Everything that a call does happens in one transaction: all rows or none. What comes back is read in it by the compiler of reads, with
the selection of the caller, so that a written row looks like a row of a list, embeds and all. ``keep=False`` is a dry run: executed,
checked and answered, then rolled back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.database.query.write import resolve_changes, resolve_insert, resolve_target
from qapla.driver.keys import key_condition
from qapla.driver.row_write import RowWriter
from qapla.driver.table_base import Written
from qapla.driver.tries import LOST, run_again
from qapla.driver.writing import Writing
from qapla.errors import QueryError

if TYPE_CHECKING:
    from qapla.database.query.description import Delete, Insert, Update
    from qapla.database.query.write import ResolvedInsert
    from qapla.database.transaction import Transaction
    from qapla.driver.readback import ReadBack
    from qapla.driver.writing import Touched


class TableWriteDriver(RowWriter):
    """Writes rows of the tables of *served* for somebody with *rights*.

    Args:
        local: as whom, and with which settings, the transactions run; None is the account of the connection.

    Raises, from every method:
        ReadOnly: the connection or the table takes no writes. AccessError: the caller may not.
        QueryError, ValueRefused: a name or a value in the request is wrong.
        DatabaseError: a constraint stands against it; nothing was changed.
    """

    def insert(self, insert: Insert, *, keep: bool = True, wants_keys: bool = False) -> Written:
        """Insert rows, all or none.

        Args:
            wants_keys: give the keys of the new rows, also without ``returning``.
        """
        self._require_writable()
        resolved = resolve_insert(insert, self._schema, self._rights)
        back = self._read_back(resolved.table, insert.returning, insert.order)
        wants_keys = self._require_key(resolved.table, insert.on_conflict) or wants_keys
        if len(resolved.rows) == 1 and resolved.conflict is None and self._is_alone(resolved.table, back, keep=keep):
            touched = self._write_alone(resolved.table, back, "insert", wants_keys).insert(resolved, wants_keys=wants_keys)
            return _written(None, touched, back, created=touched.created)
        lost = LOST if resolved.conflict is not None and not self._engine.has_on_conflict else frozenset()
        wants_keys |= back is not None
        return run_again(self._served, lost, lambda: self._insert(resolved, back, keep=keep, wants_keys=wants_keys))

    def _insert(self, resolved: ResolvedInsert, back: ReadBack | None, *, keep: bool, wants_keys: bool) -> Written:
        with self._transaction(keep) as transaction:
            touched = Writing(transaction, resolved.table, self._engine.key, back).insert(resolved, wants_keys=wants_keys)
            if self._is_guarded(resolved.table):
                self._check_rows(transaction, resolved.table, touched.keys, touched.count)
            return _written(transaction, touched, back, created=touched.created)

    def update(self, update: Update, *, keep: bool = True) -> Written:
        """Change the rows that the condition names.

        Raises:
            QueryError: more rows than ``max_affected`` (PGRST124); nothing was changed.
        """
        self._require_writable()
        table, changes = resolve_changes(update, self._schema, self._rights)
        where, operands = self._where(table, update.where)
        back = self._read_back(table, update.returning, update.order)
        is_guarded = self._require_key(table)
        if not changes:
            return Written(0, b"[]" if back else None)
        if update.max_affected is None and self._is_alone(table, back, keep=keep):
            wants_keys = back is not None
            writing = self._write_alone(table, back, "update", wants_keys)
            return _written(None, writing.update(changes, where, operands, wants_keys=wants_keys), back)
        with self._transaction(keep) as transaction:
            writing = Writing(transaction, table, self._engine.key, back)
            touched = writing.update(changes, where, operands, wants_keys=back is not None or is_guarded)
            if is_guarded:
                self._check_rows(transaction, table, touched.keys, touched.count)
            _check_affected(touched.count, update.max_affected)
            return _written(transaction, touched, back)

    def delete(self, delete: Delete, *, keep: bool = True) -> Written:
        """Delete the rows that the condition names.

        Raises:
            QueryError: more rows than ``max_affected`` (PGRST124); nothing was deleted.
        """
        self._require_writable()
        table = resolve_target(delete, self._schema, self._rights)
        where, operands = self._where(table, delete.where)
        back = self._read_back(table, delete.returning, delete.order)
        if delete.max_affected is None and self._is_alone(table, back, keep=keep):
            return _written(None, self._write_alone(table, back, "delete").delete(where, operands), back)
        with self._transaction(keep) as transaction:
            writing = Writing(transaction, table, self._engine.key, back)
            if back is None or writing.can_give_back_deleted():
                touched = writing.delete(where, operands)
                _check_affected(touched.count, delete.max_affected)
                return _written(transaction, touched, back)
            # What is deleted can be read only before; so it is locked, read, and then exactly that is deleted.
            back.require_key()
            keys = writing.lock(where, operands)
            _check_affected(len(keys), delete.max_affected)
            body = back.rows(transaction, keys)
            only = Writing(transaction, table, self._engine.key, None)
            count = sum(only.delete(*self._where(table, key_condition(table, key))).count for key in keys)
            return Written(count, body, tuple(keys))


def _written(transaction: Transaction | None, touched: Touched, back: ReadBack | None, *, created: bool = False) -> Written:
    return Written(touched.count, touched.body(transaction, back), tuple(touched.keys), created)


def _check_affected(count: int, most: int | None) -> None:
    if most is not None and count > most:
        message = "Query result exceeds max-affected preference constraint"
        raise QueryError(message, code="PGRST124", details=f"The query affects {count} rows")
