"""``WriteDriver``: the changes that an application makes to one of its models, in one class.

::

    class ChoiceWriteDriver(WriteDriver[Choice]):
        model = Choice

    ChoiceWriteDriver(request.main).create(text="yes")

A driver flushes, so that keys and broken constraints are known at once; whoever lent the session commits. With ``commit = True`` the
driver commits each change by itself. The same over any served table is ``qapla.driver.table_write.TableWriteDriver``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from sqlalchemy import delete, insert, inspect

from qapla.driver.read import find_attribute

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.orm import Session

Model = TypeVar("Model")


class WriteDriver(Generic[Model]):
    """Change one model.

    Attributes:
        commit: commit after each change; leave it off where the scope commits.
    """

    model: ClassVar[type[Any]]
    commit: ClassVar[bool] = False

    def __init__(self, session: Session) -> None:
        self.session = session

    def create(self, **values: Any) -> Model:
        """Make an object and return it, its key known.

        Raises:
            QueryError: the model has no such attribute.
        """
        self._check(values)
        made: Model = self.model(**values)
        self.session.add(made)
        self._done()
        return made

    def update(self, obj: Model, **values: Any) -> Model:
        """Change attributes of *obj* and return it.

        Raises:
            QueryError: the model has no such attribute.
        """
        self._check(values)
        for name, value in values.items():
            setattr(obj, name, value)
        self._done()
        return obj

    def delete(self, obj: Model) -> None:
        """Delete *obj*."""
        self.session.delete(obj)
        self._done()

    def delete_by_id(self, key: Any) -> bool:
        """Delete the object with this primary key in one statement; tell whether there was one."""
        columns = inspect(self.model).primary_key
        values = key if isinstance(key, tuple) else (key,)
        done: Any = self.session.execute(
            delete(self.model).where(*[column == value for column, value in zip(columns, values, strict=True)])
        )
        self._done()
        return bool(done.rowcount)

    def create_many(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Insert many rows without making objects of them; return their number.

        Raises:
            QueryError: the model has no such attribute.
        """
        values = [dict(row) for row in rows]
        for name in {name for row in values for name in row}:
            find_attribute(self.model, name)
        if values:
            self.session.execute(insert(self.model), values)
        self._done()
        return len(values)

    def _check(self, values: Mapping[str, Any]) -> None:
        for name in values:
            find_attribute(self.model, name)

    def _done(self) -> None:
        if self.commit:
            self.session.commit()
        else:
            self.session.flush()
