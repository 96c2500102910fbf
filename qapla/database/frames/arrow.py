"""A queryset as one Arrow table: all databases asked in parallel, their rows one after the other, with one schema.

``read_table`` is what ``Model.select().as_arrow()`` does; pandas and polars frames are made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from qapla.database.frames import reading
from qapla.database.frames.arrays import build
from qapla.database.frames.fields import list_fields
from qapla.database.frames.sorting import sort
from qapla.database.models.binding import require_bound
from qapla.database.models.ordering import directions
from qapla.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from qapla.database.frames.fields import Decimals, Field
    from qapla.database.models.bound import Bound
    from qapla.database.models.queryset import QuerySet

ORDER = "qapla_order_"  # what rows are merged by, and nobody sees
DATABASE = "database"  # the column that says where a row is from
NAMES = pa.dictionary(pa.int32(), pa.string())


def read_table(
    queryset: QuerySet[Any], *, decimals: Decimals = "exact", as_text: Collection[str] = (), database: str | None = None
) -> pa.Table:
    """Return the rows of *queryset*: columns as selected, and which database a row is from when several are asked.

    Args:
        decimals: ``"float"``: the doubles next to them.
        as_text: names of columns that come as text, as the engine prints them: infinity in a timestamp, times beyond 24 hours.
        database: the name of the column that says where a row is from; it is there when it is named, or several databases are asked.

    Raises:
        QueryError: a column has the name of that column; databases have different columns under one model.
        NotOffered: a value is none of its column's type.
    """
    bounds = list(queryset.bounds())
    column = database or (DATABASE if len(bounds) > 1 else None)
    names = [each.name for each in queryset.columns]
    if column in names:
        hint = f"name that one: database={column + '_name'!r}"
        raise QueryError(f"column {column!r} is selected, and is what the column of databases is called", hint=hint)
    merges = bool(queryset.order_is_global)
    options: dict[str, Any] = {"decimals": decimals, "as_text": as_text}
    wanted = [*names, *(f"{ORDER}{place}" for place in range(len(queryset.terms)))] if merges else names

    def read(bound: Bound) -> pa.Table:
        statement = queryset.statement(bound, with_order=merges)
        return reading.read_bound(statement, bound, names=wanted, timeout_s=queryset.asking.timeout_s, **options)

    answers = [(bound.name, table) for bound, table in queryset.ask(read)]
    if not answers:
        bound = (bounds or list(require_bound()))[0]
        answers = [("", make_empty(list_fields(queryset.statement(bound), bound.engine.dialect, names=names, **options)))]
        return join(answers, column, [each.name for each in bounds])
    found = join(answers, column, [bound.name for bound in bounds])
    return sort(found, len(names), directions(queryset.terms)) if merges else found


def make_empty(fields: Sequence[Field]) -> pa.Table:
    """Return a table of *fields* with no rows."""
    return pa.table([build([], field, "") for field in fields], names=[field.name for field in fields])


def join(tables: Sequence[tuple[str, pa.Table]], column: str | None, names: Sequence[str]) -> pa.Table:
    """Return the rows of *tables*, at least one, one after the other, each with its database's name in *column*.

    Integers get the width of the widest. Dictionaries become one.

    Args:
        names: all databases that may be in the column.

    Raises:
        QueryError: the tables have different columns.
    """
    schema = _unite(tables)
    found = [_add_name(table.cast(schema), column, name, names) for name, table in tables]
    return pa.concat_tables(found).unify_dictionaries() if len(found) > 1 else found[0]


def _add_name(table: pa.Table, column: str | None, name: str, names: Sequence[str]) -> pa.Table:
    if column is None:
        return table
    place = pa.scalar(names.index(name) if name in names else 0, pa.int32())
    codes = pa.repeat(place, table.num_rows)
    return table.append_column(pa.field(column, NAMES), pa.DictionaryArray.from_arrays(codes, pa.array(list(names), pa.string())))


def _unite(tables: Sequence[tuple[str, pa.Table]]) -> pa.Schema:
    """Return the schema of all *tables*."""
    first_name, first = tables[0]
    fields = list(first.schema)
    for name, table in tables[1:]:
        if table.schema.names != first.schema.names:
            theirs = f"{_listed(first.schema)} and {_listed(table.schema)}"
            raise QueryError(f"databases {first_name!r} and {name!r} have different columns: {theirs}")
        differences = []
        for place, field in enumerate(table.schema):
            united = _widest(fields[place].type, field.type)
            if united is None:
                differences.append(f"{field.name!r} is {fields[place].type} and {field.type}")
            else:
                fields[place] = fields[place].with_type(united)
        if differences:
            hint = "read these as text, with as_text=[…], or ask the databases one by one"
            raise QueryError(f"databases {first_name!r} and {name!r} have different columns: {', '.join(differences)}", hint=hint)
    return pa.schema(fields)


def _widest(ours: pa.DataType, theirs: pa.DataType) -> pa.DataType | None:
    """Return the type that holds the values of both; None where they mean different things."""
    if ours == theirs or pa.types.is_null(theirs):
        return ours
    if pa.types.is_null(ours):
        return theirs
    if any(test(ours) and test(theirs) for test in (pa.types.is_signed_integer, pa.types.is_floating)):
        return max(ours, theirs, key=lambda type: type.bit_width)
    if pa.types.is_decimal(ours) and pa.types.is_decimal(theirs):
        scale = max(ours.scale, theirs.scale)
        digits = scale + max(ours.precision - ours.scale, theirs.precision - theirs.scale)
        return None if digits > 76 else (pa.decimal128 if digits <= 38 else pa.decimal256)(digits, scale)
    return None


def _listed(schema: pa.Schema) -> str:
    return ", ".join(repr(name) for name in schema.names)
