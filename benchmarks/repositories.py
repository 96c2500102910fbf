"""Repositories beside plain redis-py that sends the same commands: microseconds per call, in one run, on one Redis.

Run: ``python benchmarks/repositories.py [--calls 2000] [--rounds 5]``. Both sides take turns; a ratio is that of the best rounds, which
other work on the machine disturbed least. Plain redis-py answers with the bytes that Redis sent; a repository with entities.

    get through repository and service     beside HGETALL                                       at least 0.6 of its speed
    add through repository and service     beside MULTI, DEL, HSET, PEXPIRE, EXEC               at least 0.6
    many of 100                            beside a pipeline of 100 HGETALL and one MGET        at least 0.8
    a hit of the cache                     beside HGETALL                                       at least 50 times
    a hit of one that is told of changes   beside HGETALL                                       at least 50 times
"""

from __future__ import annotations

import argparse
import asyncio
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from qapla.driver import Cache, CacheType, DictFallbackDataSource, HashRepository, RedisMemoryDataSource, Service
from qapla.driver.repositories.keys import marker_of
from qapla.testing.servers import get_server_url, outside_pytest


@dataclass
class Person:
    id: str
    name: str
    age: int
    active: bool


class PersonRepository(HashRepository[Person, str]):
    pass


PEOPLE = [Person(f"p{number}", f"Person {number}", number, True) for number in range(100)]
IDS = [person.id for person in PEOPLE]
KEYS = [f"person:{id}" for id in IDS]


async def measure(calls: int, rounds: int, *sides: Callable[[], Awaitable[Any]]) -> list[float]:
    """Return the best seconds per call of each side."""
    best = [float("inf")] * len(sides)
    for _ in range(rounds):
        for index, side in enumerate(sides):
            began = time.perf_counter()
            for _ in range(calls):
                await side()
            best[index] = min(best[index], (time.perf_counter() - began) / calls)
    return best


async def run(url: str, calls: int, rounds: int) -> None:
    """Measure everything and print it."""
    plain = Redis.from_url(url, protocol=2)
    repository = PersonRepository(RedisMemoryDataSource(url), DictFallbackDataSource(), 3600)
    service = Service(repository)
    cached, told = (
        Service(repository, cache=Cache(CacheType.LRU, 1_000_000, 3600), cache_invalidation=is_told) for is_told in (False, True)
    )
    await service.add(*PEOPLE)
    fields = repository.document_of(PEOPLE[0], repository.key_of(PEOPLE[0]))

    async def add() -> None:
        async with plain.pipeline(transaction=True) as pipeline:
            pipeline.delete(KEYS[0], marker_of(KEYS[0]))
            pipeline.hset(KEYS[0], mapping=fields)
            pipeline.pexpire(KEYS[0], 3_600_000)
            await pipeline.execute()

    async def many() -> None:
        async with plain.pipeline(transaction=False) as pipeline:
            for key in KEYS:
                pipeline.hgetall(key)
            pipeline.mget([marker_of(key) for key in KEYS])
            await pipeline.execute()

    await cached.get_one("p0")
    while not len(told.cache or ()):  # until it is believed
        await told.get_one("p0")
    pairs: list[tuple[str, int, Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]], float]] = [
        ("get", calls, lambda: plain.hgetall(KEYS[0]), lambda: service.get_one("p0"), 0.6),
        ("add", calls, add, lambda: service.add(PEOPLE[0]), 0.6),
        ("many of 100", max(1, calls // 20), many, lambda: service.get_many(*IDS), 0.8),
        ("hit of the cache", calls, lambda: plain.hgetall(KEYS[0]), lambda: cached.get_one("p0"), 50),
        ("hit, told of changes", calls, lambda: plain.hgetall(KEYS[0]), lambda: told.get_one("p0"), 50),
    ]
    print(f"{'':20} {'redis-py µs':>12} {'ours µs':>12} {'ratio':>8} {'wanted':>8}")
    for name, count, theirs, ours, wanted in pairs:
        one, other = await measure(count, rounds, theirs, ours)
        print(f"{name:20} {one * 1e6:12.1f} {other * 1e6:12.1f} {one / other:8.2f} {wanted:8.2f}")
    await print_memory(cached)
    await plain.aclose()
    await told.aclose()
    await service.aclose()


async def print_memory(cached: Service[Person, str], count: int = 5000) -> None:
    """Print what a cached entity takes, the entity included."""
    for at in range(0, count, 500):
        await cached.repository.add(*(Person(f"m{number}", f"Person {number}", number, True) for number in range(at, at + 500)))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for at in range(0, count, 500):
        await cached.get_many(*(f"m{number}" for number in range(at, at + 500)))
    print(f"memory per cached entity: {(tracemalloc.get_traced_memory()[0] - before) / count:.0f} bytes")
    tracemalloc.stop()


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with outside_pytest():
        asyncio.run(run(get_server_url("redis"), arguments.calls, arguments.rounds))


if __name__ == "__main__":
    main()
