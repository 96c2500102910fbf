"""From the fields of a class to a mapped class: what is put on it before SQLAlchemy maps it, and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, event
from sqlalchemy.orm import MappedColumn

from qapla.database.models.field import Field
from qapla.database.models.fields import PrimaryKey
from qapla.database.models.links import ForeignKey
from qapla.database.models.naming import table_name
from qapla.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def prepare(model: Any) -> None:
    """Put columns and relations in the place of the fields of *model*, those of its bases first, in the order they are written in."""
    fields = dict(_inherited(model)) | {name: value for name, value in vars(model).items() if isinstance(value, Field)}
    if "__tablename__" not in vars(model) and "__table__" not in vars(model):
        model.__tablename__ = table_name(model.__name__)
    forget_former(model)
    body = [(name, value) for name, value in vars(model).items() if isinstance(value, Field | Column | MappedColumn)]
    own = [name for name, _ in body]
    parts = [(name, field) for name, field in fields.items() if name not in own] + body
    if not has_key(model, parts):
        parts.insert(0, ("id", PrimaryKey()))
        parts[0][1].__set_name__(model, "id")
        fields = {"id": parts[0][1], **fields}
    for name in own:
        type.__delattr__(model, name)
    model.__fields__ = fields
    for name, part in parts:
        attributes = part.attributes(model, name) if isinstance(part, Field) else {name: part}
        for attribute, mapped in attributes.items():
            if attribute in vars(model):
                raise ModelError(f"{model.__name__!r} has {attribute!r} twice: {name!r} makes one", hint="rename one of them")
            type.__setattr__(model, attribute, mapped)


def finish(model: Any) -> None:
    """Check what is assigned to the columns of *model*, and give its targets the way back."""
    for name, field in model.__fields__.items():
        if isinstance(field, ForeignKey):
            field.link(model, name)
        elif name in model.__mapper__.columns:
            event.listen(getattr(model, name), "set", _checker(field), retval=True, propagate=True)


def forget_former(model: Any) -> None:
    """Take away the model of the same module and name that *model* replaces, as when a notebook's cell runs again.

    Raises:
        ModelError: another module declares the same table.
    """
    name = vars(model).get("__tablename__")
    key = f"{model.metadata.schema}.{name}" if model.metadata.schema else name
    table = model.metadata.tables.get(key)
    if table is None:
        return
    former = next((mapper.class_ for mapper in model.registry.mappers if mapper.local_table is table), None)
    if former is None:
        raise ModelError(f"table {name!r} of model {_full(model)!r} is declared already, without a model")
    if _full(former) != _full(model):
        raise ModelError(
            f"models {_full(former)!r} and {_full(model)!r} both declare table {name!r}",
            hint="give one of them another __tablename__, or a base with its own MetaData",
        )
    manager = former.__mapper__.class_manager
    model.registry._dispose_manager_and_mapper(manager)
    model.registry._managers.pop(manager, None)  # until it is garbage it would be asked for its mapper
    model.metadata.remove(table)


def _full(model: type) -> str:
    return f"{model.__module__}.{model.__qualname__}"


def _inherited(model: type) -> Iterator[tuple[str, Field]]:
    """Yield the fields of bases without a table, those that are further away first."""
    for base in reversed(model.__mro__[1:]):
        if "__mapper__" in vars(base):
            continue
        for name, value in list(vars(base).items()):
            if isinstance(value, Field):
                yield name, value


def has_key(model: Any, parts: Sequence[tuple[str, Any]] = ()) -> bool:
    """Tell whether *model*, which is not mapped yet, or one of its bases declares a primary key."""
    if "__table__" in vars(model) or hasattr(model, "__mapper__"):
        return True
    columns = [part for _, part in parts] + [value for base in model.__mro__ for value in vars(base).values()]
    return any(
        part.column.primary_key if isinstance(part, MappedColumn) else getattr(part, "primary_key", False)
        for part in columns
        if isinstance(part, Field | Column | MappedColumn)
    )


def _checker(field: Field) -> Any:
    def check(row: Any, value: Any, former: Any, initiator: Any) -> Any:
        return field.check(value)

    return check
