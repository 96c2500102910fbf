"""``Model``: a class of rows, declared by its fields and mapped by SQLAlchemy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, object_session

from qapla.database.models import binding, mapping
from qapla.database.models.bound import Bound, find_bound
from qapla.database.models.links import ForeignKey
from qapla.errors import ModelError, NotBound, QueryError, nearest

if TYPE_CHECKING:
    from qapla.database.models.field import Field


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

    def __init_subclass__(cls, **options: Any) -> None:
        if vars(cls).get("__abstract__"):
            super().__init_subclass__(**options)
            return
        mapping.prepare(cls)
        super().__init_subclass__(**options)
        mapping.finish(cls)

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            if not name.startswith("_") and hasattr(type(self), name):
                setattr(self, name, value)
                continue
            known = [*sa.inspect(type(self)).attrs.keys()]
            hint = nearest(name, known) or f"there are {', '.join(known)}"
            raise QueryError(f"{type(self).__name__!r} has no field {name!r}", code="42703", hint=hint)

    def __setattr__(self, name: str, value: Any) -> None:
        field = type(self).__fields__.get(name)
        if isinstance(field, ForeignKey):
            field.assign(self, value)
        else:
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        state: Any = sa.inspect(self)
        key = state.identity
        shown = ", ".join(map(repr, key)) if key else "new"
        return f"<{type(self).__name__} {shown}>"

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
        database = _place(self, using)
        session = database.session
        with database.errors(), session.begin_nested():
            session.add(self)
            session.flush()

    def delete(self) -> None:
        """Delete the row from the database that it came from.

        Raises:
            ModelError: it was never saved.
        """
        database = _home(self)
        with database.errors(), database.session.begin_nested():
            database.session.delete(self)
            database.session.flush()

    def refresh(self) -> None:
        """Read the row again; what was changed and not saved is lost.

        Raises:
            ModelError: it was never saved.
        """
        database = _home(self)
        with database.errors():
            database.session.refresh(self)


def bound_of(row: Any) -> Bound | None:
    """Return the open database that *row* belongs to, None for a new row or when its database is closed."""
    found = find_bound(object_session(row))
    if found is not None:
        return found
    target = row.__dict__.get("_qapla_target")
    return next((each for each in reversed(binding.bound()) if each.source.target == target), None) if target else None


def _home(row: Any) -> Bound:
    state: Any = sa.inspect(row)
    if state.transient or state.pending:
        raise ModelError(f"{row!r} was never saved", hint="row.save() first")
    found = bound_of(row)
    if found is None:
        raise _elsewhere(row)
    if state.detached:
        found.session.add(row)
    return found


def _place(row: Any, using: Any) -> Bound:
    chosen = None if using is None else find_using(using)
    state: Any = sa.inspect(row)
    if state.transient:
        return chosen or binding.innermost()
    home = bound_of(row)
    if home is None:
        raise _elsewhere(row)
    if chosen is not None and chosen is not home:
        raise ModelError(f"{row!r} belongs to database {home.name!r}, not to {chosen.name!r}", hint="row.copy().save(using=…) makes a new row")
    return home


def _elsewhere(row: Any) -> NotBound:
    target = row.__dict__.get("_qapla_target")
    where = f"database {target[1]!r}, which is not open here" if target else "a session that is not of an open database"
    return NotBound(f"{row!r} belongs to {where}", hint="open it again" if target else "use that session")


def find_using(using: Any) -> Bound:
    """Return the open database that is meant by itself or by its name.

    Raises:
        NotBound: it is not open here.
    """
    for each in binding.bound():
        if each is using or each.name == using:
            return each
    names = [each.name for each in binding.bound()]
    shown = getattr(using, "name", using)
    hint = nearest(str(shown), names) or (f"open are {', '.join(map(repr, names))}" if names else binding.HINT)
    raise NotBound(f"database {shown!r} is not open in this thread or task", hint=hint)
