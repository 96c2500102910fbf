"""``ReadDriver``: the questions that an application asks about one of its models, in one class.

::

    class ChoiceReadDriver(ReadDriver[Choice]):
        model = Choice

    ChoiceReadDriver(request.main).get_by_id(1)

The same over any served table, without a model, is ``qapla.driver.table_read.TableReadDriver``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from sqlalchemy import Select, func, inspect, select

from qapla.errors import NotFound, QueryError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

Model = TypeVar("Model")


class ReadDriver(Generic[Model]):
    """Ask about one model. Add a method for each question of your own; all SQL about the model belongs in its drivers."""

    model: ClassVar[type[Any]]

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_by_id(self, key: Any) -> Model:
        """Return the object with this primary key; a tuple for a key of several columns, in their order.

        Raises:
            NotFound: there is none.
        """
        found = self.find_by_id(key)
        if found is None:
            raise NotFound(f"no {self.model.__name__} has the key {str(key)[:100]!r}")
        return found

    def find_by_id(self, key: Any) -> Model | None:
        """Return the object with this primary key, or None."""
        return self.session.get(self.model, key)

    def find_by(self, **values: Any) -> Model | None:
        """Return the one object whose attributes have these values, or None.

        Raises:
            QueryError: there are several, or the model has no such attribute.
        """
        found = self.session.scalars(self._where(values).limit(2)).all()
        if len(found) > 1:
            raise QueryError(f"several {self.model.__name__} have {', '.join(sorted(values))} like that", hint="ask for a list")
        return found[0] if found else None

    def list(self, limit: int | None = None) -> Sequence[Model]:
        """Return all objects by primary key, at most *limit*."""
        return self.session.scalars(self._where({}).order_by(*self._key()).limit(limit)).all()

    def filter(self, *conditions: ColumnElement[bool], limit: int | None = None, **values: Any) -> Sequence[Model]:
        """Return the objects for which the conditions hold and whose attributes have these values, by primary key."""
        return self.session.scalars(self._where(values).where(*conditions).order_by(*self._key()).limit(limit)).all()

    def page(self, size: int = 50, after: Any = None) -> Sequence[Model]:
        """Return the next *size* objects by primary key, those after the key *after*; costs the same however far it is."""
        statement = self._where({}).order_by(*self._key()).limit(size)
        if after is not None:
            values = after if isinstance(after, tuple) else (after,)
            statement = statement.where(_is_after(self._key(), values))
        return self.session.scalars(statement).all()

    def exists(self, **values: Any) -> bool:
        """Tell whether there is an object whose attributes have these values."""
        return bool(self.session.scalar(select(self._where(values).exists())))

    def count(self, *conditions: ColumnElement[bool], **values: Any) -> int:
        """Return the number of objects for which the conditions hold and whose attributes have these values."""
        statement = select(func.count()).select_from(self._where(values).where(*conditions).subquery())
        return int(self.session.scalar(statement) or 0)

    def _where(self, values: dict[str, Any]) -> Select[Any]:
        return select(self.model).where(*[find_attribute(self.model, name) == value for name, value in values.items()])

    def _key(self) -> tuple[Any, ...]:
        return tuple(inspect(self.model).primary_key)


def find_attribute(model: type[Any], name: str) -> Any:
    """Return the mapped attribute called *name*.

    Raises:
        QueryError: the model has none; the nearest name is the hint.
    """
    names = inspect(model).attrs.keys()
    if name not in names:
        raise QueryError(f"{model.__name__} has no attribute {name!r}", code="42703", hint=nearest(name, names))
    return getattr(model, name)


def _is_after(columns: Sequence[Any], values: Sequence[Any]) -> Any:
    """Compare keys of several columns without row values, which not every engine can use an index for."""
    first, value = columns[0], values[0]
    if len(columns) == 1:
        return first > value
    return (first > value) | ((first == value) & _is_after(columns[1:], values[1:]))
