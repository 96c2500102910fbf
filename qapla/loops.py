"""Things of event loops: a connection belongs to the loop that opened it, so each loop has one of its own.

It is closed when its loop ends: it hangs on an asynchronous generator, and ``asyncio.run``, like every runner of loops, closes those
before the loop itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

Thing = TypeVar("Thing")
CLOSE_WAIT_S = 5.0


class PerLoop(Generic[Thing]):
    """One *Thing* per event loop.

    Args:
        open: makes one.
        close: closes one, on its loop.
    """

    def __init__(self, open: Callable[[], Thing], close: Callable[[Thing], Awaitable[None]]) -> None:
        self._open = open
        self._close = close
        self._lock = threading.RLock()  # what is collected while it is held may open another one
        self._kept: dict[asyncio.AbstractEventLoop, tuple[Thing, AsyncGenerator[None]]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def get(self) -> Thing:
        """Return that of the running loop."""
        loop = asyncio.get_running_loop()
        kept = self._kept.get(loop)
        return self._make(loop) if kept is None else kept[0]

    @property
    def opened(self) -> list[Thing]:
        """Return those that are open."""
        return [thing for thing, _ in list(self._kept.values())]

    async def aclose(self) -> None:
        """Close that of the running loop; the next use makes another one."""
        kept = self._kept.get(asyncio.get_running_loop())
        if kept is not None:
            await kept[1].aclose()

    def dispose(self) -> None:
        """Close all, each on its own loop. That of the running loop is closed as soon as the caller lets it."""
        for loop, (_, keeper) in list(self._kept.items()):
            if not loop.is_closed():
                self._close_on(loop, keeper)

    def _make(self, loop: asyncio.AbstractEventLoop) -> Thing:
        thing = self._open()
        keeper = self._keep(loop, thing)
        with suppress(StopIteration):
            keeper.__anext__().send(None)  # as far as its yield: the loop knows of it from now on
        with self._lock:
            for closed in [known for known in self._kept if known.is_closed()]:
                del self._kept[closed]
            self._kept[loop] = thing, keeper
        return thing

    async def _keep(self, loop: asyncio.AbstractEventLoop, thing: Thing) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._kept.pop(loop, None)
            await self._close(thing)

    def _close_on(self, loop: asyncio.AbstractEventLoop, keeper: AsyncGenerator[None]) -> None:
        if _is_running_here(loop):
            task = loop.create_task(_close(keeper))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        elif loop.is_running():
            asyncio.run_coroutine_threadsafe(_close(keeper), loop).result(CLOSE_WAIT_S)
        else:
            loop.run_until_complete(_close(keeper))


async def _close(keeper: AsyncGenerator[None]) -> None:
    await keeper.aclose()


def _is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
