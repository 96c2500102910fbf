"""One order over the rows of several databases, by what each of them sorted by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from qapla.database.models.ordering import make_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qapla.database.models.ordering import Direction


def sort(table: pa.Table, first: int, ways: Sequence[Direction]) -> pa.Table:
    """Return *table* in one order, without the columns that it is sorted by.

    Args:
        first: the place of the first of these columns; a column of databases may stand behind them.
        ways: their directions.
    """
    keys = [table.column(first + place) for place in range(len(ways))]
    rest = table.select([place for place in range(table.num_columns) if not first <= place < first + len(ways)])
    sortable = all(_is_sortable(key.type) for key in keys)
    return rest.take(_by_arrow(keys, ways) if sortable else _by_python(keys, ways))


def _is_sortable(type: pa.DataType) -> bool:
    known = (pa.types.is_integer, pa.types.is_floating, pa.types.is_temporal, pa.types.is_string, pa.types.is_decimal, pa.types.is_binary)
    return any(test(type) for test in known)


def _by_arrow(keys: Sequence[pa.ChunkedArray], ways: Sequence[Direction]) -> pa.Array:
    """Return the places of the rows in order. NaN is behind all numbers, NULL where its term says; level ones stay as they are."""
    columns: dict[str, pa.ChunkedArray | pa.Array] = {}
    order = []

    def add(values: pa.ChunkedArray | pa.Array, way: str) -> None:
        name = f"k{len(columns)}"
        columns[name] = values
        order.append((name, way))

    for key, way in zip(keys, ways, strict=True):
        direction = "descending" if way.descending else "ascending"
        add(pc.is_null(key).cast(pa.int8()), "descending" if way.nulls_first else "ascending")
        if pa.types.is_floating(key.type):
            add(pc.fill_null(pc.is_nan(key), False).cast(pa.int8()), direction)
        add(key, direction)
    add(pa.array(range(len(keys[0])), pa.int64()), "ascending")
    return pc.sort_indices(pa.table(columns), sort_keys=order)


def _by_python(keys: Sequence[pa.ChunkedArray], ways: Sequence[Direction]) -> pa.Array:
    rows = list(zip(*(key.to_pylist() for key in keys), strict=True))
    return pa.array(sorted(range(len(rows)), key=lambda place: make_key(rows[place], ways)), pa.int64())
