"""The order of a queryset, and one order over the rows of several databases.

NULLs are where PostgreSQL and REST have them on every engine: last, and first where it is descending.

A single database sorts texts by its own collation. Of several, each may have another one, and none is Python's, by which their rows are
merged: so each is asked to sort texts by code points (``COLLATE "C"``), and gives what it sorted by along with the rows.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import total_ordering
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import ColumnProperty
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import asc_op, desc_op, nulls_first_op, nulls_last_op

from qapla.database.models.columns import meaning_of
from qapla.database.models.matching import InCodePoints
from qapla.database.models.paths import check_tables, column_of, find_path, get_column
from qapla.errors import NotOffered, QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Mapper, RelationshipProperty

    from qapla.database.dialects import Engine
    from qapla.database.models.bound import Bound
    from qapla.database.models.ways import Ways

# Kinds whose values come to Python as what the database sorts by. All others are sorted by their text.
_COMPARABLE = frozenset({"boolean", "integer", "decimal", "float", "date", "time", "timestamp", "timestamp_tz", "interval", "binary"})
_UNSORTED = frozenset({"json", "geometry", "composite"})


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One term of an order: a field of the model or of a related row, or an expression of SQLAlchemy."""

    relations: tuple[RelationshipProperty[Any], ...]
    value: ColumnProperty[Any] | ColumnElement[Any]
    descending: bool = False
    nulls_first: bool = False
    is_nullable: bool = True


@dataclass(frozen=True, slots=True)
class Direction:
    """What merging has to know of a term."""

    descending: bool
    nulls_first: bool


def read_terms(mapper: Mapper[Any], fields: Iterable[Any]) -> tuple[Term, ...]:
    """Return the terms of ``orderby("-votes", Question.pub_date.desc().nulls_last(), "question__pub_date")``.

    Raises:
        QueryError: an unknown field, a relation to many, or something that has no order.
    """
    return tuple(_read_term(mapper, field) for field in fields)


def key_terms(mapper: Mapper[Any], terms: Sequence[Term]) -> tuple[Term, ...]:
    """Return the primary key as further terms, in the direction of the last: where two rows are level, it decides."""
    descending = terms[-1].descending if terms else False
    keys = [column_of(mapper, column) for column in mapper.primary_key]
    known = {term.value for term in terms if not term.relations}
    return tuple(Term((), key, descending, descending, is_nullable=False) for key in keys if key not in known)


def sort(statement: Select[Any], ways: Ways, terms: Sequence[Term], bound: Bound, *, merges: bool) -> tuple[Select[Any], list[Any]]:
    """Return *statement* in the order of *terms*, and what it is sorted by.

    Args:
        merges: whether its rows are merged with those of other databases.
    """
    keys = []
    for term in terms:
        key = _comparable(ways.reach(term.value, term.relations), merges=merges)
        keys.append(key)
        statement = statement.order_by(*_sorted(key, term, bound.dialect))
    return statement, keys


def _sorted(key: Any, term: Term, engine: Engine) -> tuple[Any, ...]:
    """Return the term as ORDER BY has it; where NULLs come is only said where it is not so by itself, which keeps indexes of use."""
    found = key.desc() if term.descending else key.asc()
    default_first = term.descending != engine.nulls_are_small
    if not term.is_nullable or term.nulls_first == default_first:
        return (found,)
    if engine.has_nulls_last:
        return (found.nulls_first() if term.nulls_first else found.nulls_last(),)
    nulls, others = (0, 1) if term.nulls_first else (1, 0)
    return sa.case((key.is_(None), nulls), else_=others), found


def directions(terms: Sequence[Term]) -> tuple[Direction, ...]:
    """Return the directions of *terms*."""
    return tuple(Direction(term.descending, term.nulls_first) for term in terms)


def make_key(values: Sequence[Any], ways: Sequence[Direction]) -> tuple[Any, ...]:
    """Return what rows are compared by in Python: *values* are what their database sorted them by."""
    return tuple(place(value, way) for value, way in zip(values, ways, strict=True))


def place(value: Any, way: Direction) -> tuple[Any, ...]:
    """Return what one value is compared by, in the direction of its term."""
    if value is None:
        return (0,) if way.nulls_first else (2,)
    plain = _plain(value)
    return (1, Backwards(plain) if way.descending else plain)


def _plain(value: Any) -> Any:
    """Return *value* so that all values of a column can be compared: SQLite's may be of several types."""
    if isinstance(value, dt.datetime):
        return (3, value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value)
    if isinstance(value, dt.time):
        return (3, value.replace(tzinfo=None))
    if isinstance(value, str):
        return (1, value)
    if isinstance(value, bytes | memoryview):
        return (2, bytes(value))
    if isinstance(value, dt.date | dt.timedelta):
        return (3, value)
    is_number = value == value  # NaN is not itself; PostgreSQL has it behind all numbers
    return (0, 0, value) if is_number else (0, 1)


@total_ordering
class Backwards:
    """A value that sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Backwards) and self.value == other.value

    def __lt__(self, other: Backwards) -> bool:
        return bool(other.value < self.value)

    def __hash__(self) -> int:
        return hash(self.value)


def _comparable(value: Any, *, merges: bool) -> Any:
    """Return what a value is sorted by."""
    kind = meaning_of(value.type).kind
    if kind in _UNSORTED:
        hint = "order by a value in it: Model.field['key'].as_string()" if kind == "json" else "order by another field"
        raise NotOffered(f"{getattr(value, 'key', None) or 'this expression'!r} cannot be sorted by: it is {kind}", hint=hint)
    if not merges or kind in _COMPARABLE:
        return value.__clause_element__() if hasattr(value, "__clause_element__") else value
    return InCodePoints(value.__clause_element__() if hasattr(value, "__clause_element__") else value)


def _read_term(mapper: Mapper[Any], field: Any) -> Term:
    if not isinstance(field, str):
        return _read_expression(mapper, field)
    descending = field.startswith("-")
    name = field[1:] if field[:1] in ("-", "+") else field
    if name in ("", "?"):
        raise QueryError(f"{field!r} is no order", hint="name a field: orderby('-votes')")
    path = find_path(mapper, name)
    if path.rest is not None:
        raise QueryError(f"{name!r} is no field to order by", hint=f"an order has no operator such as {path.rest!r}")
    many = next((relation.key for relation in path.relations if relation.uselist), None)
    if many is not None:
        hint = "order by a field of the row itself, or of one that it refers to"
        raise QueryError(f"rows cannot be ordered by {name!r}: {many!r} has many rows", hint=hint)
    column = path.end if isinstance(path.end, ColumnProperty) else get_column(path.end.parent, path.end.key)
    return Term(path.relations, column, descending, descending, is_nullable=bool(path.relations) or _is_nullable(column))


def _read_expression(mapper: Mapper[Any], field: Any) -> Term:
    nulls_first: bool | None = None
    descending = False
    while isinstance(field, UnaryExpression) and field.modifier in (asc_op, desc_op, nulls_first_op, nulls_last_op):
        if field.modifier in (nulls_first_op, nulls_last_op):
            nulls_first = field.modifier is nulls_first_op
        else:
            descending = field.modifier is desc_op
        field = field.element
    element = field.__clause_element__() if hasattr(field, "__clause_element__") else field
    if not isinstance(element, sa.ColumnElement):
        raise QueryError(f"a {type(field).__name__} is no order", hint="name a field: orderby('-votes')")
    check_tables(mapper, element)
    nulls = descending if nulls_first is None else nulls_first
    column = mapper.column_attrs.get(element._annotations.get("proxy_key", ""))
    if column is not None and column.columns[0] is element._deannotate():
        return Term((), column, descending, nulls, is_nullable=_is_nullable(column))
    return Term((), element, descending, nulls)


def _is_nullable(column: ColumnProperty[Any]) -> bool:
    return bool(getattr(column.columns[0], "nullable", True))
