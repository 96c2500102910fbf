"""Write one row of any served table by its key: change it, delete it, make it be something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.database.query.description import ALL_COLUMNS, Delete, Insert, Update
from qapla.database.query.values import read_json, read_text
from qapla.database.query.write import get_table, resolve_changes, resolve_insert, resolve_target
from qapla.driver.dependents import find_dependents
from qapla.driver.keys import key_condition
from qapla.driver.readback import ReadBack, make_tag
from qapla.driver.table_base import Writer, Written
from qapla.driver.tries import MADE, run_again
from qapla.driver.writing import Writing
from qapla.errors import NotFound, PreconditionFailed, QueryError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qapla.database.query.description import Selection
    from qapla.database.schema.description import Table, TableName
    from qapla.database.transaction import Transaction
    from qapla.driver.dependents import Dependent
    from qapla.driver.keys import KeyValues


class RowWriter(Writer):
    """Writes rows by their keys, one at a time."""

    def update_row(
        self,
        table_name: TableName,
        key: KeyValues,
        changes: Mapping[str, object],
        *,
        expect: Sequence[str] | None = None,
        seen: Selection = ALL_COLUMNS,
        returning: Selection | None = None,
        keep: bool = True,
    ) -> Written:
        """Change the given columns of one row.

        Args:
            expect: tags, one of which the row must still have, as seen through the selection *seen*; None means whatever it is.

        Raises:
            NotFound: the row is not there. PreconditionFailed: it is no longer the row that was seen (412).
        """
        self._require_writable()
        table, values = resolve_changes(Update(table_name, tuple(changes.items())), self._schema, self._rights)
        where, operands = self._where(table, key_condition(table, key))
        back = self._read_back(table, returning)
        has_new_key = not changes.keys().isdisjoint(table.identity.columns)
        if values and expect is None and self._is_alone(table, back, keep=keep):
            touched = self._write_alone(table, back, "update", has_new_key).update(values, where, operands, wants_keys=has_new_key)
            if not touched.count:
                raise _no_row(table, key)
            return Written(1, touched.body(None, back), tuple(touched.keys) or (key,))
        with self._transaction(keep) as transaction:
            self._expect(transaction, table, key, expect, seen)
            keys = [key]
            if values:
                touched = Writing(transaction, table, self._engine.key, None).update(values, where, operands, wants_keys=True)
                if not touched.count:
                    raise _no_row(table, key)
                keys = touched.keys if touched.keys and has_new_key else keys
                if self._require_key(table):
                    self._check_rows(transaction, table, keys, 1)
            body = back.rows(transaction, keys) if back else None
            if body == b"[]" and not values:
                raise _no_row(table, key)
            return Written(1, body, tuple(keys))

    def delete_row(
        self,
        table_name: TableName,
        key: KeyValues,
        *,
        expect: Sequence[str] | None = None,
        seen: Selection = ALL_COLUMNS,
        returning: Selection | None = None,
        keep: bool = True,
    ) -> Written:
        """Delete one row. Arguments and errors as in ``update_row``."""
        self._require_writable()
        table = resolve_target(Delete(table_name), self._schema, self._rights)
        where, operands = self._where(table, key_condition(table, key))
        back = self._read_back(table, returning)
        with self._transaction(keep) as transaction:
            self._expect(transaction, table, key, expect, seen)
            body = back.rows(transaction, [key]) if back else None
            if not Writing(transaction, table, self._engine.key, None).delete(where, operands).count:
                raise _no_row(table, key)
            return Written(1, body, (key,))

    def replace_row(
        self,
        table_name: TableName,
        key: KeyValues,
        values: Mapping[str, object],
        *,
        expect: Sequence[str] | None = None,
        must_create: bool = False,
        seen: Selection = ALL_COLUMNS,
        returning: Selection | None = None,
        keep: bool = True,
    ) -> Written:
        """Make the row with this key be exactly *values*: columns that are not among them get their default, or NULL.

        Of a row that is there already, columns that the caller may not both read and change stay as they are: who does not see a value
        cannot give it back, and who may not set it may not take it away.

        Args:
            must_create: the row must not be there yet, ``If-None-Match: *``.

        Raises:
            QueryError: the values name another key (PGRST115). PreconditionFailed: as in ``update_row``, or it is there already.
        """
        self._require_writable()
        table = get_table(self._schema, table_name, "update", self._rights)
        whole = {**dict(zip(table.identity.columns, key, strict=True)), **values}
        self._check_key(table, key, values)
        insert = Insert(table_name, tuple(whole), (tuple(whole.values()),))
        resolved = resolve_insert(insert, self._schema, self._rights)
        where, operands = self._where(table, key_condition(table, key))
        back = self._read_back(table, returning)
        kept = {column.name for column in table.columns if not self._may_replace(table, column.name)}

        def write() -> Written:
            with self._transaction(keep) as transaction:
                writing = Writing(transaction, table, self._engine.key, None)
                is_there = bool(writing.lock(where, operands))
                if must_create and is_there:
                    raise PreconditionFailed(f"{table.name.name!r} already has a row with key {','.join(key)[:100]!r}")
                if is_there:
                    self._expect(transaction, table, key, expect, seen)
                    writing.replace(resolved, where, operands, kept)
                elif expect is not None:
                    raise PreconditionFailed(f"{table.name.name!r} has no row with key {','.join(key)[:100]!r}")
                else:
                    writing.insert(resolved, wants_keys=False)
                if self._require_key(table):
                    self._check_rows(transaction, table, [key], 1)
                return Written(1, back.rows(transaction, [key]) if back else None, (key,), created=not is_there)

        return run_again(self._served, MADE, write)

    def row_tag(self, table_name: TableName, key: KeyValues, seen: Selection = ALL_COLUMNS) -> str:
        """Return the tag of a row: a hash of its JSON as *seen*.

        Raises:
            NotFound: the row is not there.
        """
        table = get_table(self._schema, table_name, "select", self._rights)
        back = ReadBack(self._served, self._rights, table, seen)
        found = back.find(lambda statement: self._served.bulkhead.fetch(statement, self._local), key)
        if found is None:
            raise _no_row(table, key)
        return make_tag(found)

    def dependents(self, table_name: TableName, key: KeyValues) -> tuple[Dependent, ...]:
        """Return what would go along with a row, or stands in the way of its being deleted."""
        table = get_table(self._schema, table_name, "select", self._rights)
        where, operands = self._where(table, key_condition(table, key))
        return find_dependents(self._served, self._rights, table, where, operands, self._engine, self._local)

    def _may_replace(self, table: Table, column: str) -> bool:
        return self._rights.allows("select", *table.name, column) and self._rights.allows("update", *table.name, column)

    def _expect(self, transaction: Transaction, table: Table, key: KeyValues, expect: Sequence[str] | None, seen: Selection) -> None:
        """Refuse to go on when the row is no longer the one that was seen."""
        if expect is None:
            return
        where, operands = self._where(table, key_condition(table, key))
        if self._engine.locks_rows:
            Writing(transaction, table, self._engine.key, None).lock(where, operands)
        found = ReadBack(self._served, self._rights, table, seen).find(lambda statement: transaction.execute(statement).rows, key)
        if found is None:
            raise _no_row(table, key)
        if make_tag(found) not in expect:
            message = f"the row of {table.name.name!r} with key {','.join(key)[:100]!r} was changed meanwhile"
            raise PreconditionFailed(message, hint="read it again, and decide which version is right")

    def _check_key(self, table: Table, key: KeyValues, values: Mapping[str, object]) -> None:
        for name, text in zip(table.identity.columns, key, strict=True):
            type = table.by_name[name].type
            in_path = read_text(text, type, self._engine.key, name)
            if name in values and read_json(values[name], type, self._engine.key, name) != in_path:
                message = "Payload values do not match URL in primary key column(s)"
                raise QueryError(message, code="PGRST115", details=f"column {name!r}")


def _no_row(table: Table, key: KeyValues) -> NotFound:
    return NotFound(f"{table.name.name!r} has no row with key {','.join(key)[:100]!r}", hint="it may have been deleted meanwhile")

