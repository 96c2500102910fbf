"""The rows that ``objects.filter_by`` has found: SQLAlchemy's ``Query``, with a length and an order by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import inspect
from sqlalchemy.orm import Query

from qapla.errors import QueryError, nearest

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapper

Row = TypeVar("Row")


class Rows(Query[Row]):
    """Rows that are read when they are asked for: by iteration, ``[:]``, ``len()``, ``first()``, ``all()``, ``count()`` …

    Everything of ``Query`` is there: ``filter``, ``join``, ``order_by``, ``limit``, ``offset``, ``update``, ``delete``.
    """

    _given: int | None = None

    def __iter__(self) -> Iterator[Row]:
        if self.load_options._yield_per:
            return super().__iter__()
        rows = self.all()
        self._given = len(rows)  # list() asks for the length next, and need not ask the database for it
        return iter(rows)

    def __len__(self) -> int:
        given, self._given = self._given, None
        return self.count() if given is None else given

    def update(self, values: Any, *arguments: Any, **options: Any) -> int:
        """Change the rows by one statement, and return how many there were; their order is of no matter."""
        return Query.update(self._unordered(), values, *arguments, **options)

    def delete(self, *arguments: Any, **options: Any) -> int:
        """Delete the rows by one statement, and return how many there were; their order is of no matter."""
        return Query.delete(self._unordered(), *arguments, **options)

    def _unordered(self) -> Query[Row]:
        return self if self._limit_clause is not None or self._offset_clause is not None else self.order_by(None)


def check_names(model: type[Any], equal: Mapping[str, Any]) -> None:
    """Refuse names in a condition that are no attributes of *model*, and lists where one value is compared.

    Raises:
        QueryError: one is none.
    """
    mapper: Mapper[Any] = inspect(model)
    for name, value in equal.items():
        if name not in mapper.attrs and name not in mapper.synonyms and name not in mapper.all_orm_descriptors:
            raise unknown(model, name)
        if isinstance(value, list | tuple | set | frozenset) and _is_single(mapper, name):
            hint = f"for one of several: filter_by().filter({model.__name__}.{name}.in_(…))"
            raise QueryError(f"{name!r} of {model.__name__!r} is compared with one value", hint=hint)


def _is_single(mapper: Mapper[Any], name: str) -> bool:
    columns = mapper.columns
    if name not in columns:
        return False
    try:
        return columns[name].type.python_type not in (list, dict, tuple)
    except NotImplementedError:  # a type of somebody's own, or one of an engine's: who knows
        return False


def read_order(model: type[Any], order_by: Any) -> tuple[Any, ...]:
    """Return what to order by: *order_by* is an attribute's name, with a ``-`` before it from the largest, an expression, or several.

    None, or ``"id"`` where there is none, is the primary key.
    """
    mapper: Mapper[Any] = inspect(model)
    if order_by is None or (order_by == "id" and "id" not in mapper.column_attrs):
        return tuple(mapper.primary_key)
    several = order_by if isinstance(order_by, Iterable) and not isinstance(order_by, str) else [order_by]
    return tuple(_ordered(model, mapper, each) if isinstance(each, str) else each for each in several)


def _ordered(model: type[Any], mapper: Mapper[Any], text: str) -> Any:
    name = text.removeprefix("-")
    if name not in mapper.column_attrs:
        raise unknown(model, name)
    column = getattr(model, name)
    return column.desc() if text.startswith("-") else column


def unknown(model: type[Any], name: str) -> QueryError:
    """Return the error for a name that *model* does not have."""
    hint = nearest(name, [attribute.key for attribute in inspect(model).attrs])
    return QueryError(f"{model.__name__!r} has no {name!r}", hint=hint)
