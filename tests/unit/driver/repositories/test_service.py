"""qapla.driver.repositories.service: it stays up"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import pytest

from qapla.database.breaker import Breaker
from qapla.driver import (
    Cache,
    CacheType,
    DictFallbackDataSource,
    DictMemoryDataSource,
    EntityNotFound,
    HashRepository,
    Service,
    SortedSetEntity,
    SortedSetRepository,
    StoreUnavailable,
    WrongKeyType,
    make_hash_service,
    make_sorted_set_service,
)
from qapla.errors import ConfigurationError


@dataclass
class Person:
    id: str
    name: str


class PersonRepository(HashRepository[Person, str]):
    pass


class Playlist(SortedSetEntity):
    id: str


class PlaylistRepository(SortedSetRepository[Playlist, str]):
    pass


class Gauge:
    def __init__(self):
        self.said = []

    def set(self, name, value, **tags):
        self.said.append((name, value, tags))


ADA, BOB = Person("ada", "Ada"), Person("bob", "Bob")


@pytest.fixture
def breaker(now):
    return Breaker(2, 1.0, 8.0, clock=lambda: now[0])


@pytest.fixture
def make(memory, fallback, breaker):
    def make(**options):
        service = Service(PersonRepository(memory, fallback, 60), breaker=breaker, **options)
        asyncio.run(service.add(ADA, BOB))
        memory.calls = fallback.calls = 0
        return service

    return make


class TestOutages:
    """The memory is down, or hangs"""

    @pytest.mark.parametrize("how", ["is_down", "hangs"])
    def test_first_failure_is_answered(self, make, memory, how):
        """The first call that meets a memory that is down has its answer from the store behind it, already."""
        service = make(memory_deadline_s=0.02)
        setattr(memory, how, True)

        assert asyncio.run(service.get_one("ada")) == ADA
        assert asyncio.run(service.get_many("bob", "eve", "ada")) == [BOB, ADA]
        assert asyncio.run(service.exists("ada"))
        with pytest.raises(EntityNotFound):
            asyncio.run(service.get_one("eve"))

    def test_open_breaker_asks_the_memory_no_more(self, make, memory):
        """After a few failures the memory is left alone."""
        service = make()
        memory.is_down = True

        for _ in range(10):
            assert asyncio.run(service.get_one("ada")) == ADA

        assert memory.calls == 2

    def test_half_open_lets_one_through(self, make, memory, now):
        """When the pause is over one caller tries; when that fails the pause begins again."""
        service = make()
        memory.is_down = True
        for _ in range(3):
            asyncio.run(service.get_one("ada"))
        memory.calls, memory.delay_s = 0, 0.01
        now[0] += 1.5

        async def ask():
            return await asyncio.gather(*(service.get_one("ada") for _ in range(20)))

        assert asyncio.run(ask()) == [ADA] * 20
        assert memory.calls == 1

    def test_memory_that_is_back_is_asked(self, make, memory, fallback, now):
        """After the pause a memory that is back answers again; what was written meanwhile is what it answers."""
        service = make()
        memory.is_down = True
        for _ in range(3):
            asyncio.run(service.get_one("ada"))
        asyncio.run(service.add(Person("ada", "new")))
        asyncio.run(service.delete("bob"))
        memory.is_down = False
        now[0] += 1.5

        assert asyncio.run(service.get_one("ada")) == Person("ada", "new")
        assert asyncio.run(service.get_many("ada", "bob")) == [Person("ada", "new")]
        fallback.is_down = True
        assert asyncio.run(service.get_one("ada")) == Person("ada", "new")

    def test_absence_and_wrong_types_are_no_failures(self, make, memory, breaker):
        """Only a memory that does not answer is counted."""
        service = make()
        memory.apply([("SET", "person:odd", "1")])

        for _ in range(5):
            with pytest.raises(EntityNotFound):
                asyncio.run(service.get_one("eve"))
            with pytest.raises(WrongKeyType, match="person:odd"):
                asyncio.run(service.get_one("odd"))

        assert breaker.is_calm

    def test_full_memory_is_still_read(self, make, memory, breaker):
        """A memory that takes no writes is no failure; it is read, and writes are not lost."""
        service = make()
        memory.full = True
        for _ in range(5):
            asyncio.run(service.add(Person("ada", "new")))

        assert asyncio.run(service.get_many("ada", "bob")) == [Person("ada", "new"), BOB]
        assert breaker.state == "closed"

    def test_both_down_is_unavailable(self, make, memory, fallback):
        """When nobody can tell, the answer is no absence; a hit of the memory needs no store behind it."""
        service = make()
        fallback.is_down = True
        assert asyncio.run(service.get_one("ada")) == ADA
        memory.is_down = True

        for ask in (service.get_one, service.get_many, service.exists, service.delete):
            with pytest.raises(StoreUnavailable):
                asyncio.run(ask("ada"))
        with pytest.raises(StoreUnavailable):
            asyncio.run(service.add(ADA))

    def test_state_is_told(self, make, memory, now, caplog):
        """Opening and closing are each one line of the log and one change of a gauge; a check fails meanwhile."""
        gauge = Gauge()
        service = make(metrics=gauge)
        caplog.set_level(logging.INFO, "qapla.repositories")
        service.check()
        memory.is_down = True
        for _ in range(4):
            asyncio.run(service.get_one("ada"))
        with pytest.raises(StoreUnavailable, match="'person'"):
            service.check()
        memory.is_down = False
        now[0] += 1.5
        asyncio.run(service.get_one("ada"))

        service.check()
        assert [value for _, value, _ in gauge.said] == [1, 0]
        assert len([record for record in caplog.records if record.name == "qapla.repositories"]) == 2
        assert "Ada" not in caplog.text


class TestCache:
    """Answers that are kept in this process"""

    def test_hit_asks_nobody(self, make, memory, fallback):
        """What is in the cache needs neither store; "there is none" is kept, too."""
        service = make(cache=Cache())
        asyncio.run(service.get_one("ada"))
        asyncio.run(service.get_many("bob", "eve"))
        memory.is_down = fallback.is_down = True

        assert asyncio.run(service.get_one("ada")) == ADA
        assert asyncio.run(service.get_many("eve", "bob", "ada")) == [BOB, ADA]
        with pytest.raises(EntityNotFound) as caught:
            asyncio.run(service.get_one("eve"))
        assert caught.value.key == "person:eve"

    def test_outage_is_not_kept(self, make, memory, fallback):
        """That nobody could tell is forgotten at once."""
        service = make(cache=Cache())
        memory.is_down = fallback.is_down = True
        with pytest.raises(StoreUnavailable):
            asyncio.run(service.get_one("ada"))
        memory.is_down = fallback.is_down = False

        assert asyncio.run(service.get_one("ada")) == ADA

    def test_changes_are_seen(self, make):
        """What is added or deleted through the service is seen at once, in every form it was asked for."""
        service = make(cache=Cache())
        for fields in (None, ["name"]):
            asyncio.run(service.get_one("ada", fields=fields))
        with pytest.raises(EntityNotFound):
            asyncio.run(service.get_one("eve"))

        asyncio.run(service.add(Person("ada", "new"), Person("eve", "Eve")))

        assert asyncio.run(service.get_one("ada")) == Person("ada", "new")
        assert asyncio.run(service.get_one("ada", fields=["name"])) == {"name": "new"}
        assert asyncio.run(service.get_one("eve")).name == "Eve"
        asyncio.run(service.delete("ada"))
        with pytest.raises(EntityNotFound):
            asyncio.run(service.get_one("ada"))

    def test_read_that_was_overtaken_is_not_kept(self, make, memory):
        """An answer that was on its way while its entity was changed does not stay."""
        service = make(cache=Cache())
        memory.delay_s = 0.02

        async def race():
            reader = asyncio.create_task(service.get_one("ada"))
            await asyncio.sleep(0)
            await service.add(Person("ada", "new"))
            await reader
            return await service.get_one("ada")

        assert asyncio.run(race()) == Person("ada", "new")

    def test_entries_end(self, make, memory, now):
        """An answer lives no longer than it says, and no shorter than the jitter lets it."""
        service = make(cache=Cache(CacheType.TTL, ttl_s=10, jitter=0.5, missing_ttl_s=2, clock=lambda: now[0]))
        asyncio.run(service.get_many("ada", "eve"))
        seen = []
        for _ in range(3):
            memory.calls = 0
            asyncio.run(service.get_one("ada"))
            seen.append(memory.calls)
            now[0] += 4.9 if not seen[1:] else 5.2

        assert seen == [0, 0, 1]

    def test_lives_differ(self, now):
        """What came together does not go together."""
        cache = Cache(ttl_s=10, jitter=0.5, clock=lambda: now[0])
        keys = [str(number) for number in range(100)]
        tokens = cache.begin(keys)
        for key in keys:
            cache.put(key, None, "x", tokens[key])
        now[0] += 7.5

        left = sum(cache.get(key, None) is not None for key in keys)

        assert 10 < left < 90

    @pytest.mark.parametrize(("type", "gone"), [(CacheType.LRU, "b"), (CacheType.LFU, "a"), (CacheType.TTL, "b")])
    def test_who_makes_room(self, type, gone):
        """A full cache lets go whom its type says."""
        cache = Cache(type, max_size=2, ttl_s=60)
        for key, reads in (("b", 3), ("a", 1), ("c", 0)):
            tokens = cache.begin([key])
            cache.put(key, None, key, tokens[key])
            cache.end(tokens)
            for _ in range(reads):
                cache.get(key, None)

        assert [key for key in "abc" if cache.get(key, None) is None] == [gone]
        assert (len(cache), cache._reading) == (2, {})

    @pytest.mark.parametrize("wrong", [{"max_size": 0}, {"ttl_s": 0}, {"jitter": 1}, {"type": CacheType.TTL}, {"missing_ttl_s": -1}])
    def test_wrong_options_are_told(self, wrong):
        """A cache that cannot be one is told."""
        with pytest.raises(ConfigurationError):
            Cache(**wrong)


class TestMaking:
    """make_…_service"""

    def test_options(self):
        """A service is made of factories, coroutine functions or not, and of the options of its parts."""

        async def make_memory():
            return DictMemoryDataSource()

        options = {"cache_type": CacheType.LFU, "cache_max_size": 5, "cb_failure_threshold": 9}
        service = asyncio.run(make_hash_service(PersonRepository, make_memory, DictFallbackDataSource, 60, **options))

        asyncio.run(service.add(ADA))
        assert asyncio.run(service.get_one("ada")) == ADA
        assert (service.cache._ttl_s, service.breaker._threshold) == (60, 9)

    def test_filters(self):
        """What a kind of repository understands is asked through its service; each question has its answer in the cache."""
        service = asyncio.run(
            make_sorted_set_service(PlaylistRepository, DictMemoryDataSource, DictFallbackDataSource, 60, cache_type=CacheType.LRU)
        )
        asyncio.run(service.add(Playlist(id="p", data=[("a", 1), ("b", 2)])))

        for _ in range(2):
            assert asyncio.run(service.get_one("p", reverse=True)).data == [b"b", b"a"]
            assert asyncio.run(service.get_one(id="p", page=2, page_size=1)).data == [b"b"]

    def test_wrong_options_are_told(self):
        """A class of another kind, an unknown option and a breaker of nothing are told."""
        with pytest.raises(ConfigurationError, match="HashRepository"):
            asyncio.run(make_hash_service(PlaylistRepository, DictMemoryDataSource, DictFallbackDataSource))
        with pytest.raises(TypeError, match="cb_expected_exception"):
            asyncio.run(make_hash_service(PersonRepository, DictMemoryDataSource, DictFallbackDataSource, cb_expected_exception=OSError))
        with pytest.raises(ConfigurationError, match="breaker"):
            asyncio.run(make_hash_service(PersonRepository, DictMemoryDataSource, DictFallbackDataSource, cb_failure_threshold=0))
