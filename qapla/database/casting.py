"""Casts for SQLite, as PostgreSQL does them: its own would make 0 of what is no number, and never refuse anything."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from qapla.database.query.moments import read_moment
from qapla.errors import ValueRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RANGES: Mapping[str, int] = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
_INTEGER = re.compile(r"\s*[+-]?\d{1,100}\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)
_TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0"})


def cast(value: Any, target: str) -> Any:
    """Return *value* as *target*, a name of ``query.casts.CASTS``; NULL stays NULL.

    Raises:
        ValueRefused: it cannot be one (22P02, 22003, 22007, 22008).
    """
    if value is None:
        return None
    if isinstance(value, bytes):
        raise _refused(value, target)
    if target in RANGES:
        return _to_integer(value, target)
    return _CASTS[target](value, target)


def _to_integer(value: Any, target: str) -> int:
    if isinstance(value, str):
        if not _INTEGER.fullmatch(value):
            raise _refused(value, target)
        number = int(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueRefused(f"{value!r} is out of range for type {target!r}", code="22003")
        number = int(Decimal(value).to_integral_value(ROUND_HALF_EVEN))
    else:
        number = value
    most = RANGES[target]
    if not -most <= number < most:
        raise ValueRefused(f"{str(number)[:60]!r} is out of range for type {target!r}", code="22003")
    return number


def round_decimal(value: Any) -> Any:
    """Return a number of a decimal column, which a file keeps as a double, rounded as a decimal is: halves away from zero."""
    return int(Decimal(repr(value)).to_integral_value(ROUND_HALF_UP)) if isinstance(value, float) and math.isfinite(value) else value


def _to_number(value: Any, target: str) -> int | float:
    if isinstance(value, int):
        return float(value) if target != "numeric" else value
    if isinstance(value, float):
        return value
    if not _NUMBER.fullmatch(value):
        raise _refused(value, target)
    if target == "numeric" and _INTEGER.fullmatch(value) and -(2**63) <= int(value) < 2**63:
        return int(value)
    return float(value)


def _to_boolean(value: Any, target: str) -> int:
    word = str(value).strip().lower()
    if isinstance(value, str) and word not in _TRUE | _FALSE:
        raise _refused(value, target)
    return int(word in _TRUE) if isinstance(value, str) else int(value != 0)


def _to_date(value: Any, target: str) -> str:
    return read_moment(str(value).strip(), "timestamp", has_zero_dates=False)[:10]


def _to_timestamp(value: Any, target: str) -> str:
    found = read_moment(str(value).strip(), "timestamp", has_zero_dates=False)
    return found if len(found) > 10 else f"{found} 00:00:00"


_CASTS: Mapping[str, Callable[[Any, str], Any]] = {
    "numeric": _to_number,
    "real": _to_number,
    "double precision": _to_number,
    "boolean": _to_boolean,
    "date": _to_date,
    "timestamp": _to_timestamp,
}


def _refused(value: Any, target: str) -> ValueRefused:
    return ValueRefused(f"{str(value)[:100]!r} cannot be read as {target}", code="22P02")
