"""``ManyToMany``: rows of two models that belong together, in any number on both sides.

``tags = ManyToMany(Tag)`` on ``Question`` makes a table between the two, ``question_tags``; ``question.tags`` is a list of rows with
``add``, ``remove``, ``set``, ``clear``, ``all`` and ``count``, and so is ``tag.questions``, the other way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import object_session, relationship
from sqlalchemy.orm.collections import collection, collection_adapter

from qapla.database.models.field import MISSING, Field
from qapla.database.models.link import ALL, Key, ReadAttribute, find_model, full_name, keys_of, waiting
from qapla.database.models.links import check_target
from qapla.database.models.naming import plural
from qapla.errors import ModelError, NotOffered, ValueRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


class ManyToMany(Field):
    """Rows of another model, any number of them, which may belong to any number of rows here.

    Args:
        target: the model; ``"self"``; or its name as text, which may be declared later.
        related_name: what the other side calls the rows that it belongs to; by default the plural of this table; None: nothing.
        table: the name of the table between; by default that of this one, ``_`` and the name of the field.
        columns: the names of its columns, those that lead here and those that lead there; by default ``question_id``, ``tag_id``.
        through: a model that is the table between, where it says more than which rows belong together.
    """

    words = "rows"

    def __init__(
        self,
        target: Any,
        *,
        related_name: str | None = MISSING,
        table: str | None = None,
        columns: Sequence[Any] | None = None,
        through: Any = None,
        **options: Any,
    ) -> None:
        for name in options:
            if name not in ("comment",):
                self._refuse(name)
        super().__init__(**options)
        check_target("ManyToMany", target)
        if through is not None:
            check_target("ManyToMany", through)
            if table is not None or columns is not None:
                raise ModelError("ManyToMany has through= and table= or columns=", hint="the model in through says both")
        if columns is not None and len(columns) != 2:
            raise ModelError("ManyToMany takes two columns: the one that leads here, and the one that leads there")
        self.target, self.related_name, self.table, self.through = target, related_name, table, through
        self.columns = None if columns is None else tuple((each,) if isinstance(each, str) else tuple(each) for each in columns)

    def reverse_name(self, model: Any) -> str | None:
        """Return what the target calls the rows of *model* that it belongs to."""
        if self.related_name is not MISSING:
            return self.related_name or None
        return plural(model.__tablename__)

    def attributes(self, model: Any, name: str) -> Mapping[str, Any]:
        """Return nothing to map yet: the relation is mapped when both sides are."""
        model.__links__[name] = Between(model, name, self)
        return {}


class Between:
    """The ManyToMany *field*, called *name*, on *model*; ``target`` is None as long as that is not declared."""

    keys: Sequence[Key] = ()

    def __init__(self, model: Any, name: str, field: ManyToMany) -> None:
        self.model, self.name, self.field = model, name, field
        self.target = find_model(model, field.target)
        self.reverse: str | None = None
        waiting.add(self)

    def fits(self, target: Any) -> bool:
        """Tell that nothing was guessed."""
        return True

    def connect(self) -> None:
        """Make the table between and the relations, once both sides are mapped."""
        field, model = self.field, self.model
        self.target = self.target if self.target is not None else find_model(model, field.target)
        through = find_model(model, field.through) if field.through is not None else None
        awaited = [self.target, *([through] if field.through is not None else [])]
        if any(each is None or "__mapper__" not in vars(each) for each in awaited):
            return
        waiting.discard(self)
        table = through.__table__ if through is not None else self._make_table()
        if through is None:
            model.__middles__[self.name] = table
        here, there = self._sides(table, through)
        options: dict[str, Any] = {"secondary": table, "overlaps": ALL, "passive_deletes": True}
        joins = {"primaryjoin": here, "secondaryjoin": there}
        setattr(model, self.name, relationship(self.target, **options, **joins, collection_class=Rows))
        vars(model)[self.name].__class__ = ReadAttribute
        self.reverse = field.reverse_name(model)
        if self.reverse is None:
            return
        if hasattr(self.target, self.reverse):
            taken = f"{self.target.__name__}.{self.reverse}"
            hint = "name it with related_name='…', or related_name=None for none"
            raise ModelError(f"{field.path} would be {taken!r} the other way round, which is there already", hint=hint)
        back = {"primaryjoin": there, "secondaryjoin": here, "viewonly": True, "collection_class": _reverse_rows(self.name)}
        setattr(self.target, self.reverse, relationship(model, secondary=table, **back))
        vars(self.target)[self.reverse].__class__ = ReadAttribute
        event.listen(getattr(self.target, self.reverse), "append", self._refuse_append)
        event.listen(getattr(self.target, self.reverse), "remove", self._refuse_append)

    def _refuse_append(self, row: Any, value: Any, initiator: Any) -> None:
        raise NotOffered(
            f"{self.target.__name__}.{self.reverse} is not written like a list", hint=f".{self.reverse}.add(row) and .remove(row) are there"
        )

    def _make_table(self) -> sa.Table:
        model, target, field = self.model, self.target, self.field
        name = field.table or f"{model.__tablename__}_{self.name}"
        own, other = keys_of(model), keys_of(target)
        names = field.columns or self._names(own, other)
        if len(names[0]) != len(own) or len(names[1]) != len(other):
            raise ModelError(f"{field.path} has {len(names[0])} and {len(names[1])} columns, the keys have {len(own)} and {len(other)}")
        schema = model.__table__.schema
        key = f"{schema}.{name}" if schema else name
        if key in model.metadata.tables:
            raise ModelError(f"{field.path} would make the table {name!r}, which is there already", hint="table='…', or through=…")
        columns = [
            sa.Column(column, key.type, primary_key=True, autoincrement=False)
            for side, keys in zip(names, (own, other), strict=True)
            for column, key in zip(side, keys, strict=True)
        ]
        constraints = [
            sa.ForeignKeyConstraint(list(side), [end.__table__.columns[key.name] for key in keys], ondelete="CASCADE")
            for side, keys, end in zip(names, (own, other), (model, target), strict=True)
        ]
        info = {"qapla_model": full_name(model), "database": getattr(model, "__database__", None)}  # the second is for ``ownership``
        return sa.Table(name, model.metadata, *columns, *constraints, schema=schema, comment=field.comment, info=info)

    def _names(self, own: Sequence[Key], other: Sequence[Key]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        mine, theirs = self.model.__tablename__, self.target.__tablename__
        if mine == theirs:
            mine, theirs = f"from_{mine}", f"to_{theirs}"
        one = tuple(f"{mine}_id" if len(own) == 1 else f"{mine}_{key.name}" for key in own)
        return one, tuple(f"{theirs}_id" if len(other) == 1 else f"{theirs}_{key.name}" for key in other)

    def _sides(self, table: sa.Table, through: Any) -> tuple[Any, Any]:
        """Return the condition between this model's rows and the table, and that between the table and the other rows."""
        keys = [key for key in table.foreign_key_constraints if key.referred_table is self.model.__table__]
        others = [key for key in table.foreign_key_constraints if key.referred_table is self.target.__table__]
        if self.target is self.model:
            both = sorted(keys, key=lambda key: list(table.columns).index(key.elements[0].parent))
            keys, others = both[:1], both[1:]
        if len(keys) != 1 or len(others) != 1:
            name, ends = getattr(through, "__name__", table.name), f"{self.model.__name__!r} and {self.target.__name__!r}"
            hint = "it needs one foreign key to each of the two"
            raise ModelError(f"{self.field.path}: {name!r} cannot be the table between {ends}", hint=hint)
        here, there = (sa.and_(*(element.column == element.parent for element in side[0].elements)) for side in (keys, others))
        return here, there

    def stale(self, row: Any) -> Iterator[tuple[Any, str]]:
        """Yield the rows, and their attribute, that were added to *row* or taken from it."""
        if self.reverse is None:
            return
        history = sa.inspect(row).attrs[self.name].history
        for other in (*(history.added or ()), *(history.deleted or ())):
            if self.reverse in other.__dict__:
                yield other, self.reverse


class Rows(list[Any]):
    """The rows of a many-to-many relation: a list that knows how to write itself.

    What is added or removed is written at once where the row is saved already, else with it.
    """

    def add(self, *rows: Any) -> None:
        """Let *rows*, or the rows with these keys, belong to it; those that do already are no error."""
        for row in self._found(rows):
            if row not in self:
                self.append(row)
        self._write()

    @collection.remover
    def _take(self, row: Any) -> None:
        super().remove(row)

    @collection.internally_instrumented
    def remove(self, *rows: Any) -> None:
        """Let *rows*, or the rows with these keys, belong to it no longer; those that do not are no error. They are not deleted."""
        for row in self._found(rows):
            if row in self:
                self._take(row)
        self._write()

    def set(self, rows: Iterable[Any]) -> None:
        """Let exactly *rows* belong to it."""
        wanted = list(self._found(tuple(rows)))
        for row in [row for row in self if row not in wanted]:
            self._take(row)
        for row in wanted:
            if row not in self:
                self.append(row)
        self._write()

    @collection.internally_instrumented
    def clear(self) -> None:
        """Let no row belong to it."""
        self.set(())

    def all(self) -> list[Any]:
        """Return the rows as a plain list."""
        return list(self)

    def count(self, *row: Any) -> int:
        """Return how many rows there are; with one argument, how often that is among them, as any list says."""
        return super().count(*row) if row else len(self)

    def _owner(self) -> Any:
        return collection_adapter(self).owner_state.obj()

    def _target(self) -> Any:
        adapter: Any = collection_adapter(self)
        return adapter.attr.parent_token.mapper.class_

    def _found(self, rows: Iterable[Any]) -> Iterator[Any]:
        target = self._target()
        for row in rows:
            yield row if isinstance(row, target) else self._by_key(target, row)

    def _by_key(self, target: Any, key: Any) -> Any:
        session = object_session(self._owner())
        if hasattr(type(key), "__mapper__"):
            raise ValueRefused(f"{key!r} is not a row of {target.__name__!r}")
        if session is None:
            raise ValueRefused(f"{key!r} cannot be looked up: the row is not saved", hint="save it first, or give a row")
        found = session.get(target, key)
        if found is None:
            raise ValueRefused(f"no {target.__name__!r} has the key {key!r}")
        return found

    def _write(self) -> None:
        owner = self._owner()
        if owner is not None and sa.inspect(owner).persistent:
            from qapla.database.models.belonging import write

            write(owner)


def _reverse_rows(name: str) -> type[Rows]:
    """Return the class of the rows seen from the other side, which writes them from where they are mapped: their attribute *name*."""

    class ReverseRows(Rows):
        """Rows seen from the other side."""

        def add(self, *rows: Any) -> None:
            """Let *rows* belong to it."""
            owner = self._owner()
            for row in list(self._found(rows)):
                getattr(row, name).add(owner)
            self._read_again(owner)

        @collection.internally_instrumented
        def remove(self, *rows: Any) -> None:
            """Let *rows* belong to it no longer."""
            owner = self._owner()
            for row in list(self._found(rows)):
                getattr(row, name).remove(owner)
            self._read_again(owner)

        def set(self, rows: Iterable[Any]) -> None:
            """Let exactly *rows* belong to it."""
            wanted, now = list(self._found(tuple(rows))), list(self)
            self.remove(*(row for row in now if row not in wanted))
            self.add(*(row for row in wanted if row not in now))

        def _read_again(self, owner: Any) -> None:
            session = object_session(owner)
            if session is not None and sa.inspect(owner).persistent:
                session.expire(owner, [collection_adapter(self).attr.key])

    return ReverseRows
