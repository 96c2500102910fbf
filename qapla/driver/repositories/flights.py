"""What several callers want at the same time is read once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakValueDictionary

from qapla.errors import StoreTimedOut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Item = TypeVar("Item")
Place = tuple[asyncio.AbstractEventLoop, str]


JOINED_S = 2.0  # a read that takes longer hangs, perhaps for ever: later callers ask anew, and do not wait for it
LONGEST_S = 600.0  # then it is given up: sources do that by themselves long before


class Flights(Generic[Item]):
    """Reads under way, by key. A read that its key was written during is not joined any more."""

    def __init__(self) -> None:
        self._under_way: dict[Place, asyncio.Task[dict[str, Item]]] = {}
        self._begun: dict[asyncio.Task[dict[str, Item]], float] = {}

    async def join(self, keys: Sequence[str], read: Callable[[Sequence[str]], Awaitable[dict[str, Item]]]) -> dict[str, Item]:
        """Return the items of *keys*; those that nobody reads now are read together.

        A caller who is cancelled does not cancel what others wait for.
        """
        loop = asyncio.get_running_loop()
        joined = ((key, self._under_way.get((loop, key))) for key in keys) if self._under_way else ()
        since = loop.time() - JOINED_S
        tasks = {key: task for key, task in joined if task is not None and self._begun[task] > since}
        missing = [key for key in keys if key not in tasks]
        if missing:
            task = loop.create_task(_wait(read(missing)))
            self._begun[task] = loop.time()
            for key in missing:
                tasks[key] = self._under_way[(loop, key)] = task
            task.add_done_callback(self._landed)
        for task in dict.fromkeys(tasks.values()):
            await asyncio.shield(task)
        return {key: tasks[key].result()[key] for key in keys}

    def is_current(self, key: str) -> bool:
        """Tell whether the running task is the one that others join for *key*."""
        return self._under_way.get((asyncio.get_running_loop(), key)) is asyncio.current_task()

    def forget(self, keys: Sequence[str]) -> None:
        """Let nobody join the reads of *keys* that are under way: what they bring may be old."""
        if self._under_way:
            for place in [place for place in self._under_way if place[1] in keys]:
                del self._under_way[place]

    def _landed(self, task: asyncio.Task[dict[str, Item]]) -> None:
        del self._begun[task]
        for place in [place for place, other in self._under_way.items() if other is task]:
            del self._under_way[place]
        if not task.cancelled():
            task.exception()  # it has been seen, even if every caller has gone


class Queues:
    """Writers of one key, one after another."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Place, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, keys: Sequence[str]) -> AsyncIterator[None]:
        """Hold *keys* while a block runs."""
        loop = asyncio.get_running_loop()
        locks = [self._locks.setdefault((loop, key), asyncio.Lock()) for key in sorted(set(keys))]  # one order: no two wait for each other
        async with AsyncExitStack() as stack:
            for lock in locks:
                await stack.enter_async_context(lock)
            yield


async def _wait(read: Awaitable[dict[str, Item]]) -> dict[str, Item]:
    try:
        async with asyncio.timeout(LONGEST_S) as limit:
            return await read
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise StoreTimedOut(f"the store behind the memory did not answer within {LONGEST_S:g} s") from error
