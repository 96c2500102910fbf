"""Clients of event loops: a connection belongs to the loop that opened it, so each loop has a client of its own.

A client is closed when its loop ends: it hangs on an asynchronous generator, and ``asyncio.run``, like every runner of loops, closes those
before the loop itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

Client = TypeVar("Client")


class PerLoop(Generic[Client]):
    """One client per event loop.

    Args:
        open: makes one.
        close: closes one, on its loop.
    """

    def __init__(self, open: Callable[[], Client], close: Callable[[Client], Awaitable[None]]) -> None:
        self._open = open
        self._close = close
        self._lock = threading.Lock()
        self._kept: dict[asyncio.AbstractEventLoop, tuple[Client, AsyncGenerator[None]]] = {}

    def get(self) -> Client:
        """Return the client of the running loop."""
        loop = asyncio.get_running_loop()
        kept = self._kept.get(loop)
        return self._make(loop) if kept is None else kept[0]

    async def aclose(self) -> None:
        """Close the client of the running loop; the next use makes another one."""
        kept = self._kept.get(asyncio.get_running_loop())
        if kept is not None:
            await kept[1].aclose()

    def _make(self, loop: asyncio.AbstractEventLoop) -> Client:
        client = self._open()
        keeper = self._keep(loop, client)
        with suppress(StopIteration):
            keeper.__anext__().send(None)  # as far as its yield: the loop knows of it from now on
        with self._lock:
            for closed in [known for known in self._kept if known.is_closed()]:
                del self._kept[closed]
            self._kept[loop] = client, keeper
        return client

    async def _keep(self, loop: asyncio.AbstractEventLoop, client: Client) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._kept.pop(loop, None)
            await self._close(client)
