"""One connection for everything that a test does on a database, in one transaction that is never committed.

While a test runs, ``SharedEngines`` stand in for the engines of a ``Database``. Every session and connection that anybody opens is then the
same connection underneath; what begins, commits or rolls back a transaction on it is a savepoint. So a web request sees what the test has
committed before, the test sees what the request has committed, and at the end all of it is rolled back. Commits in two phases are played
with savepoints, too, whatever the server would say to them.

What one connection cannot be is several at once. Sessions may be open at the same time, but one that has written cannot be rolled back
after another one has committed, since then: that is refused. Nor does it wait for locks of its own, check what is deferred until COMMIT,
or await. A statement that commits by itself (DDL on MariaDB and MySQL, a ``COMMIT`` as text) ends the transaction of the test: ``close``
tells, so that the database is made anew; so does a process that the test forks, which has connections of its own. Tests of such things take
``ISOLATION = "copy"``.
"""

from __future__ import annotations

import os
import re
import threading
import weakref
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import NullPool, event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from qapla.database.shareddialect import MARK, SharedDialect
from qapla.errors import ConfigurationError, NotOffered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from qapla.database.database import Database

OUTER = "qapla_test"
HINT = "commit it before, or set ISOLATION = 'copy'"
READS = re.compile(r"\s*(?:SELECT|VALUES|SHOW|EXPLAIN|DESCRIBE|PRAGMA|SET|SAVEPOINT|RELEASE|ROLLBACK)\b", re.IGNORECASE)
COMMITS = re.compile(r"\s*(?:(?:CREATE|DROP)(?!\s+TEMPORARY)|ALTER|TRUNCATE|RENAME|GRANT|REVOKE|LOCK|COMMIT|BEGIN|START)\b", re.IGNORECASE)
TWO_PHASES = {
    # what stands for a statement of a commit in two phases: nothing, or the end of the savepoint
    re.compile(r"XA\s+(START|BEGIN|END)\b.*|XA\s+COMMIT\b.*ONE\s+PHASE", re.IGNORECASE): "nothing",
    re.compile(r"(PREPARE\s+TRANSACTION|XA\s+PREPARE)\b.*", re.IGNORECASE): "prepare",
    re.compile(r"(COMMIT\s+PREPARED|XA\s+COMMIT)\b.*", re.IGNORECASE): "commit",
    re.compile(r"(ROLLBACK\s+PREPARED|XA\s+ROLLBACK)\b.*", re.IGNORECASE): "rollback",
    re.compile(r"SELECT\s+txid_current_if_assigned\(\) IS NOT NULL|SELECT trx_rows_modified > 0 .*", re.IGNORECASE): "ask",
}


@dataclass(eq=False, slots=True)
class Mark:
    """The savepoint that is one connection's transaction."""

    name: str
    autocommit: bool = False
    has_written: bool = False
    is_prepared: bool = False
    others_committed: bool = False  # writes, while this one was open


class SharedEngines:
    """Stands in for the ``Engines`` of a database during one test, which ends with ``close``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._real = database.replace_engines(self)
        self._engine: Engine | None = None
        self._outer: Connection | None = None
        self._marks: list[Mark] = []
        self._count = 0
        self._lock = threading.RLock()
        self._is_over = False  # the transaction of the test has been ended by a statement
        self.is_ending = False  # the test has: nobody cares any more what is rolled back with what
        self._has_forked = False
        _known.add(self)

    # -- what Engines have

    @property
    def engine(self) -> Engine:
        """Return the engine whose connections are all one."""
        with self._lock:
            if self._outer is None:
                self._begin_test()
            assert self._engine is not None
            return self._engine

    @property
    def async_engine(self) -> Any:
        """Refuse: a connection cannot be shared with an event loop.

        Raises:
            NotOffered: always.
        """
        raise NotOffered(f"the one connection of a test to {self._database.name!r} cannot be awaited", hint="set ISOLATION = 'copy'")

    @property
    def opened(self) -> Iterator[Engine]:
        """Yield the engine if it was used."""
        if self._engine is not None:
            yield self._engine

    def dispose(self) -> None:
        """Do nothing: the connection lives as long as the test."""

    async def aclose(self) -> None:
        """Do nothing: no event loop has a connection."""

    # -- a test

    def _begin_test(self) -> None:
        real = self._real.engine
        self._outer = real.connect()
        self._outer.begin()
        self._marks.clear()
        self._is_over = self.is_ending = False
        self._execute(f"SAVEPOINT {OUTER}")
        if self._engine is None:
            self._engine = self._make_engine(real)
            for hook in self._database.on_engine:
                hook(self._engine)

    def close(self) -> bool:
        """Roll back what the test did, and tell whether that was all of it; if not, the database must be made anew."""
        outer, self._outer = self._outer, None
        if outer is None:
            return not self._has_forked
        try:
            self._execute(f"ROLLBACK TO SAVEPOINT {OUTER}", outer)
            is_clean = not (self._is_over or self._has_forked)
        except Exception:  # each driver has its own for a savepoint that is not there, or a connection that is lost
            is_clean = False
        try:
            outer.close()
        except DBAPIError:
            outer.invalidate()
        return is_clean

    def restore(self) -> None:
        """Give the database its engines back."""
        self.close()
        self._database.replace_engines(self._real)
        _known.discard(self)

    def _make_engine(self, real: Engine) -> Engine:
        shared_class: Any = type("Shared", (SharedDialect, type(real.dialect)), {"keeper": self, "supports_statement_cache": True})
        dialect = shared_class.__new__(shared_class)
        dialect.__dict__.update(real.dialect.__dict__)  # what it has found out about the server, too
        engine = Engine(NullPool(self._get_raw, dialect=dialect), dialect, real.url, hide_parameters=real.hide_parameters)
        engine.update_execution_options(**real.get_execution_options())
        event.listen(engine, "before_cursor_execute", self._before, retval=True)
        return engine

    def _get_raw(self) -> Any:
        if self._outer is None:
            self._begin_test()
        assert self._outer is not None
        return self._outer.connection.dbapi_connection

    def _execute(self, sql: str, outer: Connection | None = None) -> None:
        connection = outer or self._outer
        assert connection is not None
        cursor = connection.connection.cursor()
        try:
            cursor.execute(sql)
        finally:
            cursor.close()

    def leave_to_parent(self) -> None:
        """In a child that was forked: leave the connection alone, and have others."""
        _inherited.append(self._outer)
        self._outer = None
        self._database.replace_engines(self._real)

    def note_fork(self) -> None:
        """In the parent: a child may commit what nobody here can roll back."""
        self._has_forked = True

    # -- statements, one at a time: not every driver can be used by two threads

    def execute(self, run: Callable[..., None], *arguments: Any) -> None:
        """Run a statement."""
        with self._lock:
            run(*arguments)

    # -- transactions, each a savepoint; *pooled* is SQLAlchemy's handle of one checkout

    def begin(self, pooled: Any) -> None:
        """Begin what a connection takes for a transaction."""
        with self._lock:
            if self._is_over or MARK in pooled.info or self._outer is None:
                return
            self._count += 1
            mark = Mark(f"qapla_{self._count}", autocommit=bool(pooled.info.get("autocommit")))
            self._execute(f"SAVEPOINT {mark.name}")
            self._marks.append(mark)
            pooled.info[MARK] = mark

    def commit(self, pooled: Any) -> None:
        """Keep what was done, until the end of the test."""
        with self._lock:
            mark = pooled.info.get(MARK)
            if self._is_over or self._outer is None:
                self._end_really("commit")
            elif mark is not None and self._has_failed():  # PostgreSQL's COMMIT of a failed transaction is a rollback
                self.rollback(pooled)
            elif mark is not None and not mark.is_prepared:
                self._keep(pooled, mark)

    def rollback(self, pooled: Any) -> None:
        """Undo what was done.

        Raises:
            ConfigurationError: another connection has committed meanwhile, and would lose it.
        """
        with self._lock:
            mark = pooled.info.get(MARK)
            if self._is_over or self._outer is None:
                self._end_really("rollback")
            elif mark is None or (mark.is_prepared and not self.is_ending):
                return
            elif (mark.autocommit or not mark.has_written) and not self._has_failed():
                self._keep(pooled, mark)
            else:
                self._undo(pooled, mark)

    def _keep(self, pooled: Any, mark: Mark) -> None:
        pooled.info.pop(MARK)
        is_last = self._marks[-1] is mark
        self._marks.remove(mark)
        if is_last:  # else its savepoint stays behind: to release it would release those of the others, too
            self._move("commit", f"RELEASE SAVEPOINT {mark.name}")
        if mark.has_written:
            for other in self._marks:
                other.others_committed = True

    def _undo(self, pooled: Any, mark: Mark) -> None:
        later = self._marks[self._marks.index(mark) + 1 :]
        if not self.is_ending and (mark.others_committed or any(other.has_written for other in later)):
            problem = f"a session on {self._database.name!r} is rolled back, and what another one has written since would be lost with it"
            raise ConfigurationError(f"{problem}: a test has one connection", hint=HINT)
        pooled.info.pop(MARK)
        self._marks.remove(mark)
        again = [f"SAVEPOINT {other.name}" for other in later]
        self._move("rollback", f"ROLLBACK TO SAVEPOINT {mark.name}", f"RELEASE SAVEPOINT {mark.name}", *again)

    def _move(self, how: str, *statements: str) -> None:
        """Go from savepoint to savepoint. Where they have gone, somebody ended the transaction of the test past SQLAlchemy."""
        try:
            for statement in statements:
                self._execute(statement)
        except Exception:  # each driver has its own
            self._is_over = True
            self._end_really(how)

    def _end_really(self, how: str) -> None:
        if self._outer is not None:
            with suppress(Exception) if self.is_ending else nullcontext():
                getattr(self._outer.connection, how)()

    def _has_failed(self) -> bool:
        info = getattr(self._outer.connection.driver_connection, "info", None) if self._outer is not None else None
        return getattr(getattr(info, "transaction_status", None), "name", "") == "INERROR"

    # -- statements

    def _before(self, connection: Connection, cursor: Any, sql: str, parameters: Any, context: Any, executemany: bool) -> tuple[str, Any]:
        mark = connection.connection.info.get(MARK)
        if mark is not None:
            for pattern, meaning in TWO_PHASES.items():
                if pattern.fullmatch(sql):
                    return self._play(connection.connection, mark, meaning), ()
        if connection.dialect.name in ("mysql", "mariadb") and COMMITS.match(sql):
            self._is_over = True
        if mark is not None and not READS.match(sql):
            mark.has_written = True
        return sql, parameters

    def _play(self, pooled: Any, mark: Mark, meaning: str) -> str:
        """Do with savepoints what a statement of a commit in two phases would; return one that does no harm."""
        if meaning == "prepare":
            mark.is_prepared = True
        elif meaning in ("commit", "rollback"):
            mark.is_prepared = False
            (self.commit if meaning == "commit" else self.rollback)(pooled)
        return f"SELECT {int(mark.has_written)}" if meaning == "ask" else "SELECT 1"


_known: weakref.WeakSet[SharedEngines] = weakref.WeakSet()
_inherited: list[Any] = []  # connections of the parent process, neither used nor closed here


def _after_fork(in_child: bool) -> None:
    for shared in list(_known):
        if in_child:
            shared.leave_to_parent()
        else:
            shared.note_fork()


os.register_at_fork(after_in_child=partial(_after_fork, True), after_in_parent=partial(_after_fork, False))
