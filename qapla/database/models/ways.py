"""The ways of one statement: which related rows it reaches, each joined once, whatever is selected of them or sorted by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import ColumnProperty, aliased

from qapla.database.models.paths import attribute

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import RelationshipProperty

    from qapla.database.models.selection import Selected


class Ways:
    """Rows that the rows of *model* refer to. Joins are outer ones: a row that refers to none stays."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._ends: dict[tuple[RelationshipProperty[Any], ...], Any] = {}

    def go(self, relations: tuple[RelationshipProperty[Any], ...]) -> Any:
        """Return the model, or the alias of it that *relations* lead to."""
        if not relations:
            return self._model
        self.go(relations[:-1])
        if relations not in self._ends:
            self._ends[relations] = aliased(relations[-1].mapper.class_)
        return self._ends[relations]

    def reach(self, value: Any, relations: tuple[RelationshipProperty[Any], ...]) -> Any:
        """Return a field at the end of *relations* as an expression; an expression is one already."""
        return attribute(self.go(relations), value) if isinstance(value, ColumnProperty) else value

    def select(self, selected: Selected) -> Any:
        """Return what is selected, under its name."""
        return sa.label(selected.name, self.reach(selected.value, selected.relations))

    def join(self, statement: Select[Any]) -> Select[Any]:
        """Return *statement* from the model and all that was reached."""
        statement = statement.select_from(self._model)
        for relations, end in self._ends.items():
            statement = statement.outerjoin(attribute(self.go(relations[:-1]), relations[-1]).of_type(end))
        return statement
