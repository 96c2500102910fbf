"""The filters of a list: which a kind of column has, what they are called there, and the condition that each one is.

They are fewer than the operators of the query language, in words that people use, and each is made of those operators.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from qapla.database.query.description import And, Compare, Not, Or, Path
from qapla.errors import QueryError
from qapla.plugins.admin.pages import _

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qapla.database.query.description import Condition
    from qapla.database.schema.description import Kind

RANGE = ".."  # between the two ends of "between"


@dataclass(frozen=True, slots=True)
class FilterKind:
    """One filter. ``value`` says what to type, and is empty where nothing is typed."""

    name: str
    label: str
    value: str
    condition: Callable[[Path, str], Condition]


def _escape(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\%_*" else letter for letter in text)


def _compare(operator: str) -> Callable[[Path, str], Condition]:
    return lambda path, value: Compare(path, operator, value)


def _keyword(word: str) -> Callable[[Path, str], Condition]:
    return lambda path, _value: Compare(path, "is", word)


def _between(path: Path, value: str) -> Condition:
    low, _sign, high = (part.strip() for part in value.partition(RANGE))
    if not low or not high:
        raise QueryError(f"{value[:100]!r} is not a range", hint="write both ends, 10..20")
    return And((Compare(path, "gte", low), Compare(path, "lte", high)))


def _on_day(path: Path, value: str) -> Condition:
    try:
        day = date.fromisoformat(value.strip())
        after = day + timedelta(days=1)
    except (ValueError, OverflowError):
        raise QueryError(f"{value[:100]!r} is not a day", hint="write it as 2024-12-31") from None
    return And((Compare(path, "gte", day.isoformat()), Compare(path, "lt", after.isoformat())))


def _one_of(path: Path, value: str) -> Condition:
    values = tuple(part.strip() for part in value.split(",") if part.strip())
    if not values:
        raise QueryError("a filter 'is one of' has no values", hint="write them with commas between, a, b, c")
    return Compare(path, "in", values)


def _unlike(path: Path, value: str) -> Condition:
    # What has no value does not contain it either.
    return Or((Compare(path, "is", "null"), Not(Compare(path, "ilike", f"%{_escape(value)}%"))))


_TEXT, _NUMBER, _DAY, _MOMENT, _LIST = _("text"), _("a number"), _("a day, 2024-12-31"), _("a moment, 2024-12-31 18:00"), _("a, b, c")

NULLS = (
    FilterKind("null", _("is NULL"), "", _keyword("null")),
    FilterKind("notnull", _("is not NULL"), "", _keyword("not_null")),
)


def _same(value: str) -> tuple[FilterKind, ...]:
    return (
        FilterKind("is", _("is"), value, _compare("eq")),
        FilterKind("isnot", _("is not"), value, _compare("isdistinct")),
        FilterKind("in", _("is one of"), _LIST, _one_of),
    )


def _order(value: str, labels: tuple[str, str, str, str], both: str) -> tuple[FilterKind, ...]:
    compare = tuple(FilterKind(name, label, value, _compare(name)) for name, label in zip(("gt", "gte", "lt", "lte"), labels, strict=True))
    return (*compare, FilterKind("between", _("is between"), both, _between))


_LATER = (_("is after"), _("is at or after"), _("is before"), _("is at or before"))
_GREATER = (_("is greater than"), _("is at least"), _("is less than"), _("is at most"))

GROUPS: Mapping[str, tuple[FilterKind, ...]] = {
    "text": (
        FilterKind("has", _("contains"), _TEXT, lambda path, value: Compare(path, "ilike", f"%{_escape(value)}%")),
        FilterKind("hasnot", _("does not contain"), _TEXT, _unlike),
        FilterKind("starts", _("starts with"), _TEXT, lambda path, value: Compare(path, "ilike", f"{_escape(value)}%")),
        *_same(_TEXT),
        FilterKind("empty", _("is empty text"), "", lambda path, _value: Compare(path, "eq", "")),
        *NULLS,
    ),
    "number": (*_same(_NUMBER), *_order(_NUMBER, _GREATER, _("two numbers, 10..20")), *NULLS),
    "day": (*_same(_DAY), *_order(_DAY, _LATER, _("two days, 2024-01-01..2024-12-31")), *NULLS),
    "moment": (
        FilterKind("on", _("is on the day"), _DAY, _on_day),
        *_order(_MOMENT, _LATER, _("two moments, 2024-01-01..2024-12-31")),
        *_same(_MOMENT)[:2],
        *NULLS,
    ),
    "time": (*_order(_("a time, 18:00"), _LATER, _("two times, 08:00..18:00")), *_same(_("a time, 18:00"))[:2], *NULLS),
    "boolean": (
        FilterKind("true", _("is true"), "", _keyword("true")),
        FilterKind("false", _("is false"), "", _keyword("false")),
        *NULLS,
    ),
    "exact": (*_same(_TEXT), *NULLS),
    "opaque": NULLS,
}

_GROUP_OF: Mapping[Kind, str] = {
    "text": "text", "unknown": "exact", "enum": "exact", "uuid": "exact", "network": "exact", "interval": "exact",
    "integer": "number", "decimal": "number", "float": "number",
    "date": "day", "timestamp": "moment", "timestamp_tz": "moment", "time": "time", "boolean": "boolean",
}  # fmt: skip


def group_of(kind: Kind) -> str:
    """Return the name of the group of filters that columns of *kind* have."""
    return _GROUP_OF.get(kind, "opaque")


def get_filter(name: str, kind: Kind) -> FilterKind:
    """Return the filter called *name* of columns of *kind*.

    Raises:
        QueryError: they have none of that name.
    """
    found = next((each for each in GROUPS[group_of(kind)] if each.name == name), None)
    if found is None:
        offered = ", ".join(each.name for each in GROUPS[group_of(kind)])
        raise QueryError(f"filter {name[:40]!r} is not for columns of this type", hint=f"there are {offered}")
    return found
