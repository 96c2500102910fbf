"""qapla.driver.repositories.tracking over real Redis: other processes write, Redis is emptied, cuts us off, is killed, hangs, refuses"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
from redis import Redis

from qapla.database.breaker import Breaker
from qapla.driver import (
    Cache,
    DictFallbackDataSource,
    EntityNotFound,
    HashRepository,
    RedisMemoryDataSource,
    Service,
    ShardedMemoryDataSource,
)
from qapla.driver.repositories.sync import LOOP
from qapla.testing import processes

WITHIN_S = 20
OTHER = """
import asyncio, sys
from dataclasses import dataclass
from qapla.driver import DictFallbackDataSource, HashRepository, RedisMemoryDataSource

@dataclass
class Thing:
    id: str
    value: int

class ThingRepository(HashRepository[Thing, str]):
    pass

things = ThingRepository(RedisMemoryDataSource(sys.argv[1]), DictFallbackDataSource(), 3600)
for line in sys.stdin:
    command, id = line.split()
    asyncio.run(things.query(id).delete if command == "delete" else things.add(Thing(id, int(command))))
    print("done", flush=True)
"""


@dataclass
class Thing:
    id: str
    value: int


class ThingRepository(HashRepository[Thing, str]):
    pass


@pytest.fixture(scope="module")
def server():
    with processes.server_folder() as folder:
        yield folder / "redis", processes.start_redis(folder / "redis", os.getpid())


@pytest.fixture
def url(server):
    with Redis.from_url(server[1]) as client:
        client.flushall()
    return server[1]


@pytest.fixture
def client(url):
    with Redis.from_url(url) as client:
        yield client


@pytest.fixture
def service(url):
    return make_service(RedisMemoryDataSource(url))


def make_service(memory):
    repository = ThingRepository(memory, DictFallbackDataSource(), 3600)
    return Service(repository, breaker=Breaker(3, 0.1, 0.2), cache=Cache(), memory_deadline_s=0.5)


async def until(is_so):
    """Wait until something is so"""
    ends = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < ends
        await asyncio.sleep(0.005)


async def value_of(service, id):
    try:
        return (await service.get_one(id)).value
    except EntityNotFound:
        return None


async def keep(service, **values):
    """Have a service believe its cache, which has these values; None: that there is nothing"""
    await until_on(service)
    for id, value in values.items():
        if value is not None:
            await service.add(Thing(id, value))
    ends = time.monotonic() + WITHIN_S
    while len(service.cache) < len(values):  # until messages of our own changes have come
        assert time.monotonic() < ends
        assert {id: await value_of(service, id) for id in values} == values
        await asyncio.sleep(0.005)


async def until_on(service):
    ends = time.monotonic() + WITHIN_S
    while not service.cache.is_believed:
        assert time.monotonic() < ends
        await value_of(service, "nothing")
        await asyncio.sleep(0.005)


async def until_value(service, id, value):
    ends = time.monotonic() + WITHIN_S
    while await value_of(service, id) != value:
        assert time.monotonic() < ends
        await asyncio.sleep(0.005)


def write(client, id, value):
    """Change a value behind everybody's back"""
    client.hset(f"thing:{id}", "value", value)


def test_other_process(url, service):
    """What another process adds, changes and deletes is seen long before answers end; so is that something is there now."""
    other = subprocess.Popen([sys.executable, "-c", OTHER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(*commands):
        other.stdin.write("".join(f"{command}\n" for command in commands))
        other.stdin.flush()
        return [other.stdout.readline() for _ in commands]

    async def live():
        await keep(service, a=1, b=1, none=None)
        assert await asyncio.to_thread(ask, "2 a", "3 none", "delete b") == ["done\n"] * 3
        await until_value(service, "a", 2)
        await until_value(service, "none", 3)
        await until_value(service, "b", None)

    with other:
        asyncio.run(live())
        other.stdin.close()


def test_emptied(client, service):
    """When Redis is emptied, the cache is."""

    async def live():
        await keep(service, a=1)
        service.repository.fallback_data_source.db.clear()
        client.flushall()
        await until_value(service, "a", None)

    asyncio.run(live())


def test_connection_is_cut(client, service):
    """What is changed while the connection is gone is not missed: the cache is empty after that."""

    async def live():
        await keep(service, a=1)
        with client.pipeline(transaction=True) as pipeline:
            pipeline.client_kill_filter(_type="pubsub")
            write(pipeline, "a", 2)
            pipeline.execute()
        await until_value(service, "a", 2)
        await keep(service, a=3)
        write(client, "a", 4)
        await until_value(service, "a", 4)

    asyncio.run(live())


def test_one_connection(client, url):
    """All services of a process have one connection for a Redis; when they are closed it is, too."""
    services = [make_service(RedisMemoryDataSource(url)) for _ in range(3)]

    async def live():
        for service in services:
            await keep(service, a=1)
        await until(lambda: len(client.client_list(_type="pubsub")) == 1)  # those of earlier tests are gone
        write(client, "a", 2)
        for service in services:
            await until_value(service, "a", 2)
            await service.aclose()
        assert len(asyncio.all_tasks()) == 1
        await until(lambda: not client.client_list(_type="pubsub"))

    asyncio.run(live())


def test_killed(server, client, service):
    """Redis is killed: the cache is off and answers are those of the store; when it is back the cache is on, and is told again."""

    async def live():
        await keep(service, a=1)
        await asyncio.to_thread(processes.kill, server[0])
        await until(lambda: not service.cache.is_believed)
        await service.add(Thing("a", 2))
        assert await value_of(service, "a") == 2
        assert len(service.cache) == 0
        await asyncio.to_thread(processes.start_again, server[0])
        await keep(service, a=3)
        write(client, "a", 4)
        await until_value(service, "a", 4)

    asyncio.run(live())


def test_hanging(client, service):
    """Redis takes what is sent and is silent: the cache is off within seconds, and knows nothing of before when Redis goes on."""
    pid = client.info("server")["process_id"]

    async def live():
        await keep(service, a=1)
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            await until(lambda: not service.cache.is_believed)
            print(f"off after {time.monotonic() - began:.1f} s")
            assert await value_of(service, "a") == 1
        finally:
            os.kill(pid, signal.SIGCONT)
        write(client, "a", 2)
        await until_value(service, "a", 2)
        await until_on(service)

    asyncio.run(live())


def test_refused(client, url, caplog):
    """A user who may not track is told what to do; the cache is off, and answers are right."""
    client.execute_command("ACL", "SETUSER", "narrow", "on", ">secret", "~*", "&*", "+@all", "-client|tracking")
    service = make_service(RedisMemoryDataSource(url.replace("//", "//narrow:secret@")))

    async def live():
        for value in (1, 2):
            await service.add(Thing("a", value))
            assert await value_of(service, "a") == value
        await until(lambda: "cache_invalidation=False" in caplog.text)
        assert not service.cache.is_believed

    asyncio.run(live())

    assert "secret" not in caplog.text


def test_shards(client, url):
    """Each shard has a line; when one is lost, all of the cache is off until it is back."""
    service = make_service(ShardedMemoryDataSource.from_urls(*(f"{url.rpartition('/')[0]}/{number}" for number in range(3))))

    async def live():
        await keep(service, a=1, b=1, c=1, d=1)
        await until(lambda: len(client.client_list(_type="pubsub")) == 3)
        lines = [line["id"] for line in client.client_list(_type="pubsub")]
        for id in "abcd":
            await service.repository.add(Thing(id, 2))
            await until_value(service, id, 2)
        client.client_kill_filter(_id=lines[0])
        await until(lambda: not service.cache.is_believed)
        await keep(service, a=3)

    asyncio.run(live())


def test_write_behind(client, url):
    """What waits for the store, and has no entry whose change would be told, is not kept."""
    client.config_set("appendonly", "yes")
    store = DictFallbackDataSource()
    writer, repository = (ThingRepository(RedisMemoryDataSource(url), store, 3600, write_policy="behind") for _ in range(2))
    service = Service(repository, cache=Cache())

    async def live():
        await keep(service, b=1)
        for value in (1, 2, 3):
            await writer.add(Thing("a", value), memory=False)
            await until_value(service, "a", value)
            assert service.cache.get("thing:a", service._whole) is None

    asyncio.run(live())
    client.config_set("appendonly", "no")


def test_waiting(client, service):
    """Who does not await has the same cache; when the loop of a process is stopped, so is the line."""
    waiting = service.sync
    waiting.add(Thing("a", 1))
    LOOP.run(keep(service, a=1))
    write(client, "a", 2)

    LOOP.run(until_value(service, "a", 2))
    assert waiting.get_one("a").value == 2
    LOOP.run(until(lambda: len(client.client_list(_type="pubsub")) == 1))
    LOOP.stop()
    assert (len(service.cache), service.cache.is_believed) == (0, False)
    asyncio.run(until(lambda: not client.client_list(_type="pubsub")))
