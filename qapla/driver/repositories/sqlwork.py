"""Work on a declared database, within a time: a server that is silent, or a lock, ends a call and not the program.

By a driver that awaits where one is installed, else in threads: of their own, so that a database that hangs holds up nothing else of the
event loop. When it is silent for too long, or the caller gives up, the line to the server is cut, and what has not reached its COMMIT never
will.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import event

from qapla.database.runners import RUNNERS, shut
from qapla.errors import ConfigurationError, StoreTimedOut
from qapla.loops import PerLoop

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    from qapla.database.database import Database

Answer = TypeVar("Answer")
THREADS = 16  # one more than SQLAlchemy's pool has connections by default
END_WAIT_S = 2.0


class Line:
    """The connection that a call uses now, to be cut from outside."""

    def __init__(self, name: str, limit_s: float | None) -> None:
        self._name = name
        self.limit_s = limit_s
        self._lock = threading.Lock()
        self._held: Any = None
        self._is_cut = False
        self._heard_at = time.monotonic()

    def hold(self, connection: Any) -> None:
        """Note what is used from now on.

        Raises:
            StoreTimedOut: it was cut before.
        """
        with self._lock:
            self._held = connection
        self.check()

    def hear(self) -> None:
        """Note that the database has answered."""
        self._heard_at = time.monotonic()

    @property
    def patience_s(self) -> float | None:
        """Return how long it may still be silent; None for ever."""
        return None if self.limit_s is None else max(0.0, self._heard_at + self.limit_s - time.monotonic())

    def release(self) -> None:
        """Note that the connection is somebody else's again."""
        with self._lock:
            self._held = None

    def check(self) -> None:
        """Raise a StoreTimedOut if nobody waits for what is done."""
        if self._is_cut:
            raise StoreTimedOut(f"database {self._name!r} took too long")

    def cut(self, cut: Callable[[Any], bool]) -> bool:
        """Cut what is held by *cut*, and tell whether that ends it."""
        with self._lock:
            self._is_cut = True
            return self._held is not None and cut(self._held)


_line: ContextVar[Line | None] = ContextVar("qapla_line", default=None)


class Work:
    """Runs functions of sessions.

    Args:
        database: a declared one.
        asynchronous: whether a driver that awaits is used; None: where one is installed.
        timeout_s: seconds that a database may be silent, also in the middle of one; None: for ever.
    """

    def __init__(self, database: Database, asynchronous: bool | None, timeout_s: float | None) -> None:
        self._database = database
        self._asynchronous = asynchronous
        self._timeout_s = timeout_s
        self._threads = PerLoop(lambda: ThreadPoolExecutor(THREADS, "qapla-sql"), _end_threads)
        self._ending: set[asyncio.Future[Any]] = set()
        if _note_connections not in database.on_engine:
            database.on_engine.append(_note_connections)
            for engine in database.opened_engines:
                _note_connections(engine)

    async def run(self, work: Callable[[Session], Answer], writes: bool) -> Answer:
        """Return what *work* returns, given a session; with *writes* in a transaction, which is committed.

        Raises:
            StoreTimedOut: the database is silent.
        """
        line = Line(self._database.name, self._timeout_s)
        running = self._begin(line, work, writes)
        try:
            while not running.done() and line.patience_s != 0:
                await asyncio.wait({running}, timeout=line.patience_s)
        except asyncio.CancelledError:
            self._give_up(line, running)
            raise
        if not running.done():
            self._give_up(line, running)
            raise StoreTimedOut(f"database {self._database.name!r} did not answer within {self._timeout_s:g} s")
        return running.result()

    def _begin(self, line: Line, work: Callable[[Session], Answer], writes: bool) -> asyncio.Future[Answer]:
        loop, context = asyncio.get_running_loop(), copy_context()
        context.run(_line.set, line)
        if self._awaits():
            return loop.create_task(self._await(line, work, writes), context=context)
        return loop.run_in_executor(self._threads.get(), context.run, self._work, line, work, writes)

    async def _await(self, line: Line, work: Callable[[Session], Answer], writes: bool) -> Answer:
        try:
            lend = self._database.async_transaction if writes else self._database.async_session
            async with lend() as session:
                _note_begin(session.sync_session, line)
                answer = await session.run_sync(work)
                line.check()
                return answer
        finally:
            line.release()

    def _work(self, line: Line, work: Callable[[Session], Answer], writes: bool) -> Answer:
        try:
            line.check()
            with self._database.transaction() if writes else self._database.session() as session:
                _note_begin(session, line)
                answer = work(session)
                line.check()
                return answer
        finally:
            line.release()

    def _give_up(self, line: Line, running: asyncio.Future[Any]) -> None:
        """End *running* without waiting for it: a driver may take seconds to notice."""
        ends = line.cut(_cut_awaited if self._awaits() else self._cut)
        if not ends:
            running.cancel()
        self._ending.add(running)
        running.add_done_callback(self._ended)

    def _ended(self, running: asyncio.Future[Any]) -> None:
        self._ending.discard(running)
        if not running.cancelled():
            running.exception()  # nobody waits for it

    def _cut(self, connection: Any) -> bool:
        with suppress(OSError, AttributeError):  # it has ended in this moment
            RUNNERS[self._database.url.get_backend_name()].cancel(connection)
        return True

    def _awaits(self) -> bool:
        if self._asynchronous is None:
            try:
                self._asynchronous = self._database.async_engine is not None
            except ConfigurationError:
                self._asynchronous = False
        return self._asynchronous


def _cut_awaited(connection: Any) -> bool:
    """Shut the socket where a driver shows it: cancelled, psycopg would talk to the silent server for ten seconds more."""
    writer = getattr(connection, "_writer", None)  # aiomysql's
    if writer is None and not hasattr(connection, "fileno"):
        return False
    with suppress(Exception):  # it has ended in this moment
        if writer is None:
            shut(connection.fileno())
        else:
            writer.transport.abort()
    return True


def _note_begin(session: Session, line: Line) -> None:
    def note(session: Session, transaction: Any, connection: Any) -> None:
        line.hold(connection.connection.driver_connection)

    if session.in_transaction():
        line.hold(session.connection().connection.driver_connection)
    else:
        event.listen(session, "after_begin", note, once=True)


def _note_connections(engine: Engine) -> None:
    """Have the line know of a connection that is opened, or tried before it is lent: a silent server is met there."""
    dialect = engine.dialect
    ping = dialect.do_ping

    def open_noted(dialect: Any, record: Any, arguments: Any, keywords: dict[str, Any]) -> Any:
        line = _line.get()
        if line is None:
            return None
        line.check()
        if dialect.is_async or line.limit_s is None or engine.url.get_backend_name() not in RUNNERS:
            return None
        return RUNNERS[engine.url.get_backend_name()].open(dialect.loaded_dbapi, arguments, keywords, line.limit_s, line.hold)

    def hear(*of: Any) -> None:
        line = _line.get()
        if line is not None:
            line.hear()

    event.listen(engine, "do_connect", open_noted)
    event.listen(engine, "after_cursor_execute", hear)

    def note_and_ping(connection: Any) -> bool:
        line = _line.get()
        if line is not None:
            line.hold(getattr(connection, "driver_connection", connection))
        return ping(connection)

    dialect.do_ping = note_and_ping  # type: ignore[assignment,method-assign]  # SQLAlchemy has no event for it


async def _end_threads(threads: ThreadPoolExecutor) -> None:
    """Wait until the threads have ended, but not for one that hangs."""
    ender = threading.Thread(target=threads.shutdown, daemon=True)
    ender.start()
    until = time.monotonic() + END_WAIT_S
    while ender.is_alive() and time.monotonic() < until:
        await asyncio.sleep(0.005)
