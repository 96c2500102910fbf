"""Slow down whoever guesses passwords: per account and address, and per address, in the memory of this process, bounded."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from qapla.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_S = 300
PER_ACCOUNT = 5
PER_ADDRESS = 30
MAX_ENTRIES = 10_000


class Throttle:
    """Counts failed logins.

    Args:
        clock: monotonic seconds.
        size: how many accounts and addresses are remembered; the oldest is forgotten first.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, size: int = MAX_ENTRIES) -> None:
        self._clock = clock
        self._size = size
        self._failures: OrderedDict[tuple[str, ...], tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, name: str, address: str) -> None:
        """Refuse another try while there were too many.

        Raises:
            AccessError: with status 429 and ``Retry-After``.
        """
        with self._lock:
            wait = max(self._wait((address, name.casefold()), PER_ACCOUNT), self._wait((address,), PER_ADDRESS))
        if wait > 0:
            seconds = int(wait) + 1
            raise AccessError(
                "too many logins have failed",
                code="QAPLA429",
                status=429,
                hint=f"try again in {seconds} s",
                headers={"Retry-After": str(seconds)},
            )

    def fail(self, name: str, address: str) -> None:
        """Count a failed login."""
        with self._lock:
            self._count((address, name.casefold()))
            self._count((address,))
            while len(self._failures) > self._size:
                self._failures.popitem(last=False)

    def succeed(self, name: str, address: str) -> None:
        """Forget the failures of this account from this address."""
        with self._lock:
            self._failures.pop((address, name.casefold()), None)

    def _wait(self, key: tuple[str, ...], limit: int) -> float:
        count, since = self._failures.get(key, (0, 0.0))
        return since + WINDOW_S - self._clock() if count >= limit else 0.0

    def _count(self, key: tuple[str, ...]) -> None:
        count, since = self._failures.pop(key, (0, self._clock()))
        if self._clock() - since >= WINDOW_S:
            count, since = 0, self._clock()
        self._failures[key] = (count + 1, since)
