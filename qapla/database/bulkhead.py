"""Run statements on one database so that its troubles stay its own: own pool, own deadline, own breaker.

A database that hangs costs its callers a few seconds and nobody else anything. Reads run in autocommit, the SQL text as it was compiled
on the driver's own connection; a connection that went stale in the pool is replaced and the read done again, once. Whoever holds a
bulkhead that is closed under way finishes what is running.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from qapla.database import deadline
from qapla.database.breaker import Breaker
from qapla.database.catalog import Options
from qapla.database.connect import LOCK_TIMEOUT_S, make_engine, spec_of
from qapla.database.dialects import get_engine
from qapla.database.faults import RETRY_AFTER, is_missing, translate
from qapla.database.leases import Leases
from qapla.database.runners import RUNNERS
from qapla.database.statement import Statement
from qapla.database.transaction import Transaction, lost_in_commit
from qapla.errors import DatabaseError, QaplaError, TimedOut, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.pool import PoolProxiedConnection

    from qapla.database.breaker import State
    from qapla.database.connect import FindAddress
    from qapla.database.local import Local
    from qapla.database.runners import Rows
    from qapla.database.spec import ConnectionSpec
    from qapla.database.statement import Result

GRACE_S = 1.0  # between the engine's own limit on a statement and the moment at which we cut the line


class Bulkhead:
    """One database's way in; safe for threads, and made anew after a fork.

    Args:
        make: makes the SQLAlchemy engine, on first use: a database that nobody asks costs nothing.
        engine: a key of ``dialects.ENGINES``.
        name: the name under which it is served, for messages.
        options: pool size and deadlines.

    ``on_statement`` holds functions that are told about every statement before it runs; tests count with it. ``on_missing`` holds
    functions that are called when a table or column is not there any more: the schema that was read is out of date.
    """

    is_joint = False  # a transaction that others began, of which no part can be done again

    def __init__(self, make: Callable[[], Engine], *, engine: str, name: str, options: Options | None = None) -> None:
        self.name = name
        self.engine = engine
        self.options = options or Options()
        self.on_statement: list[Callable[[Statement], None]] = []
        self.on_missing: list[Callable[[], None]] = []
        self._make = make
        self.runner = RUNNERS[engine]
        self._is_file = get_engine(engine).is_file
        self._begin_anew()

    @property
    def state(self) -> State:
        """Return that of the breaker: ``closed`` is the good one."""
        return self._breaker.state

    def fetch(self, statement: Statement, local: Local | None = None) -> Rows:
        """Run one read in autocommit and return its rows; with *local* in a transaction of its own, read only.

        Raises:
            DatabaseError, InputError, AccessError: what the database said about it.
            Unavailable: it cannot be reached (503). TimedOut: it, or the pool, took too long (504).
        """
        if local is not None:
            self._tell_local(local)
        self.tell(statement)
        run = (self.runner.fetch, statement) if local is None else (self.runner.fetch_under, statement, local)
        until = self.deadline_from_now()
        lease = self._lease()
        try:
            return self.guard(lease, until, *run)
        except _Stale:
            lease.close()
            lease = self._lease()
            return self.guard(lease, until, *run, last=True)
        finally:
            self._leases.give_back(lease)

    @property
    def writes_alone(self) -> bool:
        """Tell whether ``execute`` is offered."""
        return self.runner.can_look

    def execute(self, statement: Statement) -> Result:
        """Run one write in autocommit, as a transaction by itself. Only where ``writes_alone`` says so.

        It runs once at most: a connection that was lost in the pool is noticed before.

        Raises:
            DatabaseError, InputError, AccessError: what the database said about it; nothing was kept.
            Unavailable, TimedOut: as ``fetch``; with the code 08007 it is not known whether it was kept.
        """
        self.tell(statement)
        until = self.deadline_from_now()
        lease = self._lease()
        try:
            if self.runner.is_lost(lease.driver_connection):
                self._leases.drop(lease, ConnectionError("lost in the pool"), others=True)
                lease.close()
                lease = self._lease()
            try:
                found: Result = self.guard(lease, until, self.runner.execute, statement, last=True)
            except Unavailable as error:
                if lease.is_valid:
                    raise
                raise lost_in_commit(self.name) from error
            return found
        finally:
            self._leases.give_back(lease)

    def ping(self) -> float:
        """Return how many seconds the smallest statement takes."""
        started = time.perf_counter()
        self.fetch(Statement(self.runner.ping))
        return time.perf_counter() - started

    @contextmanager
    def stream(self, statement: Statement, size_rows: int = 1000, local: Local | None = None) -> Iterator[Iterator[Rows]]:
        """Give an iterator of lists of rows, from a server-side cursor on a connection of its own that is closed afterwards.

        Streams have a pool of their own, so that a few long exports do not keep everybody else waiting. The deadline holds until
        the first rows are there.
        """
        if local is not None:
            self._tell_local(local)
        self.tell(statement)
        until = self.deadline_from_now()
        lease = self._lease(for_stream=True)
        rows = self.runner.stream(lease.driver_connection, statement, size_rows, local)
        try:
            yield self._rows(lease, until, rows)
        finally:
            rows.close()
            if lease.is_valid:
                self.runner.abandon(lease.driver_connection)
                lease.invalidate()
            lease.close()

    @contextmanager
    def transaction(self, local: Local | None = None, *, read_only: bool = False) -> Iterator[Transaction]:
        """Give a transaction: committed at the end, rolled back on an error or when it was made ``rollback_only``.

        Args:
            local: as whom, and with which settings, it runs.
            read_only: writes are an error in it, where the engine has that.
        """
        with nullcontext() if read_only else self._turn():
            transaction = self._begin(local, read_only)
            try:
                yield transaction
            except BaseException:
                transaction.end(keep=False, is_failing=True)
                raise
            else:
                transaction.end(keep=True)
            finally:
                self._leases.give_back(transaction.lease)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give a SQLAlchemy connection in autocommit, for readers of the catalog and other work off the hot path."""
        until = self.deadline_from_now()
        lease = self._lease()  # through the breaker; leaves a good connection in the pool
        try:
            self.guard(lease, until, self.runner.fetch, Statement(self.runner.ping))
        except _Stale:
            pass  # the next one is made anew
        finally:
            self._leases.give_back(lease)
        try:
            with self._leases.connect() as connection:
                if self.engine == "sqlite":
                    connection.connection.driver_connection.text_factory = str  # type: ignore[union-attr]
                yield connection
        except (DBAPIError, PoolTimeout) as error:
            raise self._translated(error) from error

    def close(self) -> None:
        """Close every connection; what is running elsewhere finishes first. Nothing can be asked any more."""
        self._leases.close()

    # ------------------------------------------------------------------------------------------------ connections

    def _begin_anew(self, *, is_closed: bool = False) -> None:
        """Start without connections: in the beginning, and in the child of a fork, where the parent's must not be touched."""
        self._pid = os.getpid()
        self._writers = threading.Lock()
        self._breaker = Breaker()
        self._leases = Leases(self._make, self.name)
        self._leases.is_closed = is_closed

    def deadline_from_now(self) -> float:
        """Return the moment, in monotonic seconds, at which what begins now is cut off."""
        return time.monotonic() + self.options.statement_timeout_s + GRACE_S

    def _lease(self, *, for_stream: bool = False) -> PoolProxiedConnection:
        """Return a connection, through the breaker."""
        if self._pid != os.getpid():
            _inherited.append(self._leases)
            self._begin_anew(is_closed=self._leases.is_closed)
        leases, breaker = self._leases, self._breaker
        leases.open()
        if not breaker.allows():
            raise Unavailable(
                f"database {self.name!r} cannot be used now: it did not answer lately",
                code="PGRST000",
                headers={"Retry-After": str(breaker.retry_after_s)},
            )
        try:
            return leases.lend_for_stream() if for_stream else leases.lend()
        except PoolTimeout as error:
            if not breaker.is_calm:
                breaker.failed()  # whoever may try has to report
            raise self._translated(error) from error
        except Exception as error:
            breaker.failed()
            raise self._unreachable(error) from error

    # ------------------------------------------------------------------------------------------------ running

    def guard(
        self,
        lease: PoolProxiedConnection,
        until: float,
        run: Callable[..., Any],
        *arguments: Any,
        last: bool = False,
        is_shortened: bool = False,
    ) -> Any:
        """Call *run* with the driver's connection, under the deadline, with its errors translated.

        Args:
            is_shortened: *until* is sooner than the server's own limit, which is not to blame when it is over.

        Raises:
            _Stale: the connection had been lost, and it is worth trying another one.
        """
        connection = lease.driver_connection
        number = deadline.watch(until, partial(self.runner.cancel, connection))
        try:
            answer = run(connection, *arguments)
        except Exception as error:
            if deadline.unwatch(number):
                if not self._is_file and not is_shortened:
                    self._breaker.failed()  # the server did not even keep its own limit, which is shorter: it is not there
                self._leases.drop(lease, error, others=False)
                raise self._late() from error
            self._judge(lease, error, until, last)
        if deadline.unwatch(number):  # cancelled in its last moment: the answer is good, the connection is not
            lease.invalidate()
        if not self._breaker.is_calm:
            self._breaker.succeeded()
        return answer

    def _judge(self, lease: PoolProxiedConnection, error: Exception, until: float, last: bool) -> None:
        """Raise what belongs to *error*; drop the connection when it is lost."""
        dialect = self._leases.dialect
        if not isinstance(error, dialect.loaded_dbapi.Error):
            raise self._translated(error) from error
        is_lost = dialect.is_disconnect(error, lease.driver_connection, None)
        is_outdated = "cached plan must not change result type" in str(error)  # prepared before the schema changed
        if is_lost or is_outdated:
            self._leases.drop(lease, error, others=True)
            # A stale connection shows it at once; after a long silence there is no time for another try.
            if not last and time.monotonic() < until - self.options.statement_timeout_s / 2:
                raise _Stale from error
        if is_lost:
            self._breaker.failed()
            raise self._unreachable(error) from error
        if not self._breaker.is_calm:
            self._breaker.succeeded()  # it refuses, so it is there
        found = self._translated(error)
        if found.code == "57014" and time.monotonic() < until - GRACE_S - 0.2:  # sooner than our own limit
            found = DatabaseError("the statement was cancelled, by a limit of the database or by somebody", code="57014")
        raise found from error

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Let writers of a file in one by one: SQLite's own waiting is by sleeping, is not fair, and would hold a connection each."""
        if not self._is_file:
            yield
            return
        writers = self._writers
        if not writers.acquire(timeout=min(LOCK_TIMEOUT_S, self.options.statement_timeout_s)):
            said = f"the statement on database {self.name!r} waited too long for a lock that somebody else holds"
            raise TimedOut(said, code="55P03", headers=RETRY_AFTER)
        try:
            yield
        finally:
            writers.release()

    def _begin(self, local: Local | None, read_only: bool) -> Transaction:
        if local is not None:
            self._tell_local(local)
        until = self.deadline_from_now()
        lease = self._lease()
        try:
            return Transaction(self, lease, until, local, read_only)
        except _Stale:
            lease.close()
            lease = self._lease()
            return Transaction(self, lease, until, local, read_only, last=True)
        except BaseException:
            self._leases.give_back(lease)
            raise

    def _rows(self, lease: PoolProxiedConnection, until: float, rows: Iterator[Rows]) -> Iterator[Rows]:
        first = self.guard(lease, until, lambda _: next(rows, None), last=True)
        while first is not None:
            yield first
            try:
                first = next(rows, None)
            except Exception as error:
                self._judge(lease, error, until, last=True)

    def tell(self, statement: Statement) -> None:
        """Tell the listeners about a statement that is about to run."""
        for listener in self.on_statement:
            listener(statement)

    def _tell_local(self, local: Local) -> None:
        for statement in local.statements:
            self.tell(statement)

    # ------------------------------------------------------------------------------------------------ errors

    def _translated(self, error: BaseException) -> QaplaError:
        if isinstance(error, PoolTimeout):
            return TimedOut(
                f"database {self.name!r} is busy: all {self.options.pool_size} connections are in use", code="PGRST003", headers=RETRY_AFTER
            )
        found = translate(self.engine, error, self.name)
        if is_missing(found):
            for listener in self.on_missing:
                listener()
        return found

    def _unreachable(self, error: BaseException) -> QaplaError:
        found = self._translated(error)
        if isinstance(found, Unavailable) or found.code == "QAPLA500":
            return found
        return Unavailable(f"database {self.name!r} cannot be used now: it cannot be reached", code="PGRST000", headers=RETRY_AFTER)

    def _late(self) -> TimedOut:
        said = f"the statement on database {self.name!r} took longer than the connection allows"
        return TimedOut(said, code="57014", headers=RETRY_AFTER)


# The parent's connections, kept alive in its forked child: closing them there would end them for the parent, too.
_inherited: list[Leases] = []


class _Stale(Exception):
    """A pooled connection had been lost before it was used."""


def make_bulkhead(spec: ConnectionSpec, name: str, options: Options | None = None, *, find_address: FindAddress | None = None) -> Bulkhead:
    """Return the bulkhead of a checked spec. Nothing is connected, and no driver imported, before it is used."""
    chosen = options or Options()
    return Bulkhead(lambda: make_engine(spec, chosen, find_address=find_address), engine=spec.engine, name=name, options=chosen)


def make_bulkhead_from_url(url: URL, name: str = "database", options: Options | None = None) -> Bulkhead:
    """Return the bulkhead of a URL that a program wrote."""
    return make_bulkhead(spec_of(url), name, options)
