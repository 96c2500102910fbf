"""``Model``: a class of rows, declared by its fields and mapped by SQLAlchemy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import sqlalchemy as sa
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import DeclarativeBase

from qapla.database.models import belonging, mapping
from qapla.database.models.belonging import bound_of, find_using
from qapla.errors import NotFound, QueryError, nearest

if TYPE_CHECKING:
    from qapla.database.models.field import Field
    from qapla.database.models.queryset import QuerySet


__all__ = ["Model", "bound_of", "find_using"]


class Model(DeclarativeBase):
    """A row of a table; the class is the table.

    ::

        class Question(models.Model):
            question_text = models.Char(max_length=200)
            pub_date = models.DateTime()

    It is a declarative class of SQLAlchemy: its table, ``select(Question)``, any session, any driver and Alembic work with it. The table is
    called after the class unless ``__tablename__`` says otherwise; without a primary key among the fields there is ``id``.
    """

    __abstract__ = True
    __allow_unmapped__ = True
    __fields__: ClassVar[dict[str, Field]] = {}
    __read_only__: ClassVar[bool] = False  # a view, or a table elsewhere: never created, rows are not saved

    def __init_subclass__(cls, **options: Any) -> None:
        if vars(cls).get("__abstract__"):
            super().__init_subclass__(**options)
            return
        call = super().__init_subclass__
        mapping.declare(cls, lambda: call(**options))

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            if name in type(self).__fields__ or (not name.startswith("_") and hasattr(type(self), name)):
                setattr(self, name, value)
                continue
            known = [*sa.inspect(type(self)).attrs.keys()]
            hint = nearest(name, known) or f"there are {', '.join(known)}"
            raise QueryError(f"{type(self).__name__!r} has no field {name!r}", code="42703", hint=hint)

    def __repr__(self) -> str:
        state: Any = sa.inspect(self)
        key = state.identity
        shown = ", ".join(map(repr, key)) if key else "new"
        return f"<{type(self).__name__} {shown}>"

    @classmethod
    def select(cls, *columns: Any) -> QuerySet[Any]:
        """Return a question about the rows, of all databases that are open; nothing is asked yet.

        Args:
            columns: fields by name; without any, whole rows. See ``queryset``.
        """
        from qapla.database.models.queryset import select

        return select(cls, *columns)

    def save(self, using: Any = None) -> None:
        """Insert the row, or update it.

        A new row goes to the innermost open database, or to *using*; a row that was read goes back to the one it came from. It is
        committed with everything else at the end of the block.

        Args:
            using: an open database, or its name.

        Raises:
            NotBound: no database is open, or not the one that the row came from.
            DatabaseError: the database refuses it; what was saved before stays.
        """
        belonging.save(self, using)

    def delete(self) -> None:
        """Delete the row from the database that it came from.

        Raises:
            ModelError: it was never saved. DatabaseError: other rows need it.
        """
        belonging.delete(self)

    def refresh(self) -> None:
        """Read the row again; what was changed and not saved is lost.

        Raises:
            ModelError: it was never saved. NotFound: it is not there any more.
        """
        database = belonging.home(self)
        with database.errors():
            try:
                database.session.refresh(self)
            except InvalidRequestError as error:
                raise NotFound(f"{self!r} is not in database {database.name!r} any more") from error

    def copy(self, **changes: Any) -> Self:
        """Return a new row with the same values, those of *changes* but for; a key that the database makes is left out.

        It is not saved; many-to-many rows do not go with it.
        """
        table: Any = type(self).__table__
        values: dict[str, Any] = {}
        for attribute in sa.inspect(type(self)).column_attrs:
            column = attribute.columns[0]
            is_made = column is table.autoincrement_column or (column.primary_key and column.default is not None)
            if isinstance(column, sa.Column) and column.computed is None and not is_made:
                values[attribute.key] = getattr(self, attribute.key)
        return type(self)(**(values | changes))
