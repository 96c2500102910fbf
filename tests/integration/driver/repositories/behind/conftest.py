"""What waits to be written in a real Redis, and a store behind it that is told how to behave"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass

import pytest
from redis import Redis

from qapla.driver import (
    DictFallbackDataSource,
    EntityRefused,
    HashRepository,
    RedisMemoryDataSource,
    StoreUnavailable,
)
from qapla.testing import processes

LONG_S = 60  # what is waited for comes much sooner


@dataclass
class Thing:
    id: str
    value: int


class ThingRepository(HashRepository[Thing, str]):
    pass


class Store(DictFallbackDataSource):
    """A store that is down, or refuses an entity, when it is told to"""

    is_down = False
    refused = None

    async def get_many(self, keys):
        self.look()
        return await super().get_many(keys)

    async def settle(self, repository, term, documents, keys):
        self.look()
        if self.refused is not None and any(key.path == self.refused for key, _ in documents):
            raise EntityRefused("too odd")
        await super().settle(repository, term, documents, keys)

    def look(self):
        if self.is_down:
            raise StoreUnavailable("the store is down")

    @property
    def values(self):
        return {key.partition(":")[2]: int(document["value"]) for key, document in self.db.items()}


@pytest.fixture(scope="module")
def server():
    with processes.server_folder() as folder:
        yield folder / "redis", processes.start_redis(folder / "redis", os.getpid(), settings={"appendonly": "yes"})


@pytest.fixture
def client(server):
    with Redis.from_url(server[1]) as client:
        client.flushall()
        yield client


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def make(server, client):
    """Make a repository that is written behind"""

    def make(store, cls=ThingRepository, **options):
        return cls(RedisMemoryDataSource(server[1]), store, 60, write_policy="behind", **options)

    return make


async def until(check):
    """Wait until something is so"""
    end = time.monotonic() + LONG_S
    while not check():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
