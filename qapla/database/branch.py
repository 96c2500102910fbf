"""One database's part of the work that is committed together: its session, its connection, and whether it was written.

A branch that is the only one written ends like any transaction, in one phase. Otherwise it is prepared and then committed; ``order`` says
in which order, and why an operation whose outcome is not known stops everything.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from qapla.database.twophase import BranchName
from qapla.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from qapla.database.twophase import TwoPhase

PATIENCE_S = 5.0  # how long a server is asked that stopped answering in the middle of a commit
PAUSE_S = 0.2
NOBODY_ELSE_S = 50.0  # so long after it was prepared nobody else decides about it, see ``doubt.SETTLED_S``
IN_FAILED_TRANSACTION = 3  # libpq's PQTRANS_INERROR

# What cannot have written. Too little here costs a commit in two phases that one would have done; too much would lose atomicity.
READS = re.compile(r"\s*(?:SELECT|SHOW|DESCRIBE|SAVEPOINT|RELEASE|ROLLBACK|SET|XA)\b", re.IGNORECASE)
LOCKS = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+|KEY\s+)?(?:UPDATE|SHARE)\b|\bINTO\b|\bLOCK\s+IN\b", re.IGNORECASE)


class UnknownOutcome(Exception):
    """A statement was sent, and nobody can say whether the server obeyed."""


class Branch:
    """A transaction that was begun on one database.

    Args:
        database: its name.
        session: whose transaction it is.
        connection: where it runs.
        style: how it commits in two phases; None where it cannot.
        name: what it is called once it is prepared.
        may_be_several: the transaction has to be begun so that it can be prepared.
        on_rollback: called when somebody else rolls it back.
    """

    def __init__(
        self,
        database: str,
        session: Session,
        connection: Connection,
        style: TwoPhase | None,
        name: BranchName,
        *,
        may_be_several: bool,
        on_rollback: Callable[[Branch], None],
    ) -> None:
        self.database, self.session, self.connection, self.style, self.name = database, session, connection, style, name
        self.engine = connection.engine
        self.was_written_to = False
        self.is_over = False
        self.is_left = False  # prepared, and not ended
        self._prepared_at = (0.0, 0.0)
        self._on_rollback = on_rollback
        self._begun = style if style is not None and style.is_named_at_begin and may_be_several else None
        self._pid = _find_pid(connection)
        if self._begun is not None:
            self._run(self._begun.begin)
        event.listen(connection, "before_cursor_execute", self._note)
        event.listen(connection, "rollback", self._before_rollback)
        if self._begun is not None:
            event.listen(connection, "commit", self._before_commit)

    @property
    def can_prepare(self) -> bool:
        """Tell whether this transaction can be one of several."""
        return self.style is not None and (self._begun is not None or not self.style.is_named_at_begin)

    def has_written(self) -> bool:
        """Ask the transaction itself whether it has changed anything.

        Raises:
            DBAPIError: it cannot be asked: it has failed already, or the account may not ask.
        """
        assert self.style is not None
        return bool(self.connection.exec_driver_sql(self.style.has_written).scalar())

    def check(self) -> None:
        """Refuse a transaction that PostgreSQL would roll back in silence, because a statement in it had failed.

        Raises:
            DatabaseError: it is one.
        """
        info = getattr(self.connection.connection.driver_connection, "info", None)
        if getattr(info, "transaction_status", None) == IN_FAILED_TRANSACTION:
            raise DatabaseError(
                f"the work on {self.database!r} cannot be committed: a statement failed in it, and its error was caught",
                code="25P02",
                hint="put what may fail into session.begin_nested()",
            )

    # -- two phases -----------------------------------------------------------

    def prepare(self) -> None:
        """Make the transaction one that the server keeps, whatever happens to this program.

        Raises:
            DBAPIError: the server refused, and rolled it back.
            UnknownOutcome: the server did not say.
        """
        assert self.style is not None
        self.is_over = self.is_left = True  # for SQLAlchemy; nothing but commit() and roll_back() ends it now
        self._prepared_at = (time.monotonic(), time.time())
        try:
            self._run(self.style.prepare)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise UnknownOutcome(str(error.orig)) from error
            self._drop()
            self.is_left = False
            raise
        except BaseException:
            self.let_go()
            raise

    def commit(self) -> None:
        """End what is prepared.

        Raises:
            UnknownOutcome: the server did not say whether it did.
        """
        assert self.style is not None
        try:
            self._finish(self.style.commit)
        except DBAPIError as error:  # a refusal: somebody else has ended it, or this account may not
            raise UnknownOutcome(str(error.orig)) from error
        self.is_left = False

    def roll_back(self) -> None:
        """Undo what is prepared, or what perhaps is.

        Raises:
            UnknownOutcome: the server did not say whether it did.
        """
        assert self.style is not None
        try:
            self._finish(self.style.roll_back)
        except DBAPIError:
            self._finish_elsewhere(self.style.roll_back)
        self.is_left = False

    def _finish(self, statement: str) -> None:
        """End the branch on its own connection, or on others when that one is lost."""
        if not self.connection.invalidated:
            try:
                self._run_alone(statement)
            except BaseException as error:
                self.let_go()
                if not (isinstance(error, DBAPIError) and error.connection_invalidated):
                    raise
            else:
                return
        self._finish_elsewhere(statement)

    def _finish_elsewhere(self, statement: str) -> None:
        """Ask again on new connections, for a few seconds: a server that was restarted, a connection that was cut."""
        assert self.style is not None
        why: Exception | None = None
        for connection in self._connections():
            if isinstance(connection, Exception):
                why = connection
                continue
            if statement == self.style.commit and self._may_be_decided_by_others():
                why = TimeoutError("the server came back so late that somebody else may have decided")
                break
            try:
                if self._end_here(connection, statement):
                    return
            except DBAPIError as error:
                why = error
        raise UnknownOutcome(str(getattr(why, "orig", why) or "it is held by its connection")) from why

    def _may_be_decided_by_others(self) -> bool:
        """Tell whether this is the decision, and old: whoever resolves doubts may be rolling back. Do not commit it, nor trust its absence.

        The monotonic clock stands still while a machine sleeps, the other one can be set.
        """
        ages = [now - then for now, then in zip((time.monotonic(), time.time()), self._prepared_at, strict=True)]
        return self.name.number == 1 and max(ages) > NOBODY_ELSE_S

    def _end_here(self, connection: Connection, statement: str) -> bool:
        """Tell whether the branch has ended: it is prepared no more, and its connection, which may be at it still, is gone."""
        assert self.style is not None
        if self.name in self.style.find(connection):
            connection.exec_driver_sql(statement.format(self.name))
            return True
        return not self._lives(connection)

    def _lives(self, connection: Connection) -> bool:
        assert self.style is not None
        return self._pid is None or connection.exec_driver_sql(self.style.lives.format(self._pid)).first() is not None

    def _connections(self) -> Iterator[Connection | Exception]:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                with self.engine.connect() as connection:
                    yield connection.execution_options(isolation_level="AUTOCOMMIT")
            except DBAPIError as error:
                yield error
            if time.monotonic() > until:
                return
            time.sleep(PAUSE_S)

    def _run(self, statements: tuple[str, ...]) -> None:
        for statement in statements:
            self.connection.exec_driver_sql(statement.format(self.name))

    def _run_alone(self, statement: str) -> None:
        """Run *statement* on the branch's connection and outside of a transaction, which SQLAlchemy believes to be in."""
        assert self.style is not None
        dialect, pooled = self.connection.dialect, self.connection.connection
        driver = pooled.dbapi_connection
        assert driver is not None
        if not self.style.is_named_at_begin:
            dialect.do_commit(pooled)  # nothing on the wire: the transaction has left the connection
            dialect.set_isolation_level(driver, "AUTOCOMMIT")
            try:
                self._run((statement,))
            finally:
                if not self.connection.invalidated:
                    dialect.reset_isolation_level(driver)
        else:
            self._run((statement, *self.style.release))

    def _drop(self) -> None:
        """Take back a transaction that the server did not want to prepare. PostgreSQL has done so by itself."""
        if self._begun is not None:
            try:
                self._run((self._begun.roll_back, *self._begun.release))
            except DBAPIError:
                self.let_go()

    def let_go(self) -> None:
        """Close the connection, so that it never gets back into the pool and its branch is free for others."""
        if not self.connection.closed and not self.connection.invalidated:
            self.connection.invalidate()

    # -- what happens on the connection -------------------------------------------

    def _note(self, connection: Connection, cursor: Any, sql: str, parameters: Any, context: Any, executemany: bool) -> None:
        if not self.was_written_to and not (READS.match(sql) and not LOCKS.search(sql)):
            self.was_written_to = True

    def _before_commit(self, connection: Connection) -> None:
        if not self.is_over and self._begun is not None:
            self._run(self._begun.commit_alone)
        self.is_over = True

    def _before_rollback(self, connection: Connection) -> None:
        if self.is_over:
            return
        self.is_over = True
        if self._begun is not None and not connection.invalidated:
            self._abandon(self._begun)
        self._on_rollback(self)

    def _abandon(self, style: TwoPhase) -> None:
        for statement in style.abandon:
            try:
                self._run((statement,))
            except DBAPIError:
                if statement is style.abandon[-1]:  # XA END complains about a transaction that a deadlock has ended already
                    self.let_go()


def _find_pid(connection: Connection) -> int | None:
    """Return the number that the server has given to *connection*, as far as its driver keeps it."""
    driver: Any = connection.connection.driver_connection
    if hasattr(driver, "thread_id"):
        return int(driver.thread_id())
    pid = getattr(getattr(driver, "info", None), "backend_pid", None)
    return None if pid is None else int(pid)
