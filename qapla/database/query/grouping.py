"""Groups whose keys or values come from related rows, and groups inside embeds: aggregates over a derived table.

What is grouped by or summed up is first computed row by row, each under a name of its own, and then grouped: so an embed beside an
aggregate is a key like any other, and a column of a related row that is spread is as good as one of the row's own.

MariaDB's derived tables cannot look outside. There the groups of *all* rows are made, each with the key of the row that it belongs to,
and the row outside takes its own; the server pushes that key into the derived table where it can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qapla.database.query.render import INTEGER, JSON_BODY
from qapla.database.query.shape import AggregateCell, Cell, Columns, EmbedCell, Ref, SpreadCells
from qapla.database.query.sql import NOTHING, Sql, join, name, sql, where
from qapla.errors import NotOffered, QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from qapla.database.query.compile import Compiler
    from qapla.database.query.shape import AnyCell, Read, Term
    from qapla.database.schema.description import ColumnType, Relation, Table

    Wrap = Callable[[Sql], Sql]  # of a value of a related row: what it is for the row that is grouped


@dataclass(frozen=True, slots=True)
class Input:
    """A column of the derived table: a key of the groups, or what an aggregate takes. ``cell`` is None for a key."""

    key: str
    value: Sql
    type: ColumnType
    cell: AggregateCell | None = None
    origin: tuple[tuple[Relation, ...], Ref] | None = None  # of a key: the relations that lead to it, and what it is there


def is_derived(cells: tuple[AnyCell, ...]) -> bool:
    """Tell whether groups need related rows, so that their values have to be computed first."""
    return any(isinstance(cell, EmbedCell | SpreadCells) for cell in cells)


def make_groups(compiler: Compiler, read: Read, table: Table, alias: str, rest: Sql) -> tuple[Sql, Sql]:
    """Return the body of a group, and what to select it from; *rest* is the source of the rows and their conditions."""
    inputs = list(_inputs(compiler, read.cells, table, alias))
    derived, cells, groups = _derive(compiler, inputs, rest, ())
    order = join(", ", [compiler.renderer.order_term(value, term) for value, term in _order(compiler, inputs, read.order, derived.alias)])
    tail = sql("{}{}", sql(" ORDER BY {}", order) if order else NOTHING, compiler.renderer.limits(read.limit, read.offset))
    return compiler.renderer.grouped(cells, sql("{}{}{}", derived.source, groups, tail))


def count_groups(compiler: Compiler, read: Read, table: Table, alias: str, rest: Sql) -> Sql:
    """Return what has one row per group."""
    inputs = list(_inputs(compiler, read.cells, table, alias))
    derived, _, groups = _derive(compiler, inputs, rest, ())
    return sql("(SELECT count(*) FROM {}{}) AS c", derived.source, groups)


def embed_groups(compiler: Compiler, read: Read, table: Table, relation: Relation, outer: str) -> Sql:
    """Return the cell with the array of the groups of related rows, for an engine whose derived tables cannot look outside."""
    alias, renderer = compiler.alias(), compiler.renderer
    source, pairs = compiler.relate(relation, outer, alias)
    inputs = list(_inputs(compiler, read.cells, table, alias))
    if all(each.cell is not None for each in inputs):
        raise NotOffered(
            f"an aggregate of rows related to {table.name.name!r} is not offered inside an embed by {compiler.engine.label}",
            hint="add a column to group by, or ask for that table by itself",
        )
    tests = [compiler.test(read.where, table, alias)] if read.where is not None else []
    derived, cells, groups = _derive(compiler, inputs, sql("{}{}", source, where(tests)), [inner for inner, _ in pairs])
    body, rest = renderer.grouped(cells, sql("{}{}", derived.source, groups))
    found, terms = compiler.alias(), list(_order(compiler, inputs, read.order, derived.alias))
    keys = [sql("{} AS {}", name(derived.alias, f"k{index}"), name(f"k{index}")) for index in range(len(pairs))]
    sorted_by = [sql("{} AS {}", value, name(f"o{index}")) for index, (value, _) in enumerate(terms)]
    made = sql("(SELECT {} FROM {}) AS {}", join(", ", [*keys, *sorted_by, sql("{} AS j", body)]), rest, name(found))
    tied = [sql("{} = {}", name(found, f"k{index}"), theirs) for index, (_, theirs) in enumerate(pairs)]
    order = join(", ", [renderer.order_element(name(found, f"o{index}"), term) for index, (_, term) in enumerate(terms)])
    source = sql("{}{}", made, where(tied))
    return renderer.many(name(found, "j"), source, sql(" ORDER BY {}", order) if order else NOTHING, (read.limit, read.offset))


@dataclass(frozen=True, slots=True)
class _Derived:
    source: Sql
    alias: str


def _derive(
    compiler: Compiler, inputs: Sequence[Input], rest: Sql, keys: Sequence[Sql]
) -> tuple[_Derived, list[tuple[str, Sql]], Sql]:
    """Return the derived table, the cells made of its columns, and GROUP BY. *keys* are further keys, called ``k0``, ``k1``, …"""
    renderer, alias = compiler.renderer, compiler.alias()
    columns = [sql("{} AS {}", key, name(f"k{index}")) for index, key in enumerate(keys)]
    columns += [sql("{} AS {}", each.value, name(f"v{index}")) for index, each in enumerate(inputs)]
    derived = _Derived(sql("(SELECT {} FROM {}) AS {}", join(", ", columns), rest, name(alias)), alias)
    groups = [name(alias, f"k{index}") for index in range(len(keys))]
    cells: list[tuple[str, Sql]] = []
    for index, each in enumerate(inputs):
        value = name(alias, f"v{index}")
        if each.cell is not None:
            cells.append((each.key, compiler.aggregated(each.cell, value, each.type)))
            continue
        groups.append(value)
        cells.append((each.key, renderer.cell_of_key(value) if each.type is JSON_BODY else renderer.cell(value, each.type)))
    return derived, cells, sql(" GROUP BY {}", join(", ", groups)) if groups else NOTHING


def _inputs(
    compiler: Compiler, cells: tuple[AnyCell, ...], table: Table, alias: str, wrap: Wrap | None = None, way: tuple[Relation, ...] = ()
) -> Iterator[Input]:
    """Yield the columns of the derived table; *wrap* makes a value of a related row one of the row that is grouped."""
    around: Wrap = wrap or (lambda value: value)
    for cell in cells:
        if isinstance(cell, Columns):
            for each in cell.names:
                yield Input(each, around(name(alias, each)), table.by_name[each].type, None, (way, Ref(each)))
        elif isinstance(cell, Cell):
            value, type = compiler.value(cell.ref, table, alias)
            yield Input(cell.key, around(value), type, None, (way, cell.ref))
        elif isinstance(cell, AggregateCell):
            value, type = compiler.value(cell.ref, table, alias) if cell.ref is not None else (sql("1"), INTEGER)
            yield Input(cell.key, around(value), type, cell)
        elif isinstance(cell, SpreadCells) and cell.relation.kind == "to_one":
            yield from _spread_inputs(compiler, cell, alias, around, way)
        else:
            for key, printed in compiler.cells((cell,), table, alias):
                yield Input(key, compiler.renderer.key_of_cell(around(printed)), JSON_BODY)


def _spread_inputs(compiler: Compiler, cell: SpreadCells, outer: str, around: Wrap, way: tuple[Relation, ...]) -> Iterator[Input]:
    """Yield the columns of the one related row, each a subselect."""
    target, alias = compiler.schema.by_name[cell.read.table], compiler.alias()
    source, tests = compiler.related(cell.relation, outer, alias)
    if cell.read.where is not None:
        tests.append(compiler.test(cell.read.where, target, alias))
    rest = sql("{}{}", source, where(tests))

    def wrap(value: Sql) -> Sql:
        return around(sql("(SELECT {} FROM {} LIMIT 1)", value, rest))

    yield from _inputs(compiler, cell.read.cells, target, alias, wrap, (*way, cell.relation))


def _order(compiler: Compiler, inputs: Sequence[Input], order: tuple[Term, ...], alias: str) -> Iterator[tuple[Sql, Term]]:
    """Yield what each term of an order is in the derived table."""
    for term in order:
        wanted = ((term.relation,) if term.relation is not None else (), term.ref)
        index = next((index for index, each in enumerate(inputs) if each.origin == wanted), None)
        if index is None:
            raise QueryError(f"column {term.ref.column!r} must be selected to order groups by it", code="42803", hint="add it to select")
        yield compiler.renderer.order_value(name(alias, f"v{index}"), inputs[index].type), term

