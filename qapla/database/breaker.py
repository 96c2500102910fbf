"""Stop asking a database that does not answer, and find out cheaply when it is back.

``closed``: everything goes through. After a few failures in a row it is ``open``: callers are refused at once, so that no thread waits
for a server that is down. When the pause is over it is ``half_open``: one caller may try, the others are still refused. The pause
doubles with each failed try, up to a limit that keeps a database that has come back from being refused for long.

Not the ``circuitbreaker`` package: in its half-open state everybody may try at once, its pause is fixed, and its monitor keeps every
breaker for ever, while databases come and go here.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

State = Literal["closed", "open", "half_open"]


class Breaker:
    """Counts failures to connect; safe for threads.

    Args:
        threshold: failures in a row that open it.
        pause_s: how long it is open the first time.
        longest_s: the longest pause.
        clock: monotonic seconds.
    """

    def __init__(
        self, threshold: int = 3, pause_s: float = 1.0, longest_s: float = 8.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._threshold = threshold
        self._first_pause_s = self._pause_s = pause_s
        self._longest_s = longest_s
        self._clock = clock
        self._lock = threading.RLock()  # a transaction that is collected while it is held is rolled back, and reports
        self._failures = 0
        self._opened_at: float | None = None
        self._trying_since: float | None = None

    @property
    def state(self) -> State:
        """Return what a caller meets now."""
        if self._opened_at is None:
            return "closed"
        return "half_open" if self._clock() >= self._opened_at + self._pause_s else "open"

    @property
    def is_calm(self) -> bool:
        """Tell whether there is nothing to look after: no failure since the last success."""
        return self._failures == 0

    def allows(self) -> bool:
        """Tell whether this caller may try. In the half-open state only the first one may, who has to report what came of it."""
        if self._opened_at is None:
            return True
        with self._lock:
            if self._opened_at is None:
                return True
            now = self._clock()
            if now < self._opened_at + self._pause_s:
                return False
            if self._trying_since is not None and now < self._trying_since + 2 * self._longest_s:
                return False  # somebody is trying; who never reports is forgotten after a while
            self._trying_since = now
            return True

    def succeeded(self) -> None:
        """Report that the database answered."""
        with self._lock:
            self._failures = 0
            self._pause_s = self._first_pause_s
            self._opened_at = self._trying_since = None

    def failed(self) -> None:
        """Report that it did not."""
        with self._lock:
            self._failures += 1
            if self._trying_since is not None:
                self._pause_s = min(2 * self._pause_s, self._longest_s)
            if self._failures >= self._threshold:
                self._opened_at = self._clock()
            self._trying_since = None

    def gave_up(self) -> None:
        """Report that the answer was not waited for: it is not known, and the next caller may try."""
        with self._lock:
            self._trying_since = None

    @property
    def retry_after_s(self) -> int:
        """Return how many whole seconds a refused caller should wait, at least one."""
        if self._opened_at is None:
            return 1
        return max(1, round(self._opened_at + self._pause_s - self._clock() + 0.5))
