"""What ``Model.objects`` is for models below ``BaseModel``: questions about rows, asked in the sessions of the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import bindparam, false, func, inspect, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import object_session

from qapla.database import dialects
from qapla.database.connections import CONNECTION, DEFAULT
from qapla.database.engines import IMMEDIATE
from qapla.database.faults import translate
from qapla.database.models.rows import Rows, check_names, read_order
from qapla.database.pending import unnoticed
from qapla.database.pool import get_pool
from qapla.errors import Conflict, QueryError, RowNotFound, SeveralRows, TimedOut

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import BindParameter, Result
    from sqlalchemy.orm import Session

    from qapla.database.models.objects import BaseModel
    from qapla.database.pool import Pool

Row = TypeVar("Row", bound="BaseModel")


class BaseManager(Generic[Row]):
    """What ``Model.objects`` is: questions about the rows of one model.

    A subclass with more of them is named in the model: ``objects_class = GenreManager``.
    """

    def __init__(self, model: type[Row]) -> None:
        self.model = model

    @property
    def pool(self) -> Pool:
        """Return the pool whose sessions are used."""
        return get_pool()

    def filter_by(
        self,
        order_by: Any = "id",
        limit: int | None = None,
        offset: int | None = None,
        connection_name: str = DEFAULT,
        **equal: Any,
    ) -> Rows[Row]:
        """Return the rows whose attributes have these values; all of them where none is given. None means NULL.

        Args:
            order_by: the name of an attribute, ``"-name"`` from the largest, an expression of SQLAlchemy, or several in a list.
            limit: how many at most; by default there is no limit.
            offset: how many to pass over.

        Raises:
            InvalidQueryError: the model has no such attribute.
        """
        check_names(self.model, equal)
        rows = self._rows(connection_name).filter_by(**equal).order_by(*read_order(self.model, order_by))
        return rows if limit is None and offset is None else rows.limit(limit).offset(offset)

    def get(self, connection_name: str = DEFAULT, **equal: Any) -> Row:
        """Return the one row whose attributes have these values.

        Raises:
            NotFoundError: there is none.
            MultipleResults: there are several.
            InvalidQueryError: no value is given, or the model has no such attribute.
        """
        return self._get_one(self._rows(connection_name), equal)

    def get_for_update(self, connection_name: str = DEFAULT, nowait: bool = True, **equal: Any) -> Row:
        """Return the one row whose attributes have these values, read anew and locked until the commit or rollback.

        An engine that locks no rows, SQLite, keeps every other writer from the whole file instead.

        Args:
            nowait: raise at once when somebody else has locked it; False waits for him, as long as the database lets one wait.

        Raises:
            Conflict: somebody else has it locked. Roll back and try again.
            NotFoundError, MultipleResults, InvalidQueryError: as from ``get``.
        """
        rows = self._rows(connection_name)
        self._check_one(equal)
        engine = dialects.get_engine(rows.session.get_bind().dialect.name)
        try:
            if not engine.locks_rows:
                self._lock_file(rows.session)
            return self._get_one(rows.with_for_update(nowait=nowait, of=self.model).populate_existing(), equal)
        except DBAPIError as error:
            if isinstance(translate(engine.key, error, connection_name), TimedOut):
                hint = "roll back and try again"
                raise Conflict(f"the row of {self.model.__name__!r} is locked by somebody else", hint=hint, code="55P03") from error
            raise

    def count(self, connection_name: str = DEFAULT, **equal: Any) -> int:
        """Return how many rows there are, or how many whose attributes have these values."""
        check_names(self.model, equal)
        found = self._session(connection_name).scalar(select(func.count()).select_from(self.model).filter_by(**equal))
        return int(found or 0)

    def raw_sql(self, sql: str, connection_name: str = DEFAULT, **parameters: Any) -> Result[Any]:
        """Run SQL as it is written; ``:name`` in it stands for a parameter, which is bound and never made part of the text.

        A tuple is a list for ``IN``: ``WHERE id IN :ids``. A colon that is meant is written ``\\:``.

        Returns:
            SQLAlchemy's result: ``.fetchall()``, ``.fetchone()``, ``.scalar()``; columns are attributes of its rows.

        Raises:
            InvalidQueryError: a parameter has no value, or a value no parameter.
        """
        statement = text(sql)
        named = set(statement._bindparams)
        if named != set(parameters):
            missing = ", ".join(repr(name) for name in sorted(named - set(parameters)))
            more = ", ".join(repr(name) for name in sorted(set(parameters) - named))
            said = f"has no value for {missing}" if missing else f"has no parameter {more}"
            raise QueryError(f"the SQL {said}", hint="write ':name' in it for a parameter, and '\\:' for a colon")
        lists = [name for name, value in parameters.items() if isinstance(value, tuple)]
        several: list[BindParameter[Any]] = [bindparam(name, expanding=True) for name in lists]
        return self._session(connection_name).execute(statement.bindparams(*several), parameters)

    def add_all(self, data: Iterable[Row], connection_name: str | None = None) -> None:
        """Write new rows, which know their ids afterwards; see ``BaseModel.add``."""
        rows = list(data)
        sessions = {id(session): session for session in [find_session(row, connection_name) for row in rows]}
        for row in rows:
            find_session(row, connection_name).add(row)
        for session in sessions.values():
            session.flush()

    def _session(self, connection_name: str) -> Session:
        return self.pool.session(connection_name)

    def _rows(self, connection_name: str) -> Rows[Row]:
        return Rows([self.model], self._session(connection_name))

    def _check_one(self, equal: dict[str, Any]) -> None:
        if not equal:
            raise QueryError(f"nothing says which row of {self.model.__name__!r} is meant", hint="name an attribute: get(id=1)")
        check_names(self.model, equal)

    def _get_one(self, rows: Rows[Row], equal: dict[str, Any]) -> Row:
        self._check_one(equal)
        found = rows.filter_by(**equal).limit(2).all()
        names = " and ".join(equal)
        if not found:
            raise RowNotFound(f"no row of {self.model.__name__!r} has this {names}")
        if len(found) > 1:
            raise SeveralRows(f"several rows of {self.model.__name__!r} have this {names}", hint="filter_by(…) gives them all")
        return found[0]

    def _lock_file(self, session: Session) -> None:
        """Begin as one that writes; where a transaction is under way, by a statement that would write and finds nothing to."""
        if not session.in_transaction():
            session.connection(execution_options={IMMEDIATE: True})
        key = inspect(self.model).primary_key[0]
        session.flush()
        with unnoticed(session):
            session.execute(update(key.table).where(false()).values({key: key}))


def find_session(row: BaseModel, connection_name: str | None) -> Session:
    """Return the session of this thread or task that *row* is written in: its own, or that on *connection_name* for a new one.

    Raises:
        Conflict: it belongs elsewhere.
    """
    theirs = object_session(row)
    home = inspect(row).info.get(CONNECTION) if theirs is None else theirs.info.get(CONNECTION)
    session = get_pool().session(connection_name or home or DEFAULT)
    chosen, called = session.info[CONNECTION], type(row).__name__
    if theirs is not None and theirs is not session and home in (None, chosen):
        hint = "read it again here; a session is used by one thread or task"
        raise Conflict(f"a row of {called!r} belongs to a session that is not the pool's in this thread or task", hint=hint)
    if home not in (None, chosen):
        hint = f"a copy of it is a new row: {called}(…).add(connection_name={chosen!r})"
        raise Conflict(f"a row of {called!r} belongs to connection {home!r}, not to {chosen!r}", hint=hint)
    return session
