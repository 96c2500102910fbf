"""Names in ``where`` and ``orderby``: ``question__pub_date__gte`` is a way over relations, a field, and an operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import ColumnProperty, RelationshipProperty

from qapla.database.models.operators import NAMES
from qapla.errors import ModelError, QueryError, nearest

if TYPE_CHECKING:
    from sqlalchemy.orm import InstrumentedAttribute, Mapper

End = ColumnProperty[Any] | RelationshipProperty[Any]


@dataclass(frozen=True, slots=True)
class Path:
    """Where a name leads: over ``relations`` to ``end``; what is left of it, an operator, is ``rest``."""

    relations: tuple[RelationshipProperty[Any], ...]
    end: End
    rest: str | None


def get_mapper(model: Any) -> Mapper[Any]:
    """Return the mapper of *model*.

    Raises:
        ModelError: it is no mapped class, or has no table.
    """
    try:
        found = sa.inspect(model)
    except NoInspectionAvailable:
        found = None
    mapper: Mapper[Any] | None = getattr(found, "mapper", None)
    if mapper is None or not isinstance(model, type):
        name = model.__name__ if isinstance(model, type) else f"a {type(model).__name__}"
        raise ModelError(f"{name!r} has no table, so nothing can be selected from it", hint="declare fields in it")
    return mapper


def find_path(mapper: Mapper[Any], name: str) -> Path:
    """Return where *name* leads from the model of *mapper*. The longest field that fits is taken, so names may have ``__`` in them.

    Raises:
        QueryError: it leads nowhere; the nearest field is in the hint.
    """
    relations: list[RelationshipProperty[Any]] = []
    parts = name.split("__")
    while True:
        size = next((size for size in range(len(parts), 0, -1) if find_field(mapper, "__".join(parts[:size])) is not None), None)
        if size is None:
            raise _unknown(mapper, "__".join(parts))
        end = get_field(mapper, "__".join(parts[:size]))
        parts = parts[size:]
        if isinstance(end, ColumnProperty) or not parts or (len(parts) == 1 and _is_operator(parts[0], end.mapper)):
            return Path(tuple(relations), end, "__".join(parts) or None)
        relations.append(end)
        mapper = end.mapper


def _is_operator(name: str, mapper: Mapper[Any]) -> bool:
    return name in NAMES and find_field(mapper, name) is None


def find_field(mapper: Mapper[Any], name: str) -> End | None:
    """Return the field or relation of that name, or None."""
    found = mapper.attrs.get(name)
    if name in mapper.synonyms:
        found = mapper.attrs.get(mapper.synonyms[name].name)
    if isinstance(found, ColumnProperty) and not isinstance(found.columns[0], sa.Column):
        return None  # a column_property of an expression: it is used as one
    return found if isinstance(found, ColumnProperty | RelationshipProperty) else None


def get_field(mapper: Mapper[Any], name: str) -> End:
    """Return the field or relation of that name.

    Raises:
        QueryError: there is none.
    """
    found = find_field(mapper, name)
    if found is None:
        raise _unknown(mapper, name)
    return found


def get_column(mapper: Mapper[Any], field: Any) -> ColumnProperty[Any]:
    """Return the column of *field*: its name, or the attribute of the model. A foreign key's relation means its column.

    Raises:
        QueryError: the model has no such column.
    """
    name = field if isinstance(field, str) else getattr(field, "key", None)
    if not isinstance(name, str):
        raise QueryError(f"{str(field)[:60]!r} is no field of model {mapper.class_.__name__!r}", hint="write its name")
    end = get_field(mapper, name)
    if isinstance(end, ColumnProperty):
        return end
    if end.direction.name == "MANYTOONE" and len(end.local_columns) == 1:
        return column_of(mapper, next(iter(end.local_columns)))
    raise QueryError(f"{name!r} of model {mapper.class_.__name__!r} is a relation, and no column", hint=f"a field of it: {name}__…")


def column_of(mapper: Mapper[Any], column: Any) -> ColumnProperty[Any]:
    """Return the field of a column of the table."""
    found = mapper.get_property_by_column(column)
    assert isinstance(found, ColumnProperty)
    return found


def attribute(entity: Any, field: End) -> InstrumentedAttribute[Any]:
    """Return *field* as an attribute of *entity*, which is the model or an alias of it."""
    found = field.class_attribute
    inspected = sa.inspect(entity)
    return found.adapt_to_entity(inspected) if inspected.is_aliased_class else found


def check_tables(mapper: Mapper[Any], element: Any) -> None:
    """Refuse an expression about rows of another model: beside rows of this one it would be about every pair of them.

    Raises:
        QueryError: it names the other table.
    """
    other = next((each for each in sa.select(element).get_final_froms() if each not in mapper.tables), None)
    if other is not None:
        name = getattr(other, "name", None) or "another selection"
        hint = "go over a relation, relation__field=…, or compare with a subselect"
        raise QueryError(f"an expression about {str(name)[:60]!r} is none about {mapper.class_.__name__!r}", hint=hint)


def _unknown(mapper: Mapper[Any], name: str) -> QueryError:
    fields = [key for key in (*mapper.attrs.keys(), *mapper.synonyms) if find_field(mapper, key) is not None]
    hint = nearest(name.split("__")[0][:60], fields) or f"it has {', '.join(fields[:12])}{', …' if len(fields) > 12 else ''}"
    return QueryError(f"model {mapper.class_.__name__!r} has no field {name[:60]!r}", code="42703", hint=hint)
