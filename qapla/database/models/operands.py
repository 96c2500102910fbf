"""Values that a field is compared with, checked before any database sees them.

SQLite would compare a number with ``"many"`` and find nothing, where PostgreSQL refuses.
"""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ClauseElement

from qapla.database.models.columns import meaning_of
from qapla.database.models.password import HashedText
from qapla.database.models.types import Address
from qapla.database.query.operands import check_text
from qapla.errors import QueryError, ValueRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.orm import ColumnProperty

MAX_LIST = 30_000  # values of one ``in``; drivers take 32,766 or 65,535 parameters


def read_operand(column: ColumnProperty[Any], value: Any) -> Any:
    """Return *value* as the type of *column* binds it.

    Raises:
        ValueRefused: it is of another type; field, value and type are named.
    """
    type_ = column.columns[0].type
    kind = meaning_of(type_).kind
    if value is None or is_expression(value):
        return value
    if isinstance(type_, HashedText):
        raise QueryError(f"field {column.key!r} keeps hashes, which no text is equal to", hint=f"row.{column.key}.verify(text)")
    own = getattr(column.parent.class_, "__fields__", {}).get(column.key)
    if own is not None and (kind == "enum" or isinstance(type_, Address)):
        return own.check(value)
    reader = _READERS.get(kind)
    if reader is None:
        return value
    if isinstance(value, str):
        check_text(value, column.key)
    try:
        return reader(value)
    except (ValueError, TypeError, InvalidOperation):
        shown = f"a {type(value).__name__}" if isinstance(value, bytes) or type(value).__module__ != "builtins" else repr(value)[:60]
        said = f"field {column.key!r} is {_NAMES[kind]}, and {shown} is none"
        raise ValueRefused(said, hint=f"it is a {type(value).__name__}") from None


def is_expression(value: Any) -> bool:
    """Tell whether a value is computed by the database."""
    return isinstance(value, ClauseElement) or hasattr(value, "__clause_element__")


def read_text(column: ColumnProperty[Any], value: Any) -> str:
    """Return a pattern, a regular expression or words to search for.

    Raises:
        ValueRefused: it is no text, or one that no database can hold.
    """
    if not isinstance(value, str):
        raise ValueRefused(f"field {column.key!r} is matched with a text, and this is a {type(value).__name__}")
    check_text(value, column.key)
    return value


def check_list(column: ColumnProperty[Any], values: Any) -> list[Any]:
    """Return the values of a list.

    Raises:
        ValueRefused: it is none, or too long.
    """
    if isinstance(values, str | bytes | dict) or not hasattr(values, "__iter__"):
        raise ValueRefused(f"field {column.key!r} is compared with a list of values, and this is a {type(values).__name__}")
    found = list(values)
    if len(found) > MAX_LIST:
        raise QueryError(f"the list for {column.key!r} has {len(found)} values, and at most {MAX_LIST} are taken")
    return found


def _read_integer(value: Any) -> int:
    if isinstance(value, bool) or not (isinstance(value, int) or (hasattr(value, "__index__"))):
        raise TypeError
    number = value.__index__()
    if not -(2**63) <= number < 2**64:
        raise ValueRefused(f"no field has a number as large as {str(number)[:40]}", code="22003")
    return int(number)


def _read_float(value: Any) -> float | Decimal:
    if isinstance(value, bool) or not (isinstance(value, int | float | Decimal) or hasattr(value, "__float__")) or isinstance(value, str):
        raise TypeError
    return value if isinstance(value, int | Decimal) else float(value)


def _read_decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError
        return Decimal(repr(value))
    return Decimal(value)


def _read_boolean(value: Any) -> bool:
    if not (isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")):
        raise TypeError
    return bool(value)


def _read_text(value: Any) -> Any:
    if isinstance(value, Enum):
        return value
    if not isinstance(value, str):
        raise TypeError
    return value


def _read_date(value: Any) -> dt.date:
    if isinstance(value, str):
        return dt.date.fromisoformat(value)
    if isinstance(value, dt.datetime) or not isinstance(value, dt.date):
        raise TypeError
    return value


def _read_moment(value: Any) -> dt.datetime:
    """Read what a clock shows; in a zone it would be something else."""
    found = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(found, dt.datetime) or found.tzinfo is not None:
        raise TypeError
    return found


def _read_zoned(value: Any) -> dt.datetime:
    found = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(found, dt.datetime) or found.tzinfo is None:
        raise TypeError
    return found


def _read_time(value: Any) -> dt.time:
    if isinstance(value, str):
        return dt.time.fromisoformat(value)
    if not isinstance(value, dt.time):
        raise TypeError
    return value


def _read_uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value) if isinstance(value, str) else _refuse()


def _read_binary(value: Any) -> bytes:
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else _refuse()


def _refuse() -> Any:
    raise TypeError


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "integer": _read_integer,
    "float": _read_float,
    "decimal": _read_decimal,
    "boolean": _read_boolean,
    "text": _read_text,
    "date": _read_date,
    "timestamp": _read_moment,
    "timestamp_tz": _read_zoned,
    "time": _read_time,
    "uuid": _read_uuid,
    "binary": _read_binary,
}
_NAMES: Mapping[str, str] = {
    "integer": "a whole number", "float": "a number", "decimal": "a number", "boolean": "True or False", "text": "a text", "date": "a date",
    "timestamp": "a date and time without a zone", "timestamp_tz": "a date and time with its zone", "time": "a time", "uuid": "a UUID",
    "binary": "bytes",
}  # fmt: skip
