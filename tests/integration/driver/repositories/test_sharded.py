"""qapla.driver.repositories.sharded: several memories as one"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

import pytest

from qapla.driver import DictFallbackDataSource, DictMemoryDataSource, HashRepository, ShardedMemoryDataSource
from qapla.driver.repositories.keys import marker_of
from qapla.errors import ConfigurationError
from qapla.testing.contracts import MemorySourceContract


@dataclass
class Thing:
    id: int


class ThingRepository(HashRepository[Thing, int]):
    pass


class TestDicts(MemorySourceContract):
    """Three dicts as one memory"""

    @pytest.fixture
    def source(self):
        return ShardedMemoryDataSource(**{name: DictMemoryDataSource() for name in "abc"})


class TestRedis(MemorySourceContract):
    """Three databases of Redis as one memory"""

    @pytest.fixture
    def source(self, redis_url):
        return ShardedMemoryDataSource.from_urls(*(f"{redis_url.rpartition('/')[0]}/{number}" for number in (1, 2, 3)))


def test_keys_are_spread_and_stay():
    """Every source has its share; one that goes moves no other's keys; a marker is with its key."""
    names = [f"redis://redis{number}.example.org:6379/0" for number in range(4)]
    four = ShardedMemoryDataSource(**{name: DictMemoryDataSource() for name in names})
    three = ShardedMemoryDataSource(**{name: DictMemoryDataSource() for name in names[:3]})
    keys = [f"thing:{number}" for number in range(1000)]

    places = {key: four.source_of(key) for key in keys}

    assert all(200 < count < 300 for count in Counter(places.values()).values())
    assert all(three.source_of(key) == place for key, place in places.items() if place != names[3])
    assert all(four.source_of(marker_of(key)) == place for key, place in places.items())


def test_repositories_are_spread():
    """A repository reads and writes many over several sources, in order; the store behind them is asked for the rest."""
    memory = ShardedMemoryDataSource(**{name: DictMemoryDataSource() for name in "abc"})
    things = ThingRepository(memory, DictFallbackDataSource(), 60)
    asyncio.run(things.add(*(Thing(number) for number in range(30))))
    asyncio.run(memory.run([("DEL", *(f"thing:{number}" for number in range(0, 30, 3)))]))

    found = asyncio.run(things.query(many=[*range(29, -1, -1), 99]).entities)

    assert [thing.id for thing in found] == list(range(29, -1, -1))
    assert all(len(source._values) > 3 for source in memory.sources.values())


def test_mistakes_are_told():
    """No source, and one twice, are told."""
    with pytest.raises(ConfigurationError, match="no sources"):
        ShardedMemoryDataSource()
    with pytest.raises(ConfigurationError, match="twice"):
        ShardedMemoryDataSource.from_urls("redis://a:x@redis.example.org/0", "redis://a:y@redis.example.org/0")
