"""What a queryset selects: whole rows, or columns by name, also of rows that they refer to, and expressions of SQLAlchemy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import ColumnProperty
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import SelectBase

from qapla.database.models.paths import check_tables, find_path, get_column
from qapla.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Mapper, RelationshipProperty

AGGREGATES = {"count": "count()", "sum": "sum(field)", "avg": "avg(field)", "min": "min(field)", "max": "max(field)"}


@dataclass(frozen=True, slots=True, eq=False)
class Selected:
    """One column of the answer: ``name``, and the field or expression it comes from, behind ``relations``."""

    name: str
    value: ColumnProperty[Any] | ColumnElement[Any]
    relations: tuple[RelationshipProperty[Any], ...] = ()

    @property
    def type(self) -> Any:
        """Return SQLAlchemy's type of its values."""
        return self.value.columns[0].type if isinstance(self.value, ColumnProperty) else self.value.type


def read_columns(mapper: Mapper[Any], columns: Iterable[Any]) -> tuple[Selected, ...]:
    """Return what ``select(*columns)`` asks for; nothing stands for whole rows, and is returned as nothing.

    Raises:
        QueryError: an unknown column, one that is there twice, or an aggregate.
    """
    found: list[Selected] = []
    for column in columns:
        selected = _read_column(mapper, column, len(found))
        if any(selected.name == other.name for other in found):
            raise QueryError(f"column {selected.name!r} is selected twice", hint="give one another name: Model.field.label('other')")
        found.append(selected)
    return tuple(found)


def all_columns(mapper: Mapper[Any]) -> tuple[Selected, ...]:
    """Return every column of the model, in its order."""
    fields = [field for field in mapper.column_attrs if isinstance(field.columns[0], sa.Column)]
    places = {column: index for index, column in enumerate(mapper.local_table.columns)}
    fields.sort(key=lambda field: places.get(field.columns[0], len(places)))
    return tuple(Selected(field.key, field) for field in fields)


def _read_column(mapper: Mapper[Any], column: Any, index: int) -> Selected:
    if isinstance(column, str):
        path = find_path(mapper, column)
        many = next((relation.key for relation in path.relations if relation.uselist), None)
        if path.rest is not None or many is not None:
            why = f"{many!r} has many rows" if many else f"it has no field {path.rest!r}"
            raise QueryError(f"column {column!r} cannot be selected: {why}", hint="select fields of the row, or of one that it refers to")
        end = path.end if isinstance(path.end, ColumnProperty) else get_column(path.end.parent, path.end.key)
        return Selected(column if path.relations else end.key, end, path.relations)
    element = column.__clause_element__() if hasattr(column, "__clause_element__") else column
    if isinstance(element, type) or not isinstance(element, ColumnElement):
        raise QueryError(f"{str(column)[:60]!r} is no column of model {mapper.class_.__name__!r}", hint="write its name")
    _refuse_aggregates(element)
    check_tables(mapper, element)
    field = mapper.column_attrs.get(element._annotations.get("proxy_key", ""))
    if field is not None and field.columns[0] is element._deannotate():
        return Selected(field.key, field)
    return Selected(getattr(element, "name", None) or getattr(element, "key", None) or f"column_{index + 1}", element)


def _refuse_aggregates(element: ColumnElement[Any]) -> None:
    for part in visitors.iterate(element):
        if isinstance(part, SelectBase):
            return  # a subselect counts rows of its own
        if isinstance(part, FunctionElement) and part.name in AGGREGATES:
            raise QueryError(f"{part.name!r} is no column: it would be one of each database", hint=f"ask for .{AGGREGATES[part.name]}")
