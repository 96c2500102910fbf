"""A service over a real Redis that is killed, hangs, is full or flushed: nothing is lost, nothing wrong is said"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass

import pytest
from morfdict import Paths
from redis import Redis

from qapla.database import Database
from qapla.database.breaker import Breaker
from qapla.driver import (
    DictFallbackDataSource,
    EntityNotFound,
    HashRepository,
    RedisMemoryDataSource,
    Service,
    SQLFallbackDataSource,
    StoreUnavailable,
)
from qapla.driver.repositories.staleness import DOUBT_S
from qapla.settings import Settings
from qapla.testing import processes

DEADLINE_S = 0.25
LIMIT_S = 3  # for a call within that deadline, however busy the machine is; without one it would be five seconds
BACK_WITHIN_S = 10


@dataclass
class Thing:
    id: str
    value: int


class ThingRepository(HashRepository[Thing, str]):
    pass


class Stand:
    """A service, its Redis, and what should be true"""

    def __init__(self, folder, url):
        self.folder, self.url = folder, url
        self.fallback = DictFallbackDataSource()
        memory = RedisMemoryDataSource(url)
        self.service = Service(ThingRepository(memory, self.fallback, 60), breaker=Breaker(3, 0.2, 1.0), memory_deadline_s=DEADLINE_S)
        self.truth = {}
        self.slowest_s = 0.0

    async def timed(self, asked):
        began = time.monotonic()
        try:
            return await asked
        finally:
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)

    async def write(self, round):
        for number in range(10):
            key, value = f"t{number}", round * 100 + number
            if (number + round) % 5 == 0:
                await self.timed(self.service.delete(key))
                self.truth.pop(key, None)
            else:
                await self.timed(self.service.add(Thing(key, value)))
                self.truth[key] = value

    async def look(self):
        """Read everything, one by one and together, and compare"""
        keys = [f"t{number}" for number in range(10)]
        for key in keys:
            try:
                found = (await self.timed(self.service.get_one(key))).value
            except EntityNotFound:
                found = None
            assert found == self.truth.get(key), key
        many = await self.timed(self.service.get_many(*keys))
        assert {thing.id: thing.value for thing in many} == self.truth

    def end_doubts(self):
        """Let the time pass in which what was given up may yet arrive"""
        self.service.repository._stale._clock = lambda: time.monotonic() + DOUBT_S

    async def back(self):
        """Wait until the memory itself answers"""
        began = time.monotonic()
        while self.service.breaker.state != "closed" or not self.service.breaker.is_calm:
            assert time.monotonic() < began + BACK_WITHIN_S
            await self.look()
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def server():
    with processes.server_folder() as folder:
        yield folder / "redis", processes.start_redis(folder / "redis", os.getpid())


@pytest.fixture
def stand(server):
    with Redis.from_url(server[1]) as client:
        client.flushall()
        client.config_set("maxmemory", 0)
    return Stand(*server)


@pytest.fixture
def redis_pid(stand):
    with Redis.from_url(stand.url) as client:
        return client.info("server")["process_id"]


def test_killed(stand):
    """Redis is killed and started again, empty: every answer is right all the time, and Redis answers again after that."""

    async def live():
        await stand.write(1)
        await stand.look()
        await asyncio.to_thread(processes.kill, stand.folder)
        await stand.look()
        await stand.write(2)
        await stand.look()
        await asyncio.to_thread(processes.start_again, stand.folder)
        await stand.back()
        await stand.write(3)
        await stand.look()

    asyncio.run(live())

    print(f"slowest {stand.slowest_s:.3f} s")
    assert stand.slowest_s < LIMIT_S


def test_hanging(stand, redis_pid):
    """Redis takes connections and is silent, with old data: calls keep to their deadlines, and its old entries are not believed."""

    async def live():
        await stand.write(1)
        os.kill(redis_pid, signal.SIGSTOP)
        try:
            await stand.write(2)
            await stand.look()
        finally:
            os.kill(redis_pid, signal.SIGCONT)
        await stand.back()
        stand.end_doubts()
        await stand.look()
        stand.fallback.db.clear()  # from now on only the memory has them
        await stand.look()

    asyncio.run(live())

    print(f"slowest {stand.slowest_s:.3f} s")
    assert stand.slowest_s < LIMIT_S


def test_full(stand):
    """Redis is out of memory: writes are not lost, the old entries are gone, and reads go on."""

    async def live():
        await stand.write(1)
        with Redis.from_url(stand.url) as client:
            client.config_set("maxmemory", 1)
        await stand.write(2)
        await stand.look()
        assert stand.service.breaker.state == "closed"
        with Redis.from_url(stand.url) as client:
            client.config_set("maxmemory", 0)
        await stand.write(3)
        await stand.look()

    asyncio.run(live())


def test_flushed(stand):
    """Redis is emptied, and forgets its scripts: the store behind it answers, and what it says is copied again."""

    async def live():
        await stand.write(1)
        with Redis.from_url(stand.url) as client:
            client.flushall()
            client.script_flush()
        await stand.look()
        stand.fallback.db.clear()
        await stand.look()

    asyncio.run(live())


def test_store_behind_is_killed(stand):
    """PostgreSQL is killed: what the memory has is read on, nothing else is said to be missing, and after its return nothing is lost."""
    durable = {"synchronous_commit": "on", "fsync": "on"}
    with processes.server_folder() as folder:
        database = Database("main")
        url = processes.start_postgresql(folder / "store", os.getpid(), settings=durable)
        database.configure(Settings({"db": {"main": {"url": url}}}), Paths())

        async def live():
            store = SQLFallbackDataSource(database)
            await store.create_table()
            service = Service(ThingRepository(RedisMemoryDataSource(stand.url), store, 60, deadline_s=3))
            await service.add(Thing("a", 1), Thing("b", 2))
            await asyncio.to_thread(processes.kill, folder / "store")
            assert (await service.get_one("a")).value == 1
            for ask in (service.get_one("c"), service.exists("c"), service.add(Thing("a", 9)), service.delete("b")):
                with pytest.raises(StoreUnavailable, match="'main'"):
                    await stand.timed(ask)
            await asyncio.to_thread(processes.start_again, folder / "store")
            assert [thing.value for thing in await service.get_many("a", "b", "c")] == [1, 2]
            await service.add(Thing("a", 3))
            assert (await service.get_one("a", memory=False)).value == 3

        asyncio.run(live())
        database.dispose()

    assert stand.slowest_s < 3


def test_both_down(stand):
    """Redis and the store behind it are down: that is told, and never as an absence."""

    async def live():
        await stand.write(1)
        broken = ThingRepository(RedisMemoryDataSource("redis://127.0.0.1:1/0"), Away(), 60)
        service = Service(broken, memory_deadline_s=DEADLINE_S)
        for ask in (service.get_one("t1"), service.get_many("t1"), service.exists("t1"), service.add(Thing("t1", 1)), service.delete("t1")):
            with pytest.raises(StoreUnavailable):
                await stand.timed(ask)

    asyncio.run(live())

    assert stand.slowest_s < LIMIT_S


class Away(DictFallbackDataSource):
    async def get_many(self, keys):
        raise StoreUnavailable("away")

    put_many = delete_many = get_many
