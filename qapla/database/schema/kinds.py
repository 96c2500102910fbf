"""From the types that engines have to the kinds that readers branch on: one table per engine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qapla.database.schema.description import ColumnType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qapla.database.schema.description import Kind


def _table(*rows: tuple[Kind, str]) -> dict[str, Kind]:
    return {name: kind for kind, names in rows for name in names.split()}


POSTGRESQL: Mapping[str, Kind] = _table(
    ("boolean", "bool"),
    ("integer", "int2 int4 int8 oid"),
    ("decimal", "numeric"),
    ("float", "float4 float8"),
    ("text", "text varchar bpchar name char citext"),
    ("date", "date"),
    ("time", "time timetz"),
    ("timestamp", "timestamp"),
    ("timestamp_tz", "timestamptz"),
    ("interval", "interval"),
    ("uuid", "uuid"),
    ("json", "json jsonb"),
    ("binary", "bytea"),
    ("bits", "bit varbit"),
    ("network", "inet cidr macaddr macaddr8"),
    ("geometry", "point line lseg box path polygon circle geometry geography"),
)

MYSQL: Mapping[str, Kind] = _table(
    ("integer", "tinyint smallint mediumint int integer bigint year"),
    ("decimal", "decimal numeric"),
    ("float", "float double real"),
    ("text", "char varchar tinytext text mediumtext longtext set"),
    ("enum", "enum"),
    ("date", "date"),
    ("time", "time"),
    ("timestamp", "datetime"),
    ("timestamp_tz", "timestamp"),  # kept in UTC, shown in the zone of the session
    ("uuid", "uuid"),
    ("json", "json"),
    ("binary", "binary varbinary tinyblob blob mediumblob longblob"),
    ("bits", "bit"),
    ("network", "inet4 inet6"),
    ("geometry", "geometry point linestring polygon multipoint multilinestring multipolygon geometrycollection geomcollection"),
)

# names that people give to columns of SQLite, where the file itself knows four affinities only
SQLITE: Mapping[str, Kind] = _table(
    ("boolean", "BOOLEAN BOOL"),
    ("decimal", "NUMERIC DECIMAL NUMBER MONEY SMALLMONEY CURRENCY"),
    ("text", "STRING"),
    ("date", "DATE"),
    ("time", "TIME"),
    ("timestamp", "DATETIME TIMESTAMP SMALLDATETIME DATETIME2"),
    ("timestamp_tz", "TIMESTAMPTZ DATETIMEOFFSET"),
    ("uuid", "UUID GUID UNIQUEIDENTIFIER"),
    ("json", "JSON JSONB"),
    ("binary", "BLOB BINARY VARBINARY BYTEA IMAGE LONGVARBINARY"),
)
AFFINITIES: tuple[tuple[str, Kind], ...] = (
    ("INT", "integer"), ("CHAR", "text"), ("CLOB", "text"), ("TEXT", "text"), ("BLOB", "binary"),
    ("REAL", "float"), ("FLOA", "float"), ("DOUB", "float"),
)  # fmt: skip

ORACLE: Mapping[str, Kind] = _table(
    ("boolean", "BOOLEAN"),
    ("decimal", "NUMBER"),
    ("float", "FLOAT BINARY_FLOAT BINARY_DOUBLE"),
    ("text", "CHAR NCHAR VARCHAR2 NVARCHAR2 VARCHAR CLOB NCLOB LONG ROWID UROWID"),
    ("timestamp", "DATE TIMESTAMP"),  # Oracle's DATE has a time
    ("timestamp_tz", "TIMESTAMP_TZ"),
    ("interval", "INTERVAL"),
    ("json", "JSON"),
    ("binary", "RAW BLOB"),
    ("geometry", "SDO_GEOMETRY"),
)

DECLARED = re.compile(r"^\s*(.*?)\s*(?:\(\s*([+-]?\d+)\s*(?:,\s*([+-]?\d+)\s*)?\))?([^()]*)$", re.DOTALL)
SIZED: frozenset[Kind] = frozenset({"text", "binary", "bits"})


def sqlite_type(declared: str | None) -> ColumnType:
    """Return the type of a column as it was declared: a well-known name, else the affinity by SQLite's own rules.

    Source: https://www.sqlite.org/datatype3.html, section 3.1.
    """
    text = declared or ""
    match = DECLARED.match(text)
    if not match:
        return ColumnType("unknown", text)
    first, second = (int(part) if part else None for part in (match[2], match[3]))
    kind = sqlite_kind(f"{match[1]} {match[4]}".upper())
    if kind == "decimal":
        return ColumnType(kind, text, precision=first, scale=second if second is not None else (0 if first is not None else None))
    return ColumnType(kind, text, length=first if kind in SIZED else None)


def sqlite_kind(name: str) -> Kind:
    """Return the kind of a declared type without its numbers, in capital letters."""
    words = name.split()
    if not words:
        return "unknown"
    if words[0] == "TIMESTAMP" and {"ZONE", "TZ"} & set(words) and "WITHOUT" not in words:
        return "timestamp_tz"
    if words[0] in SQLITE:
        return SQLITE[words[0]]
    return next((kind for part, kind in AFFINITIES if part in name), "unknown")


def mysql_type(
    data_type: str, printed: str, length: int | None, precision: int | None, scale: int | None, time_precision: int | None
) -> ColumnType:
    """Return the type of a column from a row of ``information_schema.COLUMNS``."""
    data_type = data_type.lower()
    kind = MYSQL.get(data_type, "unknown")
    if printed == "tinyint(1)":
        return ColumnType("boolean", printed)
    if kind == "bits":
        return ColumnType(kind, printed, length=precision)
    if kind == "decimal":
        return ColumnType(kind, printed, precision=precision, scale=scale)
    if data_type in ("enum", "set"):
        return ColumnType(kind, printed, values=quoted_values(printed))
    if kind in SIZED:
        return ColumnType(kind, printed, length=length)
    return ColumnType(kind, printed, precision=time_precision)


def quoted_values(text: str) -> tuple[str, ...]:
    """Return the values of ``enum('a','it''s')``."""
    return tuple(value.replace("''", "'").replace("\\\\", "\\") for value in re.findall(r"'((?:[^']|'')*)'", text))


def oracle_type(name: str, length: int | None, precision: int | None, scale: int | None) -> ColumnType:
    """Return the type of a column from a row of ``ALL_TAB_COLS``."""
    base = name.split("(")[0].strip()
    if base.startswith("TIMESTAMP"):
        zoned = "TIME ZONE" in name
        return ColumnType("timestamp_tz" if zoned else "timestamp", name, precision=scale)
    kind = ORACLE.get(base.split()[0] if base else "", "unknown")
    if base == "NUMBER":
        return oracle_number(precision, scale)
    if base == "BOOLEAN" or kind not in SIZED:
        return ColumnType(kind, name)
    sized = base not in ("CLOB", "NCLOB", "LONG", "BLOB", "ROWID")
    return ColumnType(kind, f"{name}({length})" if sized and length else name, length=length if sized else None)


def oracle_number(precision: int | None, scale: int | None) -> ColumnType:
    """Return the type of a NUMBER: whole where its scale is 0, else decimal."""
    if scale == 0:
        return ColumnType("integer", f"NUMBER({precision},0)" if precision else "NUMBER(*,0)", precision=precision)
    if precision is None:
        return ColumnType("decimal", "NUMBER")
    return ColumnType("decimal", f"NUMBER({precision},{scale})", precision=precision, scale=scale)
