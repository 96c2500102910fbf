"""``WriteDriver``: the changes that an application makes to one of its models, in one class.

::

    class ChoiceWriteDriver(WriteDriver[Choice]):
        def vote(self, choice: Choice) -> Choice:
            return self.update(choice, votes=Choice.votes + 1)

    ChoiceWriteDriver(request.main).create(text="yes")

A driver flushes, so that keys and broken constraints are known at once; whoever lent the session commits. With ``commit = True`` the
driver commits each change by itself. A constraint that does not hold is a ``DatabaseError`` with the same code on every engine (23505: a
unique value is there already); the transaction is over then, unless the change was made within ``session.begin_nested()``.

``model`` may be a Core table, too: rows then are dicts. In unit tests ``qapla.testing.fake_of(ChoiceWriteDriver, rows)`` changes rows in
memory. The same over a served table, which nobody has declared, is ``qapla.driver.table_write.TableWriteDriver``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import false

from qapla.driver.base import Driver, Model
from qapla.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement


class WriteDriver(Driver[Model]):
    """Change one model. Add a method for each change that has a name of its own.

    Attributes:
        commit: commit after each change; leave it off where the scope commits.
    """

    commit: ClassVar[bool] = False

    # -- one row

    def create(self, **values: Any) -> Model:
        """Make a row and return it, its key known.

        Raises:
            QueryError: the model has no such attribute.
            DatabaseError: a constraint does not hold.
        """
        self._check(values)
        with self.store.changing(self.commit):
            made: Model = self.store.insert(values)
        return made

    def update(self, row: Model, /, **values: Any) -> Model:
        """Change a row that was read, and return it as it is then.

        Raises:
            QueryError: the model has no such attribute, or *row* is none of it.
            NotFound: the row of a table is gone.
            DatabaseError: a constraint does not hold.
        """
        self.subject().check_row(row)
        self._check(values)
        with self.store.changing(self.commit):
            changed: Model = self.store.change(row, values)
        return changed

    def delete(self, row: Model, /) -> None:
        """Delete a row that was read.

        Raises:
            QueryError: *row* is none of the model.
            NotFound: the row of a table is gone.
            DatabaseError: other rows need it.
        """
        self.subject().check_row(row)
        with self.store.changing(self.commit):
            self.store.remove(row)

    def update_by_id(self, key: Any, /, **values: Any) -> bool:
        """Change the row with this primary key in one statement; tell whether there was one."""
        conditions, where = self._having(key)
        return bool(self.update_where(values, *conditions, **where))

    def delete_by_id(self, key: Any, /) -> bool:
        """Delete the row with this primary key in one statement; tell whether there was one. Cascades of the model do not run."""
        conditions, where = self._having(key)
        return bool(self.delete_where(*conditions, **where))

    def upsert(self, by: Sequence[str] | str | None = None, /, **values: Any) -> Model:
        """Change the row that has these values in the columns *by*, or make it; return it.

        Args:
            by: a unique set: the primary key (None), or the columns of a unique constraint or index.

        Raises:
            QueryError: *by* is not unique, or its values are missing or None.
            DatabaseError: a constraint does not hold, or another unique set has such values already.
        """
        unique = self._unique(by, [values])
        with self.store.changing(self.commit):
            self.store.upsert_all(unique, [values])
            found: Model = self.store.read_again(unique, values)
        return found

    # -- many rows

    def create_all(self, rows: Iterable[Mapping[str, Any]], /) -> int:
        """Insert many rows without making objects of them; return their number. All or none."""
        values = self._mappings(rows)
        self._check_columns(values)
        with self.store.changing(self.commit):
            if values:
                self.store.insert_all(values)
        return len(values)

    def update_all(self, rows: Iterable[Mapping[str, Any]], /) -> int:
        """Change many rows, each by the primary key that is in its mapping; return how many there were."""
        values = self._mappings(rows)
        self._check_columns(values)
        subject = self.subject()
        for row in values:
            subject.key_of({name: row[name] for name in subject.key_names if name in row})
            if len(row) == len(subject.key_names):
                raise QueryError(f"nothing of {subject.name} is changed", hint="each mapping has the key, and what is new")
        with self.store.changing(self.commit):
            return self.store.update_all(values)

    def delete_all(self, keys: Iterable[Any], /) -> int:
        """Delete the rows with these primary keys; return how many there were. Cascades of the model do not run."""
        subject = self.subject()
        found = [subject.key_of(key) for key in keys]
        with self.store.changing(self.commit):
            return self.store.delete_all([key for key in found if self.store.can_be_asked(subject.key_names, key)])

    def upsert_all(self, rows: Iterable[Mapping[str, Any]], /, by: Sequence[str] | str | None = None) -> int:
        """Change the rows that have such values in the columns *by*, make the others; return their number. All or none."""
        values = self._mappings(rows)
        unique = self._unique(by, values)
        with self.store.changing(self.commit):
            if values:
                self.store.upsert_all(unique, values)
        return len(values)

    def update_where(self, changes: Mapping[str, Any], /, *conditions: ColumnElement[bool], **values: Any) -> int:
        """Change all rows for which the conditions hold and that have these values, in one statement; return their number.

        Raises:
            QueryError: nothing says which rows, nothing is changed, or the model has no such attribute.
        """
        self._check_some(conditions, values)
        self._check_columns([changes])
        if not changes:
            raise QueryError(f"nothing of {self.subject().name} is changed", hint="say which values are new")
        with self.store.changing(self.commit):
            return self.store.update_where(conditions, values, changes)

    def delete_where(self, *conditions: ColumnElement[bool], **values: Any) -> int:
        """Delete all rows for which the conditions hold and that have these values, in one statement; return their number.

        Raises:
            QueryError: nothing says which rows, or the model has no such attribute.
        """
        self._check_some(conditions, values)
        with self.store.changing(self.commit):
            return self.store.delete_where(conditions, values)

    # -- checks

    def _check(self, values: Mapping[str, Any]) -> None:
        subject = self.subject()
        subject.check(values, subject.writable)

    def _check_columns(self, rows: Iterable[Mapping[str, Any]]) -> None:
        subject = self.subject()
        subject.check(dict.fromkeys(name for row in rows for name in row), subject.columns)

    def _check_some(self, conditions: tuple[Any, ...], values: Mapping[str, Any]) -> None:
        """Every row is changed only by those who say so."""
        subject = self.subject()
        if not conditions and not values:
            raise QueryError(f"nothing says which rows of {subject.name}", hint="sqlalchemy.true() stands for all of them")
        subject.check(values, subject.readable)
        subject.check_conditions(conditions)

    def _mappings(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        found = list(rows)
        for row in found:
            if not isinstance(row, Mapping):
                raise QueryError(f"{type(row).__name__!r} is no row of {self.subject().name}", hint="a mapping of its values by name")
        return [dict(row) for row in found]

    def _having(self, key: Any) -> tuple[tuple[ColumnElement[bool], ...], dict[str, Any]]:
        """Return what says which row has *key*: conditions, and values. No row has a key that the engine cannot be asked for."""
        names = self.subject().key_names
        values = self.subject().key_of(key)
        return ((), dict(zip(names, values, strict=True))) if self.store.can_be_asked(names, values) else ((false(),), {})

    def _unique(self, by: Sequence[str] | str | None, rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        subject = self.subject()
        unique = subject.unique_set(by)
        self._check_columns(rows)
        for row in rows:
            missing = [name for name in unique if row.get(name) is None]
            if missing:
                raise QueryError(f"an upsert of {subject.name} by ({', '.join(unique)}) has no {missing[0]!r}", hint="give it a value")
        return unique
