"""Keyset paging: a page starts where the last one ended, by the values of its last row, however far that is.

The order is completed by the table's identity, so that no two rows share a place. NULLs have their place like any other value.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qapla.database.query.computed import get_column
from qapla.database.query.render import ref_type
from qapla.database.query.renderers import get_renderer
from qapla.database.query.shape import After, Cell, Columns, EmbedCell
from qapla.errors import QueryError

if TYPE_CHECKING:
    from qapla.database.query.description import Cursor, Order
    from qapla.database.query.resolve import Resolver
    from qapla.database.query.shape import AnyCell, Term
    from qapla.database.schema.description import Column, Kind, Table

NESTED_KINDS: frozenset[Kind] = frozenset({"json", "array", "composite", "unknown"})


def read_place(
    cursor: Cursor, asked: tuple[Order, ...], order: tuple[Term, ...], table: Table, resolver: Resolver
) -> tuple[tuple[Term, ...], After]:
    """Return the order to read in, which is the opposite one going backward, and the condition that starts after *cursor*.

    Raises:
        QueryError: the cursor was made for another order, or its values cannot be read.
    """
    if cursor.order != asked:
        raise QueryError("the cursor was made for another order", hint="start again without 'after'")
    if len(cursor.values) != len(order):
        raise QueryError("the cursor does not fit this table", hint="start again without 'after'")
    renderer = get_renderer(resolver.engine.key)
    slots: list[int | None] = []
    for value, term in zip(cursor.values, order, strict=True):
        column = get_term_column(table, term, resolver)
        if value is None:
            slots.append(None)
        else:
            slots.append(resolver.add(renderer.bind_place(value, ref_type(term.ref, column.type))))
    if cursor.backward:
        order = tuple(replace(term, descending=not term.descending, nulls_first=not term.nulls_first) for term in order)
    return order, After(order, tuple(slots))


def find_place(table: Table, cells: tuple[AnyCell, ...], order: tuple[Term, ...], resolver: Resolver) -> tuple[str, ...] | None:
    """Return the names under which each row's answer shows the values of *order*, or None when it does not show all of them exactly."""
    if _has_json(cells, table, resolver):
        return None  # it may be large, and nested deeper than Python reads
    safe = get_renderer(resolver.engine.key).placed_kinds
    shown: dict[str, str] = {}
    keys: list[str] = []
    for cell in cells:
        if isinstance(cell, Columns):
            keys.extend(cell.names)
            if cell.preview is None:
                shown.update((name, name) for name in cell.names)
        elif isinstance(cell, Cell):
            keys.append(cell.key)
            if cell.preview is None and cell.ref.column and not cell.ref.steps and cell.ref.cast is None:
                shown[cell.ref.column] = cell.key
        else:
            keys.append(getattr(cell, "key", ""))
            if not hasattr(cell, "key"):
                return None  # spread: any name may come twice
    found: list[str] = []
    for term in order:
        key = shown.get(term.ref.column)
        if key is None or term.relation is not None or term.ref.steps or keys.count(key) > 1:
            return None
        if get_column(resolver.schema, table, term.ref.column).type.kind not in safe:
            return None
        found.append(key)
    return tuple(found)


def _has_json(cells: tuple[AnyCell, ...], table: Table, resolver: Resolver) -> bool:
    for cell in cells:
        if isinstance(cell, Columns):
            if any(table.by_name[name].type.kind in NESTED_KINDS for name in cell.names):
                return True
        elif isinstance(cell, Cell):
            if get_column(resolver.schema, table, cell.ref.column).type.kind in NESTED_KINDS:
                return True
        elif isinstance(cell, EmbedCell) and _has_json(cell.read.cells, resolver.schema.by_name[cell.read.table], resolver):
            return True
    return False


def get_term_column(table: Table, term: Term, resolver: Resolver) -> Column:
    """Return the column of a term, which may be that of a related table."""
    if term.relation is not None:
        table = resolver.schema.by_name[term.relation.target]
    return get_column(resolver.schema, table, term.ref.column)
