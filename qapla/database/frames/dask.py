"""Rows of a model as a Dask frame: nothing is read until somebody computes something of it, and then by many workers at once.

::

    frame = Choice.select().where(votes__gt=0).as_distributed_df()
    frame.votes.value_counts().compute()

Each database is cut into ranges of its key (``statistics.py``), each range is a value that any process can open (``partitions.py``),
and columns, filters and counts reach the databases (``expression.py``).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, false

from qapla.database.dialects import get_engine
from qapla.database.frames.fields import list_fields
from qapla.database.frames.installed import get_library
from qapla.database.frames.pandas import make_frame
from qapla.database.frames.partitions import ROWS_PER_PARTITION, Partition, cut
from qapla.database.frames.question import KEY, freeze
from qapla.database.frames.statistics import find_bounds
from qapla.database.frames.target import check_reachable
from qapla.database.models.columns import meaning_of
from qapla.database.models.description import engine_key
from qapla.errors import Conflict, InputError, NotOffered, QueryError, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd
    from dask.dataframe import DataFrame
    from sqlalchemy import Column

    from qapla.database.frames.fields import Decimals, Field
    from qapla.database.frames.partitions import Values
    from qapla.database.models.bound import Bound
    from qapla.database.models.queryset import QuerySet

DATABASE = "database"  # the column that says where a row is from, as in every frame of several databases
ORDERED_ALIKE = frozenset(("integer", "timestamp", "timestamp_tz"))  # kinds whose order is the same in every database and in pandas


def read_frame(
    queryset: QuerySet[Any],
    *,
    rows_per_partition: int | None = ROWS_PER_PARTITION,
    key: str | Sequence[str] | None = None,
    index: str | None = None,
    decimals: Decimals = "float",
    as_text: Collection[str] = (),
    database: str | None = None,
) -> DataFrame:
    """Return the rows of *queryset* as a Dask frame, with the columns and types of ``as_df()``.

    Asked now are statistics only, and whether table and columns are there.
    A partition sees what is committed when it is read; those of one frame are read at different times.

    Args:
        rows_per_partition: about how many rows a partition has. None: one partition for each database.
        key: columns to cut by, in the order of an index; by default the primary key.
        index: a column that becomes the index. Over one database that is cut by it (a number or a moment) the divisions are known then,
            for which its smallest and largest value are asked now.
        decimals: ``"exact"``: ``decimal.Decimal`` in place of doubles.
        as_text: names of columns that come as text, as the engine prints them.
        database: the name of the column that says where a row is from; it is there when it is named, or several databases are asked.

    Raises:
        NotBound: no database is bound.
        QueryError: an order, or an unknown column; a table without a key; an expression of which nobody knows the type.
        NotOffered: distinct rows over several databases; a database in memory.
        DatabaseError: a table or a column is not there. DatabasesFailed: in some of several databases.
        Conflict: a database has uncommitted changes, which other connections would not see.
        ConfigurationError: Dask is not installed.
    """
    get_library("dask.dataframe")
    _check(queryset, rows_per_partition)
    bounds = queryset.bounds()
    options = {"decimals": decimals, "as_text": tuple(as_text), "database": database or (DATABASE if len(bounds) > 1 else None)}
    key_columns = _find_key(queryset, key, rows_per_partition)
    plans = queryset.ask(lambda bound: _plan(queryset, bound, key_columns, rows_per_partition, index))
    empty = _make_empty(queryset, bounds, [bound for bound, _ in plans] or bounds[:1], options, index)
    limits = plans[0][1][1] if len(plans) == 1 else None
    partitions = tuple(partition for _, (found, _) in plans for partition in found)
    expression: Any = get_library("qapla.database.frames.expression")
    frame: DataFrame = expression.make(partitions, empty, limits, options)
    return frame


def _check(queryset: QuerySet[Any], rows_per_partition: int | None) -> None:
    if rows_per_partition is not None and (
        isinstance(rows_per_partition, bool) or not isinstance(rows_per_partition, int) or rows_per_partition < 1
    ):
        raise InputError(f"rows_per_partition {rows_per_partition!r} is no number of rows", hint="a whole number from 1, or None")
    bounds = queryset.bounds()
    if queryset.terms and queryset.window.is_all:
        raise QueryError("a distributed frame has no order of rows", hint="leave orderby() out, and sort it: frame.sort_values(…)")
    if queryset.is_distinct and len(bounds) > 1:
        raise NotOffered("rows of several databases cannot be made distinct before they are read", hint="frame.drop_duplicates() does it")
    for bound in bounds:
        check_reachable(bound)
        if bound.has_written:
            raise Conflict(
                f"database {bound.name!r} has changes that are not committed, which a distributed frame would not see",
                hint="commit them first: db.commit()",
            )


def _find_key(queryset: QuerySet[Any], key: str | Sequence[str] | None, rows_per_partition: int | None) -> tuple[Column[Any], ...]:
    """Return the columns to cut by; none where there is nothing to cut: a slice, distinct rows, one partition wished."""
    table: Any = queryset.mapper.local_table
    names = [key] if isinstance(key, str) else list(key or ())
    fields = {each.key: each.columns[0] for each in queryset.mapper.column_attrs}
    for name in names:
        if name not in fields:
            said = f"model {queryset.model.__name__!r} has no field {name!r} to be cut by"
            raise QueryError(said, code="42703", hint=nearest(name, fields))
    if rows_per_partition is None or queryset.is_distinct or not queryset.window.is_all:
        return ()
    found: list[Any] = [fields[name] for name in names] or list(queryset.mapper.primary_key)
    found = [each for each in found if each.table is table]
    if not found or (not names and _has_no_key(queryset)):
        hint = "name columns of an index: key='created_at'; or rows_per_partition=None, which reads each database as one"
        raise QueryError(f"table {table.name!r} has no key to be cut by", hint=hint)
    return tuple(found)


def _has_no_key(queryset: QuerySet[Any]) -> bool:
    """Tell whether the table itself declares no key: a mapper can be told one that no index stands behind."""
    table: Any = queryset.mapper.local_table
    return not list(getattr(table, "primary_key", ())) and not any(getattr(each, "unique", False) for each in getattr(table, "indexes", ()))


def _plan(
    queryset: QuerySet[Any], bound: Bound, key: tuple[Column[Any], ...], rows_per_partition: int | None, index: str | None
) -> tuple[list[Partition], tuple[Any, ...] | None]:
    """Return the partitions of one database, and the divisions of their index, None where these are not known."""
    names = [each.name for each in queryset.columns]
    attributes = {column: queryset.mapper.get_property_by_column(column).class_attribute for column in key}
    statement = queryset.statement(bound)
    question = freeze(statement.order_by(None) if key else statement, names, list(attributes.values()), bound.engine)
    limits = None
    table: Any = queryset.mapper.local_table
    with bound.engine.connect() as connection:
        connection.execute(question.select(names, [false()], question.as_subquery())).close()  # what is not there is told now
        bounds = find_bounds(connection, table, key, rows_per_partition) if key and rows_per_partition else []
        if index is not None and len(key) == 1 and attributes[key[0]].key == index and meaning_of(key[0].type).kind in ORDERED_ALIKE:
            source = question.as_subquery()
            column = source.c[KEY.format(0)]
            bounds, limits = _divide(bounds, connection.execute(_ends(column)).one())
    ranges = cut([column.name for column in key], bounds, has_nulls=_may_be_null(key, bound))
    return [Partition(bound.name, bound.reference, str(table), question, each) for each in ranges], limits


def _may_be_null(key: Sequence[Column[Any]], bound: Bound) -> bool:
    """Tell whether a column of the key may be NULL; SQLite allows that in a primary key, if it is not the number of the row."""
    is_number = len(key) == 1 and isinstance(key[0].type, Integer) and key[0].primary_key
    return any(column.nullable for column in key) or not (bound.dialect.has_strict_types or is_number)


def _ends(column: Any) -> Any:
    from sqlalchemy import func, select

    return select(func.min(column, type_=column.type), func.max(column, type_=column.type))


def _divide(bounds: list[Values], ends: Any) -> tuple[list[Values], tuple[Any, ...] | None]:
    """Return the bounds between the smallest and the largest key, and the divisions they are then."""
    smallest, largest = ends
    if smallest is None:
        return [], None
    kept = [bound for bound in bounds if smallest < bound[0] < largest]
    import pandas as pd

    divisions = [pd.Timestamp(value) if hasattr(value, "year") else value for value in (smallest, *(bound[0] for bound in kept), largest)]
    if len(divisions) > 2 and any(left >= right for left, right in pairwise(divisions)):
        return bounds, None
    return kept, tuple(divisions)


def _make_empty(
    queryset: QuerySet[Any], bounds: Sequence[Bound], asked: Sequence[Bound], options: dict[str, Any], index: str | None
) -> pd.DataFrame:
    """Return a frame without rows that has the columns and types which the partitions will have."""
    arrow: Any = get_library("qapla.database.frames.arrow")
    names, column = [each.name for each in queryset.columns], options["database"]
    if column in names:
        hint = f"name that one: database={column + '_name'!r}"
        raise QueryError(f"column {column!r} is selected, and is what the column of databases is called", hint=hint)
    tables = [(bound.name, arrow.make_empty(_list_fields(queryset, bound, names, options))) for bound in asked]
    joined = arrow.join(tables, column, [bound.name for bound in bounds]) if tables else None
    empty = make_frame(joined) if joined is not None else make_frame(arrow.make_empty(()))
    if index is None:
        return empty
    if index not in empty.columns:
        raise QueryError(f"no column is called {index!r}, which is to be the index", code="42703", hint=nearest(index, empty.columns))
    return empty.set_index(index)


def _list_fields(queryset: QuerySet[Any], bound: Bound, names: Sequence[str], options: dict[str, Any]) -> list[Field]:
    dialect = bound.engine.dialect
    is_strict = get_engine(engine_key(dialect)).has_strict_types
    given = {"names": names, "decimals": options["decimals"], "as_text": options["as_text"]}
    found = list_fields(queryset.statement(bound), dialect, is_strict=is_strict, **given)
    unknown = next((field.name for field in found if field.arrow is None), None)
    if unknown is not None:
        hint = f"say it: type_coerce(…, Integer), or read it as text, with as_text=[{unknown!r}]"
        raise QueryError(f"column {unknown!r} is of a type that is not known before it is read", hint=hint)
    return found
