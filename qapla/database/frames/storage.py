"""What a column of a frame is in a table: the type it gets in a new one, whether it fits one that is there, and how its values get there.

=====================  =============================================================================================================
frame                  new column (PostgreSQL · MariaDB · SQLite)
=====================  =============================================================================================================
integers               ``SMALLINT``, ``INTEGER``, ``BIGINT`` by their width; unsigned 64 bit: ``NUMERIC(20)`` · ``BIGINT UNSIGNED``
booleans               ``BOOLEAN`` · ``TINYINT(1)`` · ``BOOLEAN``
floats                 ``DOUBLE PRECISION``; float32: ``REAL`` · ``FLOAT`` · ``REAL``
decimals               ``NUMERIC(digits, scale)``
texts, categories      ``TEXT`` · ``LONGTEXT``, in a key ``VARCHAR`` · ``TEXT``
dates, times           ``DATE``, ``TIME`` with microseconds
moments                ``TIMESTAMP`` · ``DATETIME(6)`` · ``DATETIME``; with a zone ``TIMESTAMPTZ`` · ``TIMESTAMP(6)`` · ``TIMESTAMPTZ``
UUIDs, addresses       ``UUID``, ``INET`` · ``VARCHAR(45)`` · ``VARCHAR(45)``
lists, objects         ``JSONB`` · ``JSON`` · ``JSON``
bytes                  ``BYTEA`` · ``LONGBLOB`` · ``BLOB``
durations              ``INTERVAL``; not offered elsewhere
=====================  =============================================================================================================

They are the types of the fields of models, so that a model of the same fields reads what was written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from qapla.database.models import fields
from qapla.errors import InputError, NotOffered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.engine.interfaces import Dialect
    from sqlalchemy.types import TypeEngine

    from qapla.database.dialects import Engine
    from qapla.database.schema.description import ColumnType, Kind

LONGEST_KEY = 255  # characters of a text that is part of a key, where there has to be a limit
MOST_DIGITS = 65

_SIMPLE: Mapping[Kind, Callable[[], TypeEngine[Any]]] = {
    "boolean": fields.Boolean().sql_type, "text": fields.Text().sql_type, "unknown": fields.Text().sql_type, "date": fields.Date().sql_type,
    "time": fields.Time().sql_type, "timestamp": fields.DateTime().sql_type, "timestamp_tz": fields.Timestamp().sql_type,
    "uuid": fields.UUID().sql_type, "network": fields.IP().sql_type, "json": fields.JSON().sql_type, "binary": fields.Binary().sql_type,
}  # fmt: skip

# Which kinds of columns take the values of a kind; a text is read by the engine, where it has strict types.
_TEXTS: tuple[Kind, ...] = ("text", "enum", "uuid", "json", "network", "interval", "array", "range", "geometry", "bits", "composite")
_FITS: Mapping[Kind, tuple[Kind, ...]] = {
    "boolean": ("boolean", "integer"),
    "integer": ("integer", "decimal", "float"),
    "float": ("float", "decimal"),
    "decimal": ("decimal", "float"),
    "text": _TEXTS,
    "date": ("date", "timestamp"),
    "timestamp": ("timestamp",),
    "uuid": ("uuid", "text"),
    "network": ("network", "text"),
    "json": ("json", "text", "array"),
    "binary": ("binary", "geometry"),
}


def make_type(name: str, column: pa.ChunkedArray, kind: Kind, engine: Engine, *, is_key: bool = False) -> TypeEngine[Any]:
    """Return the type of a new column for the values of *column*.

    Raises:
        NotOffered: the engine has none. InputError: a text is too long to be part of a key.
    """
    if kind == "integer":
        found = _integer(column.type)
        return found.with_variant(sa.Integer(), "sqlite") if is_key else found  # an INTEGER is what SQLite numbers rows by
    if kind == "float":
        return sa.REAL().with_variant(mysql.FLOAT(), "mysql", "mariadb") if column.type == pa.float32() else sa.Double()
    if kind == "decimal":
        return _decimal(name, column.type)
    if kind == "interval":
        if not engine.has_intervals:
            hint = "write seconds: .dt.total_seconds()"
            raise NotOffered(f"column {name!r} has durations, and {engine.label} has no such type", hint=hint)
        return sa.Interval()
    if kind == "text" and is_key:
        return fields.Varchar(_length(name, column, engine)).sql_type() if engine.keys_need_length else _SIMPLE["text"]()
    return _SIMPLE[kind]()


def fits(kind: Kind, target: ColumnType, engine: Engine) -> bool:
    """Tell whether a column of type *target* takes values of *kind*."""
    if kind == "unknown" or target.kind in (kind, "unknown"):
        return True
    return target.kind in _FITS.get(kind, ()) or (kind == "text" and engine.has_strict_types)


def make_process(kind: Kind, target: ColumnType, dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what makes of a value of *kind* what the driver takes for a column of type *target*; None: nothing."""
    if kind in ("json", "text", "unknown"):
        return None  # text that is one already
    if target.kind == "decimal":
        digits = min(target.precision or MOST_DIGITS, MOST_DIGITS)
        found: TypeEngine[Any] = fields.Decimal(digits, min(target.scale or 0, 30, digits)).sql_type() if target.precision else sa.Numeric()
    else:
        wanted = {"date": "timestamp"}.get(kind, kind) if target.kind == "timestamp" else kind
        found = _SIMPLE[wanted]() if wanted in _SIMPLE else sa.types.NullType()  # type: ignore[index]
    process: Callable[[Any], Any] | None = found._cached_bind_processor(dialect)
    return process


def _integer(type: pa.DataType) -> TypeEngine[Any]:
    if type == pa.uint64():
        return sa.Numeric(20, 0).with_variant(mysql.BIGINT(unsigned=True), "mysql", "mariadb").with_variant(sa.BigInteger(), "sqlite")
    bits = type.bit_width * 2 if pa.types.is_unsigned_integer(type) else type.bit_width
    return sa.SmallInteger() if bits <= 16 else sa.Integer() if bits <= 32 else sa.BigInteger()


def _decimal(name: str, type: pa.DataType) -> TypeEngine[Any]:
    scale = max(type.scale, 0)
    precision = max(type.precision - min(type.scale, 0), scale, 1)
    if precision > MOST_DIGITS or scale > 30:
        raise NotOffered(f"column {name!r} has {precision} digits, {scale} of them behind the point", hint="at most 65, and 30: cast it")
    return fields.Decimal(precision, scale).sql_type()


def _length(name: str, column: pa.ChunkedArray, engine: Engine) -> int:
    longest = pc.max(pc.utf8_length(column)).as_py() or 1
    if longest > LONGEST_KEY:
        said = f"column {name!r} has texts of {longest} characters, too many for a key on {engine.label}"
        raise InputError(said, hint=f"at most {LONGEST_KEY}")
    return LONGEST_KEY
