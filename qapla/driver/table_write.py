"""Write rows of any served table: insert, update, delete, and the same for one row by its key.

Everything that a call does happens in one transaction: all rows or none. What comes back is read in it by the compiler of reads, with
the selection of the caller, so that a written row looks like a row of a list, embeds and all. ``keep=False`` is a dry run: executed,
checked and answered, then rolled back.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qapla.database.dialects import get_engine
from qapla.database.local import require_role
from qapla.database.query.compile import Compiler
from qapla.database.query.description import ALL_COLUMNS, Delete, Insert, Or, Update
from qapla.database.query.resolve import Resolver
from qapla.database.query.sql import Sql, join, sql
from qapla.database.query.values import read_json, read_text
from qapla.database.query.write import get_table, resolve_changes, resolve_insert, resolve_target
from qapla.driver import plans
from qapla.driver.dependents import find_dependents
from qapla.driver.keys import key_condition
from qapla.driver.readback import ReadBack, make_tag
from qapla.driver.tries import LOST, MADE, run_again
from qapla.driver.writing import Writing
from qapla.errors import AccessError, NotFound, NotOffered, PreconditionFailed, QueryError, ReadOnly

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from qapla.database.catalog import Served
    from qapla.database.local import Local
    from qapla.database.query.description import Condition, Order, Selection
    from qapla.database.query.write import ResolvedInsert
    from qapla.database.schema.description import Table, TableName
    from qapla.database.transaction import Transaction
    from qapla.driver.dependents import Dependent
    from qapla.driver.keys import KeyValues
    from qapla.driver.writing import Touched
    from qapla.ports import Rights

KEYS_AT_ONCE = 50  # looked for in one statement

@dataclass(frozen=True, slots=True)
class Written:
    """What a write did.

    ``body`` is the JSON array of the rows, None unless they were asked for; ``keys`` are the keys of new or changed rows as text, in
    the order of the rows, empty where the table has no key or nobody asked; ``created`` tells whether a PUT or an upsert made a new row.
    """

    count: int
    body: bytes | None = None
    keys: tuple[KeyValues, ...] = ()
    created: bool = False


class TableWriteDriver:
    """Writes rows of the tables of *served* for somebody with *rights*.

    Args:
        local: as whom, and with which settings, the transactions run; None is the account of the connection.

    Raises, from every method:
        ReadOnly: the connection or the table takes no writes. AccessError: the caller may not.
        QueryError, ValueRefused: a name or a value in the request is wrong.
        DatabaseError: a constraint stands against it; nothing was changed.
    """

    def __init__(self, served: Served, rights: Rights, local: Local | None = None) -> None:
        self._served = served
        self._rights = rights
        require_role(rights, local)
        self._local = local
        self._schema = served.schema
        self._engine = get_engine(served.schema.engine)

    # ------------------------------------------------------------------------------------------------ many rows

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

    # ------------------------------------------------------------------------------------------------ one row by its key

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

        def write() -> Written:
            with self._transaction(keep) as transaction:
                writing = Writing(transaction, table, self._engine.key, None)
                is_there = bool(writing.lock(where, operands))
                if must_create and is_there:
                    raise PreconditionFailed(f"{table.name.name!r} already has a row with key {','.join(key)[:100]!r}")
                if is_there:
                    self._expect(transaction, table, key, expect, seen)
                    writing.replace(resolved, where, operands)
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

    # ------------------------------------------------------------------------------------------------ steps

    def _require_writable(self) -> None:
        if not self._served.options.writable:
            raise ReadOnly(f"database {self._served.name!r} is read only", hint="its connection takes writes once they are switched on")

    def _is_alone(self, table: Table, back: ReadBack | None, *, keep: bool) -> bool:
        """Tell whether a write of one statement can do without a transaction around it: the statement is one, and gives the rows back."""
        if not keep or self._local is not None or not self._served.bulkhead.writes_alone or self._is_guarded(table):
            return False
        return back is None or (back.body is not None and table.kind == "table")

    def _write_alone(self, table: Table, back: ReadBack | None, kind: str, *options: object) -> Writing:
        """Return what writes; *kind* and *options* say what makes a difference to the SQL besides columns and conditions."""
        key = (kind, table.name, back and back.select, *options)
        texts = plans.find(self._served, self._rights, key)
        if texts is None:
            texts = {}
            plans.keep(self._served, self._rights, key, texts)
        return Writing(self._served.bulkhead, table, self._engine.key, back, is_alone=True, texts=texts)

    @contextmanager
    def _transaction(self, keep: bool) -> Iterator[Transaction]:
        with self._served.bulkhead.transaction(self._local) as transaction:
            if not keep:
                transaction.rollback_only()
            yield transaction

    def _read_back(self, table: Table, returning: Selection | None, order: tuple[Order, ...] = ()) -> ReadBack | None:
        if returning is None:
            return None
        key = ("read back", table.name, returning, order)
        found: ReadBack | None = plans.find(self._served, self._rights, key)
        if found is None:
            found = ReadBack(self._served, self._rights, table, returning, order)
            plans.keep(self._served, self._rights, key, found)
        return found

    def _where(self, table: Table, where: Condition | None) -> tuple[Sql, list[object]]:
        """Return a condition on the table itself, and its operands; reading the columns in it takes the right to read them.

        Of a table of which the caller has some rows only, it is about those.
        """
        if where is None and not self._is_guarded(table):
            return Sql(()), []
        resolver = Resolver(self._schema, self._rights, self._served.options)
        test = resolver.resolve_where(resolver.get_table(table.name), where)
        compiler = Compiler(self._schema)
        compiler.guards = resolver.guards
        tests = [compiler.test(each, table, table.name.name) for each in (test, resolver.guards.get(table.name)) if each is not None]
        return tests[0] if len(tests) == 1 else join(" AND ", [sql("({})", each) for each in tests]), resolver.operands

    def _is_guarded(self, table: Table) -> bool:
        rows = getattr(self._rights, "rows", None)
        return rows is not None and rows(*table.name) is not None

    def _require_key(self, table: Table, conflict: object = None) -> bool:
        """Tell whether the caller has some rows of *table* only, which must still be true of what is written.

        Raises:
            NotOffered: that cannot be told here.
        """
        if not self._is_guarded(table):
            return False
        if table.identity.by == "none" or conflict is not None:
            what = "of a table without a key" if table.identity.by == "none" else "with resolution="
            hint = "the rights of the caller are about some rows of the table"
            raise NotOffered(f"writing {table.name.name!r} {what} is not offered to this caller", hint=hint)
        return True

    def _check_rows(self, transaction: Transaction, table: Table, keys: Sequence[KeyValues], count: int) -> None:
        """Refuse to have written what the caller has no right to: nothing of it is kept.

        Raises:
            AccessError: 42501, as row security has it.
        """
        seen = 0
        for start in range(0, len(keys), KEYS_AT_ONCE):
            some = Or(tuple(key_condition(table, key) for key in keys[start : start + KEYS_AT_ONCE]))
            seen += len(Writing(transaction, table, self._engine.key, None).lock(*self._where(table, some)))
        if seen != count or len(set(keys)) != count:
            raise AccessError(f"a new row violates the rows of table {table.name.name!r} that the caller may write")

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


def _written(transaction: Transaction | None, touched: Touched, back: ReadBack | None, *, created: bool = False) -> Written:
    return Written(touched.count, touched.body(transaction, back), tuple(touched.keys), created)


def _check_affected(count: int, most: int | None) -> None:
    if most is not None and count > most:
        message = "Query result exceeds max-affected preference constraint"
        raise QueryError(message, code="PGRST124", details=f"The query affects {count} rows")


def _no_row(table: Table, key: KeyValues) -> NotFound:
    return NotFound(f"{table.name.name!r} has no row with key {','.join(key)[:100]!r}", hint="it may have been deleted meanwhile")

