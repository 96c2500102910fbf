"""Ranges of keys as SQL: ``(a, b)`` compared with ``(x, y)``, spelled so that every engine uses its index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, literal, or_

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from qapla.database.frames.partitions import KeyRange, Values


def is_in(columns: Sequence[ColumnElement[Any]], range: KeyRange) -> list[ColumnElement[bool]]:
    """Return the conditions of the rows in *range*; none where it is everything.

    Args:
        columns: those of the key, in its order.
    """
    found = []
    if range.lower is not None:
        found.append(is_after(columns, range.lower, or_equal=True))
    if range.upper is not None:
        found.append(_is_before(columns, range.upper, range.has_nulls))
    return found


def is_after(columns: Sequence[ColumnElement[Any]], values: Values, *, or_equal: bool) -> ColumnElement[bool]:
    """Return the condition of the rows whose key comes after *values*.

    What is said of the first column alone follows from the rest, but is what an index can be entered by.
    """
    column, value = columns[0], literal(values[0], columns[0].type)
    if len(values) == 1:
        return column >= value if or_equal else column > value
    rest = is_after(columns[1:], values[1:], or_equal=or_equal)
    return and_(column >= value, or_(column > value, rest))


def _is_before(columns: Sequence[ColumnElement[Any]], values: Values, may_be_null: bool) -> ColumnElement[bool]:
    column, value = columns[0], literal(values[0], columns[0].type)
    if len(values) == 1:
        return or_(column < value, column.is_(None)) if may_be_null else column < value
    rest = _is_before(columns[1:], values[1:], may_be_null)
    if may_be_null:
        return or_(column < value, column.is_(None), and_(column == value, rest))
    return and_(column <= value, or_(column < value, rest))
