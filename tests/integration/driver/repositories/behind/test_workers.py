"""Who writes what waits: one at a time, and never an older value over a newer one"""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from qapla.driver import (
    StoreTimedOut,
)
from qapla.driver.repositories import writer
from qapla.errors import Superseded

from .conftest import LONG_S, Thing, until


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
