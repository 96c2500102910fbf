"""Call stored functions of a served database, within the rights of one caller.

A call is one transaction: read only where the function says that it does not write, or the caller does not want it to. What comes back is
printed by the database, like rows of a table.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from qapla.database.local import Local, require_role
from qapla.database.query.call import check_call, compile_call, compile_plain, gives, make_schema, resolve_call
from qapla.database.query.overloads import get_function
from qapla.database.query.printers import get_printer
from qapla.database.query.printing import list_names
from qapla.database.query.renderers import has_renderer
from qapla.database.sheets import print_value
from qapla.driver.called import Called
from qapla.driver.forms import form_bodies
from qapla.driver.procedures import call_procedure
from qapla.driver.table_read import SIZE_ROWS, Stream
from qapla.errors import DatabaseError, NotOffered, QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qapla.database.catalog import Served
    from qapla.database.query.call import Printed, ResolvedCall
    from qapla.database.query.description import Call
    from qapla.database.query.printing import Body
    from qapla.database.query.shape import Form
    from qapla.database.schema.description import Function
    from qapla.database.statement import Statement
    from qapla.database.transaction import Transaction
    from qapla.ports import Rights


class FunctionDriver:
    """Calls the functions of *served* for somebody with *rights*.

    Args:
        local: as whom, and with which settings, functions run; None is the account of the connection.
    """

    def __init__(self, served: Served, rights: Rights, local: Local | None = None) -> None:
        self.served = served
        self.rights = rights
        self.local = local
        require_role(rights, local)

    def call(
        self,
        call: Call,
        *,
        keep: bool = True,
        reads: bool = False,
        printed: Printed = "values",
        form: Form = "row",
        max_affected: int | None = None,
    ) -> Called:
        """Call a function, once, and return what it gave.

        Args:
            keep: False is a dry run: executed and answered, then rolled back.
            reads: let it write nothing, whatever it says about itself.
            printed: ``rows`` has plain values as rows of one column; ``raw`` one value as it is.
            form: that of each row.
            max_affected: more rows than that are an error, and nothing is kept.

        Raises:
            NotFound: there is no such function (PGRST202). QueryError: there are several (PGRST203), or names are wrong.
            ValueRefused: an argument cannot be read. AccessError, ReadOnly: not allowed.
            DatabaseError: the function, or the database, raised it; nothing was kept.
        """
        resolved = self._resolve(call, printed)
        function = resolved.function
        if max_affected is not None and not function.returns_set:
            message = "Function must return SETOF or TABLE when max-affected preference is used with handling=strict"
            raise QueryError(message, code="PGRST128")
        with self._transaction(function, reads=reads or function.volatility != "volatile") as transaction:
            if not keep:
                transaction.rollback_only()
            if function.kind == "procedure":
                return call_procedure(resolved, self.served, transaction)
            return self._run(resolved, transaction, form, max_affected)

    def stream(self, call: Call, format: str, printed: Printed = "rows", size_rows: int = SIZE_ROWS) -> Iterator[bytes]:
        """Yield what a function that writes nothing gives, as *format*, from a server-side cursor.

        The first rows are fetched before this returns: until then an error is an ordinary one. Afterwards it breaks the iteration.
        Whoever does not read to the end calls ``close`` of what is returned.
        """
        asked = call.query
        resolved = self._resolve(replace(call, query=replace(asked, count="none")) if asked is not None else call, printed)
        printer, schema = get_printer(format), make_schema(resolved, self.served.schema)
        formed, change = form_bodies(resolved.resolved, printer.form if resolved.printed == "rows" else "row", schema)
        chunks = self._chunks(replace(resolved, resolved=formed), size_rows, change)
        first = next(chunks, None)
        return Stream(printer.print(chain(() if first is None else (first,), chunks), formed.shape, schema), chunks)

    def statement(self, call: Call, form: Form = "row") -> Statement:
        """Return the statement that calls a function.

        Raises: as ``call`` does; NotOffered for a procedure, which is none that could be explained.
        """
        resolved = self._resolve(call, "values")
        if resolved.function.kind == "procedure":
            raise NotOffered(f"the plan of procedure {resolved.function.name!r} is not offered", hint="functions have one", status=406)
        schema = make_schema(resolved, self.served.schema)
        formed, _ = form_bodies(resolved.resolved, form if resolved.printed == "rows" else "row", schema)
        return compile_call(replace(resolved, resolved=formed), self.served.schema, self.served.statements)

    def _chunks(self, call: ResolvedCall, size_rows: int, change: Callable[[Body], bytes] | None) -> Iterator[list[Body]]:
        """Yield lists of bodies as they are fetched."""
        left = call.resolved.limit  # one more row is read than that
        statement = compile_call(call, self.served.schema, self.served.statements)
        with self.served.bulkhead.stream(statement, size_rows, self._hoist(call.function)) as lists:
            for rows in lists:
                bodies = [row[0] if change is None else change(row[0]) for row in (rows if left is None else rows[:left])]
                if bodies:
                    yield bodies
                if left is not None:
                    left -= len(bodies)

    def _resolve(self, call: Call, printed: Printed) -> ResolvedCall:
        served = self.served
        function = get_function(served.schema, call)
        check_call(function, self.rights, served.options, served.name)
        return resolve_call(call, function, served.schema, self.rights, served.options, printed=printed)

    def _run(self, call: ResolvedCall, transaction: Transaction, form: Form, max_affected: int | None) -> Called:
        if not has_renderer(self.served.schema.engine):
            return self._run_plain(call, transaction)
        schema = make_schema(call, self.served.schema)
        formed, change = form_bodies(call.resolved, form if call.printed == "rows" else "row", schema)
        call = replace(call, resolved=formed)
        rows: list[Any] = transaction.execute(compile_call(call, self.served.schema, self.served.statements)).rows
        function, shape, limit = call.function, formed.shape, formed.limit
        if gives(function) == "nothing":
            return Called(function)
        total = _take_total(rows) if shape.total else None
        more = limit is not None and len(rows) > limit
        if more:
            del rows[limit:]
        affected = len(rows) if total is None else total
        if max_affected is not None and affected > max_affected:
            message = "Query result exceeds max-affected preference constraint"
            raise QueryError(message, code="PGRST124", details=f"The query affects {affected} rows")
        if call.printed == "raw":
            return Called(function, raw=b"".join(_as_bytes(row[0]) for row in rows))
        bodies = tuple(row[0] if change is None else change(row[0]) for row in rows)
        if call.printed != "rows":
            return Called(function, bodies, function.returns_set, total=total, more=more)
        return Called(function, bodies, function.returns_set, tuple(list_names(shape)), total, more, read=shape, schema=schema)

    def _run_plain(self, call: ResolvedCall, transaction: Transaction) -> Called:
        """Fetch the value of a function, and print it here."""
        rows = transaction.execute(compile_plain(call, self.served.schema)).rows
        value, type = rows[0][0], call.result.columns[0].type
        if call.printed == "raw":
            return Called(call.function, raw=_as_bytes(value))
        return Called(call.function, (print_value(value, type).encode("utf-8", "replace"),))

    @contextmanager
    def _transaction(self, function: Function, *, reads: bool) -> Iterator[Transaction]:
        """Give the transaction of a call. A function that is not there any more tells that the schema is out of date."""
        bulkhead = self.served.bulkhead
        try:
            with bulkhead.transaction(self._hoist(function), read_only=reads) as transaction:
                yield transaction
        except DatabaseError as error:
            if error.code == "42883" and function.name in error.message:
                for listener in bulkhead.on_missing:
                    listener()
            raise

    def _hoist(self, function: Function) -> Local | None:
        """Return what holds for the transaction, with those settings of the function that shall hold for all of it."""
        hoisted = {key: value for key, value in function.settings if key in self.served.options.db_hoisted_tx_settings}
        if not hoisted:
            return self.local
        local = self.local or Local()
        isolation = hoisted.pop("default_transaction_isolation", None)
        return replace(local, settings=(*local.settings, *hoisted.items()), isolation=cast("Any", isolation) or local.isolation)


def _take_total(rows: list[Any]) -> int:
    """Take the row with the number of all rows out of *rows*."""
    for place, (body, total) in enumerate(rows):
        if body is None and total is not None:
            del rows[place]
            return int(total)
    raise LookupError("a call that counts has no row with the number")


def _as_bytes(value: object) -> bytes:
    if value is None:
        return b""
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else str(value).encode()
