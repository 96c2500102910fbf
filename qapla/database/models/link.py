"""What a ForeignKey is on one model: its columns, the relation, and the way back.

Both sides are plain relations of SQLAlchemy. They do not write on each other in memory, so that a row which is never saved
does not hang on one that is; once something is saved, the other side is read anew (``stale``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet, WeakValueDictionary

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import InstrumentedAttribute, mapped_column, object_session, relationship
from sqlalchemy.orm.exc import DetachedInstanceError

from qapla.database.models.fields import KEY_TYPE
from qapla.database.models.naming import table_name
from qapla.errors import ModelError, NotBound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from qapla.database.models.field import Field
    from qapla.database.models.links import ForeignKey

ALL = "__*"  # SQLAlchemy then says nothing of two relations that write the same column, as ours do on purpose

declared: WeakValueDictionary[str, Any] = WeakValueDictionary()  # the latest model of each full name
waiting: set[Any] = set()  # for a model that is not declared yet
_by_name: dict[str, WeakSet[Any]] = {}


def remember(model: Any) -> None:
    """Have *model* found under its names; the one that was found until now is not any more."""
    declared[full_name(model)] = model
    _by_name.setdefault(model.__name__, WeakSet()).add(model)


def full_name(model: type) -> str:
    """Return the module and the qualified name of *model*."""
    return f"{model.__module__}.{model.__qualname__}"


def find_model(model: Any, target: Any, coming: Any = None) -> Any:
    """Return the model that *target*, written on *model*, means: the latest one declared under its name; None when there is none yet.

    Models of another MetaData are of another database: a name never means one of those.

    Args:
        coming: a model that is about to be mapped.

    Raises:
        ModelError: several have that name.
    """
    if not isinstance(target, str):
        return declared.get(full_name(target), target)
    if target in ("self", model.__name__, full_name(model)):
        return model
    named = _by_name.get(target.rpartition(".")[2], ())
    known: list[Any] = [each for each in named if each.metadata is model.metadata and _is_latest(each)]
    known += [] if coming is None else [coming]
    found = {full_name(each): each for each in known if target in (each.__name__, full_name(each))}
    beside = [each for each in found.values() if each.__module__ == model.__module__]
    chosen = beside if len(beside) == 1 else list(found.values())
    if len(chosen) > 1:
        names = ", ".join(sorted(found))
        raise ModelError(f"{model.__name__!r} leads to {target!r}, and there are several of that name", hint=f"write one of {names}")
    return chosen[0] if chosen else None


def _is_latest(model: Any) -> bool:
    return declared.get(full_name(model)) is model


class Key:
    """One column of the key that a link points to: where it is, of which type, and what checks a value for it."""

    __slots__ = ("field", "name", "type")

    def __init__(self, name: str, type_: Any, field: Field | None = None) -> None:
        self.name, self.type, self.field = name, type_, field


def keys_of(model: Any, names: Sequence[str] = ()) -> list[Key]:
    """Return the columns of the primary key of *model*, or those of the attributes *names*, mapped or not.

    Raises:
        ModelError: it has no such column.
    """
    fields = getattr(model, "__fields__", {})
    if "__table__" in vars(model):
        columns = model.__table__.columns
        chosen = [columns[name] for name in names if name in columns] if names else list(model.__table__.primary_key.columns)
        by_column = {field.column or name: field for name, field in fields.items() if isinstance(field.column, str | None)}
        found = [Key(column.name, column.type, by_column.get(column.name)) for column in chosen]
    else:
        found = [key for name, field in fields.items() if _is_wanted(name, field, names) for key in _described(model, name, field)]
        if not fields or len(found) < len(names):
            body = model.__body__ | {name: value for base in model.__mro__[1:] for name, value in vars(base).items()}
            plain = [(name, getattr(value, "column", value)) for name, value in body.items() if not hasattr(value, "attributes")]
            columns_ = [(name, each) for name, each in plain if isinstance(each, sa.Column)]
            found += [Key(each.name or name, each.type) for name, each in columns_ if (name in names if names else each.primary_key)]
    if not found or (names and len(found) != len(names)):
        raise ModelError(f"model {model.__name__!r} has no column {', '.join(map(repr, names)) or 'that is a key'}")
    return found


def _is_wanted(name: str, field: Any, names: Sequence[str]) -> bool:
    return (name in names or field.column in names) if names else field.primary_key


def _described(model: Any, name: str, field: Any) -> Iterable[Key]:
    if not hasattr(field, "target"):
        return [Key(field.column or name, field.type_for(model, name), field)]
    target = find_model(model, field.target)
    keys = keys_of(target, field.to) if target is not None else [Key("id", KEY_TYPE)]
    return [Key(column, key.type, key.field) for column, key in zip(field.column_names(name, keys), keys, strict=True)]


class Link:
    """The ForeignKey *field*, called *name*, on *model*.

    ``target`` is None as long as the model that it leads to is not declared.
    """

    def __init__(self, model: Any, name: str, field: ForeignKey) -> None:
        self.model, self.name, self.field = model, name, field
        self.target = find_model(model, field.target)
        self.table, self.keys = self._guess() if self.target is None else (_table_of(self.target), keys_of(self.target, field.to))
        self.attributes: tuple[str, ...] = tuple(field.attribute_names(name, self.keys))
        self.reverse: str | None = None
        if self.target is None:
            waiting.add(self)

    @property
    def is_one_to_one(self) -> bool:
        """Tell whether one row at most points to each: its columns are unique, or the whole primary key."""
        is_key = self.field.primary_key and len(self.attributes) == len(self.model.__table__.primary_key.columns)
        return self.field.unique or is_key

    def _guess(self) -> tuple[str, list[Key]]:
        """Return the table and the key of a model that is not declared yet: as they are by default."""
        schema = self.model.metadata.schema
        name = table_name(self.field.target.rpartition(".")[2])
        names = self.field.to or self.field.columns or ("id",)
        return (f"{schema}.{name}" if schema else name), [Key(each, sa.BigInteger() if self.field.to else KEY_TYPE) for each in names]

    def fits(self, target: Any) -> bool:
        """Tell whether *target*, which has just been declared, is what was guessed."""
        keys = keys_of(target, self.field.to)
        same = [key.name for key in keys] == [key.name for key in self.keys]
        return same and _table_of(target) == self.table and all(isinstance(key.type, sa.BigInteger) for key in keys)

    def columns(self) -> dict[str, Any]:
        """Return the columns by attribute; none where fields of the model are used."""
        field = self.field
        if field.columns:
            return {}
        names = field.column_names(self.name, self.keys)
        return {
            attribute: mapped_column(
                name,
                key.type,
                *([self._constraint(key)] if len(self.keys) == 1 else []),
                nullable=field.null,
                primary_key=field.primary_key,
                unique=(field.unique and len(self.keys) == 1) or None,
                index=(field.index and len(self.keys) == 1) or None,
                comment=field.comment,
                server_default=field.server_default,
                autoincrement=False if field.primary_key else "auto",
                **({} if field.default is _missing() else {"default": field.default}),
            )
            for attribute, name, key in zip(self.attributes, names, self.keys, strict=True)
        }

    def _constraint(self, key: Key) -> sa.ForeignKey:
        field = self.field
        return sa.ForeignKey(f"{self.table}.{key.name}", ondelete=field.on_delete, onupdate=field.on_update, name=self._constraint_name())

    def _constraint_name(self) -> str | None:
        """Return its name; one in a circle of tables needs one, or it could not be dropped before the tables are."""
        if self.field.constraint or self.target is self.model:
            return self.field.constraint
        in_circle = self.target is None or _leads_to(self.target, self.model)
        column = self.field.column_names(self.name, self.keys)[0] if not self.field.columns else self.name
        return f"{self.model.__tablename__}_{column}_fkey" if in_circle else None

    def table_constraints(self) -> list[Any]:
        """Return what the table needs for a key of several columns, or for one made of fields of the model."""
        field = self.field
        if len(self.keys) == 1 and not field.columns:
            return []
        columns = [self._column_name(each) for each in field.columns] if field.columns else field.column_names(self.name, self.keys)
        options: dict[str, Any] = {"ondelete": field.on_delete, "onupdate": field.on_update, "name": self._constraint_name()}
        found: list[Any] = [sa.ForeignKeyConstraint(columns, [f"{self.table}.{key.name}" for key in self.keys], **options)]
        if field.unique:
            found.append(sa.UniqueConstraint(*columns))
        if field.index:
            found.append(sa.Index(None, *columns))
        return found

    def _column_name(self, attribute: str) -> str:
        field = self.model.__fields__.get(attribute)
        if field is None or hasattr(field, "target"):
            return attribute
        return field.column or attribute

    def connect(self) -> None:
        """Map the relation, and the way back, once both sides are mapped."""
        self.target = self.target if self.target is not None else find_model(self.model, self.field.target)
        if self.target is None or "__mapper__" not in vars(self.target):
            return
        waiting.discard(self)
        mapper = self.model.__mapper__
        columns = [mapper.columns[each] for each in self.attributes]
        condition = self._condition()
        remote_self: dict[str, Any] = {"remote_side": self._target_columns()} if self.target is self.model else {}
        options: dict[str, Any] = {"foreign_keys": columns, "primaryjoin": condition, "overlaps": ALL}
        if isinstance(vars(self.model).get(self.name), Undeclared):
            type.__delattr__(self.model, self.name)
        setattr(self.model, self.name, relationship(self.target, **options, **remote_self))
        vars(self.model)[self.name].__class__ = LinkAttribute
        for attribute in self.attributes:
            event.listen(getattr(self.model, attribute), "set", self._key_setter(attribute), retval=True, propagate=True)
        self.reverse = self.field.reverse_name(self.model)
        if self.reverse is None:
            return
        if hasattr(self.target, self.reverse):
            taken = f"{self.target.__name__}.{self.reverse}"
            raise ModelError(
                f"{self.field.path} would be {taken!r} the other way round, which is there already",
                hint="name them with related_name='…', or related_name=None for none",
            )
        one: dict[str, Any] = {"uselist": False} if self.is_one_to_one else {}
        setattr(self.target, self.reverse, relationship(self.model, **options, **one, passive_deletes="all"))
        vars(self.target)[self.reverse].__class__ = ReadAttribute

    def _target_columns(self) -> list[Any]:
        return [self.target.__table__.columns[key.name] for key in self.keys]

    def _condition(self) -> Any:
        pairs = zip(self.attributes, self._target_columns(), strict=True)
        return sa.and_(*(self.model.__mapper__.columns[attribute] == column for attribute, column in pairs))

    def _key_setter(self, attribute: str) -> Any:
        at = self.attributes.index(attribute)
        key = self.keys[at]

        def check(row: Any, value: Any, former: Any, initiator: Any) -> Any:
            found = self.check_key(at, value)
            linked = row.__dict__.get(self.name)
            if linked is not None:
                is_other = getattr(linked, self._target_attribute(key), None) != found
            else:
                is_other = self.name in row.__dict__ and found is not None
            if is_other:
                forget(row, self.name)
            return found

        return check

    def _target_attribute(self, key: Key) -> str:
        column = self.target.__table__.columns[key.name]
        return str(self.target.__mapper__.get_property_by_column(column).key)

    def key_of(self, row: Any) -> list[Any]:
        """Return what *row*, one of the target, is pointed to by; None for what the database has not made yet."""
        return [getattr(row, self._target_attribute(key)) for key in self.keys]

    def check_key(self, at: int, value: Any) -> Any:
        """Return *value* as the column number *at* of the key has it.

        Raises:
            ValueRefused: it is no key of the target.
        """
        field = self.keys[at].field
        if field is None or value is None or isinstance(value, sa.ClauseElement) or hasattr(value, "__clause_element__"):
            return value
        from qapla.errors import ValueRefused

        try:
            return field.check(value)
        except ValueRefused as error:
            said = error.message.partition(": ")[2]
            raise ValueRefused(f"{self.field.path}: {said}", hint=error.hint) from error

    def stale(self, row: Any) -> Iterator[tuple[Any, str]]:
        """Yield the rows, and their attribute, that *row* points to, or pointed to until now."""
        session = object_session(row)
        if session is None or self.reverse is None or self.target is None or self.field.to:
            return
        state: Any = sa.inspect(row)
        histories = [state.attrs[attribute].history for attribute in self.attributes]
        for values in ([each.added or each.unchanged for each in histories], [each.deleted or each.unchanged for each in histories]):
            if all(values):
                identity = self.target.__mapper__.identity_key_from_primary_key([each[0] for each in values])
                parent = session.identity_map.get(identity)
                if parent is not None and self.reverse in parent.__dict__:
                    yield parent, self.reverse


class ReadAttribute(InstrumentedAttribute[Any]):
    """An attribute that leads to other rows, also from a row whose database was closed and is open again.

    It is the attribute that SQLAlchemy has made, with another class: a ``__setattr__`` of the model would cost each row that is read.
    """

    __slots__ = ()
    inherit_cache = True

    def __get__(self, row: Any, model: Any = None) -> Any:
        try:
            return super().__get__(row, model)
        except DetachedInstanceError as error:
            from qapla.database.models.belonging import bound_of, home

            if bound_of(row) is None:
                said = f"{row!r} has not read {self.key!r}, and its database is not open any more"
                raise NotBound(said, hint="read it inside of the block, or open the database again") from error
        home(row)
        return super().__get__(row, model)


class LinkAttribute(ReadAttribute):
    """The attribute of a link, which takes a key in place of a row."""

    __slots__ = ()
    inherit_cache = True

    def __set__(self, row: object, value: Any) -> None:
        fields: dict[str, Any] = type(row).__fields__  # type: ignore[attr-defined]
        fields[self.key].assign(row, value)


class Undeclared:
    """The attribute of a link as long as the model that it leads to is not declared."""

    def __init__(self, field: ForeignKey) -> None:
        self._field = field

    def __get__(self, row: Any, model: Any) -> Any:
        return self if row is None else self._refuse()

    def __set__(self, row: Any, value: Any) -> None:
        self._refuse()

    def _refuse(self) -> None:
        raise ModelError(f"{self._field.path} leads to {self._field.target!r}, which is not declared")


def forget(row: Any, name: str) -> None:
    """Have the relation *name* of *row* read anew when somebody asks for it; what was assigned to it does not count."""
    session = object_session(row)
    state: Any = sa.inspect(row)
    if session is not None and state.persistent:
        session.expire(row, [name])
        return
    state.dict.pop(name, None)
    state.committed_state.pop(name, None)


def _table_of(model: Any) -> str:
    if "__table__" in vars(model):
        return str(model.__table__.fullname)
    from qapla.database.models.mapping import table_key

    return table_key(model)


def _leads_to(model: Any, target: Any) -> bool:
    """Tell whether following foreign keys from *model* comes to *target*."""
    seen: set[Any] = set()
    left = [model]
    while left:
        each = left.pop()
        if each is target:
            return each is not model
        if each not in seen:
            seen.add(each)
            fields = [field for field in getattr(each, "__fields__", {}).values() if hasattr(field, "target")]
            left += [found for field in fields for found in [find_model(each, field.target)] if found is not None]
    return False


def _missing() -> Any:
    from qapla.database.models.field import MISSING

    return MISSING
