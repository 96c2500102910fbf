"""qapla.driver.repositories.sqlwork: a database that falls silent, or locks, ends calls in time and holds nothing up"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass

import pytest
from morfdict import Paths
from sqlalchemy import text

from qapla.database import Database
from qapla.driver import DictMemoryDataSource, HashRepository, SQLFallbackDataSource, StoreTimedOut, StoreUnavailable
from qapla.settings import Settings
from qapla.testing.line import Line
from qapla.testing.servers import make_database

TIMEOUT_S = 0.2
LONG_S = 8.0  # what nothing here takes, however busy the machine is
CALLERS = 30  # more than there are connections, and threads


@dataclass
class Thing:
    id: str
    value: int


class ThingRepository(HashRepository[Thing, str]):
    pass


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def url(request):
    with make_database(request.param) as url:
        yield url


@pytest.fixture(params=[True, False], ids=["awaited", "threads"])
def source(request, url):
    """Give a database over a line"""
    with Line(url.host, url.port) as line:
        database = Database("main")
        through = url.set(host="127.0.0.1", port=line.port).render_as_string(hide_password=False)
        database.configure(Settings({"db": {"main": {"url": through, "options": {"pool_size": 5, "max_overflow": 0}}}}), Paths())
        source = SQLFallbackDataSource(database, asynchronous=request.param, timeout_s=TIMEOUT_S)
        source.line = line
        yield source
        line.cut()
        database.dispose()


async def begin(source):
    """Return a repository that has something, with connections in its pool"""
    things = ThingRepository(DictMemoryDataSource(), source, 60)
    source._worker._timeout_s = LONG_S
    await source.create_table()
    await things.add(Thing("a", 1), memory=False)
    await asyncio.gather(*(things.query("a", memory=False).entity for _ in range(5)))
    source._worker._timeout_s = TIMEOUT_S
    return things


@pytest.mark.parametrize("old", [True, False], ids=["heard again", "lost"])
def test_silence(source, old):
    """While it is silent every call ends in time, however many there are; when it is back all is as before, whatever old connections do."""

    async def live():
        things = await begin(source)
        source.line.silence()
        began = time.monotonic()
        asked = [things.add(Thing(f"n{number}", 2)) for number in range(CALLERS)]
        ended = await asyncio.gather(things.query("a").entity, things.query("b").exists, *asked, return_exceptions=True)
        took_s = time.monotonic() - began
        source.line.mend(old=old)
        source._worker._timeout_s = LONG_S
        back = await things.query("a").entity
        await things.add(Thing("a", 3))
        left = await things.query(many=[f"n{number}" for number in range(CALLERS)], memory=False).entities
        return ended, took_s, back, left

    ended, took_s, back, left = asyncio.run(live())

    assert {type(one) for one in ended} == {StoreTimedOut}
    assert {one.repository for one in ended} == {"thing"}
    assert took_s < LONG_S
    assert back == Thing("a", 1)
    assert left == []  # none of them had reached its COMMIT, and so never does


def test_lock(source, url):
    """A write that waits for somebody's lock is given up in time, and is not done when the lock is free."""

    async def live():
        things = await begin(source)
        other = Database("other")
        other.configure(Settings({"db": {"other": {"url": url.render_as_string(hide_password=False)}}}), Paths())
        with other.session() as session:
            session.execute(text("UPDATE qapla_entity SET data = data WHERE repository = 'thing'"))
            with pytest.raises(StoreTimedOut):
                await things.add(Thing("a", 2))
        other.dispose()
        source._worker._timeout_s = LONG_S
        return await things.query("a").entity

    assert asyncio.run(live()) == Thing("a", 1)


@pytest.mark.parametrize("source", [False], ids=["threads"], indirect=True)
@pytest.mark.parametrize("url", ["mariadb"], indirect=True)
def test_nothing_else_is_held_up(source):
    """While threads wait for a silent database, those of the event loop are free: a host is looked up, say."""

    async def live():
        things = await begin(source)
        source._worker._timeout_s = 10 * LONG_S
        source.line.silence()
        asked = [asyncio.create_task(things.query(f"n{number}").exists) for number in range(CALLERS)]
        await asyncio.sleep(0)
        await asyncio.wait_for(asyncio.to_thread(threading.get_ident), LONG_S)
        answered_first = not any(task.done() for task in asked)
        source.line.mend()
        await asyncio.gather(*asked, return_exceptions=True)
        return answered_first

    assert asyncio.run(live())


@pytest.mark.parametrize("source", [True], ids=["awaited"], indirect=True)
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_work_that_goes_on(source):
    """A call of many statements may take longer than that, as long as there are answers."""
    source._worker._timeout_s = 2.0

    def work(session):
        return [session.scalar(text("SELECT 1 FROM pg_sleep(0.8)")) for _ in range(3)]

    assert asyncio.run(source._worker.run(work, writes=False)) == [1, 1, 1]


READ_ONLY = {
    "postgresql": {"options": "-c default_transaction_read_only=on"},
    "mariadb": {"init_command": "SET SESSION TRANSACTION READ ONLY"},
}


@pytest.mark.parametrize("asynchronous", [True, False], ids=["awaited", "threads"])
def test_read_only(url, asynchronous):
    """A database that takes no writes says so, not that it is away; what the memory has is as true as before, and asks nobody."""
    key = f"read_only_{asynchronous}"
    writable, read_only = Database("main"), Database("main")
    at = {"url": url.render_as_string(hide_password=False)}
    writable.configure(Settings({"db": {"main": at}}), Paths())
    options = {"connect_args": READ_ONLY["postgresql" if "postgresql" in url.drivername else "mariadb"]}
    read_only.configure(Settings({"db": {"main": {**at, "options": options}}}), Paths())

    async def live():
        memory = DictMemoryDataSource()
        source = SQLFallbackDataSource(writable, asynchronous=asynchronous)
        await source.create_table()
        await ThingRepository(memory, source, 60).add(Thing(key, 1))
        things = ThingRepository(memory, SQLFallbackDataSource(read_only, asynchronous=asynchronous), 60)
        for change in (things.add(Thing(key, 2)), things.query(key).delete):
            with pytest.raises(StoreUnavailable, match="'main' takes no writes now") as caught:
                await change
            assert caught.value.answered
            assert (caught.value.repository, caught.value.key) == ("thing", f"thing:{key}")
        assert memory.apply([("EXISTS", f"thing:{key}")]) == [1]
        return [await things.query(key, memory=memory_too).entity for memory_too in (True, False)]

    try:
        assert asyncio.run(live()) == [Thing(key, 1), Thing(key, 1)]
    finally:
        writable.dispose()
        read_only.dispose()
