"""Fields that lead to other models: ForeignKey, and ManyToMany in ``middle``.

``question = ForeignKey(Question)`` on ``Choice`` is a column ``question_id``, the attribute ``choice.question`` (the row), the attribute
``choice.question_id`` (its key) and, the other way round, ``question.choices`` (the rows that point here).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import mapped_column, relationship

from qapla.database.models.field import MISSING, Field
from qapla.database.models.naming import plural
from qapla.errors import ModelError, ValueRefused, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

ON_DELETE = ("restrict", "cascade", "set null", "set default", "no action")


class ForeignKey(Field):
    """A row of another model: given as that row, or as its key.

    Args:
        target: the model; ``"self"``; or its name as text, which may be declared later.
        related_name: what the other side calls the rows that point to it; by default the plural of this model; ``None`` or ``""``: nothing.
        on_delete: what the database does when the other row is deleted: ``restrict`` (default), ``cascade``, ``set null``, …
        column: the name of the column, or of the columns where the target's key has several.
    """

    words = "a row"

    def __init__(
        self,
        target: Any,
        *,
        related_name: str | None = MISSING,
        on_delete: str | None = None,
        on_update: str | None = None,
        column: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(column=column, **options)
        if not isinstance(target, str) and not (isinstance(target, type) and hasattr(target, "__mapper__")):
            shown = getattr(target, "__name__", None) or repr(target)
            raise ModelError(f"ForeignKey leads to {shown!r}, which is no model", hint="a model, or its name as text")
        self.target, self.related_name = target, related_name
        self.on_delete, self.on_update = _action("on_delete", on_delete), _action("on_update", on_update)
        if self.on_delete == "SET NULL" and not self.null:
            raise ModelError("ForeignKey has on_delete='set null', and may not be null", hint="add null=True")

    def reverse_name(self, model: type) -> str | None:
        """Return what the target calls the rows of *model* that point to it."""
        if self.related_name is not MISSING:
            return self.related_name or None
        return plural(getattr(model, "__tablename__", model.__name__.lower()))

    def find_target(self, model: type) -> Any:
        """Return the model that it leads to."""
        if not isinstance(self.target, str):
            return self.target
        if self.target in ("self", model.__name__):
            return model
        found = [mapper.class_ for mapper in model.registry.mappers if mapper.class_.__name__ == self.target]  # type: ignore[attr-defined]
        if not found:
            raise ModelError(f"ForeignKey of {model.__name__!r} leads to {self.target!r}, which is not declared")
        return found[0]

    def attributes(self, model: Any, name: str) -> Mapping[str, Any]:
        """Return the columns of the key, and the relation."""
        target = self.find_target(model)
        keys = list(target.__table__.primary_key.columns)
        names = [f"{name}_id"] if len(keys) == 1 else [f"{name}_{key.name}" for key in keys]
        self.key_attributes = tuple(names)
        columns = dict(zip(names, (self._key_column(model, attribute, key) for attribute, key in zip(names, keys, strict=True)), strict=True))
        self._reverse = self.reverse_name(model)
        link = relationship(target, foreign_keys=[each.column for each in columns.values()], overlaps=self._reverse)
        return {**columns, name: link}

    def _key_column(self, model: type, attribute: str, key: Any) -> Any:
        constraint = sa.ForeignKey(f"{key.table.fullname}.{key.name}", ondelete=self.on_delete, onupdate=self.on_update)
        return mapped_column(
            self.column or attribute,
            key.type,
            constraint,
            nullable=self.null,
            primary_key=self.primary_key,
            unique=self.unique or None,
            index=self.index or None,
            comment=self.comment,
            server_default=self.server_default,
        )

    def link(self, model: Any, name: str) -> None:
        """Give the target the rows that point to it."""
        target = self.find_target(model)
        if self._reverse and isinstance(target, type):
            columns = [model.__mapper__.columns[each] for each in self.key_attributes]
            setattr(target, self._reverse, relationship(model, foreign_keys=columns, overlaps=name, passive_deletes="all"))

    def assign(self, row: Any, value: Any) -> None:
        """Put a row, or its key, onto *row*."""
        target = self.find_target(type(row))
        if value is None or isinstance(value, target):
            object.__setattr__(row, self.name, value)
            keys = (None,) if value is None else sa.inspect(value).mapper.primary_key_from_instance(value)
            if value is None or None not in keys:
                for attribute, key in zip(self.key_attributes, keys * len(self.key_attributes) if value is None else keys, strict=True):
                    object.__setattr__(row, attribute, key)
            return
        keys = value if isinstance(value, tuple) else (value,)
        if len(keys) != len(self.key_attributes) or hasattr(value, "__mapper__"):
            raise ValueRefused(f"{self.path}: {self.shown(value)} is neither a {target.__name__} nor its key")
        for attribute, key in zip(self.key_attributes, keys, strict=True):
            object.__setattr__(row, attribute, key)


def _action(name: str, value: str | None) -> str | None:
    if value is None:
        return None
    found = str(value).lower().replace("_", " ")
    if found not in ON_DELETE:
        raise ModelError(f"{name} {value!r} is not known", hint=nearest(found, ON_DELETE) or f"one of {', '.join(map(repr, ON_DELETE))}")
    return found.upper()
