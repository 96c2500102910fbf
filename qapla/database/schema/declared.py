"""The type that a column gets, from its type in a statement: ``NUMERIC(10, 2)`` is PostgreSQL's ``numeric(10,2)``, a decimal.

What a mapped class says of a column becomes the same ``ColumnType`` that introspection finds once the table is made. The kinds come from
the tables of ``kinds.py``; here stand the names under which each engine keeps a type that was declared by another one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qapla.database.schema.description import ColumnType
from qapla.database.schema.kinds import DECLARED, POSTGRESQL, mysql_type, oracle_type, sqlite_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# what is written → PostgreSQL's own name of the type, and how it prints it
_POSTGRESQL: Mapping[str, tuple[str, str]] = {
    "SMALLINT": ("int2", "smallint"),
    "INTEGER": ("int4", "integer"),
    "INT": ("int4", "integer"),
    "BIGINT": ("int8", "bigint"),
    "DECIMAL": ("numeric", "numeric"),
    "REAL": ("float4", "real"),
    "FLOAT": ("float8", "double precision"),
    "DOUBLE PRECISION": ("float8", "double precision"),
    "VARCHAR": ("varchar", "character varying"),
    "CHAR": ("bpchar", "character"),
    "BOOLEAN": ("bool", "boolean"),
    "BIT VARYING": ("varbit", "bit varying"),
    "TIME": ("time", "time without time zone"),
    "TIME WITHOUT TIME ZONE": ("time", "time without time zone"),
    "TIME WITH TIME ZONE": ("timetz", "time with time zone"),
    "TIMESTAMP": ("timestamp", "timestamp without time zone"),
    "TIMESTAMP WITHOUT TIME ZONE": ("timestamp", "timestamp without time zone"),
    "TIMESTAMP WITH TIME ZONE": ("timestamptz", "timestamp with time zone"),
}
_RANGES: Mapping[str, str] = {
    "int4range": "INTEGER", "int8range": "BIGINT", "numrange": "NUMERIC", "daterange": "DATE",
    "tsrange": "TIMESTAMP", "tstzrange": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip
_ONE_BY_DEFAULT = ("bpchar", "bit")  # CHAR is CHAR(1)

_MYSQL_NAMES = {"integer": "int", "numeric": "decimal", "double precision": "double", "real": "double"}
_WIDTHS = {  # that MariaDB prints: with a sign, without
    "tinyint": (4, 3), "smallint": (6, 5), "mediumint": (9, 8), "int": (11, 10), "bigint": (20, 20),
}  # fmt: skip
_BYTES = {"tiny": 255, "": 65_535, "medium": 16_777_215, "long": 4_294_967_295}  # of a text or a blob, by the word before it
_TEXT_BYTES = 4  # of one character in utf8mb4
_SINGLE_BITS = 24  # FLOAT(24) is the last one of four bytes

_ORACLE_WHOLE = ("INTEGER", "INT", "SMALLINT")


def declared_type(engine: str, text: str) -> ColumnType:
    """Return the type of a column that was declared as *text* in a statement for *engine*, as introspection will find it."""
    return _READERS[engine](text)


def enum_type(engine: str, name: str, values: tuple[str, ...]) -> ColumnType:
    """Return the type of a column of an enum that has a *name* of its own, which is PostgreSQL's way."""
    return ColumnType("enum", name, values=values)


def _parts(text: str) -> tuple[str, list[int]]:
    """Return the words and the numbers of ``TIMESTAMP(3) WITH TIME ZONE``."""
    match = DECLARED.match(text)
    if match is None:
        return text.strip(), []
    words = " ".join(f"{match[1]} {match[4]}".split())
    return words, [int(part) for part in (match[2], match[3]) if part]


def _postgresql(text: str) -> ColumnType:
    if text.endswith("[]"):
        item = _postgresql(text.rstrip("[]"))
        return ColumnType("array", f"{item.name}[]", item=item)
    words, numbers = _parts(text)
    name, printed = _POSTGRESQL.get(words.upper(), (words.lower(), words.lower()))
    if name in _RANGES:
        return ColumnType("range", printed, item=_postgresql(_RANGES[name]))
    kind = POSTGRESQL.get(name, "unknown")
    if name == "float8" and words.upper() == "FLOAT":
        return ColumnType("float", "real" if numbers and numbers[0] <= _SINGLE_BITS else printed)
    if name in _ONE_BY_DEFAULT and not numbers:
        numbers = [1]
    if not numbers:
        return ColumnType(kind, printed)
    if name == "numeric":
        precision, scale = numbers[0], numbers[1] if len(numbers) > 1 else 0
        return ColumnType(kind, f"numeric({precision},{scale})", precision=precision, scale=scale)
    first, _, rest = printed.partition(" ") if kind in ("time", "timestamp", "timestamp_tz") else (printed, "", "")
    printed = f"{first}({numbers[0]})" + (f" {rest}" if rest else "")
    if kind in ("text", "bits"):
        return ColumnType(kind, printed, length=numbers[0])
    return ColumnType(kind, printed, precision=numbers[0]) if rest else ColumnType(kind, printed)


def _mariadb(text: str) -> ColumnType:
    return _mysql(text, prints_widths=True)


def _mysql(text: str, *, prints_widths: bool = False) -> ColumnType:
    first = text.partition("(")[0].strip().lower()
    if first in ("enum", "set"):
        return mysql_type(first, first + re.sub(r"'\s*,\s*'", "','", text[len(first) :].strip()), None, None, None, None)
    words, numbers = _parts(re.sub(r"\s+(CHARACTER SET|COLLATE)\s+\S+|^NATIONAL\s+", "", text, flags=re.IGNORECASE))
    plain = words.lower().removesuffix(" unsigned")
    name, unsigned = _MYSQL_NAMES.get(plain, plain), " unsigned" if words.lower().endswith(" unsigned") else ""
    if plain in ("bool", "boolean") or (name == "tinyint" and numbers == [1]):
        return mysql_type("tinyint", "tinyint(1)", None, None, None, None)
    if name in _WIDTHS:
        width = f"({_WIDTHS[name][bool(unsigned)]})" if prints_widths else ""
        return mysql_type(name, f"{name}{width}{unsigned}", None, None, None, None)
    if name == "decimal":
        precision, scale = (*numbers, 0)[:2] if numbers else (10, 0)
        return mysql_type(name, f"decimal({precision},{scale}){unsigned}", None, precision, scale, None)
    if name == "float" and numbers and numbers[0] > _SINGLE_BITS:
        name, numbers = "double", []
    return _mysql_sized(name, numbers)


def _mysql_sized(name: str, numbers: list[int]) -> ColumnType:
    """Return a type of MariaDB and MySQL that has a length, a precision of seconds, or nothing."""
    match = re.fullmatch(r"(tiny|medium|long|)(text|blob)", name)
    if match is not None:
        size = match[1]
        if numbers and not size:  # the smallest that holds so much
            needed = numbers[0] * (_TEXT_BYTES if match[2] == "text" else 1)
            size = next(word for word, most in _BYTES.items() if needed <= most)
        return mysql_type(size + match[2], size + match[2], _BYTES[size], None, None, None)
    if name in ("datetime", "timestamp", "time"):
        precision = numbers[0] if numbers else 0
        return mysql_type(name, f"{name}({precision})" if precision else name, None, None, None, precision)
    if name in ("char", "binary", "bit") and not numbers:
        numbers = [1]
    if name in ("char", "varchar", "binary", "varbinary", "bit"):
        return mysql_type(name, f"{name}({numbers[0]})" if numbers else name, *_lengths(name, numbers), None, None)
    return mysql_type(name, "year(4)" if name == "year" else name, None, None, None, None)


def _lengths(name: str, numbers: list[int]) -> tuple[int | None, int | None]:
    length = numbers[0] if numbers else None
    return (None, length) if name == "bit" else (length, None)


def _oracle(text: str) -> ColumnType:
    words, numbers = _parts(re.sub(r"\s+(CHAR|BYTE)\s*\)", ")", text))
    name = words.upper()
    first = numbers[0] if numbers else None
    if name in _ORACLE_WHOLE:
        return oracle_type("NUMBER", None, None, 0)
    if name in ("NUMBER", "NUMERIC", "DECIMAL"):
        return oracle_type("NUMBER", None, first, numbers[1] if len(numbers) > 1 else 0 if numbers else None)
    if name in ("DOUBLE PRECISION", "REAL"):
        return oracle_type("FLOAT", None, None, None)
    if name.startswith("TIMESTAMP"):
        precision = 6 if first is None else first
        return oracle_type(f"TIMESTAMP({precision}){name.removeprefix('TIMESTAMP')}", None, None, precision)
    return oracle_type(name, first, None, None)


_READERS: Mapping[str, Callable[[str], ColumnType]] = {
    "postgresql": _postgresql,
    "mariadb": _mariadb,
    "mysql": _mysql,
    "sqlite": sqlite_type,
    "oracle": _oracle,
}
