"""From the fields of a class to a mapped class, and once more when a notebook's cell runs again.

``declare`` puts columns and relations in the place of fields, lets SQLAlchemy map the class, and gives the models that it leads to the way
back. A model that is declared again, by the same module under the same name, replaces the former one: SQLAlchemy cannot exchange one class
of several that are related, so all of them are taken off their tables and mapped again, the same classes as before. Rows that were read
until then belong to the former mapping; read them anew.
"""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, event
from sqlalchemy.orm import MappedColumn, clsregistry
from sqlalchemy.orm.interfaces import MapperProperty

from qapla.database.models.field import Field
from qapla.database.models.fields import PrimaryKey
from qapla.database.models.link import Undeclared, declared, find_model, full_name, remember, waiting
from qapla.database.models.naming import quoted, table_name
from qapla.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

WRITTEN = (Field, Column, MappedColumn, MapperProperty)
ARGUMENTS = ("__table_args__", "__mapper_args__")
_mapping = threading.RLock()
OURS = "qapla_model"  # in the info of a table: its model


def declare(model: Any, map_it: Callable[[], None]) -> None:
    """Map *model*; one thread at a time, since models know each other.

    Args:
        map_it: what SQLAlchemy does with a class whose body has columns and relations.

    Raises:
        ModelError: something about it is wrong; what was mapped before still is.
    """
    with _mapping:
        _declare(model, map_it)


def _declare(model: Any, map_it: Callable[[], None]) -> None:
    _name(model)
    _refuse_below(model)
    former = declared.get(full_name(model))
    if former is not None and former.metadata is not model.metadata:
        # A whole module is imported again, its base too. The classes of before go on working for whoever has them, without a name.
        clsregistry._remove_class(former.__name__, former, former.registry._class_registry)
        former = None
    _refuse_clash(model, former)
    _record(model)
    others = _related([former] if former is not None else [], _waiting_wrongly(model))
    for each in others:
        _take_off(each)
    try:
        _place(model)
        map_it()
        remember(model)
        _map_again([each for each in others if each is not former], model)
    except BaseException:
        _undo(model, former, others)
        raise


def _undo(model: Any, former: Any, others: list[Any]) -> None:
    """Have everything mapped as it was before *model* was declared."""
    name = full_name(model)
    if declared.get(name) is model:
        del declared[name]
    if former is not None:
        remember(former)
    waiting.difference_update(getattr(model, "__links__", {}).values())
    touched = _related([model], others)
    for each in touched:
        _take_off(each)
    _map_again(sorted({*touched, *others} - {model}, key=lambda each: len(each.__mro__)))


def models_of(model: Any) -> Iterator[Any]:
    """Yield every class that is mapped with the same registry as *model*."""
    return (mapper.class_ for mapper in model.registry.mappers)


# -- before ----------------------------------------------------------------------------


def _name(model: Any) -> None:
    if "__tablename__" not in vars(model) and "__table__" not in vars(model) and not _is_below_mapped(model):
        model.__tablename__ = quoted(getattr(model, "__tablename__", None) or table_name(model.__name__))


def _is_below_mapped(model: Any) -> bool:
    return any("__mapper__" in vars(base) for base in model.__mro__[1:])


def _refuse_below(model: Any) -> None:
    if "__tablename__" in vars(model) or not _is_below_mapped(model):
        return
    arguments = vars(model).get("__mapper_args__")
    if not isinstance(arguments, dict) or "polymorphic_identity" not in arguments:
        above = next(base.__name__ for base in model.__mro__[1:] if "__mapper__" in vars(base))
        hint = f"__abstract__ = True in {above} gives each its own table; __mapper_args__ with a polymorphic_identity shares one"
        raise ModelError(f"model {model.__name__!r} is below {above!r}, which has a table", hint=hint)


def _refuse_clash(model: Any, former: Any) -> None:
    name, key = vars(model).get("__tablename__"), table_key(model)
    table = model.metadata.tables.get(key) if name else None
    if table is None:
        return
    other = next((each for each in models_of(model) if getattr(each, "__table__", None) is table), None)
    if other is None and OURS in table.info:  # nobody has its model any more
        model.metadata.remove(table)
    elif other is None:
        hint = "give the model another __tablename__, or write __table__ = …"
        raise ModelError(f"table {key!r} of model {full_name(model)!r} is declared already, as a table without a model", hint=hint)
    elif other is not former:
        raise ModelError(
            f"models {full_name(other)!r} and {full_name(model)!r} both declare table {key!r}",
            hint="give one of them another __tablename__, or a base with its own MetaData",
        )


def table_key(model: Any) -> str:
    """Return the name of the table of *model*, with its schema, as the metadata has it."""
    arguments = model.__dict__.get("__table_args__", getattr(model, "__table_args__", ()))
    options = arguments if isinstance(arguments, dict) else arguments[-1] if arguments and isinstance(arguments[-1], dict) else {}
    schema = options.get("schema") or model.metadata.schema
    name = vars(model).get("__tablename__")
    return f"{schema}.{name}" if schema else str(name)


def _record(model: Any) -> None:
    """Keep what the body of *model* says, to be able to map it again."""
    fields = {name: _own(model, name, field) for name, field in _inherited(model)}
    body = {name: value for name, value in vars(model).items() if isinstance(value, WRITTEN)}
    fields |= {name: value for name, value in body.items() if isinstance(value, Field)}
    if not _has_key(model, [*fields.values(), *body.values()]):
        fields = {"id": _own(model, "id", PrimaryKey()), **fields}
    model.__fields__, model.__links__, model.__middles__ = fields, {}, {}
    written = body | {name: vars(model)[name] for name in ARGUMENTS if name in vars(model)}
    # What is written in SQLAlchemy's own words can be mapped once; a copy is kept, all parts together since they know each other.
    foreign = {name: value for name, value in written.items() if not isinstance(value, Field)}
    kept = _copied(foreign)
    model.__body__ = {name: kept.get(name, value) for name, value in written.items()}
    for name in body:
        type.__delattr__(model, name)
    model.__placed__ = dict(foreign)


def _copied(written: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of what is written in SQLAlchemy's own words. Columns copy themselves: their foreign keys wait for a table."""
    columns = [value.column if isinstance(value, MappedColumn) else value for value in written.values()]
    return copy.deepcopy(written, {id(each): each._copy() for each in columns if isinstance(each, Column)})


def _own(model: Any, name: str, field: Field) -> Field:
    own = copy.copy(field)
    own.__set_name__(model, name)
    return own


def _inherited(model: Any) -> Iterator[tuple[str, Field]]:
    """Yield the fields of bases without a table, those that are further away first."""
    for base in reversed(model.__mro__[1:]):
        if "__mapper__" not in vars(base):
            yield from ((name, value) for name, value in list(vars(base).items()) if isinstance(value, Field))


def _has_key(model: Any, parts: Iterable[Any]) -> bool:
    if "__table__" in vars(model) or _is_below_mapped(model) or "primary_key" in vars(model).get("__mapper_args__", {}):
        return True
    every = [*parts, *(value for base in model.__mro__ for value in list(vars(base).values()))]
    found = [part for part in every if isinstance(part, Field | Column | MappedColumn)]
    return any(part.column.primary_key if isinstance(part, MappedColumn) else part.primary_key for part in found)


def _place(model: Any) -> None:
    """Put columns and relations in the place of fields, those of bases first, in the order they are written in."""
    body, placed = model.__body__, model.__placed__
    for name in ARGUMENTS:
        if name in placed:
            type.__setattr__(model, name, placed[name])
        elif name in vars(model):
            type.__delattr__(model, name)
    parts = {name: field for name, field in model.__fields__.items() if name not in body}
    parts |= {name: placed.get(name, value) for name, value in body.items() if name not in ARGUMENTS}
    for name, part in parts.items():
        made = part.attributes(model, name) if isinstance(part, Field) else {name: part}
        for attribute, mapped in made.items():
            if attribute in vars(model):
                raise ModelError(f"model {model.__name__!r} has {attribute!r} twice: {name!r} makes one", hint="rename one of them")
            type.__setattr__(model, attribute, mapped)


# -- after ------------------------------------------------------------------------------


def _finish(models: Iterable[Any]) -> None:
    """Check what is assigned to columns, and link both sides where both are there."""
    for model in models:
        model.__mapper__.local_table.info.setdefault(OURS, full_name(model))
        for name, field in model.__fields__.items():
            if name in model.__links__:
                model.__links__[name].connect()
            elif name in model.__mapper__.columns:
                event.listen(getattr(model, name), "set", _checker(field), retval=True, propagate=True)
    for link in list(waiting):
        link.connect()


def _checker(field: Field) -> Any:
    def check(row: Any, value: Any, former: Any, initiator: Any) -> Any:
        return field.check(value)

    return check


# -- again ------------------------------------------------------------------------------


def _waiting_wrongly(model: Any) -> list[Any]:
    """Return the models that wait for *model* and took its key for another than it is."""
    return [link.model for link in waiting if find_model(link.model, link.field.target, model) is model and not link.fits(model)]


def _related(models: Iterable[Any], more: Iterable[Any]) -> list[Any]:
    """Return *models* and all that are related with them, bases before what is below them."""
    found: dict[Any, None] = {}
    waiting = [*models, *more]
    while waiting:
        model = waiting.pop()
        if model in found or "__mapper__" not in vars(model) or "__body__" not in vars(model):
            continue
        found[model] = None
        waiting += _neighbours(model)
    return sorted(found, key=lambda model: len(model.__mro__))


def _neighbours(model: Any) -> set[Any]:
    """Return the models that *model* leads to, that lead to it, and those above and below it."""

    def ends(one: Any) -> set[Any]:
        mapper = one.__mapper__
        linked = {link.target for link in vars(one).get("__links__", {}).values() if link.target is not None}
        if mapper.configured:
            linked |= {relation.mapper.class_ for relation in mapper.relationships}
        tables = {key.column.table for table in mapper.tables for key in table.foreign_keys if _is_resolved(key)}
        linked |= {each for each in models_of(one) if each.__mapper__.local_table in tables}
        return linked | ({mapper.inherits.class_} if mapper.inherits is not None else set())

    return ends(model) | {each for each in models_of(model) if model in ends(each)}


def _is_resolved(key: Any) -> bool:
    try:
        return key.column is not None
    except Exception:  # it leads to a table that is not declared yet
        return False


def _take_off(model: Any) -> None:
    """Unmap *model*; the class stays as it was before."""
    manager, table = model.__mapper__.class_manager, model.__mapper__.local_table
    model.registry._dispose_manager_and_mapper(manager)
    model.registry._managers.pop(manager, None)  # until it is garbage it would be asked for its mapper
    keeps_table = "__table__" in vars(model) and "__tablename__" not in vars(model)
    for name in ("__mapper__", *(() if keeps_table else ("__table__",))):
        if name in vars(model):
            type.__delattr__(model, name)
    if not keeps_table and model.metadata.tables.get(table.key) is table:
        model.metadata.remove(table)
    for middle in model.__middles__.values():
        if middle.metadata.tables.get(middle.key) is middle:
            middle.metadata.remove(middle)
    for name in [name for name, value in vars(model).items() if isinstance(value, (*WRITTEN, Undeclared))]:
        type.__delattr__(model, name)
    waiting.difference_update(model.__links__.values())
    model.__links__, model.__middles__ = {}, {}
    model.__placed__ = {name: value for name, value in model.__body__.items() if not isinstance(value, Field)}
    model.__body__ |= _copied(model.__placed__)


def _map_again(models: list[Any], *mapped: Any) -> None:
    """Map *models*, which were taken off, and link them with each other and with those that are *mapped*."""
    for each in models:
        _place(each)
        each.registry.map_declaratively(each)
    _finish([*models, *mapped])
