"""One statement of a resolved query: SQL text made once per shape, values bound each time.

Every column is qualified (SQLite reads an unknown bare ``"gone"`` as a string), every table has an alias of ours, every identifier is
quoted. Embeds are correlated subselects, so that a read is one statement however deep it goes.

The rows of a list are ``(body,)`` or ``(body, places)``: the JSON of a row, and the JSON array of the values of its order where the body
does not show them. A list that counts has one more row, whose body is the number.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qapla.database.dialects import get_engine
from qapla.database.query.casts import TYPES
from qapla.database.query.computed import call_with_row, get_column, read_field
from qapla.database.query.grouping import count_groups, embed_groups, is_derived, make_groups
from qapla.database.query.lookups import KEYWORDS, OPERATORS
from qapla.database.query.places import columns_of, find_after, has_nulls_behind, union_parts
from qapla.database.query.render import INTEGER, ref_type
from qapla.database.query.renderers import get_renderer
from qapla.database.query.shape import (
    AggregateCell,
    All,
    Cell,
    Columns,
    Contains,
    EmbedCell,
    HasRows,
    Negation,
    Read,
    Some,
    SpreadCells,
    Test,
)
from qapla.database.query.sql import FALSE, NOTHING, TRUE, Slot, Sql, join, name, sql, where, write
from qapla.database.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Hashable, MutableMapping

    from qapla.database.query.printing import CellForm
    from qapla.database.query.shape import AnyCell, AnyTest, Ref, Resolved, Term
    from qapla.database.schema.description import ColumnType, DatabaseSchema, Relation, Table, TableName

MAX_OPERANDS_KEPT = 300
MAX_STATEMENTS = 1000  # kept per database; a page of the admin needs a handful, an API client a few dozen
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Template:
    """A statement without its values, and which operand each placeholder takes."""

    sql: str
    order: tuple[int, ...]

    def bind(self, operands: tuple[object, ...]) -> Statement:
        """Return the statement with *operands* in their places."""
        return Statement(self.sql, tuple([operands[index] for index in self.order]))


def compile(resolved: Resolved, schema: DatabaseSchema, cache: MutableMapping[Hashable, Template]) -> Statement:
    """Return the statement of *resolved*. The second one of a shape costs a look-up in *cache* and the binding."""
    return get_template(resolved, schema, cache).bind(resolved.operands)


def get_template(resolved: Resolved, schema: DatabaseSchema, cache: MutableMapping[Hashable, Template]) -> Template:
    """Return the statement of *resolved* without its values."""
    template = cache.get(resolved.shape)
    if template is None:
        template = Compiler(schema).make_list(resolved.shape)
        keep(cache, resolved.shape, template)
    return template


def compile_separate(resolved: Resolved, schema: DatabaseSchema) -> tuple[Statement, tuple[str, ...], tuple[CellForm, ...]] | None:
    """Return a statement with a column per cell (and the places behind them), the cells' names and their forms; None where a renderer
    has no such thing. It is needed so rarely that it is not kept."""
    compiler = Compiler(schema)
    if not compiler.renderer.has_separate_cells or resolved.shape.is_grouped:
        return None
    statement, names, forms = compiler.separate(resolved.shape)
    return compiler.write(statement).bind(resolved.operands), names, forms


def compile_count(resolved: Resolved, schema: DatabaseSchema, cache: MutableMapping[Hashable, Template]) -> Statement:
    """Return the statement that counts the rows of *resolved*, whatever its window."""
    key = ("count", resolved.shape)
    template = cache.get(key)
    if template is None:
        compiler = Compiler(schema)
        template = compiler.write(compiler.count(resolved.shape))
        keep(cache, key, template)
    return template.bind(resolved.operands)


def keep(cache: MutableMapping[Hashable, Template], key: Hashable, template: Template) -> None:
    """Put a template into *cache*; the oldest ones make room. Reading it needs no lock. Those with long lists are not worth their room."""
    if len(template.order) > MAX_OPERANDS_KEPT:
        return
    with _lock:
        while len(cache) >= MAX_STATEMENTS:
            del cache[next(iter(cache))]
        cache[key] = template


class Compiler:
    """Makes the SQL of one statement; hands out its aliases."""

    def __init__(self, schema: DatabaseSchema) -> None:
        self.schema = schema
        self.engine = get_engine(schema.engine)
        self.renderer = get_renderer(schema.engine)
        self.guards: dict[TableName, AnyTest] = {}
        self._aliases = 0

    def write(self, statement: Sql) -> Template:
        """Return *statement* as text for the driver."""
        text, order = write(statement, self.engine)
        return Template(text, order)

    def make_list(self, read: Read) -> Template:
        """Return the statement that lists the rows of *read*."""
        page = self.page(read)
        if read.total:
            columns = "p.body, p.places" if read.keys else "p.body"
            page = sql("SELECT {} FROM ({}) AS p UNION ALL {}", columns, page, self.count(read))
        return self.write(page)

    def page(self, read: Read) -> Sql:
        """Return the SELECT of the rows of *read*."""
        self.guards.update(read.guards)
        table, alias = self.schema.by_name[read.table], self.alias()
        tests = [self.test(test, table, alias) for test in (read.where, read.after) if test is not None]
        source = self.source(read.table, alias)
        if read.is_grouped:
            body, source = self.grouped(read, table, alias, sql("{}{}", source, where(tests)))
            return sql("SELECT {} AS body FROM {}", self.renderer.formed(body, read.form), source)
        rest = sql("{}{}", where(tests), self.tail(read, table, alias))
        cells = self.cells(read.cells, table, alias)
        places = sql(", {} AS places", self.places(read, table, alias)) if read.keys else NOTHING
        if self.renderer.cuts_first and has_nulls_behind(read):
            wanted = join("", [cell for _, cell in cells] + [places, self.tail(read, table, alias)])
            source, rest = sql("({}) AS {}", union_parts(self, read, table, alias, wanted), name(alias)), NOTHING
        elif self.renderer.cuts_first and (read.limit is not None or read.offset is not None):
            columns = columns_of(alias, join("", [cell for _, cell in cells] + [places]))
            source, rest = sql("(SELECT {} FROM {}{}) AS {}", columns, source, rest, name(alias)), NOTHING
        body, source = self.renderer.body(cells, source, alias)
        return sql("SELECT {} AS body{} FROM {}{}", self.renderer.formed(body, read.form), places, source, rest)

    def count(self, read: Read) -> Sql:
        """Return the SELECT of how many rows there are beyond the page."""
        self.guards.update(read.guards)
        table, alias = self.schema.by_name[read.table], self.alias()
        tests = [self.test(read.where, table, alias)] if read.where is not None else []
        rest = sql("{}{}", self.source(read.table, alias), where(tests))
        if read.is_grouped and is_derived(read.cells):
            rest = count_groups(self, read, table, alias, rest)
        elif read.is_grouped:
            rest = sql("(SELECT count(*) FROM {}{}) AS c", rest, self.groups(read.cells, table, alias))
        return sql("SELECT {}{} FROM {}", self.renderer.count(), ", NULL" if read.keys else NOTHING, rest)

    # ------------------------------------------------------------------------------------------------ rows

    def alias(self) -> str:
        """Return an alias that is not used yet."""
        self._aliases += 1
        return f"t{self._aliases - 1}"

    def source(self, table: TableName, alias: str) -> Sql:
        """Return a table under its alias; of one with a guard only the rows that there are for the caller."""
        return self.guarded(table, name(*table), alias)

    def guarded(self, table: TableName, rows: Sql, alias: str) -> Sql:
        """Return *rows* of a table under an alias; of one with a guard only those that there are for the caller."""
        guard = self.guards.get(table)
        if guard is None:
            return sql("{} AS {}", rows, name(alias))
        found = self.schema.by_name[table]
        columns = join(", ", [name(alias, column.name) for column in found.columns])
        test = self.test(guard, found, alias)
        return sql("(SELECT {} FROM {} AS {} WHERE {}) AS {}", columns, rows, name(alias), test, name(alias))

    def tail(self, read: Read, table: Table, alias: str) -> Sql:
        """Return ORDER BY, LIMIT and OFFSET."""
        return sql("{}{}", self.order_by(read.order, table, alias), self.renderer.limits(read.limit, read.offset))

    def order_by(self, order: tuple[Term, ...], table: Table, alias: str, *, in_array: bool = False) -> Sql:
        """Return ORDER BY, of rows or of the elements of an array."""
        if not order:
            return NOTHING
        write = self.renderer.order_element if in_array else self.renderer.order_term
        return sql(" ORDER BY {}", join(", ", (write(self.term(term, table, alias)[0], term) for term in order)))

    def term(self, term: Term, table: Table, alias: str) -> tuple[Sql, ColumnType]:
        """Return the value of an order's term, and its type."""
        if term.relation is None:
            value, type = self.value(term.ref, table, alias)
            return self.renderer.order_value(value, type), type
        target, inner = self.schema.by_name[term.relation.target], self.alias()
        value, type = self.value(term.ref, target, inner)
        source, tests = self.related(term.relation, alias, inner)
        found = sql("(SELECT {} FROM {}{} LIMIT 1)", self.renderer.order_value(value, type), source, where(tests))
        return found, type

    def places(self, read: Read, table: Table, alias: str) -> Sql:
        """Return the JSON array of the values of the order."""
        terms = (self.term(term, table, alias) for term in read.order)
        return self.renderer.places([self.renderer.place(value, type) for value, type in terms])

    def value(self, ref: Ref, table: Table, alias: str) -> tuple[Sql, ColumnType]:
        """Return what *ref* gives of the row called *alias*, and its type."""
        column = table.by_name.get(ref.column)
        if column is not None:
            return self.renderer.value(name(alias, ref.column), ref, column.type), ref_type(ref, column.type)
        type = get_column(self.schema, table, ref.column).type
        return self.renderer.value(read_field(self.schema, table, alias, ref.column), ref, type), ref_type(ref, type)

    # ------------------------------------------------------------------------------------------------ cells

    def cells(self, cells: tuple[AnyCell, ...], table: Table, alias: str) -> list[tuple[str, Sql]]:
        """Return every cell with its name."""
        found: list[tuple[str, Sql]] = []
        for cell in cells:
            if isinstance(cell, Columns):
                found.extend((each, self.cell(name(alias, each), table.by_name[each].type, cell.preview)) for each in cell.names)
            elif isinstance(cell, Cell):
                value, type = self.value(cell.ref, table, alias)
                found.append((cell.key, self.cell(value, type, cell.preview)))
            elif isinstance(cell, AggregateCell):
                found.append((cell.key, self.aggregate(cell, table, alias)))
            elif isinstance(cell, EmbedCell):
                found.append((cell.key, self.embed(cell, alias)))
            else:
                found.extend(self.spread(cell, alias))
        return found

    def cell(self, value: Sql, type: ColumnType, preview: int | None) -> Sql:
        """Return one cell, cut when it is for a preview."""
        return self.renderer.cell(value, type) if preview is None else self.renderer.preview(value, type, preview)

    def aggregate(self, cell: AggregateCell, table: Table, alias: str) -> Sql:
        """Return the cell of an aggregate."""
        if cell.ref is None:
            return self.finished(cell, sql("count(*)"), INTEGER)
        return self.aggregated(cell, *self.value(cell.ref, table, alias))

    def aggregated(self, cell: AggregateCell, value: Sql, type: ColumnType) -> Sql:
        """Return the cell of an aggregate of *value*."""
        return self.finished(cell, *self.renderer.aggregate(cell.function, value, type))

    def finished(self, cell: AggregateCell, found: Sql, type: ColumnType) -> Sql:
        """Return what an aggregate gave as a cell, cast where that is asked for."""
        if cell.cast is None:
            return self.renderer.cell(found, type)
        return self.renderer.cell(self.renderer.cast(found, type, cell.cast), TYPES[cell.cast])

    def groups(self, cells: tuple[AnyCell, ...], table: Table, alias: str) -> Sql:
        """Return GROUP BY: all that stands beside the aggregates."""
        values: list[Sql] = []
        for cell in cells:
            if isinstance(cell, Columns):
                values.extend(name(alias, each) for each in cell.names)
            elif isinstance(cell, Cell):
                values.append(self.value(cell.ref, table, alias)[0])
        return sql(" GROUP BY {}", join(", ", values)) if values else NOTHING

    def grouped(self, read: Read, table: Table, alias: str, rest: Sql) -> tuple[Sql, Sql]:
        """Return the body of grouped rows, and what to select it from."""
        if is_derived(read.cells):
            return make_groups(self, read, table, alias, rest)
        tail = self.tail(read, table, alias)
        rest = sql("{}{}{}", rest, self.groups(read.cells, table, alias), tail)
        return self.renderer.grouped(self.cells(read.cells, table, alias), rest)

    def embed(self, cell: EmbedCell, outer: str) -> Sql:
        """Return the cell with the related rows."""
        read, relation = cell.read, cell.relation
        table, alias = self.schema.by_name[read.table], self.alias()
        has_groups = any(not isinstance(each, AggregateCell) for each in read.cells)
        if read.is_grouped and has_groups and not self.renderer.looks_outside:
            return embed_groups(self, read, table, relation, outer)
        source, tests = self.related(relation, outer, alias)
        if read.where is not None:
            tests.append(self.test(read.where, table, alias))
        if read.is_grouped:
            body, source = self.grouped(read, table, alias, sql("{}{}", source, where(tests)))
            return self.renderer.grouped_rows(body, source, has_groups=has_groups)
        body, source = self.renderer.body(self.cells(read.cells, table, alias), source, alias)
        rest = sql("{}{}", source, where(tests))
        if relation.kind == "to_one":
            return self.renderer.one(body, rest)
        return self.renderer.many(body, rest, self.order_by(read.order, table, alias, in_array=True), (read.limit, read.offset))

    def spread(self, cell: SpreadCells, outer: str) -> list[tuple[str, Sql]]:
        """Return the cells of the one related row, or an array for each cell of many; all arrays are in one order."""
        table, alias = self.schema.by_name[cell.read.table], self.alias()
        source, tests = self.related(cell.relation, outer, alias)
        if cell.read.where is not None:
            tests.append(self.test(cell.read.where, table, alias))
        rest = sql("{}{}", source, where(tests))
        cells = self.cells(cell.read.cells, table, alias)
        if cell.relation.kind == "to_one":
            return [(key, self.renderer.spread(each, rest)) for key, each in cells]
        order, limits = self.order_by(cell.read.order, table, alias, in_array=True), (cell.read.limit, cell.read.offset)
        return [(key, self.renderer.many(self.renderer.element(each), rest, order, limits)) for key, each in cells]

    def related(self, relation: Relation, outer: str, alias: str) -> tuple[Sql, list[Sql]]:
        """Return the source of related rows under *alias*, and the tests that tie them to the row called *outer*."""
        source, pairs = self.relate(relation, outer, alias)
        return source, [sql("{} = {}", inner, theirs) for inner, theirs in pairs]

    def relate(self, relation: Relation, outer: str, alias: str) -> tuple[Sql, list[tuple[Sql, Sql]]]:
        """Return the source of related rows under *alias*, and which values of it equal which of the row called *outer*."""
        if relation.function is not None:
            return self.called(relation.function, relation, outer, alias), []
        if relation.via is None:
            return self.source(relation.target, alias), _pairs(alias, relation.target_columns, outer, relation.columns)
        junction = self.alias()
        on = [sql("{} = {}", *pair) for pair in _pairs(alias, relation.target_columns, junction, relation.via.target_columns)]
        source = sql(
            "{} JOIN {} ON {}", self.source(relation.via.table, junction), self.source(relation.target, alias), join(" AND ", on)
        )
        return source, _pairs(junction, relation.via.source_columns, outer, relation.columns)

    def called(self, function: TableName, relation: Relation, outer: str, alias: str) -> Sql:
        """Return the rows that the function of a computed relationship gives for the row called *outer*."""
        rows = call_with_row(function, relation.source, outer)
        if relation.kind == "to_one":
            one = name(self.alias())  # where a function that returns no set gives NULL, it is a row of NULLs here
            rows = sql("(SELECT {}.* FROM {} AS {} WHERE NOT ROW({}.*) IS NULL)", one, rows, one, one)
        return self.guarded(relation.target, rows, alias)

    def separate(self, read: Read) -> tuple[Sql, tuple[str, ...], tuple[CellForm, ...]]:
        """Return the SELECT of the rows of *read* with a column per cell."""
        self.guards.update(read.guards)
        table, alias = self.schema.by_name[read.table], self.alias()
        tests = [self.test(test, table, alias) for test in (read.where, read.after) if test is not None]
        found: list[tuple[str, Sql, CellForm]] = []
        for cell in read.cells:
            if isinstance(cell, Columns) and cell.preview is None:
                found.extend((each, *self.renderer.separate(name(alias, each), table.by_name[each].type)) for each in cell.names)
            elif isinstance(cell, Cell) and cell.preview is None:
                found.append((cell.key, *self.renderer.separate(*self.value(cell.ref, table, alias))))
            else:
                found.extend((key, each, "json") for key, each in self.cells((cell,), table, alias))
        columns = [each for _, each, _ in found] or [sql("1")]
        if read.keys:
            columns.append(self.places(read, table, alias))
        rest = sql("{}{}{}", self.source(read.table, alias), where(tests), self.tail(read, table, alias))
        return sql("SELECT {} FROM {}", join(", ", columns), rest), tuple(key for key, _, _ in found), tuple(form for _, _, form in found)

    # ------------------------------------------------------------------------------------------------ conditions

    def test(self, test: AnyTest, table: Table, alias: str | None) -> Sql:
        """Return a condition on the row called *alias*, safe to be put beside others."""
        if isinstance(test, Test):
            return sql("({})", self.comparison(test, table, alias))
        if isinstance(test, All | Some):
            if not test.parts:
                return TRUE if isinstance(test, All) else FALSE
            word = " AND " if isinstance(test, All) else " OR "
            return sql("({})", join(word, [self.test(part, table, alias) for part in test.parts]))
        if isinstance(test, Negation):
            return sql("(NOT {})", self.test(test.part, table, alias))
        if isinstance(test, HasRows):
            return self.has_rows(test, alias or table.name.name)
        if isinstance(test, Contains):
            contains = self.renderer.folded if test.is_folded else self.renderer.contains
            columns = [sql("({})", contains(name(alias, column), test.slot)) for column in test.columns]
            return sql("({})", join(" OR ", columns))
        return find_after(self, test, table, alias or table.name.name)

    def comparison(self, test: Test, table: Table, alias: str | None) -> Sql:
        """Return one comparison."""
        value, type = self.value(test.ref, table, alias or table.name.name)
        operator, _, keyword = test.operator.partition(".")
        if keyword:
            return sql(KEYWORDS[keyword], value)
        if test.is_folded:
            return self.renderer.folded(value, test.slots[0])
        if test.helpers:
            pairs = zip(test.slots, test.helpers, strict=True)
            return join(" OR ", [sql("({})", self.renderer.assisted(operator, value, *pair)) for pair in pairs])
        if test.pattern is not None:
            return self.renderer.contains_json(operator, value, test.pattern)
        row = OPERATORS[operator]
        if type.kind == "json" and row.operand in ("value", "list"):
            value = self.renderer.compared_json(value)
        elif type.kind == "json" and row.operand == "raw":
            value = self.renderer.containing_json(value)
        operands: list[Sql] = [self.renderer.operand(slot, type) for slot in test.slots]
        if row.operand == "search":
            return self.search(row.sql[self.engine.key], value, type, test)
        return sql(row.sql[self.engine.key], value, join(", ", operands))

    def search(self, template: str, value: Sql, type: ColumnType, test: Test) -> Sql:
        """Return a full text search; what is no ``tsvector`` is made one."""
        language = sql("CAST({} AS regconfig)", Slot(test.argument)) if test.argument is not None else None
        query = join(", ", [each for each in (language, sql("{}", Slot(test.slots[0]))) if each is not None])
        if type.name != "tsvector":
            value = sql("to_tsvector({})", join(", ", [each for each in (language, value) if each is not None]))
        return sql(template, value, query)

    def has_rows(self, test: HasRows, outer: str) -> Sql:
        """Return EXISTS."""
        table, alias = self.schema.by_name[test.read.table], self.alias()
        source, tests = self.related(test.relation, outer, alias)
        if test.read.where is not None:
            tests.append(self.test(test.read.where, table, alias))
        return sql("EXISTS (SELECT 1 FROM {}{})", source, where(tests))


def _pairs(alias: str, columns: tuple[str, ...], other: str, other_columns: tuple[str, ...]) -> list[tuple[Sql, Sql]]:
    return [(name(alias, column), name(other, theirs)) for column, theirs in zip(columns, other_columns, strict=True)]
