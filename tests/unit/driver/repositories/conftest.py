"""Sources that fail when they are told to"""

from __future__ import annotations

import asyncio

import pytest

from qapla.driver import DictFallbackDataSource, DictMemoryDataSource, StoreUnavailable
from qapla.driver.repositories.background import LOOP


class Moody:
    """What makes a source fail, hang, and be counted"""

    is_down = False
    hangs = False
    full = False
    calls = 0
    delay_s = 0.0

    async def meet(self, writes=False):
        self.calls += 1
        if self.hangs:
            await asyncio.sleep(60)
        await asyncio.sleep(self.delay_s)
        if self.is_down:
            raise StoreUnavailable("the source is down")
        if self.full and writes:
            raise StoreUnavailable("the source is full", answered=True)


class MoodyMemory(Moody, DictMemoryDataSource):
    async def run(self, commands, *, atomic=False):
        await self.meet(any(command[0] not in ("GET", "MGET", "DEL", "HGETALL", "HMGET", "EXISTS") for command in commands))
        return await super().run(commands, atomic=atomic)

    async def run_if_absent(self, batches):
        await self.meet(True)
        return await super().run_if_absent(batches)


class MoodyFallback(Moody, DictFallbackDataSource):
    async def get_many(self, keys):
        found = await super().get_many(keys)  # what is there now, however long it takes to tell
        await self.meet()
        return found

    async def put_many(self, documents):
        await self.meet(True)
        await super().put_many(documents)

    async def delete_many(self, keys):
        await self.meet(True)
        await super().delete_many(keys)


@pytest.fixture(autouse=True)
def stopped():
    """Leave no loop behind"""
    yield
    LOOP.stop()


@pytest.fixture
def now():
    """A clock that the test moves"""
    return [1000.0]


@pytest.fixture
def memory(now):
    return MoodyMemory(clock=lambda: now[0])


@pytest.fixture
def fallback():
    return MoodyFallback()
