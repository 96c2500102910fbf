"""Calls of stored functions: names, rights and arguments looked up, and one statement made of it.

A function that gives rows stands where a table does: its result has columns (those of the table or the type that it returns, or its OUT
parameters), and everything that can be asked of a table's rows is compiled by the same compiler, from ``FROM function(…)``. A function that
gives plain values has one column, called as itself. Whatever is asked, the function runs once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from qapla.database.catalog import Options
from qapla.database.dialects import get_engine
from qapla.database.query.compile import Compiler, keep
from qapla.database.query.description import ALL_COLUMNS, Query, TextValue, Window
from qapla.database.query.resolve import Resolver
from qapla.database.query.sql import Slot, Sql, join, name, sql, where, write
from qapla.database.query.values import is_composite, read_composite, read_json, write_json
from qapla.database.schema.description import Column, DatabaseSchema, Table, TableName
from qapla.database.statement import Statement
from qapla.errors import AccessError, NotAuthenticated, NotOffered, ReadOnly, ValueRefused
from qapla.ports import WRITES

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, MutableMapping

    from qapla.database.catalog import Served
    from qapla.database.query.compile import Template
    from qapla.database.query.description import Call, Condition
    from qapla.database.query.shape import Read, Resolved
    from qapla.database.schema.description import Function, Parameter, Relation
    from qapla.ports import Operation, Rights

Given = Literal["nothing", "rows", "values"]  # what a function gives
Printed = Literal["rows", "values", "raw"]  # how it comes back: objects, plain values, or a value as the driver has it
CALLED = "called"
_MEDIA_DOMAIN = re.compile(r'(?:.*\.)?"([^"/]+/[^"/]+)"')
RAW_TYPES = frozenset({"json", "jsonb", "text", "xml", "bytea"})


@dataclass(frozen=True, slots=True)
class ResolvedCall:
    """A call that is ready to be compiled.

    ``given`` are the parameters that get a value, in their order; the operands of *resolved* begin with these values.
    """

    function: Function
    result: Table
    given: tuple[Parameter, ...]
    resolved: Resolved
    printed: Printed


def gives(function: Function) -> Given:
    """Say what a function gives: rows when its result has columns."""
    if function.returns is None and not function.outputs:
        return "nothing"
    return "rows" if _columns(function, None) or function.returns_table is not None else "values"


def find_media_domain(function: Function) -> str | None:
    """Return the media type of the answers that a function makes by itself, or None.

    It returns a domain that is called like one, as PostgREST has it: ``CREATE DOMAIN "text/html" AS text``.
    """
    found = _MEDIA_DOMAIN.fullmatch(function.returns.name) if function.returns is not None and gives(function) == "values" else None
    return found[1] if found else None


def may_call(function: Function, rights: Rights) -> bool:
    """Tell whether somebody with *rights* may call a function.

    One that is volatile may write anywhere, and takes the right to write in the database: that in a table of its name says nothing.
    """
    if not rights.allows("execute", function.schema, function.name):
        return False
    return function.volatility != "volatile" or any(rights.allows(write, function.schema, "") for write in WRITES)


def check_call(function: Function, rights: Rights, options: Options, database: str) -> None:
    """Refuse a call that the caller, or the connection, does not allow.

    Raises:
        AccessError: the caller may not. ReadOnly: the function may write, and the connection takes no writes.
    """
    if not may_call(function, rights):
        message = f"permission denied for function {function.name}"
        may_execute = rights.allows("execute", function.schema, function.name)
        hint = "it is volatile, so that it takes the right to write" if may_execute else None
        raise AccessError(message, hint=hint) if rights.authenticated else NotAuthenticated(message, hint=hint)
    if function.volatility == "volatile" and not options.writable:
        message = f"function {function.name!r} is volatile, and database {database!r} is read only"
        raise ReadOnly(message, hint="declare what it does (STABLE, READS SQL DATA), or switch writing on for the connection")


def check_volatile(functions: tuple[Function, ...], served: Served, rights: Rights) -> None:
    """Refuse functions of a row in a transaction that may write, where the caller could not call them by themselves.

    Raises: as ``check_call`` does.
    """
    for function in functions:
        check_call(function, rights, served.options, served.name)


def resolve_call(
    call: Call, function: Function, schema: DatabaseSchema, rights: Rights, options: Options, *, printed: Printed = "values"
) -> ResolvedCall:
    """Return the call of *function* with names looked up and values read.

    Args:
        printed: how plain values shall come; what has columns comes as rows in any case, but for ``raw``.

    Raises: as ``resolve`` does; ValueRefused for an argument, too.
    """
    result = make_result(function, schema)
    has_rows = gives(function) == "rows"
    resolver = Resolver(ResultSchema.of(schema, result, function.returns_table), ResultRights(rights, result.name), options)
    given = _read_arguments(call, function, resolver)
    query = replace(call.query or Query(result.name), table=result.name)
    if function.kind == "procedure":
        _refuse_questions(query, function)
    if query.count != "none":
        # The rows are there anyway, so that counting them costs nothing, and is right.
        query = replace(query, count="exact" if function.returns_set else "none")
    resolved = resolver.resolve(query, is_list=False)
    chosen: Printed = "rows" if printed != "raw" and (has_rows or query.select != ALL_COLUMNS) else printed
    return ResolvedCall(function, result, given, resolved, chosen)


def make_schema(call: ResolvedCall, schema: DatabaseSchema) -> DatabaseSchema:
    """Return the schema in which the result of *call* is a table."""
    return ResultSchema.of(schema, call.result, call.function.returns_table)


def _refuse_questions(query: Query, function: Function) -> None:
    """Refuse what can be asked of rows only where a statement can read from them."""
    if query != Query(query.table, window=Window(query.window.limit), count=query.count):
        hint = "make it a function, or a view"
        raise NotOffered(f"the rows of procedure {function.name!r} cannot be selected, filtered or sorted", hint=hint)


def compile_call(call: ResolvedCall, schema: DatabaseSchema, cache: MutableMapping[Hashable, Template]) -> Statement:
    """Return the statement of *call*. Its rows are ``(body,)``; where they are counted ``(body, None)``, and one ``(None, number)``."""
    key = ("call", call.function, tuple(parameter.name for parameter in call.given), call.printed, call.resolved.shape)
    template = cache.get(key)
    if template is None:
        compiler = CallCompiler(schema, call)
        template = compiler.write(compiler.statement(call.resolved.shape))
        keep(cache, key, template)
    return template.bind(call.resolved.operands)


def compile_plain(call: ResolvedCall, schema: DatabaseSchema) -> Statement:
    """Return the statement that gives the value of a function as the driver has it, on an engine that prints no JSON for us.

    Raises:
        NotOffered: something is asked of the value.
    """
    engine = get_engine(schema.engine)
    shape = call.resolved.shape
    if shape.where is not None or shape.order or shape.offset is not None or call.printed == "rows":
        raise NotOffered(f"what function {call.function.name!r} gives cannot be selected, filtered or sorted on {engine.label}")
    text, order = write(sql("SELECT {}{}", call_expression(call, schema.engine), engine.from_nothing), engine)
    return Statement(text, tuple(call.resolved.operands[index] for index in order))


# -- the result as a table ----------------------------------------------------------------------------------------------------------


def make_result(function: Function, schema: DatabaseSchema) -> Table:
    """Return what a function gives, as a table under a name that no table has. Its rows have no key."""
    found = function.name
    while TableName(function.schema, found) in schema.by_name:
        found += "()"
    table = schema.by_name.get(function.returns_table) if function.returns_table is not None else None
    columns = _columns(function, table)
    if not columns and function.returns is not None:
        columns = (Column(function.name, function.returns),)
    return Table(TableName(function.schema, found), "view", columns, insertable=False, updatable=False, deletable=False)


def _columns(function: Function, table: Table | None) -> tuple[Column, ...]:
    """Return the columns of what a function gives; none where it gives plain values."""
    if table is not None:
        return table.columns
    if function.columns:
        return function.columns
    outputs = function.outputs
    if len(outputs) == 1 and outputs[0].name is None:
        return ()
    return tuple(Column(parameter.name or f"column{place}", parameter.type) for place, parameter in enumerate(outputs, 1))


@dataclass(frozen=True)
class ResultSchema(DatabaseSchema):
    """A schema in which a function's result is one more table, with the relations of the table whose rows it gives."""

    result: Table | None = None
    base: DatabaseSchema | None = None
    rows_of: TableName | None = None

    @classmethod
    def of(cls, base: DatabaseSchema, result: Table, rows_of: TableName | None) -> ResultSchema:
        """Return *base* with *result* in it, made without copying anything but two dictionaries."""
        parts = (base.engine, base.version, base.default_schema, base.schemas, base.tables, base.relations)
        return cls(*parts, result=result, base=base, rows_of=rows_of)

    @cached_property
    def by_name(self) -> dict[TableName, Table]:
        """Return the tables by their full name."""
        assert self.base is not None
        assert self.result is not None
        return {**self.base.by_name, self.result.name: self.result}

    @cached_property
    def relations_of(self) -> dict[TableName, tuple[Relation, ...]]:
        """Return the relations that start at each table."""
        assert self.base is not None
        assert self.result is not None
        known = self.base.relations_of
        return {**known, self.result.name: known.get(self.rows_of, ())} if self.rows_of is not None else known


@dataclass(frozen=True, slots=True)
class ResultRights:
    """The rights of a caller who may call a function: what it gives he may read, and of everything else what he may."""

    rights: Rights
    result: TableName

    def allows(self, operation: Operation, schema: str | None, table: str, column: str | None = None) -> bool:
        """Tell whether *operation* is allowed."""
        return (schema, table) == self.result or self.rights.allows(operation, schema, table, column)

    def rows(self, schema: str | None, table: str) -> Condition | None:
        """Return the condition on the rows of a table that the caller may see, where the rights have such."""
        find: Callable[..., Condition | None] | None = getattr(self.rights, "rows", None)
        return None if find is None or (schema, table) == self.result else find(schema, table)

    @property
    def authenticated(self) -> bool:
        """Tell whether a refusal is 403 or 401."""
        return self.rights.authenticated


# -- arguments ----------------------------------------------------------------------------------------------------------------------


def _read_arguments(call: Call, function: Function, resolver: Resolver) -> tuple[Parameter, ...]:
    """Read the values and make them the first operands; return the parameters that they are for."""
    engine, inputs = resolver.schema.engine, function.inputs
    if call.raw is not None and len(inputs) == 1 and inputs[0].name is None:
        resolver.add(_check_raw(call.raw.value, engine))
        return inputs
    values: dict[str, list[object]] = {}
    for key, value in call.arguments:
        values.setdefault(key, []).append(value)
    given = tuple(parameter for parameter in inputs if parameter.name in values)
    for parameter in given:
        found = values[str(parameter.name)]
        repeats = parameter.mode == "variadic" and isinstance(found[-1], TextValue)
        resolver.add(read_argument(found if repeats else found[-1], parameter, engine))
    return given


def read_argument(value: object, parameter: Parameter, engine: str) -> object:
    """Return what is bound for the *value* of a parameter.

    Raises:
        ValueRefused: it cannot be read as the parameter's type.
    """
    if isinstance(value, list | dict) and parameter.type.kind == "text" and not isinstance(value, str):
        value = write_json(value)
    try:
        if parameter.cast is not None and is_composite(parameter.type):
            return read_composite(value, str(parameter.name))
        found = read_json(value, parameter.type, engine)
    except ValueRefused as error:
        said = error.message.partition(": ")[2] if error.message.startswith("column ") else error.message
        raise ValueRefused(f"parameter {parameter.name!r}: {said}", code=error.code, hint=error.hint, details=error.details) from error
    # A literal without a type takes that of the parameter; a boolean would ask for a function of booleans.
    return ("true" if found else "false") if isinstance(found, bool) and get_engine(engine).named_arguments else found


def _check_raw(value: str | bytes, engine: str) -> str | bytes:
    if isinstance(value, str) and "\0" in value and engine == "postgresql":
        raise ValueRefused("a text with a NUL character in it cannot be stored", code="22021")
    return value


# -- the statement ------------------------------------------------------------------------------------------------------------------


class CallCompiler(Compiler):
    """Makes the statement of one call: the function's result is a table whose source is the call itself."""

    def __init__(self, schema: DatabaseSchema, call: ResolvedCall) -> None:
        super().__init__(make_schema(call, schema))
        self._call = call
        self._is_kept = False

    def statement(self, read: Read) -> Sql:
        """Return the whole statement. Where rows are counted, too, what the function gave is kept for both."""
        self.guards.update(read.guards)
        if gives(self._call.function) == "nothing":
            return sql("SELECT {}", call_expression(self._call, self.engine.key))
        if not read.total:
            return self._page(read)
        kept = sql("SELECT {}.* FROM {}", name(CALLED), self.source(read.table, CALLED))
        self._is_kept = True
        page, count = self._page(replace(read, total=False)), self.count(read)
        rows = sql("SELECT p.body, NULL AS total FROM ({}) AS p UNION ALL SELECT NULL, c.total FROM ({}) AS c(total)", page, count)
        return sql("WITH {} AS MATERIALIZED ({}) {}", name(CALLED), kept, rows)

    def source(self, table: TableName, alias: str) -> Sql:
        """Return a table, or the call, under its alias."""
        if table != self._call.result.name:
            return super().source(table, alias)
        if self._is_kept:
            return sql("{} AS {}", name(CALLED), name(alias))
        called = call_expression(self._call, self.engine.key)
        if gives(self._call.function) == "rows":
            return sql("{} AS {}", called, name(alias))
        function = self._call.function
        if function.returns_set and function.returns is not None and function.returns.kind not in ("composite", "unknown"):
            # Here it runs to its end, whatever limit is behind it; in a list of columns it may be left in the middle.
            return sql("{} AS {}({})", called, name(alias), name(function.name))
        # The limit keeps a planner from putting the call in every place where its value is used.
        once = "" if function.returns_set else " LIMIT 1"
        return sql("(SELECT {} AS {}" + once + ") AS {}", called, name(function.name), name(alias))

    def _page(self, read: Read) -> Sql:
        if self._call.printed == "rows":
            return self.page(read)
        table, alias = self._call.result, self.alias()
        tests = [self.test(read.where, table, alias)] if read.where is not None else []
        value, type = name(alias, table.columns[0].name), table.columns[0].type
        body = value if self._call.printed == "raw" else sql("COALESCE({}, 'null')", self.renderer.element(self.renderer.cell(value, type)))
        return sql("SELECT {} AS body FROM {}{}{}", body, self.source(table.name, alias), where(tests), self.tail(read, table, alias))


def call_expression(call: ResolvedCall, engine: str) -> Sql:
    """Return ``schema.function(…)`` with a place for each argument; the operands begin with their values."""
    function, has_names = call.function, get_engine(engine).named_arguments
    places = [_place(parameter, Slot(index), has_names=has_names) for index, parameter in enumerate(call.given)]
    return sql("{}({})", name(function.schema, function.name), join(", ", places))


def _place(parameter: Parameter, slot: Slot, *, has_names: bool) -> Sql:
    if parameter.name is None:
        # Functions of one name may differ in the type of this parameter alone.
        return sql("CAST({} AS {})", slot, parameter.type.name) if parameter.type.name in RAW_TYPES else Sql((slot,))
    value = Sql((slot,))
    if parameter.cast is not None:
        row, key = name("arguments"), name(parameter.name)
        value = sql("(SELECT {}.{} FROM json_to_record({}) AS {}({} {}))", row, key, slot, row, key, parameter.cast)
    if not has_names:
        return value
    return sql("VARIADIC {} => {}" if parameter.mode == "variadic" else "{} => {}", name(parameter.name), value)
