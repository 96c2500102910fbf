"""Connections kept in hand between statements: SQLAlchemy's pool is asked only where none is.

Taking a connection out of that pool and putting it back costs as much CPU as a small statement. What is in hand is still lent by the
pool, which therefore counts it, never has more than its size, and gets it back as soon as somebody waits there for one.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.pool import PoolProxiedConnection


class Warm:
    """Connections that were released and not yet given back to their pool; safe for threads."""

    __slots__ = ("_leases", "_lock", "_waiting")

    def __init__(self) -> None:
        self._leases: list[PoolProxiedConnection] = []  # append and pop are atomic; the last one used is the first one taken
        self._waiting = 0
        self._lock = threading.Lock()

    def take(self) -> PoolProxiedConnection | None:
        """Return a connection, or None where there is none."""
        try:
            return self._leases.pop()
        except IndexError:
            return None

    def keep(self, lease: PoolProxiedConnection) -> None:
        """Keep a good connection, or give it back where somebody waits at the pool."""
        self._leases.append(lease)
        if self._waiting:  # looked at after the append, as who waits looks for one after saying so: one of both sees the other
            self.cool()

    def cool(self) -> None:
        """Give everything back to the pool."""
        while (lease := self.take()) is not None:
            lease.close()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Keep nothing back while somebody asks the pool."""
        with self._lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1
