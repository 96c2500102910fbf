"""qapla.driver.repositories.tracking: a cache that is told what others change"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
import time
from dataclasses import dataclass

import pytest

from qapla.driver import (
    Cache,
    CacheType,
    DictFallbackDataSource,
    DictMemoryDataSource,
    EntityNotFound,
    HashRepository,
    Service,
    ShardedMemoryDataSource,
    StoreUnavailable,
    make_hash_service,
)
from qapla.driver.repositories import tracking
from qapla.driver.repositories.invalidations import Changed, Confirmed, merge
from qapla.driver.repositories.keys import marker_of
from qapla.errors import ConfigurationError

WITHIN_S = 20


@dataclass
class Person:
    id: str
    name: str


class PersonRepository(HashRepository[Person, str]):
    pass


class Marker(Person):
    pass


class MarkerRepository(HashRepository[Marker, str]):
    pass


class Gauge:
    def __init__(self):
        self.said = []

    def set(self, name, value, **tags):
        self.said.append((name, value, tags["repository"]))


class Lines:
    """What a memory tells, as a test has it"""

    def __init__(self):
        self.opened = []
        self.open_now = 0
        self.error = None
        self.is_deaf = False

    @property
    def is_open(self):
        return self.open_now > 0

    async def open(self, prefixes):
        self.opened.append(prefixes)
        self.queue, self.loop = asyncio.Queue(), asyncio.get_running_loop()
        if self.error is not None:
            raise self.error
        self.open_now += 1
        try:
            while True:
                try:
                    event = await self.queue.get()
                except asyncio.CancelledError:
                    if not self.is_deaf:
                        raise
                    event = Confirmed(time.monotonic())
                if isinstance(event, Exception):
                    raise event
                if event is None:
                    return
                yield event
                self.queue.task_done()
        finally:
            self.open_now -= 1

    async def tell(self, *keys):
        """Tell of changed keys; of none: of all"""
        self.queue.put_nowait(Changed(keys or None))
        await self.queue.join()

    async def confirm(self):
        self.queue.put_nowait(Confirmed(time.monotonic()))
        await self.queue.join()

    def lose(self, why="the cable is cut"):
        self.queue.put_nowait(StoreUnavailable(why))


class TellingMemory(DictMemoryDataSource):
    """A memory that tells of changes, and counts what it is asked"""

    def __init__(self, lines):
        super().__init__()
        self.lines = lines
        self.asked = []
        self.gate = None

    @property
    def line(self):
        return self.lines

    def invalidations(self, prefixes):
        return self.lines.open(prefixes)

    async def run(self, commands, *, atomic=False):
        self.asked.extend(command[0] for command in commands)
        answers = await super().run(commands, atomic=atomic)
        if self.gate is not None:
            await self.gate.wait()
        return answers


@pytest.fixture
def lines():
    return Lines()


@pytest.fixture
def memory(lines):
    return TellingMemory(lines)


@pytest.fixture
def make(memory):
    """Make a service; ada and bob are in the memory"""

    def make(repository_cls=PersonRepository, memory=memory, **options):
        repository = repository_cls(memory, DictFallbackDataSource(), 60)
        kind = repository.entity_cls
        asyncio.run(repository.add(kind("ada", "Ada"), kind("bob", "Bob")))
        return Service(repository, **{"cache": Cache(), **options})

    return make


@pytest.fixture
def service(make):
    return make()


async def until(is_so):
    """Wait until something is so"""
    ends = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < ends
        await asyncio.sleep(0.002)


async def fill(service, lines, *ids):
    """Have a service believe its cache, which has what these ids are asked for"""
    await service.get_many(*ids)
    await until(lambda: lines.is_open and lines.loop is asyncio.get_running_loop())
    await lines.confirm()
    await service.get_many(*ids)
    await service.get_many(*ids)  # who asks about what is not there yet finds its marker the second time
    assert len(service.cache) == len(ids)


class TestChanges:
    """What others change"""

    def test_changed_keys_go(self, service, lines):
        """What is told goes, and nothing else: a marker stands for what it is about; other repositories' keys are nobody's."""

        async def live():
            await fill(service, lines, "ada", "bob", "eve")
            await lines.tell("person:ada", marker_of("person:eve"), "other:bob", "person", marker_of("other:bob"))

        async def seen():
            await live()
            return [service.cache.get(f"person:{id}", service._whole) for id in ("ada", "eve", "bob")]

        assert asyncio.run(seen()) == [None, None, Person("bob", "Bob")]
        assert lines.opened == [["marker:{person:", "person:"]]

    def test_emptied_memory_empties(self, service, lines):
        """When the memory was emptied, everything goes; what is read after that is kept."""

        async def live():
            await fill(service, lines, "ada", "bob")
            await lines.tell()
            assert len(service.cache) == 0
            await service.get_one("ada")
            assert len(service.cache) == 1

        asyncio.run(live())

    def test_read_that_was_overtaken_is_not_kept(self, service, memory, lines):
        """An answer that was on its way while somebody changed it is not kept."""

        async def live():
            await fill(service, lines, "bob")
            memory.gate = asyncio.Event()
            reader = asyncio.create_task(service.get_one("ada"))
            await until(lambda: service.cache._reading)
            await lines.tell("person:ada")
            memory.gate.set()
            await reader
            return len(service.cache)

        assert asyncio.run(live()) == 1

    def test_answers_of_the_store_are_not_kept(self, service, memory, lines):
        """What the memory does not have it cannot tell about; once it is copied there it is kept. So is that there is nothing."""

        async def live():
            await fill(service, lines, "bob")
            memory.apply([("DEL", "person:ada")])
            for kept in (1, 3, 3):
                memory.asked.clear()
                await service.get_one("ada")
                with pytest.raises(EntityNotFound):
                    await service.get_one("eve")
                assert len(service.cache) == kept
            assert memory.asked == []

        asyncio.run(live())

    def test_own_changes(self, service, memory, lines):
        """After a change of its own a process reads once, unless the message comes later than that; then once more, from the memory."""

        async def live():
            await fill(service, lines, "ada")
            await service.add(Person("ada", "new"))
            memory.asked.clear()
            await service.get_one("ada")
            await lines.tell("person:ada")
            for _ in range(3):
                await service.get_one("ada")

        asyncio.run(live())

        assert memory.asked == ["HGETALL", "HGETALL"]


class TestTrust:
    """When a cache is believed"""

    def test_not_before_the_line_is_there(self, service, memory, lines):
        """Until the first confirmation nothing is kept, nor what began to be read before it."""

        async def live():
            await service.get_one("ada")
            await service.get_one("ada")
            await until(lambda: lines.is_open)
            assert (service.cache.is_believed, len(service.cache)) == (False, 0)
            memory.gate = asyncio.Event()
            reader = asyncio.create_task(service.get_one("ada"))
            await until(lambda: service.cache._reading)
            await lines.confirm()
            memory.gate.set()
            await reader
            assert (service.cache.is_believed, len(service.cache)) == (True, 0)

        asyncio.run(live())

    def test_lost_line(self, make, memory, lines, caplog):
        """A lost line empties the cache and turns it off, until there is another; each is one line of the log and one of a gauge."""
        gauge = Gauge()
        service, late = make(metrics=gauge), make()
        caplog.set_level(logging.INFO, "qapla.repositories")

        async def live():
            await fill(service, lines, "ada")
            lines.lose()
            await until(lambda: len(lines.opened) == 2)
            assert not service.cache.is_believed
            lines.queue.put_nowait(None)  # the next ends without a word
            await until(lambda: len(lines.opened) == 3 and lines.is_open)
            memory.apply([("HSET", "person:ada", "name", b'"changed"')])
            for one in (service, late):
                assert (await one.get_one("ada")).name == "changed"
                assert (one.cache.is_believed, len(one.cache)) == (False, 0)
            await lines.confirm()
            await service.get_one("ada")
            assert len(service.cache) == 1

        asyncio.run(live())

        assert gauge.said == [("repository_cache_off", 1, "person"), ("repository_cache_off", 0, "person")]
        assert [record.levelname for record in caplog.records if record.name == "qapla.repositories"] == ["WARNING", "INFO"]
        assert "caches of 'person' are off" in caplog.text
        assert "the cable is cut" in caplog.text

    @pytest.mark.parametrize("error", [ConfigurationError("no such command"), StoreUnavailable("no", answered=True), RuntimeError("odd")])
    def test_refused_line(self, service, lines, error, caplog):
        """A memory that refuses is told with what to do; answers are right all the same, and it is tried again."""
        lines.error = error

        async def live():
            assert (await service.get_one("ada")).name == "Ada"
            await until(lambda: len(lines.opened) == 2)
            lines.error = None
            await fill(service, lines, "ada")

        asyncio.run(live())

        assert ("cache_invalidation=False" in caplog.text) is not isinstance(error, RuntimeError)

    def test_silence(self, make, memory, lines):
        """What is not confirmed again in time is not answered; once it is, it is."""
        now = [1000.0]
        service = make(cache=Cache(clock=lambda: now[0]))

        async def live():
            await fill(service, lines, "ada")
            memory.asked.clear()
            now[0] += tracking.LEASE_S + 0.1
            await service.get_one("ada")
            assert memory.asked == ["HGETALL"]
            await lines.confirm()
            await service.get_one("ada")
            assert memory.asked == ["HGETALL"]

        asyncio.run(live())


class TestSharing:
    """One line for a process"""

    def test_services_of_one_memory(self, make, memory, lines):
        """Services of one memory share a line; another repository begins it anew, with its keys."""
        first, second, third = make(), make(memory=TellingMemory(lines)), make(MarkerRepository)

        async def live():
            await fill(first, lines, "ada")
            await second.get_one("ada")
            await second.get_one("ada")
            assert (len(lines.opened), len(second.cache)) == (1, 1)
            await lines.tell("person:ada")
            assert (len(first.cache), len(second.cache)) == (0, 0)
            await third.get_one("ada")
            await until(lambda: len(lines.opened) == 2 and lines.is_open)
            for service in (first, second, third):
                await fill(service, lines, "ada", "bob")
            await lines.tell("marker:ada", "person:bob")

        asyncio.run(live())

        assert lines.opened[1] == ["marker:", "marker:{marker:", "marker:{person:", "person:"]
        assert len(lines.opened) == 2

    def test_loops(self, service, lines):
        """A line ends with its loop; the next loop has one of its own, and begins with an empty cache."""
        for number in (1, 2):
            asyncio.run(fill(service, lines, "ada"))

            assert (len(lines.opened), lines.is_open) == (number, False)
            assert (len(service.cache), service.cache.is_believed) == (0, False)

    def test_loop_that_rests(self, service, memory, lines):
        """A line whose loop does not run is left when nothing is confirmed any more, and another loop asks."""
        resting = asyncio.new_event_loop()
        resting.run_until_complete(fill(service, lines, "ada"))
        service.cache.doubt()  # as when the time is up

        asyncio.run(fill(service, lines, "ada"))

        assert len(lines.opened) == 2
        resting.run_until_complete(until(lambda: len(asyncio.all_tasks(resting)) == 1))  # this one
        resting.run_until_complete(resting.shutdown_asyncgens())
        resting.close()

    def test_threads(self, service, memory, lines):
        """Loops of other threads use the same line and the same cache."""
        answers = []

        async def other():
            answers.extend([await service.get_one("ada"), len(lines.opened), list(memory.asked)])

        async def live():
            await fill(service, lines, "ada")
            memory.asked.clear()
            thread = threading.Thread(target=asyncio.run, args=[other()])
            thread.start()
            await until(lambda: not thread.is_alive())
            assert service.cache.is_believed

        asyncio.run(live())

        assert answers == [Person("ada", "Ada"), 1, []]

    def test_closing(self, service, lines):
        """A closed service ends the line, waits for its end, and can be used again."""

        async def live():
            await fill(service, lines, "ada")
            await service.aclose()
            assert (lines.is_open, len(service.cache), len(asyncio.all_tasks())) == (False, 0, 1)
            await fill(service, lines, "ada")

        asyncio.run(live())

        assert len(lines.opened) == 2

    def test_swallowed_cancellation(self, service, lines):
        """A line whose source swallows the cancellation ends all the same, and so does its loop."""

        async def live():
            await fill(service, lines, "ada")
            lines.is_deaf = True

        asyncio.run(live())

        assert not lines.is_open

    def test_closing_one_of_two(self, make, lines):
        """A closed service does not end the line of another."""
        first, second = make(), make()

        async def live():
            await fill(first, lines, "ada")
            await second.get_one("ada")
            await first.aclose()
            assert (lines.is_open, first.cache.is_believed, second.cache.is_believed) == (True, False, True)

        asyncio.run(live())

    def test_service_that_nobody_has(self, make, lines):
        """A service that is thrown away ends the line."""

        services = [make()]

        async def live():
            await fill(services[0], lines, "ada")
            services.clear()
            gc.collect()
            lines.queue.put_nowait(Confirmed(time.monotonic()))
            await until(lambda: not lines.is_open)

        asyncio.run(live())

    def test_fork(self, service, lines):
        """A forked process begins with an empty cache and a line of its own; its parent's goes on."""

        async def live():
            await fill(service, lines, "ada")
            pid = os.fork()
            if pid == 0:
                signal.alarm(WITHIN_S)
                is_clean = len(service.cache) == 0 and not service.cache.is_believed
                asyncio._set_running_loop(None)  # the parent's, which a child does not run
                asyncio.run(fill(service, lines, "ada"))
                os._exit(0 if is_clean and len(lines.opened) == 2 else 1)
            _, code = await asyncio.to_thread(os.waitpid, pid, 0)
            await lines.tell("person:ada")
            return code, len(lines.opened), len(service.cache)

        assert asyncio.run(live()) == (0, 1, 0)


class TestRepairs:
    """What the memory did not take"""

    def test_marks_are_repaired_without_a_call(self, service, memory, lines, monkeypatch):
        """An old entry of the memory is removed as soon as that is there again, so that others are told: nobody has to ask first."""

        async def live():
            await fill(service, lines, "bob")
            with monkeypatch.context() as patch:
                patch.setattr(TellingMemory, "run", refuse)
                await service.add(Person("ada", "new"))
            assert memory.apply([("EXISTS", "person:ada")]) == [1]
            await lines.confirm()
            await until(lambda: memory.apply([("EXISTS", "person:ada")]) == [0])

        asyncio.run(live())


async def refuse(self, commands, *, atomic=False):
    raise StoreUnavailable("the memory is down")


class TestMerging:
    """Several lines as one"""

    def test_what_all_confirm(self):
        """What one tells is told; confirmed is what all have confirmed; when one is lost, all are, and closed."""
        both = Lines(), Lines()

        async def live():
            events = merge([line.open([]) for line in both])
            first = asyncio.create_task(anext(events))
            await until(lambda: all(line.is_open for line in both))
            both[0].queue.put_nowait(Confirmed(2.0))
            both[0].queue.put_nowait(Changed(("a",)))
            assert await first == Changed(("a",))
            for at in (1.0, 3.0):
                both[1].queue.put_nowait(Confirmed(at))
            assert [await anext(events), await anext(events)] == [Confirmed(1.0), Confirmed(2.0)]
            both[1].lose()
            with pytest.raises(StoreUnavailable, match="cable"):
                await anext(events)
            return [line.is_open for line in both]

        assert asyncio.run(live()) == [False, False]

    def test_line_that_ends_is_lost(self):
        """A line that just ends is lost, too."""

        async def nothing():
            return
            yield

        with pytest.raises(StoreUnavailable, match="ended"):
            asyncio.run(anext(merge([nothing()])))


class TestOptions:
    """cache_invalidation"""

    def test_default(self, make, lines):
        """Without a word the memory decides: one that does not tell has a cache that ends by itself; False turns it off."""
        silent = make(memory=DictMemoryDataSource())
        unasked = make(cache_invalidation=False)
        for service in (silent, unasked):
            asyncio.run(service.get_one("ada"))

            assert (len(service.cache), service.cache.is_believed) == (1, True)
        assert lines.opened == []

    def test_memory_that_does_not_tell(self):
        """A memory that does not tell, or of whose parts one does not, is named when it has to."""
        mixed = ShardedMemoryDataSource(one=TellingMemory(Lines()), other=DictMemoryDataSource())
        for memory, name in ((DictMemoryDataSource(), "dict"), (mixed, "sharded")):
            with pytest.raises(ConfigurationError, match=f"'{name}' does not tell of changes"):
                Service(PersonRepository(memory, DictFallbackDataSource()), cache=Cache(), cache_invalidation=True)
        with pytest.raises(ConfigurationError, match="'dict' does not tell"):
            DictMemoryDataSource().invalidations(["person:"])

    def test_no_cache(self, memory):
        """Without a cache there is nothing to tell, and that is told."""
        with pytest.raises(ConfigurationError, match="'person' has no cache"):
            asyncio.run(make_hash_service(PersonRepository, lambda: memory, DictFallbackDataSource, cache_invalidation=True))

    def test_makers(self, memory, lines):
        """Who makes a service says it there."""
        options = {"cache_type": CacheType.LRU, "cache_invalidation": True}
        service = asyncio.run(make_hash_service(PersonRepository, lambda: memory, DictFallbackDataSource, 60, **options))

        asyncio.run(service.add(Person("ada", "Ada")))
        asyncio.run(fill(service, lines, "ada"))

        assert len(lines.opened) == 1
