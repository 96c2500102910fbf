"""The reader for every engine: rows of the driver, a batch at a time, made into Arrow as they come.

No mapped object is made, and none of SQLAlchemy's reading is done but that of types of one's own: ``arrays.py`` takes what the driver
gives. In memory are the batch and what is Arrow already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import Select, String, cast

from qapla.database.dialects import get_engine
from qapla.database.frames.arrays import build, chunked
from qapla.database.frames.fields import check_count
from qapla.database.models.description import engine_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from qapla.database.frames.fields import Field

BATCH_ROWS = 10_000
MOMENTS = frozenset({"date", "time", "timestamp", "timestamp_tz", "interval"})


def read(connection: Connection, statement: Any, fields: Sequence[Field], database: str) -> pa.Table:
    """Return the rows of *statement*.

    Raises:
        NotOffered: a value is none of its column's type.
        DatabaseError: the driver's errors come as they are, the caller translates them.
    """
    statement = _print_moments(statement, fields, connection)
    streams = connection.get_isolation_level() != "AUTOCOMMIT"  # a cursor in the server lives in a transaction
    result = connection.execute(statement, execution_options={"stream_results": streams})
    batches: list[list[pa.Array]] = []
    unknown: list[list[Any]] = [[] for _ in fields]
    try:
        cursor: Any = result.cursor
        check_count(fields, len(cursor.description))
        # The first row of a cursor in the server is fetched by SQLAlchemy, which wants to know the columns.
        rows = [tuple(row) for row in getattr(result.cursor_strategy, "_rowbuffer", ())]
        rows += cursor.fetchmany(BATCH_ROWS - len(rows))
        while rows:
            columns = list(zip(*rows, strict=True))
            batches.append([_build(values, field, database, kept) for values, field, kept in zip(columns, fields, unknown, strict=True)])
            rows = cursor.fetchmany(BATCH_ROWS)
    finally:
        result.close()
    return _table(batches, fields, unknown, database)


def _print_moments(statement: Any, fields: Sequence[Field], connection: Connection) -> Any:
    """Return *statement* with moments that are read as text printed by the engine: the driver would read them, or fail to."""
    wanted = [field.as_text and field.type.kind in MOMENTS for field in fields]
    if not any(wanted) or not isinstance(statement, Select) or not get_engine(engine_key(connection.dialect)).has_strict_types:
        return statement
    columns = zip(statement.selected_columns, fields, wanted, strict=True)
    chosen = [cast(column, String).label(field.name) if is_wanted else column for column, field, is_wanted in columns]
    return statement.with_only_columns(*chosen, maintain_column_froms=True)


def _build(values: Sequence[Any], field: Field, database: str, kept: list[Any]) -> pa.Array | None:
    """Return the array of a batch; values of a column without a type are kept until all are there."""
    if field.arrow is not None:
        return build(values, field, database)
    kept.extend(values)
    return None


def _table(batches: list[list[Any]], fields: Sequence[Field], unknown: list[list[Any]], database: str) -> pa.Table:
    columns = []
    for place, field in enumerate(fields):
        if field.arrow is None:
            columns.append(pa.chunked_array([build(unknown[place], field, database)]))
        else:
            columns.append(chunked([batch[place] for batch in batches], field, database))
    return pa.table(columns, names=[field.name for field in fields])
