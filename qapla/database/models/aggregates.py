"""Counts, sums, averages and extremes of a queryset: asked of each database, made one."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from qapla.database.models.columns import meaning_of
from qapla.database.models.merging import merge_averages, merge_sums
from qapla.database.models.ordering import Term
from qapla.database.models.selection import Selected, read_columns
from qapla.database.models.windows import Window
from qapla.errors import QueryError

if TYPE_CHECKING:
    from sqlalchemy import Select

    from qapla.database.models.bound import Bound
    from qapla.database.models.queryset import QuerySet

NUMBERS = frozenset({"integer", "decimal", "float"})


def count(queryset: QuerySet[Any]) -> int:
    """Return how many rows there are; distinct ones of several databases are compared with each other."""
    if _is_shared(queryset):
        return len(queryset.tuples().all())

    def read(bound: Bound) -> int:
        found = bound.session.scalar(sa.select(sa.func.count()).select_from(_rows(queryset, bound)))
        return int(found or 0)

    return sum(number for _, number in queryset.ask(read))


def exists(queryset: QuerySet[Any]) -> bool:
    """Tell whether there is any row."""
    first = queryset._but(window=queryset.window.within(Window(0, 1)), terms=queryset.terms if queryset.window.start else ())

    def read(bound: Bound) -> bool:
        return bound.session.execute(first.build(bound, merges=False, only_keys=not first.is_distinct)).first() is not None

    found = any(each for _, each in first.ask(read))
    queryset.asking.errors = first.asking.errors
    return found


def add_up(queryset: QuerySet[Any], column: Any) -> Any:
    """Return the sum of *column*."""
    return merge_sums(total for _, total in _totals(queryset, column, "sum"))


def average(queryset: QuerySet[Any], column: Any) -> Any:
    """Return the average of *column* over all rows, however many each database has."""
    return merge_averages(_totals(queryset, column, "avg"))


def extreme(queryset: QuerySet[Any], column: Any, *, descending: bool) -> Any:
    """Return the smallest or largest value of *column*: the first one in its order, which every type has on every engine."""
    selected = _get_column(queryset, column)
    if queryset.window.is_all and not queryset.is_distinct:
        term = Term(selected.relations, selected.value, descending, nulls_first=False)
        found = queryset._but(selected=(selected,), form="tuples", terms=(term,), window=Window(0, 1))
        values = [row[0] for row in found.all()]
        queryset.asking.errors = found.asking.errors
        return values[0] if values else None
    values = [value for value in _values(queryset, selected) if value is not None]
    return (max if descending else min)(values) if values else None


def _totals(queryset: QuerySet[Any], column: Any, what: str) -> list[tuple[int, Any]]:
    """Return how many values each database has, and their sum."""
    selected = _get_column(queryset, column)
    kind = meaning_of(selected.type).kind
    if kind not in NUMBERS:
        raise QueryError(f"{what} is for numbers, and {selected.name!r} is {kind}", code="42883", hint="count() takes anything")
    if _is_shared(queryset):
        values = [value for value in _values(queryset, selected) if value is not None]
        return [(len(values), _as_kind(sum(values[1:], values[0]) if values else None, kind))]

    def read(bound: Bound) -> tuple[int, Any]:
        if queryset.is_distinct and queryset.selected:
            rows = queryset.build(bound, merges=False).subquery()
        else:
            rows = queryset.build(bound, columns=(selected,), merges=False).subquery()
        value = rows.c[selected.name]
        row = bound.session.execute(sa.select(sa.func.count(value), sa.func.sum(value))).one()
        return int(row[0]), _as_kind(row[1], kind)

    return [found for _, found in queryset.ask(read)]


def _values(queryset: QuerySet[Any], selected: Selected) -> list[Any]:
    """Return the values of a column of the rows that are chosen, where a database cannot say it alone."""
    if queryset.is_distinct and queryset.selected:
        found = queryset.tuples()
        place = [each.name for each in queryset.selected].index(selected.name)
    else:
        found, place = queryset._but(selected=(selected,), form="tuples"), 0
    values = [row[place] for row in found.all()]
    queryset.asking.errors = found.asking.errors
    return values


def _rows(queryset: QuerySet[Any], bound: Bound) -> Any:
    """Return what to count from: the table where nothing is cut off, so that no rows are sorted or copied."""
    if queryset.is_distinct and queryset.selected:
        return queryset.build(bound, merges=False).subquery()
    plain = queryset if not queryset.window.is_all else queryset._but(terms=())
    statement: Select[Any] = plain.build(bound, merges=False, only_keys=True)
    return statement.subquery()


def _is_shared(queryset: QuerySet[Any]) -> bool:
    """Tell whether the rows of several databases have to be compared with each other."""
    return queryset.is_distinct and bool(queryset.selected) and not queryset.is_nothing and len(queryset.bounds()) > 1


def _get_column(queryset: QuerySet[Any], column: Any) -> Selected:
    selected = read_columns(queryset.mapper, (column,))[0]
    if queryset.is_distinct and queryset.selected and selected.name not in [each.name for each in queryset.selected]:
        raise QueryError(f"distinct rows have no column {selected.name!r}", hint="select it, too")
    return selected


def _as_kind(total: Any, kind: str) -> Any:
    """Return a sum as the type of what was added up: engines have DECIMAL for whole numbers, drivers text for some."""
    if total is None:
        return None
    if kind == "integer":
        return int(total)
    return float(total) if kind == "float" else total if isinstance(total, Decimal) else Decimal(str(total))
