"""Any sequence of changes, reads, outages and time: a repository is a dict, with the staleness that it documents"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from qapla.database.breaker import Breaker
from qapla.driver import (
    DictFallbackDataSource,
    DictMemoryDataSource,
    EntityNotFound,
    HashRepository,
    Service,
    StoreTimedOut,
    StoreUnavailable,
)
from qapla.driver.repositories.staleness import DOUBT_S

LIVES_S = 60.0
KEYS = st.sampled_from(["a", "b", "c"])
MOODS = st.sampled_from(["well", "down", "full"])


@dataclass
class Thing:
    id: str
    value: int


class ThingRepository(HashRepository[Thing, str]):
    pass


class Memory(DictMemoryDataSource):
    mood = "well"

    async def run(self, commands, *, atomic=False):
        self.refuse(any(command[0] in ("HSET", "SET") for command in commands))
        return await super().run(commands, atomic=atomic)

    async def run_if_absent(self, batches):
        self.refuse(True)
        return await super().run_if_absent(batches)

    def refuse(self, writes):
        if self.mood == "down" or (self.mood == "full" and writes):
            raise StoreUnavailable(self.mood, answered=self.mood == "full")


class Fallback(DictFallbackDataSource):
    is_down = False
    is_late = False

    async def put_many(self, documents):
        if self.is_late:
            raise StoreTimedOut("it does not answer in time")
        await super().put_many(documents)

    def __getattribute__(self, name):
        if name in ("get_many", "put_many", "delete_many") and self.is_down:
            raise StoreUnavailable("down")
        return super().__getattribute__(name)


class Process:
    """A process of its own: what it knows of stale entries, its breaker, its service"""

    def __init__(self, memory, fallback, clock):
        self.repository = ThingRepository(memory, fallback, LIVES_S)
        self.repository._stale._clock = clock
        self.service = Service(self.repository, breaker=Breaker(2, 1.0, 8.0, clock))


class Repositories(RuleBasedStateMachine):
    """Two processes over the same memory and the same store behind it; the first one writes"""

    def __init__(self):
        super().__init__()
        self.now = 1000.0
        self.memory, self.fallback = Memory(clock=lambda: self.now), Fallback()
        self.writer, self.reader = (Process(self.memory, self.fallback, lambda: self.now) for _ in range(2))
        self.truth = {}
        self.former = []  # key, value, until when it was true
        self.under_way = []  # key, value, since when
        self.loop = asyncio.new_event_loop()

    def teardown(self):
        self.loop.close()

    def wait(self, asked):
        return self.loop.run_until_complete(asked)

    def become(self, key, value):
        self.former.append((key, self.truth.get(key), self.now))
        self.truth[key] = value

    @rule(key=KEYS, value=st.integers(0, 3), mood=MOODS)
    def add(self, key, value, mood):
        self.change(self.writer.service.add(Thing(key, value)), key, value, mood)

    @rule(key=KEYS, mood=MOODS)
    def delete(self, key, mood):
        self.change(self.writer.service.delete(key), key, None, mood)

    @rule(key=KEYS, value=st.integers(4, 6))
    def add_and_give_up(self, key, value):
        if self.fallback.is_down:
            return
        self.fallback.is_late = True
        try:
            self.wait(self.writer.service.add(Thing(key, value)))
        except StoreTimedOut:
            self.under_way.append((key, value, self.now))
        self.fallback.is_late = False

    @rule(which=st.integers(0, 2))
    def arrive(self, which):
        """What was given up arrives, if it ever does, within a minute, and in any order"""
        if which < len(self.under_way):
            key, value, since = self.under_way.pop(which)
            self.read_where_it_is_written(key)  # what is read before is not to be kept
            if self.now < since + DOUBT_S:
                thing = Thing(key, value)
                found = self.writer.repository.key_of(thing)
                document = self.writer.repository.document_of(thing, found)
                self.wait(DictFallbackDataSource.put_many(self.fallback, [(found, document)]))
                self.become(key, value)
                self.read_where_it_is_written(key)

    def change(self, change, key, value, mood):
        before, self.memory.mood = self.memory.mood, mood  # outages that begin and end around one change are the worst
        try:
            self.wait(change)
        except StoreUnavailable:
            assert self.fallback.is_down
        else:
            self.become(key, value)
        self.memory.mood = before

    @rule(key=KEYS)
    def read_where_it_is_written(self, key):
        try:
            found = self.read(self.writer, key)
        except StoreUnavailable:
            assert self.fallback.is_down
        else:
            assert found == self.truth.get(key)

    @rule(key=KEYS)
    def read_elsewhere(self, key):
        try:
            found = self.read(self.reader, key)
        except StoreUnavailable:
            assert self.fallback.is_down
        else:
            lately = [value for other, value, until in self.former if other == key and until > self.now - LIVES_S]
            assert found == self.truth.get(key) or found in lately

    @rule()
    def read_many(self):
        try:
            found = self.wait(self.writer.service.get_many("c", "a", "b"))
        except StoreUnavailable:
            assert self.fallback.is_down
        else:
            assert [(one.id, one.value) for one in found] == [(key, self.truth[key]) for key in "cab" if self.truth.get(key) is not None]

    @rule(time_s=st.sampled_from([0.5, 2.0, 20.0, 40.0, 61.0]))
    def pass_time(self, time_s):
        self.now += time_s

    @rule(mood=MOODS)
    def change_memory(self, mood):
        self.memory.mood = mood

    @rule()
    def flush_memory(self):
        self.memory._values.clear()
        self.memory._ends.clear()

    @rule(is_down=st.sampled_from([False, False, True]))
    def change_fallback(self, is_down):
        self.fallback.is_down = is_down

    def read(self, process, key):
        try:
            return self.wait(process.service.get_one(key)).value
        except EntityNotFound:
            return None


TestRepositories = Repositories.TestCase
TestRepositories.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
