"""Models as Flask-Philo has them: plain SQLAlchemy with ``id``, ``created_at``, ``updated_at``, and ``objects`` to ask for rows.

::

    class Genre(BaseModel):
        __tablename__ = "genre"
        name = Column(String(256))

    Genre(name="Rock").add()
    get_pool().commit()
    Genre.objects.get(name="Rock")

A model is a mapped class of SQLAlchemy and works in any session. ``objects``, ``add``, ``update`` and ``delete`` use those of the pool
(``qapla.database.pool``) and commit nothing.
"""

from __future__ import annotations

from datetime import datetime  # SQLAlchemy reads the annotations of columns
from typing import Any, ClassVar, Self, TypeVar

from sqlalchemy import Column, Integer, MetaData, inspect
from sqlalchemy.orm import Mapped, MappedColumn, mapped_column

from qapla.database.models.field import Field
from qapla.database.models.manager import BaseManager, find_session
from qapla.database.models.model import Model, bound_of
from qapla.database.models.moments import UtcDateTime, now, utc_now
from qapla.database.pool import metadatas
from qapla.errors import Conflict, QueryError, RowNotFound, SeveralRows

Row = TypeVar("Row", bound="BaseModel")

NotFoundError = RowNotFound
InvalidQueryError = QueryError
MultipleResults = SeveralRows


class _Objects:
    """Gives ``Model.objects``, also of a row."""

    def __get__(self, row: Row | None, model: type[Row]) -> BaseManager[Row]:
        return model.objects_class(model)


def _as_created(context: Any) -> datetime:
    """Return when the row that is inserted was created: it has not been updated since."""
    created: datetime | None = context.get_current_parameters(isolate_multiinsert_groups=True).get("created_at")
    return created or now()


def _has_key(model: type) -> bool:
    """Tell whether *model* has a primary key before it is mapped: written in it, in a base, or in the table of one."""
    if "__table__" in vars(model) or any("__mapper__" in vars(base) for base in model.__mro__):
        return True
    parts = [part for base in model.__mro__ for part in vars(base).values() if isinstance(part, Field | Column | MappedColumn)]
    return any((part.column if isinstance(part, MappedColumn) else part).primary_key for part in parts)


class BaseModel(Model):
    """Base class of models with ``id``, ``created_at`` and ``updated_at`` (UTC). Columns are SQLAlchemy's, or fields of ``models``.

    A model with a primary key of its own has no ``id``. The times are set when a row is written through its model. Rows that SQL inserts
    get theirs from the database; SQL that changes a row leaves its ``updated_at`` as it is.
    """

    __abstract__ = True
    metadata = MetaData()

    objects_class: ClassVar[type[BaseManager[Any]]] = BaseManager
    objects = _Objects()

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, server_default=utc_now(), sort_order=1000)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=_as_created, onupdate=now, server_default=utc_now(), sort_order=1001)

    def __init_subclass__(cls, **options: Any) -> None:
        if not vars(cls).get("__abstract__") and not _has_key(cls):
            cls.id = mapped_column(Integer, primary_key=True, sort_order=-1)  # what Column(Integer, ForeignKey(…)) points to
        super().__init_subclass__(**options)
        metadatas.add(cls.metadata)

    @property
    def dict(self) -> dict[str, Any]:
        """Return the values of the columns by attribute."""
        return {attribute.key: getattr(self, attribute.key) for attribute in inspect(type(self)).column_attrs}

    def add(self, connection_name: str | None = None) -> Self:
        """Write the row, without a commit. It knows its id afterwards.

        Args:
            connection_name: where; a new row goes to ``DEFAULT``, another one stays where it is.

        Raises:
            Conflict: it belongs to another connection, or to a session of another thread or task.
        """
        session = find_session(self, connection_name)
        session.add(self)
        session.flush()
        return self

    def update(self, connection_name: str | None = None) -> Self:
        """Write what has changed in the row, without a commit. One that came from a database opened by ``with`` is written there.

        Raises:
            Conflict: it is on no connection yet, on another than this one, or in a session of another thread or task.
        """
        if connection_name is None and bound_of(self) is not None:
            self.save()
            return self
        session = find_session(self, connection_name)
        self._check_known("updated")
        session.add(self)
        session.flush()
        return self

    def delete(self, connection_name: str | None = None) -> None:
        """Delete the row, without a commit. One that came from a database opened by ``with`` is deleted there.

        Raises:
            Conflict: as from ``update``.
        """
        if connection_name is None and bound_of(self) is not None:
            super().delete()
            return
        session = find_session(self, connection_name)
        self._check_known("deleted")
        session.delete(self)
        session.flush()

    def refresh(self) -> None:
        """Read the row again; what was changed and not written is lost.

        Raises:
            Conflict: as from ``update``.
        """
        if bound_of(self) is not None:
            super().refresh()
            return
        session = find_session(self, None)
        self._check_known("read again")
        session.add(self)
        session.refresh(self)

    def _check_known(self, what: str) -> None:
        if inspect(self).transient:
            raise Conflict(f"a row of {type(self).__name__!r} cannot be {what}: it is on no connection yet", hint="add() it")


metadatas.add(BaseModel.metadata)
