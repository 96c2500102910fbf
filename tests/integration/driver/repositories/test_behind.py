"""Write-behind on a real Redis that keeps what it is told, and databases behind it: nothing is lost, nothing old comes back"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from morfdict import Paths
from redis import Redis
from sqlalchemy import text

from qapla.database import Database
from qapla.database.breaker import Breaker
from qapla.driver import (
    Cache,
    DictFallbackDataSource,
    EntityNotFound,
    EntityRefused,
    HashRepository,
    ListEntity,
    ListRepository,
    RedisMemoryDataSource,
    Service,
    SQLFallbackDataSource,
    StoreTimedOut,
    StoreUnavailable,
    make_hash_service,
)
from qapla.driver.repositories import sql as sqlsource
from qapla.driver.repositories import writer
from qapla.driver.upsert import upsert_all
from qapla.errors import ConfigurationError, QaplaError, Superseded
from qapla.settings import Settings
from qapla.testing import processes
from qapla.testing.servers import make_database

LONG_S = 60  # what is waited for comes much sooner


@dataclass
class Thing:
    id: str
    value: int


class ThingRepository(HashRepository[Thing, str]):
    pass


class Steps(ListEntity):
    id: str


class StepsRepository(ListRepository[Steps, str]):
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


def test_a_worker_writes_in_the_background(make, store):
    """While a worker runs, what is written arrives by itself; when it ends, it has written the rest."""

    async def work():
        things = make(store)
        async with things.writer.running():
            await things.add(Thing("a", 1))
            await until(lambda: store.values == {"a": 1})
            await asyncio.gather(*(things.add(Thing(f"t{number % 20}", number)) for number in range(400)))
        assert not things.writer.is_running
        await things.aclose()

    asyncio.run(work())

    assert len(store.db) == 21


def test_two_workers_and_one_key_written_again_and_again(make, store):
    """However many write and work, the last value is what the store has."""

    async def work():
        several = [make(store) for _ in range(3)]
        async with several[0].writer.running(), several[1].writer.running():
            for number in range(300):
                await several[number % 3].add(Thing("a", number))
            async with asyncio.timeout(LONG_S):
                await several[2].write_pending()  # others do it
            assert store.values == {"a": 299}

    asyncio.run(work())


def test_what_is_written_again_meanwhile_waits_on(make, store):
    """A key that is written while a worker writes what it had before is not forgotten with that."""
    settle = store.settle

    async def work():
        things, others = make(store), make(store)

        async def busy(*arguments):
            store.settle = settle
            await settle(*arguments)
            await others.add(Thing("a", 2))
            await others.query("b").delete

        await things.add(Thing("a", 1), Thing("b", 1), Thing("c", 1))
        store.settle = busy
        await things.write_pending()

    asyncio.run(work())

    assert store.values == {"a": 2, "c": 1}


def test_what_was_given_up_writes_nothing_old(make, store):
    """A batch that was given up, and arrives at the store after what was written next, is refused there."""
    settle, late = store.settle, []

    async def lose(*arguments):
        store.settle = settle
        late.append(arguments)
        raise StoreTimedOut("no answer")

    async def work():
        things = make(store)
        async with things.writer.running():
            store.settle = lose
            await things.add(Thing("a", 1))
            await until(lambda: late)
            await things.add(Thing("a", 2))
            await until(lambda: store.values == {"a": 2})
        with pytest.raises(Superseded):
            await store.settle(*late[0])

    asyncio.run(work())

    assert store.values == {"a": 2}


def test_a_worker_that_was_stopped_writes_nothing_old(make, store, monkeypatch, caplog):
    """A worker that sleeps between reading and writing is nobody any more when it wakes up: another one has written something newer."""
    monkeypatch.setattr(writer, "LEASE_S", 0.05)
    asleep, wake = asyncio.Event(), asyncio.Event()
    settle = store.settle

    async def sleepy(*arguments):
        asleep.set()
        await wake.wait()
        await settle(*arguments)

    async def work():
        slow, quick = make(store), make(store)
        await slow.add(Thing("a", 1))
        store.settle = sleepy
        async with slow.writer.running():
            await asleep.wait()
            store.settle = settle
            await quick.add(Thing("a", 2))
            async with quick.writer.running():
                await until(lambda: store.values == {"a": 2})
                wake.set()
                await until(lambda: "another worker writes" in caplog.text)
                assert store.values == {"a": 2}

    asyncio.run(work())


def test_what_the_store_refuses_is_set_aside(make, store, caplog):
    """An entity that the store will never take holds up nobody; it is named, counted and kept, and can be tried again."""
    told = []

    class Metrics:
        def set(self, name, value, **tags):
            told.append((name, value))

        def increment(self, name, value=1, **tags):
            told.append((name, tags))

    async def work():
        store.refused = "t7"
        things = make(store)
        things.writer.metrics = Metrics()
        await things.add(*(Thing(f"t{number}", number) for number in range(20)))
        await things.write_pending()
        assert len(store.db) == 19
        assert await things.writer.refused() == {"thing:t7": "too odd"}
        store.refused = None
        assert await things.writer.retry_refused() == 1
        await things.write_pending()
        assert await things.writer.refused() == {}

    asyncio.run(work())

    assert store.values["t7"] == 7
    assert "'thing:t7', which is set aside: too odd" in caplog.text
    assert ("repository_writes_refused", {"repository": "thing"}) in told
    assert ("repository_writes_set_aside", 1) in told


def test_a_newer_write_takes_the_place_of_one_that_was_set_aside(make, store):
    """What was refused does not come back over what was written after it."""

    async def work():
        things = make(store)
        for is_early in (True, False):
            store.refused = "a"
            await things.add(Thing("a", 1))
            await things.write_pending()
            store.refused = None
            await things.add(Thing("a", 2))
            if not is_early:
                await things.write_pending()
            await things.writer.retry_refused()
            await things.write_pending()
            assert store.values == {"a": 2}

    asyncio.run(work())


def test_a_store_that_is_down_is_waited_for(make, store, caplog):
    """While the store is down writes go on, the worker waits, and it is told once; then everything arrives."""

    async def work():
        things = make(store)
        store.is_down = True
        async with things.writer.running():
            with caplog.at_level(logging.INFO, "qapla.repositories"):
                for number in range(50):
                    await things.add(Thing(f"t{number}", number))
                    assert (await things.query(f"t{number}").entity).value == number
                await until(lambda: "writes wait" in caplog.text)
                store.is_down = False
                back = time.monotonic()
                await until(lambda: len(store.db) == 50)
                await until(lambda: "is written again" in caplog.text)
        return time.monotonic() - back

    assert asyncio.run(work()) < 10
    assert caplog.text.count("writes wait: the store is down") == 1


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


# -- databases ----------------------------------------------------------------


def database_of(url):
    database = Database("main")
    database.configure(Settings({"db": {"main": {"url": url}}}), Paths())
    return database


@pytest.fixture(scope="module")
def database():
    with make_database("postgresql") as url:
        database = database_of(url.render_as_string(hide_password=False))
        asyncio.run(SQLFallbackDataSource(database).create_table())
        yield database
        database.dispose()


@pytest.fixture
def sql(database):
    """A source in an empty database"""
    with database.transaction() as session:
        session.execute(text("DELETE FROM qapla_entity"))
    return SQLFallbackDataSource(database)


class Deadly(SQLFallbackDataSource):
    """Kills its process before or after it has written"""

    moment = ""

    async def settle(self, *arguments):
        if self.moment in ("before", "asleep"):
            os.kill(os.getpid(), signal.SIGKILL if self.moment == "before" else signal.SIGSTOP)
        await super().settle(*arguments)
        if self.moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)


def live(what, redis_url, url, told):
    """What another process does: write and tell what was written, or work and be killed at a moment"""
    source = Deadly(database_of(url))
    source.moment = what
    things = ThingRepository(RedisMemoryDataSource(redis_url), source, 60, write_policy="behind")

    async def write():
        for number in range(1_000_000):
            await things.add(Thing(f"t{number % 10}", number))
            told.send(number)

    async def work():
        if what == "work":
            async with things.writer.running():
                await asyncio.sleep(LONG_S)
        await things.write_pending()

    asyncio.run(write() if what == "write" else work())


@pytest.fixture
def run(server):
    """Make another process"""
    started = []

    def run(what, url):
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=live, args=(what, server[1], url, theirs), daemon=True)
        process.start()
        theirs.close()
        started.append(process)
        return process, ours

    yield run
    for process in started:
        process.kill()
        process.join()
        process.close()


def test_processes_are_killed(client, sql, make, run):
    """A writer, a worker before it writes, and one before it says that it has, are killed: everything arrives, the last values win."""
    url = sql._database.url.render_as_string(hide_password=False)

    program, told = run("write", url)
    with told:
        last = max(told.recv() for _ in range(50))
        program.kill()
        with suppress(EOFError):
            while True:
                last = told.recv()
    codes = []
    for moment in ("before", "after"):
        program, told = run(moment, url)
        program.join(LONG_S)
        told.close()
        codes.append(program.exitcode)
        client.delete("pending:{thing}:worker")  # else it would have to be waited for
    things = make(sql)
    waiting = asyncio.run(things.writer.look()).waiting.size
    asyncio.run(things.write_pending())
    found = asyncio.run(things.query(many=[f"t{number}" for number in range(10)], memory=False).entities)

    assert codes == [-signal.SIGKILL] * 2
    assert waiting == 10, "killed before it said so: it is written once more"
    values = {one.value for one in found}
    assert values in (set(range(last - 9, last + 1)), set(range(last - 8, last + 2))), "the last one may have arrived untold"


def test_several_processes_write_and_work(sql, make, run, monkeypatch):
    """One key is written again and again, while workers of other processes write and are killed: the last value is what arrives."""
    monkeypatch.setattr(writer, "LEASE_S", 0.1)
    url = sql._database.url.render_as_string(hide_password=False)
    workers = [run("work", url) for _ in range(3)]

    async def work():
        several = [make(sql), make(sql)]
        for number in range(400):
            await several[number % 2].add(Thing("a", number), Thing(f"t{number % 7}", number))
            if number in (150, 300):
                workers.pop()[0].kill()
        await several[0].write_pending()
        return await several[0].query(many=["a", *(f"t{number}" for number in range(7))], memory=False).entities

    found = asyncio.run(work())

    assert {one.id: one.value for one in found} == {"a": 399, **{f"t{number % 7}": number for number in range(400)}}


def test_a_process_that_was_asleep_writes_nothing_old(client, sql, make, run):
    """A worker's process that is stopped before it writes, and wakes up when another one has written something newer, is refused."""
    things = make(sql)
    asyncio.run(things.add(Thing("a", 1)))

    process, told = run("asleep", sql._database.url.render_as_string(hide_password=False))
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.01)
    client.delete("pending:{thing}:worker")  # its time is over

    async def work():
        await things.add(Thing("a", 2))
        await things.write_pending()
        os.kill(process.pid, signal.SIGCONT)
        await asyncio.to_thread(process.join, LONG_S)
        return await things.query("a", memory=False).entity

    with told:
        assert asyncio.run(work()) == Thing("a", 2)
    assert process.exitcode == 0


def test_a_term_waits_for_what_is_being_written(database, sql, make, monkeypatch):
    """Nobody becomes the worker while another one writes: what he writes then would be older."""
    writing, go = threading.Event(), threading.Event()

    def slow(session, table, unique, rows, **options):
        if sqlsource.TERMS not in rows[0].values():
            writing.set()
            go.wait(LONG_S)
        upsert_all(session, table, unique, rows, **options)

    async def work():
        monkeypatch.setattr(sqlsource, "upsert_all", slow)
        things = make(SQLFallbackDataSource(database, asynchronous=False))
        await things.add(Thing("a", 1))
        writes = asyncio.create_task(things.write_pending())
        await asyncio.to_thread(writing.wait, LONG_S)
        term = asyncio.create_task(sql.begin_term("thing", "another"))
        done, _ = await asyncio.wait([term], timeout=0.2)
        go.set()
        await asyncio.gather(writes, term)
        return done

    assert asyncio.run(work()) == set()


def test_a_database_refuses_one_entity(sql, make):
    """What a database cannot keep is set aside, and its neighbours are written; a missing table is waited for."""

    async def rename(old, new):
        async with sql._database.async_transaction() as session:
            await session.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    async def work():
        things = make(sql)
        await things.add(Thing("x" * 700, 1), Thing("ok", 2))
        await things.write_pending()
        refused = await things.writer.refused()
        await things.add(Thing("ok", 3))
        await rename("qapla_entity", "gone")
        with pytest.raises(QaplaError, match="create_table"):
            await things.write_pending()
        await rename("gone", "qapla_entity")
        await things.write_pending()
        return refused, await things.query("ok", memory=False).entity

    refused, ok = asyncio.run(work())

    assert list(refused) == [f"thing:{'x' * 700}"]
    assert "600" in next(iter(refused.values()))
    assert ok == Thing("ok", 3)
