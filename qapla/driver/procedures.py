"""Call a procedure: its result sets, and what its OUT parameters hold afterwards.

OUT and INOUT parameters are variables of the session, which are empty again when the call is over. A procedure gives its results in their
order, then one object with these parameters: a single one of them is the answer, several are an array of them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qapla.database.dialects import get_engine
from qapla.database.query.call import CallCompiler
from qapla.database.query.printing import clean, list_names, print_array
from qapla.database.query.sql import Slot, Sql, join, name, sql, write
from qapla.database.sheets import print_rows
from qapla.database.statement import Statement
from qapla.driver.called import Called
from qapla.errors import QaplaError

if TYPE_CHECKING:
    from qapla.database.catalog import Served
    from qapla.database.query.call import ResolvedCall
    from qapla.database.schema.description import ColumnType, DatabaseSchema, TableName
    from qapla.database.transaction import Transaction


def call_procedure(call: ResolvedCall, served: Served, transaction: Transaction) -> Called:
    """Run a procedure in *transaction*."""
    shape, limit = call.resolved.shape, call.resolved.limit
    variables = _Variables(call, served.schema)
    if variables.names:
        transaction.execute(variables.prepare())
    try:
        sheets = transaction.call(variables.call())
        outputs = clean(transaction.execute(variables.read()).rows[0][0]) if variables.names else None  # type: ignore[arg-type]
    finally:
        if variables.names:
            with suppress(QaplaError):
                transaction.execute(variables.clear())
    cut = [bodies if limit is None else bodies[:limit] for bodies in map(print_rows, sheets)]
    if outputs is not None and not sheets:
        return Called(call.function, (outputs,), names=tuple(list_names(shape)))
    if outputs is None and len(sheets) == 1:
        more = len(cut[0]) < len(sheets[0].rows)
        names = tuple(each for each, _ in sheets[0].columns)
        return Called(call.function, tuple(cut[0]), is_list=True, names=names, total=len(sheets[0].rows), more=more)
    if not sheets:
        return Called(call.function)
    results = [print_array(bodies) for bodies in cut] + ([outputs] if outputs is not None else [])
    return Called(call.function, tuple(results), is_list=True)


class _Variables:
    """The statements around a call, with a variable for each parameter that comes out."""

    def __init__(self, call: ResolvedCall, schema: DatabaseSchema) -> None:
        self._call = call
        self._schema = schema
        self._engine = get_engine(schema.engine)
        self.names = {parameter.name: f"@qapla_{place}" for place, parameter in enumerate(call.function.outputs, 1)}

    def prepare(self) -> Statement:
        """Give each variable the value of its parameter; those that only come out have none."""
        slots = {parameter.name: Slot(place) for place, parameter in enumerate(self._call.given)}
        settings = [sql("{} = {}", variable, slots.get(key, "NULL")) for key, variable in self.names.items()]
        return self._bind(sql("SET {}", join(", ", settings)))

    def call(self) -> Statement:
        """Call the procedure."""
        function, slots = self._call.function, {parameter.name: Slot(place) for place, parameter in enumerate(self._call.given)}
        places: list[Any] = [self.names.get(each.name) or slots[each.name] for each in function.parameters]
        return self._bind(sql("CALL {}({})", name(function.schema, function.name), join(", ", places)))

    def read(self) -> Statement:
        """Read the variables as one row."""
        compiler = _VariablesCompiler(self._schema, self._call, self.names)
        return compiler.write(compiler.page(self._call.resolved.shape)).bind(self._call.resolved.operands)

    def clear(self) -> Statement:
        """Empty the variables: the connection is used by others."""
        return Statement("SET " + ", ".join(f"{variable} = NULL" for variable in self.names.values()))

    def _bind(self, piece: Sql) -> Statement:
        text, order = write(piece, self._engine)
        return Statement(text, tuple(self._call.resolved.operands[index] for index in order))


class _VariablesCompiler(CallCompiler):
    """Reads the row that the variables make."""

    def __init__(self, schema: DatabaseSchema, call: ResolvedCall, variables: dict[str | None, str]) -> None:
        super().__init__(schema, call)
        self._variables = variables

    def source(self, table: TableName, alias: str) -> Sql:
        """Return the variables under the names of their parameters."""
        types = {parameter.name: parameter.type for parameter in self._call.function.outputs}
        columns = [sql("{} AS {}", _typed(variable, types[key]), name(key)) for key, variable in self._variables.items()]
        return sql("(SELECT {}) AS {}", join(", ", columns), name(alias))


def _typed(variable: str, type: ColumnType) -> str:
    """Return a variable with the digits that its parameter has: as a decimal it has 38 behind its point."""
    return f"CAST({variable} AS DECIMAL({type.precision:d},{type.scale or 0:d}))" if type.kind == "decimal" and type.precision else variable
