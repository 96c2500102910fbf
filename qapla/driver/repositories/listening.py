"""A task that listens to what a memory tells of changes, and begins again when the line is lost."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from contextvars import Context
from math import inf
from typing import TYPE_CHECKING
from weakref import WeakSet

from qapla.driver.repositories.invalidations import Confirmed, heed_cancellation
from qapla.driver.repositories.keys import marker_of
from qapla.errors import ConfigurationError, QaplaError

if TYPE_CHECKING:
    from qapla.driver.repositories.source import MemoryDataSource
    from qapla.driver.repositories.tracking import Listener, Tracking

FIRST_PAUSE_S = 0.1  # before a lost line is tried again; twice as long each time
LONGEST_PAUSE_S = 2.0

log = logging.getLogger("qapla.repositories")


class Line:
    """A task of the running event loop that listens, again and again.

    Args:
        tracking: whom to tell.
        source: the memory.
        prefixes: of keys.

    Attributes:
        told: the caches that believe it.
        until: in seconds of ``time.monotonic``, for how long.
    """

    def __init__(self, tracking: Tracking, source: MemoryDataSource, prefixes: list[str]) -> None:
        self.prefixes = frozenset(prefixes)
        self.told: WeakSet[Listener] = WeakSet()
        self.until = -inf
        self._tracking = tracking
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._repair: asyncio.Task[None] | None = None
        self._task = self._loop.create_task(self._run(), context=Context())  # not in the context of the call that happened to miss

    def goes_on(self, listener: Listener) -> bool:
        """Tell whether it tells *listener*, or will: not if its loop has ended, or rests while another one wants to know."""
        return not self._task.done() and not self._loop.is_closed() and (self._loop.is_running() or listener.cache.is_believed)

    def stop(self) -> None:
        """End it, from any thread."""
        with suppress(RuntimeError):  # the loop is closed, and the task gone with it
            self._loop.call_soon_threadsafe(self._task.cancel)

    async def wait(self) -> None:
        """Wait for the end of a task of this loop; others end by themselves."""
        if self._loop is asyncio.get_running_loop():
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            await self._listen_again_and_again()
        except Exception:
            log.exception("caches are off, as who listens for them failed")
        except asyncio.CancelledError:
            self._end()
            raise
        self._end()  # not in a "finally": this may be garbage, of a loop that was never closed well, and locks are not for garbage

    def _end(self) -> None:
        self._tracking.end(self)
        if self._repair is not None:
            self._repair.cancel()

    async def _listen_again_and_again(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            heed_cancellation()
            try:
                if not await self._listen():
                    return
                why = "the line has ended"
            except QaplaError as error:
                why = _explain(error)
            except Exception as error:
                why = type(error).__name__
            if self.until > -inf:  # it was there
                pause_s = FIRST_PAUSE_S
            self._tracking.lose(self, why)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - no secret
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _listen(self) -> bool:
        """Listen until the line ends, and return whether anybody wants more."""
        prefixes = sorted({*self.prefixes, *(marker_of(prefix).removesuffix("}") for prefix in self.prefixes)})
        async with aclosing(self._source.invalidations(prefixes)) as line:
            async for event in line:
                heed_cancellation()
                if not self._tracking.hear(self, event):
                    return False
                if isinstance(event, Confirmed) and (self._repair is None or self._repair.done()):
                    self._repair = self._loop.create_task(_await_all(self._tracking.repairs()))
        return True


async def _await_all(repairs: list[Callable[[], Awaitable[None]]]) -> None:
    for repair in repairs:
        try:
            await repair()
        except Exception as error:
            log.debug("old entries are still in the memory: %s", type(error).__name__)


def _explain(error: QaplaError) -> str:
    if isinstance(error, ConfigurationError) or getattr(error, "answered", False):
        return f"{error.message} (cache_invalidation=False keeps answers for their time to live)"
    return error.message
