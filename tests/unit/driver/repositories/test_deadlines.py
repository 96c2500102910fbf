"""Deadlines of repositories: a call ends in time, and what it leaves behind is consistent"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from math import inf

import pytest

from qapla.database.breaker import Breaker
from qapla.driver import Cache, EntityNotFound, HashRepository, Service, StoreTimedOut, StoreUnavailable
from qapla.driver.repositories import flights
from qapla.driver.repositories.staleness import DOUBT_S
from qapla.errors import QueryError

SHORT_S, LONG_S = 0.05, 30.0


@dataclass
class Person:
    id: str
    name: str


class PersonRepository(HashRepository[Person, str]):
    pass


ADA, NEW = Person("ada", "Ada"), Person("ada", "new")
CALLS = {
    "get_one": lambda service, **options: service.get_one("ada", **options),
    "get_many": lambda service, **options: service.get_many("ada", **options),
    "exists": lambda service, **options: service.exists("ada", **options),
    "add": lambda service, **options: service.add(NEW, **options),
    "delete": lambda service, **options: service.delete("ada", **options),
}


class LateFallback:
    """Makes a fallback's changes arrive when the test says so, whether somebody waits for them or not: as a thread does"""

    def __init__(self, fallback):
        self.inner, self.may_arrive = fallback, asyncio.Event()
        self.arrived = []

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def put_many(self, documents):
        self.arrived.append(asyncio.create_task(self._arrive(documents)))
        await asyncio.shield(self.arrived[-1])

    async def _arrive(self, documents):
        await self.may_arrive.wait()
        await self.inner.put_many(documents)


@pytest.fixture
def service(memory, fallback, now):
    return Service(PersonRepository(memory, fallback, 60), breaker=Breaker(2, 1.0, 8.0, clock=lambda: now[0]), memory_deadline_s=LONG_S)


def late(asked):
    """Return how a call that takes too long ends, and how long it took"""
    began = time.monotonic()
    with pytest.raises(StoreTimedOut) as caught:
        asyncio.run(asked)
    return caught.value, time.monotonic() - began


class TestCalls:
    """deadline_s of a call"""

    @pytest.mark.parametrize("call", CALLS)
    def test_a_call_ends_in_time(self, service, fallback, memory, call):
        """Every call takes a deadline, and names repository and key when it is over; that is never an absence."""
        fallback.hangs = memory.hangs = True

        error, took_s = late(CALLS[call](service, deadline_s=SHORT_S))

        assert (error.repository, error.key, error.status) == ("person", "person:ada", 504)
        assert "0.05 s" in str(error)
        assert took_s < LONG_S / 3

    @pytest.mark.parametrize("ask", ["entity", "entities", "exists", "delete"])
    def test_questions_have_them(self, service, fallback, memory, ask):
        """A question to a repository takes one, too, and so does add."""
        fallback.hangs = memory.hangs = True
        people = PersonRepository(memory, fallback)
        options = {"many": ["ada"]} if ask == "entities" else {"id": "ada"}

        late(getattr(people.query(**options, deadline_s=SHORT_S), ask))
        late(people.add(ADA, deadline_s=SHORT_S))

    def test_that_of_the_call_wins(self, memory, fallback):
        """A call's deadline is in the place of its repository's, also when it is longer; infinity is none."""
        service = Service(PersonRepository(memory, fallback, 60, deadline_s=0.001))
        fallback.delay_s = 0.02
        asyncio.run(service.add(ADA, deadline_s=LONG_S))

        assert asyncio.run(service.get_one("ada", memory=False, deadline_s=inf)) == ADA
        error, _ = late(service.get_one("ada", memory=False))
        assert "0.001 s" in str(error)

    def test_calls_that_wait(self, service, fallback, memory):
        """The synchronous side takes them, too."""
        fallback.hangs = memory.hangs = True

        with pytest.raises(StoreTimedOut):
            service.sync.get_one("ada", deadline_s=SHORT_S)
        with pytest.raises(StoreTimedOut):
            service.sync.repository.query("ada", deadline_s=SHORT_S).exists  # noqa: B018

    @pytest.mark.parametrize("wrong", [0, -1, float("nan"), "5", True])
    def test_wrong_deadline_is_told(self, service, wrong):
        """A deadline is seconds, more than 0."""
        for call in CALLS.values():
            with pytest.raises(QueryError, match="deadline"):
                asyncio.run(call(service, deadline_s=wrong))


class TestMemoryThatHangs:
    """The store behind a memory that hangs has time to answer"""

    def test_short_deadlines_are_answered(self, service, memory):
        """The memory gets half of what a call has, not all of it: the store behind it answers; and soon nobody waits for it any more."""
        asyncio.run(service.add(ADA))
        memory.hangs = True

        async def ask():
            reads = [service.get_one("ada", deadline_s=2.0), service.get_many("ada", deadline_s=2.0), service.exists("ada", deadline_s=2.0)]
            return await asyncio.gather(*reads, service.add(Person("bob", "Bob"), deadline_s=2.0), service.delete("eve", deadline_s=2.0))

        assert asyncio.run(ask()) == [ADA, [ADA], True, None, None]
        assert service.breaker.state == "open"

    def test_callers_who_did_not_wait_tell_nothing(self, service, memory):
        """Who gives up at once is no failure of the memory."""
        asyncio.run(service.add(ADA))
        memory.hangs = True

        async def give_up():
            for _ in range(5):
                call = asyncio.create_task(service.get_one("ada"))
                await asyncio.sleep(0)
                call.cancel()
                await asyncio.wait([call])

        asyncio.run(give_up())

        assert service.breaker.is_calm

    def test_a_try_that_was_given_up_is_no_try(self, service, memory, now):
        """When the one that tries a memory which may be back gives up, the next one tries."""
        asyncio.run(service.add(ADA))
        memory.is_down = True
        for _ in range(2):
            asyncio.run(service.get_one("ada"))
        memory.is_down, memory.hangs = False, True
        now[0] += 1.5

        async def give_up():
            call = asyncio.create_task(service.get_one("ada"))
            await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            memory.hangs = False
            return await service.get_one("ada")

        assert asyncio.run(give_up()) == ADA
        assert service.breaker.state == "closed"


class TestLateChanges:
    """A change whose caller has gone may yet arrive"""

    @pytest.mark.parametrize("how", ["deadline", "from outside"])
    @pytest.mark.parametrize("make_cache", [lambda: None, Cache], ids=["no cache", "cache"])
    def test_what_arrives_late_is_read(self, memory, fallback, how, make_cache):
        """A store's commit that comes after the caller has gone is seen by all who read after that: nothing keeps what was before."""

        async def live():
            store = LateFallback(fallback)
            service = Service(PersonRepository(memory, store), cache=make_cache())
            store.may_arrive.set()
            await service.add(ADA)
            store.may_arrive.clear()
            change = service.add(NEW, deadline_s=SHORT_S) if how == "deadline" else asyncio.wait_for(service.add(NEW), SHORT_S)
            with pytest.raises(StoreTimedOut if how == "deadline" else TimeoutError):
                await change
            before = [await service.get_one("ada"), *await service.get_many("ada")]
            store.may_arrive.set()
            await asyncio.gather(*store.arrived)
            return before, [await service.get_one("ada"), *await service.get_many("ada")]

        assert asyncio.run(live()) == ([ADA, ADA], [NEW, NEW])

    def test_doubts_end(self, memory, fallback):
        """After a minute the memory is believed again, once its old entry is removed."""

        async def live():
            people = PersonRepository(memory, fallback)
            await people.add(ADA)
            fallback.hangs = True
            with pytest.raises(StoreTimedOut):
                await people.add(NEW, deadline_s=SHORT_S)
            fallback.hangs = False
            await people.query("ada").entity
            assert memory.apply([("EXISTS", "person:ada")]) == [0]
            people._stale._clock = lambda: time.monotonic() + DOUBT_S
            await people.query("ada").entity
            assert memory.apply([("EXISTS", "person:ada")]) == [1]
            return len(people._stale)

        assert asyncio.run(live()) == 0

    def test_memory_that_takes_a_write_late(self, memory, fallback):
        """A write that the memory did not answer in time may reach it after a newer one: it is not believed meanwhile."""

        async def live():
            service = Service(PersonRepository(memory, fallback), memory_deadline_s=SHORT_S)
            memory.hangs = True
            await service.add(ADA)
            memory.hangs = False
            await service.add(NEW)
            await PersonRepository(memory, type(fallback)()).add(ADA)  # it arrives
            return await service.get_one("ada")

        assert asyncio.run(live()) == NEW


class TestReads:
    """A read that hangs"""

    def test_hanging_read_holds_nobody_up_for_ever(self, memory, fallback, monkeypatch):
        """A read that takes long is not waited for by callers who come later: when the store is back they have their answer."""
        monkeypatch.setattr(flights, "JOINED_S", 0.0)

        async def live():
            people = PersonRepository(memory, fallback)
            await people.add(ADA, memory=False)
            fallback.hangs = True
            with pytest.raises(StoreTimedOut):
                await people.query("ada", deadline_s=SHORT_S).entity
            fallback.hangs = False
            return await people.query("ada", deadline_s=LONG_S / 3).entity

        assert asyncio.run(live()) == ADA

    def test_read_outlives_its_caller(self, service, memory, fallback):
        """What a caller did not wait for is copied when it comes: the next one has it; the memory is not blamed for its caller's haste."""

        async def live():
            await service.add(ADA, memory=False)
            fallback.delay_s = 3 * SHORT_S
            with pytest.raises(StoreTimedOut):
                await service.get_one("ada", deadline_s=SHORT_S)
            async with asyncio.timeout(LONG_S):
                while not memory.apply([("EXISTS", "person:ada")])[0]:
                    await asyncio.sleep(0.01)

        asyncio.run(live())

        assert service.breaker.is_calm

    def test_absence_is_told_by_who_knows(self, service, fallback):
        """A read that failed or took too long leaves no mark of absence."""
        fallback.hangs = True
        late(service.get_one("ada", deadline_s=SHORT_S))
        fallback.hangs, fallback.is_down = False, True
        with pytest.raises(StoreUnavailable):
            asyncio.run(service.get_one("ada"))
        fallback.is_down = False

        with pytest.raises(EntityNotFound):
            asyncio.run(service.get_one("ada"))
        asyncio.run(service.add(ADA))
        assert asyncio.run(service.get_one("ada")) == ADA

    def test_read_without_end(self, memory, fallback, monkeypatch):
        """Without any deadline a read of a source that never answers ends, too."""
        monkeypatch.setattr(flights, "LONGEST_S", SHORT_S)
        fallback.hangs = True

        error, _ = late(PersonRepository(memory, fallback).query("ada").entity)

        assert (error.repository, error.key) == ("person", "person:ada")

    def test_tasks_outlive_their_beginner(self, service, memory, fallback):
        """A task that was begun in a call goes on after it: that call's deadline is not the task's."""

        async def later():
            await asyncio.sleep(2 * SHORT_S)
            memory.delay_s = 0.02
            await service.add(ADA)
            found, was_calm = await service.get_one("ada"), service.breaker.is_calm
            fallback.hangs = True
            with pytest.raises(StoreTimedOut):
                await service.get_one("bob", deadline_s=SHORT_S)
            return found, was_calm

        async def live():
            async with service.repository.limit("ada", SHORT_S):
                task = asyncio.create_task(later())
            return await task

        assert asyncio.run(live()) == (ADA, True)
