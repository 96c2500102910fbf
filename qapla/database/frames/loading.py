"""Rows of Arrow into a table that is there: COPY where the engine has it, else many rows per statement; never row by row.

Nothing is committed here. What the engine refuses is told as everywhere, with the column where it names one.
"""

from __future__ import annotations

import io
import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from pyarrow import csv

from qapla.database.frames.storage import make_process
from qapla.errors import ValueRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from qapla.database.dialects import Engine
    from qapla.database.frames.intake import Intake
    from qapla.database.schema.description import ColumnType, Kind

MOST_DIGITS = 76  # of a decimal of Arrow
FIRST_DAY, LAST_DAY = ((day - date(1970, 1, 1)).days for day in (date.min, date.max))
COPY_ROWS = 50_000  # made into text at a time
ROWS = 5_000  # given to a driver at a time


def load(connection: Connection, intake: Intake, table: sa.TableClause, types: Mapping[str, ColumnType], engine: Engine) -> int:
    """Add the rows of *intake* to *table*, in the transaction of *connection*, and return how many there are.

    Args:
        types: of the table's columns, by name.

    Raises:
        ValueRefused: a value that the engine, or a column, cannot hold.
    """
    check_values(intake, engine)
    _check_sizes(intake, types)
    if not intake.table.num_rows:
        return 0
    if not intake.table.num_columns:
        raise ValueRefused("rows without columns cannot be written")
    (_copy if engine.has_copy else _insert)(connection, intake, table, types)
    return int(intake.table.num_rows)


def check_values(intake: Intake, engine: Engine) -> None:
    """See that the engine can hold every value.

    Raises:
        ValueRefused: infinity, a NUL character, an integer beyond 64 bits with a sign, a day that drivers do not write.
    """
    for name, column in zip(intake.table.column_names, intake.table.columns, strict=True):
        kind = intake.kinds[name]
        if kind == "float" and not engine.has_infinity and pc.any(pc.is_inf(column), min_count=0).as_py():
            raise ValueRefused(f"column {name!r} has an infinite number, which {engine.label} cannot hold", hint="NaN becomes NULL")
        if kind == "text" and pc.any(pc.match_substring(column, "\0"), min_count=0).as_py():
            raise ValueRefused(f"column {name!r} has a text with a NUL character in it", code="22021")
        if column.type == pa.uint64() and not engine.has_strict_types and (pc.max(column).as_py() or 0) >= 2**63:
            raise ValueRefused(f"column {name!r} has a number beyond 64 bits with a sign, the most of {engine.label}", code="22003")
        if not engine.has_copy and _is_outside(column):
            raise ValueRefused(f"column {name!r} has a day before year 1 or after 9999, which {engine.label} cannot hold", code="22008")


def _is_outside(column: pa.ChunkedArray) -> bool:
    """Tell whether there is a day that Python, and what it writes to, does not have."""
    if not pa.types.is_date32(column.type) and not pa.types.is_timestamp(column.type):
        return False
    days = pc.min_max(pc.floor_temporal(column, unit="day").cast(pa.date32()).cast(pa.int32()))
    smallest, largest = days["min"].as_py(), days["max"].as_py()
    return smallest is not None and not FIRST_DAY <= smallest <= largest <= LAST_DAY


def _check_sizes(intake: Intake, types: Mapping[str, ColumnType]) -> None:
    """See that each column has room for its decimals and texts: engines would round, cut blanks off, or keep what no column may have."""
    for name, column in zip(intake.table.column_names, intake.table.columns, strict=True):
        kind, target = intake.kinds[name], types[name]
        if kind == target.kind == "text" and target.length and (pc.max(pc.utf8_length(column)).as_py() or 0) > target.length:
            said = f"column {name!r} has a text that is longer than {target.length} characters"
            raise ValueRefused(said, code="22001", hint="the table takes no longer one")
        if kind == target.kind == "decimal" and target.precision and 0 <= (target.scale or 0) <= target.precision <= MOST_DIGITS:
            try:
                column.cast(pa.decimal256(target.precision, target.scale or 0))
            except pa.ArrowInvalid as error:
                room = f"{target.precision} digits, {target.scale or 0} of them behind the point"
                raise ValueRefused(f"column {name!r} has a number with more than {room}", code="22003", hint="round it") from error


# ------------------------------------------------------------------------------------------------ COPY


def _copy(connection: Connection, intake: Intake, table: sa.TableClause, types: Mapping[str, ColumnType]) -> None:
    from psycopg import sql

    names = intake.table.column_names
    target = sql.Identifier(*([table.schema] if table.schema else []), table.name)
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT csv, ENCODING 'UTF8')").format(target, columns)
    options = csv.WriteOptions(include_header=False)
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        for start in range(0, intake.table.num_rows, COPY_ROWS):
            part = intake.table.slice(start, COPY_ROWS)
            printed = [_print(part.column(name), intake.kinds[name], types[name].kind) for name in names]
            buffer = io.BytesIO()
            csv.write_csv(pa.table(printed, names=names), buffer, options)
            copy.write(buffer.getbuffer())


def _print(column: pa.ChunkedArray, kind: Kind, target: Kind) -> Any:
    """Return a column as one that Arrow prints the way PostgreSQL reads it."""
    if kind == "binary":
        return pa.array([None if value is None else "\\x" + value.hex() for value in column.to_pylist()], pa.large_string())
    if kind == "interval":
        return pc.binary_join_element_wise(column.cast(pa.int64()).cast(pa.string()), "microseconds", " ")
    if kind == "json" and target == "array":
        return pa.array([None if value is None else _as_array(json.loads(value)) for value in column.to_pylist()], pa.large_string())
    if kind == "unknown":
        return column.cast(pa.string())
    if kind in ("date", "timestamp", "timestamp_tz") and _is_outside(column):
        return pa.array([None if value is None else _with_era(value) for value in column.cast(pa.string()).to_pylist()], pa.large_string())
    if target == "integer" and kind == "boolean":
        return column.cast(pa.int8())
    return column


def _with_era(text: str) -> str:
    """Return a moment of ISO 8601 as PostgreSQL writes it: the year 0 is 1 BC."""
    end = text.index("-", 1)  # the first may be the year's own sign
    year = int(text[:end])
    return text if year > 0 else f"{1 - year:04}{text[end:]} BC"


def _as_array(value: Any) -> str:
    """Return a list as PostgreSQL writes arrays."""
    if isinstance(value, list):
        return "{" + ",".join(map(_as_array, value)) + "}"
    if value is None:
        return "NULL"
    text = value if isinstance(value, str) else json.dumps(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# ------------------------------------------------------------------------------------------------ rows


def _insert(connection: Connection, intake: Intake, table: sa.TableClause, types: Mapping[str, ColumnType]) -> None:
    dialect = connection.dialect
    names = intake.table.column_names
    statement = sa.insert(table).values({name: sa.bindparam(str(place)) for place, name in enumerate(names)})
    compiled: Any = statement.compile(dialect=_positional(dialect))
    names = [names[int(place)] for place in compiled.positiontup]
    processes = [make_process(intake.kinds[name], types[name], dialect) for name in names]
    for start in range(0, intake.table.num_rows, ROWS):
        part = intake.table.slice(start, ROWS)
        columns = [_values(name, part.column(name), process) for name, process in zip(names, processes, strict=True)]
        connection.exec_driver_sql(compiled.string, list(zip(*columns, strict=True)))


def _values(name: str, column: pa.ChunkedArray, process: Any) -> list[Any]:
    found: list[Any] = column.to_pylist()
    try:
        return found if process is None else [process(value) for value in found]
    except ValueRefused as error:
        raise ValueRefused(f"column {name!r}: {error.message}", hint=error.hint) from error


def _positional(dialect: Any) -> Any:
    """Return a dialect that writes parameters by their place, in the way of the driver."""
    from copy import copy

    style = {"pyformat": "format", "named": "qmark"}.get(dialect.paramstyle, dialect.paramstyle)
    found = copy(dialect)
    found.paramstyle, found.positional = style, True
    return found
