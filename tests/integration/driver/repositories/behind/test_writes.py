"""Writes that are done before the store has them, on a real Redis that keeps what it is told: none is lost, none is taken in part"""

from __future__ import annotations

import asyncio
import time

import pytest

from qapla.database.breaker import Breaker
from qapla.driver import (
    Cache,
    DictFallbackDataSource,
    EntityNotFound,
    ListEntity,
    ListRepository,
    RedisMemoryDataSource,
    Service,
    StoreUnavailable,
    make_hash_service,
)
from qapla.errors import ConfigurationError
from qapla.testing import processes

from .conftest import Store, Thing, ThingRepository


class Steps(ListEntity):
    id: str


class StepsRepository(ListRepository[Steps, str]):
    pass


def test_a_write_is_done_before_the_store_has_it(make, store, client):
    """What was added or deleted is read at once, wherever it is; then the store has it, and nothing waits."""

    async def work():
        things = make(store)
        await things.add(Thing("a", 1), Thing("b", 2))
        await things.add(Thing("a", 3))
        await things.query("b").delete
        before = dict(store.db)
        for forget in (lambda: None, client_forgets):
            forget()
            assert await things.query("a").entity == await things.query("a", memory=False).entity == Thing("a", 3)
            assert await things.query(many=["b", "a", "c"]).entities == [Thing("a", 3)]
            assert await things.query(many=["b", "a", "c"], memory=False, fields=["value"]).entities == [{"value": 3}]
            assert (await things.query("a").exists, await things.query("b").exists) == (True, False)
            with pytest.raises(EntityNotFound):
                await things.query("b").entity
        written = await things.write_pending()
        waiting = (await things.writer.look()).waiting
        await things.aclose()
        return before, written, waiting

    def client_forgets():
        client.delete("thing:a", "marker:{thing:b}")

    before, written, waiting = asyncio.run(work())

    assert (before, store.values) == ({}, {"a": 3})
    assert written == 2, "one for each key, the last one"
    assert (waiting.size, waiting.since_ms, waiting.refused) == (0, None, 0)


def test_a_write_is_one_round_trip(make, store, client):
    """After the first one, a write is one command to Redis, whatever it writes."""

    async def work():
        things = make(store)
        await things.add(Thing("a", 1))
        before = client.info("commandstats")["cmdstat_eval"]["calls"]
        await things.add(*(Thing(f"t{number}", number) for number in range(50)))
        await things.query(many=["a", "t1"]).delete
        after = client.info("commandstats")["cmdstat_eval"]["calls"]
        await things.aclose()
        return after - before

    assert asyncio.run(work()) == 2


def test_no_older_value_is_copied_back(make, store, client):
    """A read that was slow does not put what it found in the place of what was written meanwhile."""

    async def work():
        things, others = make(store), make(store)
        for document in (None, {"id": b'"a"', "value": b"0"}):
            store.db = {} if document is None else {"thing:a": document}
            reading, go = asyncio.Event(), asyncio.Event()

            async def slow(keys, reading=reading, go=go, answer=document):
                reading.set()
                await go.wait()
                return [answer]

            others.fallback_data_source.get_many = slow
            client.flushall()
            read = asyncio.create_task(others.query("a").exists)
            await reading.wait()
            await things.add(Thing("a", 1))
            client.delete("thing:a")
            go.set()
            await read
            assert await others.query("a").entity == Thing("a", 1)
            assert client.keys("*thing:a*") == [], "neither the entry nor a marker was copied"

    asyncio.run(work())


def test_members_wait_like_fields(make):
    """Entities with members, and without any, are read while they wait."""

    async def work():
        steps = make(DictFallbackDataSource(), StepsRepository)
        await steps.add(Steps("s", ["a", b"\xff"]), Steps("none", []))
        await steps.memory_data_source.run([("DEL", "steps:s", "marker:{steps:none}")])
        found = [one.data for one in await steps.query(many=["s", "none"]).entities]
        await steps.write_pending()
        return found, [one.data for one in await steps.query(many=["s", "none"], memory=False).entities]

    assert asyncio.run(work()) == ([[b"a", b"\xff"], []],) * 2


def test_a_queue_that_is_full_refuses(make, store):
    """More entities than may wait are refused, all of a call; those that wait already can be written again."""

    async def work():
        things = make(store, queue_size=2)
        await things.add(Thing("a", 1), Thing("b", 1))
        with pytest.raises(StoreUnavailable, match="is late: 2 entities wait"):
            await things.add(Thing("b", 9), Thing("c", 9))
        await things.add(Thing("b", 2))
        assert [one.value for one in await things.query(many=["a", "b", "c"]).entities] == [1, 2]
        await things.write_pending()
        await things.add(Thing("c", 3))

    asyncio.run(work())


def test_a_redis_that_is_full_takes_all_or_nothing(make, store, client):
    """A write that Redis has no room for is refused, and nothing of it is there; what was there stays, and is written into the store."""

    async def work():
        things = make(store)
        await things.add(Thing("a", 1))
        client.config_set("maxmemory", 1)
        for change in (things.add(Thing("a", 2), Thing("b", 2)), things.query("a").delete):
            with pytest.raises(StoreUnavailable, match="OOM"):
                await change
        assert await things.query("a").entity == Thing("a", 1)
        client.config_set("appendonly", "no")
        with pytest.raises(ConfigurationError, match="appendonly"):  # after a failure it is looked at again: it may be another Redis
            await things.add(Thing("a", 3))
        client.config_set("appendonly", "yes")
        await things.write_pending()
        client.config_set("maxmemory", 0)
        store.refused = "odd"
        await things.add(Thing("odd", 1))
        client.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailable, match="no room for 1 writes"):
            await things.write_pending()
        client.config_set("maxmemory", 0)
        await things.write_pending()
        assert list(await things.writer.refused()) == ["thing:odd"]

    try:
        asyncio.run(work())
    finally:
        client.config_set("maxmemory", 0)
        client.config_set("appendonly", "yes")

    assert store.values == {"a": 1}


@pytest.mark.parametrize(
    ("settings", "said"), [({"appendonly": "no"}, "appendonly yes"), ({"maxmemory-policy": "allkeys-lru"}, "volatile-lru")], ids=str
)
def test_a_redis_that_forgets_is_refused(make, store, client, settings, said):
    """A Redis that would lose what waits is told at the first write, with what to change; nothing is written."""
    before = {name: client.config_get(name)[name] for name in settings}
    for name, value in settings.items():
        client.config_set(name, value)
    try:
        with pytest.raises(ConfigurationError, match=said):
            asyncio.run(make(store).add(Thing("a", 1)))
        assert client.dbsize() == 0
    finally:
        for name, value in before.items():
            client.config_set(name, value)


def test_redis_is_killed(server, client):
    """While Redis is down writes are refused, and nothing is said to be missing; when it is back, everything that was written arrives."""
    store = Store()
    things = ThingRepository(RedisMemoryDataSource(server[1]), store, 60, write_policy="behind")
    service = Service(things, breaker=Breaker(3, 0.1, 0.2), cache=Cache(), cache_invalidation=False)

    async def work():
        await service.add(Thing("stored", 1))
        await service.repository.write_pending()
        for number in range(100):
            await service.add(Thing(f"t{number % 40}", number))
        await asyncio.to_thread(processes.kill, server[0])
        assert await service.get_one("stored") == await service.get_one("stored", memory=False) == Thing("stored", 1)
        assert await service.get_many("stored") == [Thing("stored", 1)]
        for ask in (service.get_one("t5"), service.get_many("stored", "t5"), service.exists("t5"), service.add(Thing("x", 1))):
            with pytest.raises(StoreUnavailable):
                await ask
        assert (store.values, len(service.cache)) == ({"stored": 1}, 0)
        await asyncio.to_thread(processes.start_again, server[0])
        end = time.monotonic() + 10
        while True:
            try:
                await service.add(Thing("back", 1))
                break
            except StoreUnavailable:
                assert time.monotonic() < end
                await asyncio.sleep(0.02)
        assert [(await service.get_one(f"t{number}")).value for number in (0, 19, 39)] == [80, 99, 79]
        await service.repository.write_pending()
        await service.aclose()

    asyncio.run(work())

    assert store.values == {"stored": 1, "back": 1, **{f"t{number % 40}": number for number in range(100)}}


def test_a_service_is_written_behind(server, client, store):
    """The policy is an option of every service."""

    async def work():
        service = await make_hash_service(
            ThingRepository, lambda: RedisMemoryDataSource(server[1]), lambda: store, 60, write_policy="behind", queue_size=5
        )
        await service.add(Thing("a", 1))
        assert store.db == {}
        await service.repository.write_pending()
        await service.aclose()

    asyncio.run(work())

    assert store.values == {"a": 1}


def test_old_writes_are_told_by_the_check(make, store, client, monkeypatch):
    """A service is not well while something waits for too long."""
    monkeypatch.setattr("qapla.driver.repositories.behind.LATE_S", 0.0)

    async def work():
        service = Service(make(store))
        service.check()
        await service.add(Thing("a", 1))
        await asyncio.sleep(0.01)
        with pytest.raises(StoreUnavailable, match="1 writes of repository 'thing' wait"):
            service.check()
        await service.repository.write_pending()
        service.check()

    asyncio.run(work())
