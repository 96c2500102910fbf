"""Writers and workers in processes of their own, that are killed or put to sleep; the store is a real database"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from morfdict import Paths
from sqlalchemy import text

from qapla.database import Database
from qapla.driver import (
    RedisMemoryDataSource,
    SQLFallbackDataSource,
)
from qapla.driver.repositories import sql as sqlsource
from qapla.driver.repositories import writer
from qapla.driver.upsert import upsert_all
from qapla.errors import QaplaError
from qapla.settings import Settings
from qapla.testing.servers import make_database

from .conftest import LONG_S, Thing, ThingRepository


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
