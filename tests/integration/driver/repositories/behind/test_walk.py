"""Any sequence of changes, reads, evictions, batches and failures: two repositories that are written behind are one dict"""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import suppress
from dataclasses import dataclass

import pytest
from redis import Redis

from qapla.driver import (
    DictFallbackDataSource,
    EntityNotFound,
    HashRepository,
    ListEntity,
    ListRepository,
    RedisMemoryDataSource,
    StoreTimedOut,
    StoreUnavailable,
)
from qapla.driver.repositories import writer
from qapla.testing import processes

KEYS = ("a", "b:c", "d")
STEPS = 60


@dataclass
class Thing:
    id: str
    data: list[bytes]


class Steps(ListEntity):
    id: str


class ThingRepository(HashRepository[Thing, str]):
    pass


class StepsRepository(ListRepository[Steps, str]):
    name = "thing"


class Store(DictFallbackDataSource):
    """A store that is down for a while, and loses calls and answers"""

    is_down = False
    chance: random.Random

    async def get_many(self, keys):
        self.look()
        return await super().get_many(keys)

    async def settle(self, *arguments):
        self.look()
        self.lose()
        await super().settle(*arguments)
        self.lose()

    def look(self):
        if self.is_down:
            raise StoreUnavailable("down")

    def lose(self):
        if self.chance.random() < 0.1:
            raise StoreTimedOut("lost")


class Walk:
    """Two repositories over one Redis and one store, and what should be true"""

    def __init__(self, cls, url, seed):
        self.chance = random.Random(seed)
        self.store = Store()
        self.store.chance = self.chance
        lives_s, missing_s = self.chance.choice([0.03, 60]), self.chance.choice([0.02, 5])
        self.both = [
            cls(RedisMemoryDataSource(url), self.store, lives_s, not_found_expire_time=missing_s, write_policy="behind") for _ in range(2)
        ]
        self.truth = {}

    async def go(self, client):
        steps = [(self.add, 5), (self.delete, 2), (self.evict, 3), (self.turn, 1), (self.work, 2), (self.drain, 1), (self.read, 10)]
        for number in range(STEPS):
            step = self.chance.choices([step for step, _ in steps], [weight for _, weight in steps])[0]
            await step(self.chance.choice(self.both), self.chance.choice(KEYS), number, client)
        self.store.is_down = False
        while await self.both[0].writer.look() and self.both[0]._behind.seen.waiting.size:
            await self.drain(self.both[0], None, None, None)

    async def add(self, one, key, number, client):
        entities = {name: one.entity_cls(name, [b"%d" % number] * (number % 3)) for name in (key, self.chance.choice(KEYS))}
        await one.add(*entities.values(), memory=self.chance.random() < 0.8)
        self.truth.update({name: entity.data for name, entity in entities.items()})

    async def delete(self, one, key, number, client):
        await one.query(key, memory=self.chance.random() < 0.8).delete
        self.truth.pop(key, None)

    async def evict(self, one, key, number, client):
        gone = client.keys("marker*" if number % 2 else "thing:*")
        client.delete(*gone, "none")

    async def turn(self, one, key, number, client):
        self.store.is_down = not self.store.is_down

    async def work(self, one, key, number, client):
        with suppress(StoreUnavailable):
            await one.writer._write_some()

    async def drain(self, one, key, number, client):
        self.store.is_down = False
        with suppress(StoreUnavailable):
            await one.write_pending()

    async def read(self, one, key, number, client):
        memory = self.chance.random() < 0.7
        try:
            assert await one.query(key, memory=memory).exists == (key in self.truth)
            found = await one.query(many=KEYS, memory=memory).entities
            assert [entity.data for entity in found] == [self.truth[name] for name in KEYS if name in self.truth]
            assert (await one.query(key, memory=memory).entity).data == self.truth[key]
        except EntityNotFound:
            assert key not in self.truth
        except StoreUnavailable:
            assert self.store.is_down


@pytest.fixture(scope="module")
def redis_url():
    with processes.server_folder() as folder:
        yield processes.start_redis(folder / "redis", os.getpid(), settings={"appendonly": "yes"})


@pytest.mark.parametrize("cls", [ThingRepository, StepsRepository])
def test_any_sequence(cls, redis_url, monkeypatch):
    """Whatever happens in whatever order, both read what was written last, and at the end the store has it."""
    monkeypatch.setattr(writer, "LEASE_S", 0.05)

    for seed in range(4):
        with Redis.from_url(redis_url) as client:
            client.flushall()
            walk = Walk(cls, redis_url, seed)
            asyncio.run(walk.go(client))
            client.flushall()
        stored = asyncio.run(walk.both[1].query(many=KEYS).entities)

        assert {entity.id: entity.data for entity in stored} == walk.truth, seed
