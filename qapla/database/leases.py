"""The connections of one database, lent to one statement or transaction at a time.

They come from SQLAlchemy's pool, but a few are kept in hand between statements: taking a connection out of that pool and putting it back
costs as much CPU as a small statement. What is in hand is still lent by the pool, which therefore counts it, never has more than its
size, and gets it back as soon as somebody waits there for one.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qapla.database.faults import RETRY_AFTER
from qapla.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine, Pool
    from sqlalchemy.pool import PoolProxiedConnection


class Leases:
    """Lends connections; safe for threads, and of one process only.

    Args:
        make: makes the SQLAlchemy engine, on first use.
        name: of the database, for messages.
    """

    def __init__(self, make: Callable[[], Engine], name: str) -> None:
        self.is_closed = False
        self._make = make
        self._name = name
        self._engine: Engine | None = None
        self._streams: Pool | None = None
        self._lock = threading.RLock()
        self._warm: list[PoolProxiedConnection] = []  # append and pop are atomic; the last one used is the first one taken
        self._waiting = 0

    @property
    def dialect(self) -> Any:
        """Return the dialect of the engine; also where nothing can be asked any more."""
        return self._make().dialect if self.is_closed else self.open().dialect

    def open(self) -> Engine:
        """Return the engine.

        Raises:
            Unavailable: it was closed.
        """
        engine = self._engine
        if engine is None:
            with self._lock:
                if self.is_closed:
                    raise Unavailable(f"database {self._name!r} was closed", headers=RETRY_AFTER)
                engine = self._engine = self._engine or self._make()
        return engine

    def lend(self) -> PoolProxiedConnection:
        """Return a connection.

        Raises: what the pool and the driver raise.
        """
        engine = self.open()
        lease = self._take()
        if lease is not None:
            return lease
        with self._asking():
            lease = self._take()
            return engine.raw_connection() if lease is None else lease

    def lend_for_stream(self) -> PoolProxiedConnection:
        """Return a connection out of a second pool, so that a few long exports do not keep everybody else waiting."""
        engine = self.open()
        with self._lock:
            if self._streams is None:
                self._streams = engine.pool.recreate()
            pool = self._streams
        return pool.connect()

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Give a SQLAlchemy connection."""
        engine = self.open()
        with self._asking():
            self._cool()
            connection = engine.connect()
        with connection:
            yield connection

    def give_back(self, lease: PoolProxiedConnection) -> None:
        """Take a connection back: into the hand when it is good, to the pool where somebody waits."""
        if not lease.is_valid:
            lease.close()
            return
        self._warm.append(lease)
        if self._waiting:  # looked at after the append, as who waits looks for one after saying so: one of both sees the other
            self._cool()
        if self.is_closed:
            self._end()

    def drop(self, lease: PoolProxiedConnection, error: BaseException, *, others: bool) -> None:
        """Close a connection that is of no use, and with *others* every one that is as old: the server has probably been away."""
        if others:
            lease._pool._invalidate(lease, error)  # what SQLAlchemy's own engine does on a disconnect
            self._cool()  # only the pool knows which ones are too old
        if lease.is_valid:
            lease.invalidate(error)

    def close(self) -> None:
        """Close every connection; what is running elsewhere finishes first."""
        self.is_closed = True
        with self._lock:
            engine, self._engine, self._streams = self._engine, None, None
        self._end()
        if engine is not None:
            engine.dispose()

    def _take(self) -> PoolProxiedConnection | None:
        try:
            return self._warm.pop()
        except IndexError:
            return None

    def _cool(self) -> None:
        """Give what is in hand to the pool."""
        while (lease := self._take()) is not None:
            lease.close()

    def _end(self) -> None:
        """Close what is in hand."""
        while (lease := self._take()) is not None:
            lease.invalidate()
            lease.close()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Keep nothing in hand while somebody asks the pool."""
        with self._lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1
