"""How long a call may take, and what its parts may take of it.

A memory that hangs gets half of what a call has left: the store behind it can still answer in time. What goes on behind a caller's back
(``detach``) is nobody's deadline.
"""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from math import inf
from types import TracebackType

from qapla.errors import StoreTimedOut

_ends: ContextVar[float | None] = ContextVar("qapla_call_ends", default=None)


class Limit:
    """Ends a block when its time is up; of blocks inside of each other the first end counts.

    Args:
        seconds: how long; None or infinity without limit.
        repository: whose call it is, for the error.
        key: likewise.

    Raises:
        StoreTimedOut: the time is up. What ran is cancelled.
    """

    __slots__ = ("_key", "_repository", "_seconds", "_timeout", "_token")

    def __init__(self, seconds: float | None, repository: str, key: str) -> None:
        self._seconds = seconds
        self._repository, self._key = repository, key
        self._timeout: asyncio.Timeout | None = None

    async def __aenter__(self) -> None:
        if self._seconds is None or self._seconds == inf:
            return
        now, outer = time.monotonic(), _ends.get()
        ends = now + self._seconds
        if outer is not None and now < outer <= ends:
            return
        self._timeout = asyncio.timeout(self._seconds)
        await self._timeout.__aenter__()
        self._token = _ends.set(ends)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._timeout is None:
            return
        _ends.reset(self._token)
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as late:
            message = f"repository {self._repository!r} did not answer within {self._seconds:g} s"
            raise StoreTimedOut(message, repository=self._repository, key=self._key) from late


def patience_s(seconds: float) -> float:
    """Return *seconds*, or half of what the running call has left where that is less."""
    ends = _ends.get()
    left_s = inf if ends is None else ends - time.monotonic()
    return min(seconds, left_s / 2) if left_s > 0 else seconds  # one that is over is that of a call which has begun this task


def detach() -> None:
    """Let the running task, which a call has begun, outlive the call's deadline."""
    _ends.set(None)
