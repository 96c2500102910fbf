"""One open database: what ``with Sqlite("poll.db") as db`` gives."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Session

from qapla.database import login
from qapla.database.dialects import ENGINES, get_engine
from qapla.database.direct import MEMORY
from qapla.database.faults import is_missing, translate
from qapla.database.functions import lend
from qapla.database.models import creation
from qapla.database.pending import is_pending, watch
from qapla.database.runners import RUNNERS
from qapla.errors import InputError, NotBound, QaplaError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from sqlalchemy import Connection, Engine

    from qapla.database import dialects
    from qapla.database.models.model import Model
    from qapla.database.schema.description import DatabaseSchema
    from qapla.database.spec import ConnectionSpec

KEY = "qapla_bound"  # in the info of a session
CONNECTION = "qapla_connection"  # that of its transaction
STALE = "qapla_stale"

_numbers = count()
_opened: WeakSet[Bound] = WeakSet()
_inherited: list[Any] = []  # what belongs to the parent process: neither used nor closed here, so never garbage either


@dataclass(frozen=True, slots=True)
class Source:
    """Where the engine of a ``Bound`` comes from, and what it says about itself.

    ``target`` is equal for two ways to the same database. ``spec`` is None for a ``Database`` of an application, whose engine is its own.
    """

    open: Callable[[str], Engine]
    place: str
    target: tuple[str, ...]
    reference: Any
    spec: ConnectionSpec | None = None
    owns_engine: bool = True
    is_read_only: bool = False  # the database refuses writes that come this way


class Bound:
    """One database that is open in a thread or task.

    Args:
        name: what errors and the ``database`` column call it; no two that are open together have the same.
        source: where it is.
        commits: whether what was written is committed at a clean end.
    """

    def __init__(self, name: str, source: Source, *, commits: bool = True) -> None:
        self.name = name
        self.commits = commits
        self._is_open = True
        self.source = source
        # Equal for two ways to the same database; one in memory is nobody else's.
        self.target: tuple[str, ...] = source.target if MEMORY not in source.target else (*source.target, str(next(_numbers)))
        self.engine: Engine = source.open(name)
        _opened.add(self)
        lend(self.engine)  # what SQLite's own functions cannot do: matching, lower case, what JSON contains
        self._session: Session | None = None
        self._lock = threading.RLock()  # a generator that closes it may be collected while it is held

    def __repr__(self) -> str:
        return f"<Bound {self.name!r} at {self.place!r}{'' if self.is_open else ', closed'}>"

    @property
    def is_open(self) -> bool:
        """Tell whether it can be asked. What is open in a process is not in a child that is forked from it."""
        return self._is_open

    @property
    def place(self) -> str:
        """Return where it is, for people: host, port and database, or the file; never a password."""
        return self.source.place

    @property
    def reference(self) -> Any:
        """Return how another process opens the same database; it can be pickled."""
        return self.source.reference

    @property
    def spec(self) -> ConnectionSpec | None:
        """Return host, login and TLS, for drivers that connect by themselves; None for a ``Database`` of an application."""
        return self.source.spec

    @property
    def dialect(self) -> dialects.Engine:
        """Return what its engine can; asks the server once whether it is MariaDB or MySQL."""
        found = self.engine.dialect
        if found.name == "mysql" and getattr(found, "server_version_info", None) is None:
            self.session.connection()
        return ENGINES["mariadb"] if getattr(found, "is_mariadb", False) else get_engine(found.name)

    @property
    def session(self) -> Session:
        """Return the session, the same one until the end; it is made when somebody asks.

        Raises:
            NotBound: the database has been closed.
        """
        if not self.is_open:
            raise NotBound(f"database {self.name!r} is closed", hint="open it again: a with-block ends what was opened in it")
        with self._lock:
            if self._session is None:
                made = watch(Session(self.engine, expire_on_commit=False, info={KEY: self}))
                event.listen(made, "after_begin", _note_connection)
                event.listen(made, "after_flush", _note_flush)
                event.listen(made, "after_flush_postexec", _read_anew)
                self._session = made
            return self._session

    @property
    def has_written(self) -> bool:
        """Tell whether something is written through its session and not committed."""
        return self._session is not None and bool(is_pending(self._session))

    def stop(self) -> None:
        """Stop what another thread is running in the session, whose connection is of no use afterwards; where nothing runs, nothing."""
        connection = self._session.info.get(CONNECTION) if self._session is not None else None
        if connection is not None and not connection.closed and not connection.invalidated:
            RUNNERS[self.dialect.key].cancel(connection.connection.driver_connection)

    def commit(self) -> None:
        """Commit what was written; rows that were changed and not saved are written first.

        Raises:
            DatabaseError: the database refuses it, or has given up the transaction because of a statement that failed.
        """
        with self.errors():
            self.session.flush()
            if self.has_written and self.dialect.errors_spoil:  # COMMIT would roll back, and say nothing
                self.connection().exec_driver_sql("SELECT 1").close()
            self.session.commit()

    def rollback(self) -> None:
        """Undo what was written since the last commit. Rows go back to what the database has."""
        self.session.rollback()

    def close(self, *, failed: bool = False) -> None:
        """Commit or roll back, and close everything. A second time is no error.

        Args:
            failed: whether an exception ended the block; then nothing is committed.

        Raises:
            QaplaError: the database refuses the commit; everything is closed nevertheless.
        """
        if not self.is_open:
            return
        try:
            if self._session is not None and self.commits and not failed:
                self.commit()
        finally:
            self._is_open = False
            _opened.discard(self)
            self._end()

    def _end(self) -> None:
        session, self._session = self._session, None
        try:
            if session is not None:
                for row in session:
                    row.__dict__["_qapla_target"] = self.target
                session.close()
        finally:
            if self.source.owns_engine:
                self.engine.dispose()

    def _leave_to_parent(self) -> None:
        _inherited.append((self.engine, self._session))
        self._session, self._is_open, self._lock = None, False, threading.RLock()

    def errors(self) -> _Errors:
        """Return a context manager in which the driver's errors become ours, told with the name of this database."""
        return _Errors(self)

    # -- tables -------------------------------------------------------------------------

    def create_table(self, model: type[Model], *, exists: str = "error") -> None:
        """Create the table of *model*, and those in the middle of its many-to-many relations.

        Args:
            exists: what to do where it is there already: ``"error"``, or ``"skip"``, which leaves it as it is.

        Raises:
            TableExists: it is there already. ModelError: *model* has no table.
        """
        creation.create_tables(self, (model,), exists=exists)

    def create_tables(self, *models: type[Model], exists: str = "error") -> None:
        """Create the tables of *models*, those that others point at first; without any, of all models.

        Raises:
            TableExists: one is there already; then none is created.
        """
        creation.create_tables(self, models or creation.all_models(), exists=exists)

    def drop_table(self, model: type[Model], *, missing: str = "error") -> None:
        """Drop the table of *model* with all its rows, and those in the middle of its many-to-many relations.

        Args:
            missing: what to do where there is none: ``"error"`` or ``"skip"``.

        Raises:
            NotFound: there is none. DatabaseError: other tables point to it.
        """
        creation.drop_tables(self, (model,), missing=missing)

    def drop_tables(self, *models: type[Model], missing: str = "error") -> None:
        """Drop the tables of *models*, those that point at others first; they have to be named.

        Raises:
            NotFound: one is not there; then none is dropped. InputError: no model is named.
        """
        if not models:
            raise InputError("no model is named whose table is to be dropped", hint="db.drop_tables(Question, Choice)")
        creation.drop_tables(self, models, missing=missing)

    def discover(self, **options: Any) -> DatabaseSchema:
        """Return what the database looks like: tables, columns, relations.

        Args:
            options: ``schemas``, ``include``, ``exclude``: names or patterns of tables.
        """
        from qapla.database.schema.inspect import inspect

        with self.errors():
            return inspect(self.session.connection(), **options)

    def generate_models(self, path: str | os.PathLike[str] | None = None, *, overwrite: bool = False, **options: Any) -> str:
        """Write Python that declares a model for every table and view that is there, and return it.

        Args:
            path: the file to write; None for none.
            overwrite: whether a file that is there is written over.
            options: ``schemas``, ``include``, ``exclude``: names or patterns of tables.

        Raises:
            NotFound: there is no table. NameTaken: the file is there already.
        """
        from qapla.database.models.generated import read_models, write_models

        with self.errors():
            text = read_models(self.session.connection(), **options)
        if path is not None:
            write_models(text, path, overwrite=overwrite)
        return text

    def ping(self) -> float:
        """Return how many seconds the smallest statement takes, connecting included where nothing is connected yet.

        Raises:
            Unavailable: the database cannot be reached.
        """
        started = time.perf_counter()
        with self.errors():
            self.session.connection().exec_driver_sql(f"SELECT 1{self.dialect.from_nothing}").close()
        return time.perf_counter() - started

    def connection(self) -> Connection:
        """Return the connection of the session, so that what was written and not committed is seen."""
        return self.session.connection()


class _Errors:
    """Makes the errors of a driver ours."""

    def __init__(self, database: Bound) -> None:
        self._database = database

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, DBAPIError) and error.orig is not None:
            raise told(error, self._database) from error
        if isinstance(error, StatementError) and isinstance(error.orig, QaplaError):  # of a type of ours
            raise error.orig from None


def told(error: DBAPIError, database: Bound) -> Exception:
    """Return a driver's *error* as one of ours."""
    dialect = database.engine.dialect
    key = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
    found = translate(key, error.orig or error, database.name)
    if is_missing(found):
        found.hint = f"db.create_table(…) makes it; db.discover() tells what database {database.name!r} has"
    if isinstance(found, Unavailable) and database.spec is not None:  # the cause in words, as Test tells it
        message, hint = login.explain(database.spec, error)
        return Unavailable(f"database {database.name!r} cannot be used now: {message}", hint=hint, code=found.code)
    return found


def _after_fork() -> None:
    for each in list(_opened):
        each._leave_to_parent()
    _opened.clear()


os.register_at_fork(after_in_child=_after_fork)


def find_bound(session: Session | None) -> Bound | None:
    """Return the database whose session this is, None for a session that somebody else made."""
    return None if session is None else session.info.get(KEY)


def _note_connection(session: Session, transaction: Any, connection: Connection) -> None:
    session.info[CONNECTION] = connection


def _note_flush(session: Session, context: Any) -> None:
    for row in [*session.new, *session.dirty, *session.deleted]:
        for link in getattr(type(row), "__links__", {}).values():
            session.info.setdefault(STALE, []).extend(link.stale(row))


def _read_anew(session: Session, context: Any) -> None:
    """Have the other sides of what was written read again when somebody looks at them."""
    for row, name in session.info.pop(STALE, ()):
        if name in row.__dict__ and row in session:
            session.expire(row, [name])
