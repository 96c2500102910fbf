"""The statement of a queryset for one database, and its rows with what they are merged by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.orm import ColumnProperty

from qapla.database.models.ordering import key_terms, sort
from qapla.database.models.ways import Ways
from qapla.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select

    from qapla.database.models.bound import Bound
    from qapla.database.models.merging import Keyed
    from qapla.database.models.queryset import QuerySet
    from qapla.database.models.selection import Selected
    from qapla.database.models.windows import Window

KEY = "qapla_order_"  # columns that merging needs and nobody sees


def build(
    queryset: QuerySet[Any],
    bound: Bound,
    selected: Sequence[Selected],
    *,
    merges: bool,
    with_order: bool | None,
    only_keys: bool,
    among: Any,
) -> Select[Any]:
    """Return the SELECT for *bound*; see ``QuerySet.build``."""
    ways = Ways(queryset.model)
    what = queryset.key_columns if only_keys else [ways.select(each) for each in selected] or [queryset.model]
    statement: Select[Any] = sa.select(*what)
    statement = statement.where(*(each.build(queryset.model, bound) for each in queryset.conditions))
    if queryset.loading and not (selected or only_keys):
        statement = statement.options(*queryset.loading)
    statement, keys = sort(statement, ways, queryset.terms, bound, merges=merges)
    if queryset.is_distinct and selected:
        _check_order(queryset, selected)
        statement = statement.distinct()
        if not queryset.terms and not queryset.window.is_all:
            statement = statement.order_by(*(sa.literal_column(str(place + 1)) for place in range(len(selected))))
    elif queryset.terms or not queryset.window.is_all:
        statement, _ = sort(statement, ways, key_terms(queryset.mapper, queryset.terms), bound, merges=False)
    if (merges if with_order is None else with_order) and not only_keys:
        statement = statement.add_columns(*(key.label(f"{KEY}{index}") for index, key in enumerate(keys)))
    statement = ways.join(statement)
    return _cut(statement, queryset.window) if among is None else statement.where(among)


def read_keyed(rows: Sequence[Any], selected: Sequence[Selected], count: int) -> list[Keyed]:
    """Return rows that end in *count* columns to merge by, each with these before it: ``(keys, row)``."""
    if not selected:
        return [(row[1:], row[0]) for row in rows]
    names = SimpleResultMetaData([each.name for each in selected])
    named: Sequence[Any] = IteratorResult(names, (row[:-count] for row in rows)).all()
    return [(row[-count:], found) for row, found in zip(rows, named, strict=True)]


def _check_order(queryset: QuerySet[Any], selected: Sequence[Selected]) -> None:
    for term in queryset.terms:
        is_there = any(each.value is term.value and each.relations == term.relations for each in selected)
        if is_there or not isinstance(term.value, ColumnProperty):
            continue
        raise QueryError("distinct rows are ordered by what is not selected", hint="select it, too, or order by what is")


def _cut(statement: Select[Any], window: Window) -> Select[Any]:
    if window.start:
        statement = statement.offset(window.start)
    return statement if window.stop is None else statement.limit(window.size)
