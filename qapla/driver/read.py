"""``ReadDriver``: the questions that an application asks about one of its models, in one class.

::

    class ChoiceReadDriver(ReadDriver[Choice]):
        def winners(self) -> Sequence[Choice]:
            return self.filter(Choice.votes > 100, order="-votes")

    ChoiceReadDriver(request.main).get_by_id(1)

Values by name are compared with ``=`` (None with IS NULL); everything else is said by SQLAlchemy's conditions. ``model`` may be a Core
table, too: rows then are dicts. In unit tests ``qapla.testing.fake_of(ChoiceReadDriver, rows)`` answers the same questions from memory.
The same over a served table, which nobody has declared, is ``qapla.driver.table_read.TableReadDriver``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from qapla.driver.base import Driver, Model
from qapla.driver.position import read_order, read_position
from qapla.errors import NotFound, QueryError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Sequence[Row], Generic[Row]):
    """Some rows in an order, and where the next ones begin.

    Attributes:
        next: what to give as ``after`` for the next page; None when this is the last one.
    """

    rows: tuple[Row, ...]
    next: tuple[Any, ...] | None

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, index: int | slice) -> Row | tuple[Row, ...]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)


class ReadDriver(Driver[Model]):
    """Ask about one model. Add a method for each question of your own; all SQL about the model belongs in its drivers."""

    def get_by_id(self, key: Any) -> Model:
        """Return the row with this primary key; a key of several columns is a tuple in their order, or a mapping by their names.

        Raises:
            NotFound: there is none.
            QueryError: the key has other parts.
        """
        found = self.find_by_id(key)
        if found is None:
            raise NotFound(f"no {self._name} has the key {str(key)[:100]!r}")
        return found

    def find_by_id(self, key: Any) -> Model | None:
        """Return the row with this primary key, or None."""
        found: Model | None = self.store.find(self.subject().key_of(key))
        return found

    def get_by(self, **values: Any) -> Model:
        """Return the one row that has these values.

        Raises:
            NotFound: there is none. QueryError: there are several, or the model has no such attribute.
        """
        found = self.find_by(**values)
        if found is None:
            raise NotFound(f"no {self._name} has {', '.join(sorted(values))} like that" if values else f"there is no {self._name}")
        return found

    def find_by(self, **values: Any) -> Model | None:
        """Return the one row that has these values, or None.

        Raises:
            QueryError: there are several, or the model has no such attribute.
        """
        self._check(values)
        found = self.store.fetch((), values, limit=2)
        if len(found) > 1:
            like = f"several {self._name} have {', '.join(sorted(values))} like that" if values else f"there are several {self._name}"
            raise QueryError(like, hint="ask for a list")
        return found[0] if found else None

    def list(self, limit: int | None = None, order: Sequence[str] | str = ()) -> Sequence[Model]:
        """Return all rows, by primary key or in *order* (``"name"``, ``"-votes"``), at most *limit*."""
        return self.filter(limit=limit, order=order)

    def filter(
        self, *conditions: ColumnElement[bool], limit: int | None = None, order: Sequence[str] | str = (), **values: Any
    ) -> Sequence[Model]:
        """Return the rows for which the conditions hold and that have these values, by primary key or in *order*.

        Raises:
            QueryError: the model has no such attribute, *limit* is no number of rows, or a condition is none.
        """
        self._check(values, conditions)
        if limit is not None and (not isinstance(limit, int) or limit < 0):
            raise QueryError(f"a list of {self._name} has the limit {str(limit)[:100]!r}", hint="0 or more, or None for all")
        return self.store.fetch(conditions, values, read_order(self.subject(), order), limit)

    def page(
        self, size: int = 50, *conditions: ColumnElement[bool], after: Any = None, order: Sequence[str] | str = (), **values: Any
    ) -> Page[Model]:
        """Return the next *size* rows after one that was seen; costs the same however far it is, where the order has an index.

        Args:
            after: ``next`` of the page before, or its last row; in the order of the primary key also a key. None begins.
            order: names, ``-name`` for a descending one; NULL comes last. The primary key decides between equal rows.

        Raises:
            QueryError: *size* or *after* is wrong, the model has no such attribute, or no primary key.
        """
        subject = self.subject()
        if not isinstance(size, int) or size < 1:
            raise QueryError(f"a page of {self._name} has the size {str(size)[:100]!r}", hint="1 or more; conditions come after it")
        if not subject.key_names:
            raise QueryError(f"{self._name} has no primary key and so no pages", hint="mark its columns with primary_key=True")
        self._check(values, conditions)
        terms = read_order(subject, order)
        position = None if after is None else read_position(subject, terms, after)
        if position is not None and not self.store.can_be_asked([term.name for term in terms], position):
            raise QueryError(f"no page of {self._name} begins after {str(after)[:100]!r}", hint="pass on `next` of the page before")
        rows = self.store.fetch(conditions, values, terms, size + 1, position)
        last = rows[size - 1] if len(rows) > size else None
        following = None if last is None else tuple(subject.value(last, term.name) for term in terms)
        return Page(tuple(rows[:size]), following)

    def exists(self, *conditions: ColumnElement[bool], **values: Any) -> bool:
        """Tell whether there is a row for which the conditions hold and that has these values."""
        self._check(values, conditions)
        return self.store.exists(conditions, values)

    def count(self, *conditions: ColumnElement[bool], **values: Any) -> int:
        """Return the number of rows for which the conditions hold and that have these values."""
        self._check(values, conditions)
        return self.store.count(conditions, values)

    @property
    def _name(self) -> str:
        return self.subject().name

    def _check(self, values: dict[str, Any], conditions: Sequence[Any] = ()) -> None:
        subject = self.subject()
        subject.check(values, subject.readable)
        subject.check_conditions(conditions)
