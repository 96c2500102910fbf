"""``ForeignKey``: the field that leads to a row of another model.

``question = ForeignKey(Question)`` on ``Choice`` is a column ``question_id``, the attribute ``choice.question`` (the row), the attribute
``choice.question_id`` (its key) and, the other way round, ``question.choices`` (the rows that point here).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from qapla.database.models.field import MISSING, Field
from qapla.database.models.link import Link, Undeclared, forget
from qapla.database.models.naming import plural
from qapla.errors import ModelError, ValueRefused, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qapla.database.models.link import Key

ON_DELETE = ("restrict", "cascade", "set null", "set default", "no action")


class ForeignKey(Field):
    """A row of another model: given as that row, or as its key (a tuple, where that has several columns).

    Args:
        target: the model; ``"self"``; or its name as text, which may be declared later.
        related_name: what the other side calls the rows that point to it; by default the plural of this table; None: nothing.
        on_delete, on_update: what the database does when the other row goes or changes its key: ``restrict``, ``cascade``, ``set null``, …;
            by default it refuses.
        to: the attribute of the target that is pointed to, or several, where that is not its primary key.
        columns: the fields of this model that make the key, where they are declared by themselves, as parts of its own key may be.
        constraint: the name of the constraint.
        column: the name of the column; a tuple of names where the key has several.
        unique: whether it is a one-to-one relation: the other side then has one row, or None.
    """

    words = "a row"

    def __init__(
        self,
        target: Any,
        *,
        related_name: str | None = MISSING,
        on_delete: str | None = None,
        on_update: str | None = None,
        to: str | Sequence[str] = (),
        columns: Sequence[str] = (),
        constraint: str | None = None,
        column: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(column=column, **options)
        check_target("ForeignKey", target)
        self.target, self.related_name, self.constraint = target, related_name, constraint
        self.to = (to,) if isinstance(to, str) else tuple(to)
        self.columns = (columns,) if isinstance(columns, str) else tuple(columns)
        self.on_delete, self.on_update = _action("on_delete", on_delete), _action("on_update", on_update)
        if self.columns and column is not None:
            hint = "column names a new column, columns names fields of the model"
            raise ModelError("ForeignKey has both column= and columns=", hint=hint)
        if self.on_delete == "SET NULL" and not self.null and not self.columns:
            raise ModelError("ForeignKey has on_delete='set null', and may not be null", hint="add null=True")

    def reverse_name(self, model: Any) -> str | None:
        """Return what the target calls the rows of *model* that point to it."""
        if self.related_name is not MISSING:
            return self.related_name or None
        return model.__tablename__ if model.__links__[self.name].is_one_to_one else plural(model.__tablename__)

    def attribute_names(self, name: str, keys: Sequence[Key]) -> list[str]:
        """Return the attributes of the columns."""
        if self.columns:
            return list(self.columns)
        return [f"{name}_id"] if len(keys) == 1 else [f"{name}_{key.name}" for key in keys]

    def column_names(self, name: str, keys: Sequence[Key]) -> list[str]:
        """Return the names of the columns.

        Raises:
            ModelError: their number is not that of the target's key.
        """
        if self.columns:
            return list(self.columns)
        given: Any = self.column
        found = self.attribute_names(name, keys) if given is None else [given] if isinstance(given, str) else list(given)
        if len(found) != len(keys):
            raise ModelError(f"{self.path} has {len(found)} columns, and the key it leads to has {len(keys)}")
        return found

    def attributes(self, model: Any, name: str) -> Mapping[str, Any]:
        """Return the columns of the key, and add its constraint to the table; the relations are mapped by ``Link.connect``."""
        link = model.__links__[name] = Link(model, name, self)
        if len(link.attributes) != len(link.keys):
            raise ModelError(f"{self.path} has {len(link.attributes)} columns, and the key it leads to has {len(link.keys)}")
        constraints = link.table_constraints()
        if constraints:
            model.__table_args__ = (*constraints, *_as_tuple(vars(model).get("__table_args__", ())))
        return link.columns() | ({name: Undeclared(self)} if link.target is None else {})

    def assign(self, row: Any, value: Any) -> None:
        """Put a row, or its key, onto *row*.

        Raises:
            ValueRefused: it is neither.
        """
        link: Link = type(row).__links__[self.name]
        if value is None or isinstance(value, link.target):
            InstrumentedAttribute.__set__(getattr(type(row), self.name), row, value)
            keys = [None] * len(link.keys) if value is None else link.key_of(value)
            if value is None or None not in keys:
                self._set(row, link, keys)
            return
        keys = list(value) if isinstance(value, tuple | list) else [value]
        if len(keys) != len(link.keys) or hasattr(type(value), "__mapper__"):
            hint = f"a row of {link.target.__name__}, or its key"
            raise ValueRefused(f"{self.path}: {self.shown(value)} is not a row of {link.target.__name__!r}", hint=hint)
        checked = [link.check_key(at, key) for at, key in enumerate(keys)]
        forget(row, self.name)
        self._set(row, link, checked)

    def _set(self, row: Any, link: Link, keys: list[Any]) -> None:
        for attribute, key in zip(link.attributes, keys, strict=True):
            if not (key is None and self.columns):  # they may be parts of the row's own key
                setattr(row, attribute, key)

    def shown(self, value: Any) -> str:
        """Return *value* for a message."""
        return repr(value) if hasattr(type(value), "__mapper__") else super().shown(value)


def check_target(kind: str, target: Any) -> None:
    """Refuse what is neither a model nor the name of one.

    Raises:
        ModelError: so it is.
    """
    if isinstance(target, str) and target:
        return
    if not isinstance(target, type) or sa.inspect(target, raiseerr=False) is None:
        shown = getattr(target, "__name__", None) or repr(target)
        raise ModelError(f"{kind} leads to {shown!r}, which is no model", hint="give a model, or its name as text")


def _as_tuple(arguments: Any) -> tuple[Any, ...]:
    return (arguments,) if isinstance(arguments, dict) else tuple(arguments)


def _action(name: str, value: str | None) -> str | None:
    if value is None:
        return None
    found = str(value).lower().replace("_", " ")
    if found not in ON_DELETE:
        raise ModelError(f"{name} {value!r} is not known", hint=nearest(found, ON_DELETE) or f"one of {', '.join(map(repr, ON_DELETE))}")
    return found.upper()
