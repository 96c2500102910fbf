"""From what a caller sent - text of a filter, a form or a CSV, a value of a JSON body - to what the driver binds.

``read_text`` and ``read_json`` give, for one column's type on one engine, a value that the database takes as exactly that, or refuse it
with PostgreSQL's code. What the API sends out is taken back and means the same. PostgreSQL gets text and reads dates, arrays, ranges
and everything unusual itself; MariaDB and SQLite would turn a wrong one into 0 or keep it as it is, so theirs is read here.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from qapla.database.query.description import TextValue
from qapla.database.query.moments import read_moment
from qapla.database.schema.description import ColumnType
from qapla.errors import NotOffered, ValueRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Reader = Callable[[str, ColumnType, str], object]

MAX_DIGITS = 4000  # of an integer: Python's own conversion gives up a little later
INTEGER_BYTES: Mapping[str, int] = {
    "smallint": 2, "int2": 2, "integer": 4, "int4": 4, "int": 4, "bigint": 8, "int8": 8, "tinyint": 1, "mediumint": 3, "serial": 4,
}  # fmt: skip
_KEEP_NUL = frozenset({"text", "unknown"})  # PostgreSQL has no NUL in any text; the others keep it
_NUL_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_COMPOSITE = ColumnType("composite", "composite")
TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
FALSE = frozenset({"false", "f", "no", "n", "off", "0"})
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SPECIAL = re.compile(r"nan|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)
_UUID = re.compile(r"\{?[0-9a-f]{4}(-?[0-9a-f]{4}){7}\}?", re.ASCII | re.IGNORECASE)
_HEX = re.compile(r"\\x((?:[0-9a-fA-F]{2})*)", re.ASCII)
_BITS = re.compile(r"[01]+", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
DAY_LENGTH = len("2024-12-31")


def read_text(text: str, type: ColumnType, engine: str, column: str | None = None) -> object:
    """Return what to bind for *text*, as a filter, a form or a CSV has it.

    Args:
        engine: a key of ``dialects.ENGINES``.
        column: named in the message of a refusal.

    Raises:
        ValueRefused: it cannot be read as *type* (22P02, 22003, 22007, 22008, 22021).
    """
    try:
        _check_characters(text, type, engine)
        return _READERS.get(type.kind, _read_other)(text, type, engine)
    except ValueRefused as error:
        raise _at_column(error, column) from error


def read_json(value: object, type: ColumnType, engine: str, column: str | None = None) -> object:
    """Return what to bind for *value* out of a JSON body: None, bool, int, Decimal, float, str, list or dict; ``TextValue`` as text.

    Raises:
        ValueRefused: it cannot be read as *type*.
    """
    if value is None:
        return None
    if isinstance(value, TextValue):
        items = _find_items(value) if type.kind == "array" else None
        if items is None:
            return read_text(str(value), type, engine, column)  # a plain str: drivers look for the very type
        value = items
    if type.kind == "json":
        return read_text(write_json(value), type, engine, column)
    if isinstance(value, list | dict):
        return read_text(_nested_text(value, type, column), type, engine, column)
    return read_text(_scalar_text(value), type, engine, column)


def _find_items(text: str) -> list[Any] | None:
    """Return the elements of an array as a CSV of ours has it, as JSON; None for an engine's own way to write one."""
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def is_composite(type: ColumnType) -> bool:
    """Tell whether values are composites of PostgreSQL, or arrays of them."""
    return type.is_composite


def read_composite(value: object, column: str) -> object:
    """Return the JSON object of the one cell called *column*: of objects and lists as they are, else of the text that PostgreSQL reads.

    Raises:
        ValueRefused: there is a character in it that PostgreSQL has not.
    """
    if value is None:
        return None
    if isinstance(value, str) and value[:1] in ("{", "["):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value, parse_float=Decimal, parse_constant=_refuse_constant)
    if not isinstance(value, list | dict):
        value = _scalar_text(value)
    text = write_json({column: value})
    _check_characters(text, _COMPOSITE, "postgresql")
    if _NUL_ESCAPE.search(text):
        raise ValueRefused(f"column {column!r}: a text with a NUL character in it cannot be stored", code="22021")
    return text


def write_json(value: object) -> str:
    """Return *value* as compact JSON, numbers with all their digits."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(key), ensure_ascii=False)}:{write_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(write_json, value)) + "]"
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    if isinstance(value, Decimal | float) and not math.isfinite(value):
        return json.dumps(str(value))
    return json.dumps(value, ensure_ascii=False)


def _scalar_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, float):
        return repr(value)
    return str(value)


def _nested_text(value: list[Any] | dict[str, Any], type: ColumnType, column: str | None) -> str:
    """Return the text of a JSON list or object for a column that is not JSON."""
    if type.kind == "array" and isinstance(value, list):
        return _array_text(value)
    if type.kind in ("unknown", "composite", "geometry") and type.name:
        return write_json(value)  # types of extensions read JSON themselves, or refuse it
    what = "an array" if isinstance(value, list) else "an object"
    raise _at_column(ValueRefused(f"{what} cannot be read as {type.name or type.kind!r}"), column)


def _array_text(value: object) -> str:
    """Return PostgreSQL's literal of an array: ``{1,NULL,"a\\"b",{…}}``."""
    if isinstance(value, list):
        return "{" + ",".join(map(_array_text, value)) + "}"
    if value is None:
        return "NULL"
    text = write_json(value) if isinstance(value, dict) else _scalar_text(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _check_characters(text: str, type: ColumnType, engine: str) -> None:
    has_nul = "\x00" in text and (engine == "postgresql" or type.kind not in _KEEP_NUL)
    if has_nul or _SURROGATE.search(text):
        what = "a NUL character" if has_nul else "half of a surrogate pair"
        raise ValueRefused(f"a text with {what} in it cannot be stored", code="22021")


def _at_column(error: ValueRefused, column: str | None) -> ValueRefused:
    if column is None or error.message.startswith("column "):
        return error
    return ValueRefused(f"column {column!r}: {error.message}", code=error.code, hint=error.hint, details=error.details)


def _not_a(text: str, what: str, hint: str | None = None) -> ValueRefused:
    return ValueRefused(f"{text[:100]!r} is not {what}", hint=hint)


def _out_of_range(text: str, type: ColumnType) -> ValueRefused:
    return ValueRefused(f"{text[:100]!r} is out of range for type {type.name or type.kind!r}", code="22003")


# -- one reader per kind ------------------------------------------------------------------------------------------------------------


def _read_boolean(text: str, type: ColumnType, engine: str) -> object:
    word = text.strip().lower()
    if word in TRUE or word in FALSE:
        return word in TRUE if engine == "postgresql" else int(word in TRUE)
    if engine != "postgresql" and _INTEGER.fullmatch(word) and len(word) < 20:
        return _read_integer(word, type, engine)  # a tinyint(1) that holds 2 is shown as 2
    raise _not_a(text, "a boolean", "true or false")


def _read_integer(text: str, type: ColumnType, engine: str) -> object:
    digits = text.strip()
    if not _INTEGER.fullmatch(digits):
        raise _not_a(text, "an integer")
    if len(digits) > MAX_DIGITS:
        raise ValueRefused(f"a number of {len(digits)} digits is out of range for type {type.name or type.kind!r}", code="22003")
    number = int(digits)
    lowest, highest = _integer_bounds(type.name, type.kind, engine)
    if not lowest <= number <= highest:
        raise _out_of_range(digits, type)
    return str(number) if engine == "postgresql" else number


@lru_cache(maxsize=256)
def _integer_bounds(name: str, kind: str, engine: str) -> tuple[float, float]:
    words = name.lower().replace("(", " ").split()
    if engine == "oracle":
        return -math.inf, math.inf
    if engine == "sqlite" or not words:
        return -(2**63), 2**63 - 1
    if words[0] == "oid":
        return 0, 2**32 - 1
    if words[0] == "year":
        return 0, 2155
    size = 8 * (1 if kind == "boolean" else INTEGER_BYTES.get(words[0], 8))
    return (0, 2**size - 1) if "unsigned" in words else (-(2 ** (size - 1)), 2 ** (size - 1) - 1)


def _read_decimal(text: str, type: ColumnType, engine: str) -> object:
    number = text.strip()
    if _SPECIAL.fullmatch(number):
        if engine == "postgresql":
            return number
        raise _out_of_range(text, type)
    if not _NUMBER.fullmatch(number):
        raise _not_a(text, "a number")
    if engine == "postgresql":
        return number
    value = _exact(number, type)
    return _sqlite_number(value, number, type) if engine == "sqlite" else value


def _exact(number: str, type: ColumnType) -> Decimal:
    """Return *number* with all its digits, in plain notation as far as SQL needs it."""
    try:
        value = Decimal(number)
    except InvalidOperation as error:
        raise _out_of_range(number, type) from error
    if value and value.adjusted() > MAX_DIGITS:
        raise _out_of_range(number, type)
    if value and value.adjusted() < -MAX_DIGITS:
        return Decimal(0)
    return Decimal(f"{value:f}")


def _sqlite_number(value: Decimal, number: str, type: ColumnType) -> int | float:
    """Return what SQLite keeps as exactly this number: a 64-bit integer or a double."""
    if value == value.to_integral_value() and -(2**63) <= value < 2**63:
        return int(value)
    double = float(value)
    if math.isinf(double):
        raise _out_of_range(number, type)
    if Decimal(repr(double)) != value and Decimal(double) != value:
        raise ValueRefused(f"{number[:100]!r} would lose digits: SQLite keeps it as a double", code="22003")
    return double


def _read_float(text: str, type: ColumnType, engine: str) -> object:
    number = text.strip()
    if _SPECIAL.fullmatch(number):
        if engine == "postgresql":
            return number
        if engine == "sqlite" and number[0].lower() != "n":
            return float(number)
        raise _out_of_range(text, type)
    if not _NUMBER.fullmatch(number):
        raise _not_a(text, "a number")
    if math.isinf(float(number)):
        raise _out_of_range(text, type)
    return number if engine == "postgresql" else float(number)


def _read_string(text: str, type: ColumnType, engine: str) -> object:
    return text


def _read_enum(text: str, type: ColumnType, engine: str) -> object:
    if type.values and text not in type.values and (engine == "postgresql" or text.casefold() not in map(str.casefold, type.values)):
        raise _not_a(text, f"one of the values of {type.name[:100]!r}", f"one of {', '.join(type.values[:30])}")
    return text


def _read_moment(text: str, type: ColumnType, engine: str) -> object:
    if engine == "postgresql":
        return text
    if engine == "sqlite" and _NUMBER.fullmatch(text) and not text.isdigit() | ("-" in text[1:]):
        return _sqlite_number(_exact(text, type), text, type)  # a Julian day
    if engine == "sqlite" and text.isascii() and text.isdigit():
        return int(text[:19])  # seconds since 1970: SQLite has no type for time, and this is one of its usual forms
    found = read_moment(text, type.kind, has_zero_dates=engine in ("mariadb", "mysql"))
    if engine == "sqlite" and type.kind == "timestamp_tz" and len(found) > DAY_LENGTH:
        return f"{found}+00:00"  # nothing else would say that it is in UTC
    return found


def _read_uuid(text: str, type: ColumnType, engine: str) -> object:
    if not _UUID.fullmatch(text.strip()):
        raise _not_a(text, "a UUID")
    return text.strip()


def _read_json(text: str, type: ColumnType, engine: str) -> object:
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _not_a(text, "JSON") from error
    return text


def _refuse_constant(word: str) -> None:
    raise ValueError(word)


def _read_binary(text: str, type: ColumnType, engine: str) -> object:
    found = _HEX.fullmatch(text)
    if found is not None:
        return bytes.fromhex(found[1])
    if engine == "postgresql" and not text.startswith("\\x"):
        return text  # its older, escaped form
    raise _not_a(text, "binary data", "write it in hex: \\x0aff")


def _read_bits(text: str, type: ColumnType, engine: str) -> object:
    if engine == "postgresql":
        return text
    found = _HEX.fullmatch(text)
    if found is not None:
        number = int(found[1] or "0", 16)
    elif _BITS.fullmatch(text):
        number = int(text, 2)
    else:
        raise _not_a(text, "a string of bits", "write it as 0101")
    if type.length and number.bit_length() > type.length:
        raise _out_of_range(text, type)
    return number


def _read_geometry(text: str, type: ColumnType, engine: str) -> object:
    if engine == "postgresql":
        return text
    raise NotOffered(f"values of type {type.name!r} cannot be written or compared on this engine")


def _read_other(text: str, type: ColumnType, engine: str) -> object:
    if engine == "sqlite" and _NUMBER.fullmatch(text):  # a column without a type keeps what it gets, so a number has to be one
        return _sqlite_number(_exact(text, type), text, type)
    return text


_READERS: Mapping[str, Reader] = {
    "boolean": _read_boolean,
    "integer": _read_integer,
    "decimal": _read_decimal,
    "float": _read_float,
    "text": _read_string,
    "enum": _read_enum,
    "date": _read_moment,
    "time": _read_moment,
    "timestamp": _read_moment,
    "timestamp_tz": _read_moment,
    "uuid": _read_uuid,
    "json": _read_json,
    "binary": _read_binary,
    "bits": _read_bits,
    "geometry": _read_geometry,
}
