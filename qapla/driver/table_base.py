"""What every write of a served table has: who may, its transaction, its conditions, the rows that come back."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qapla.database.dialects import get_engine
from qapla.database.local import require_role
from qapla.database.query.call import check_volatile
from qapla.database.query.compile import Compiler
from qapla.database.query.description import Or
from qapla.database.query.resolve import Resolver
from qapla.database.query.sql import Sql, join, sql
from qapla.driver import plans
from qapla.driver.keys import key_condition
from qapla.driver.readback import ReadBack
from qapla.driver.writing import Writing
from qapla.errors import AccessError, NotOffered, ReadOnly

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qapla.database.catalog import Served
    from qapla.database.local import Local
    from qapla.database.query.description import Condition, Order, Selection
    from qapla.database.schema.description import Table
    from qapla.database.transaction import Transaction
    from qapla.driver.keys import KeyValues
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


class Writer:
    """Somebody with *rights* who writes into *served*.

    Args:
        local: as whom, and with which settings, the transactions run; None is the account of the connection.
    """

    def __init__(self, served: Served, rights: Rights, local: Local | None = None) -> None:
        self._served = served
        self._rights = rights
        require_role(rights, local)
        self._local = local
        self._schema = served.schema
        self._engine = get_engine(served.schema.engine)

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
        check_volatile(tuple(resolver.volatile), self._served, self._rights)
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
