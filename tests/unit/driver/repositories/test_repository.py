"""qapla.driver.repositories.repository: what reading and writing mean"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from qapla.driver import (
    DictFallbackDataSource,
    DictMemoryDataSource,
    EntityNotFound,
    EntityRefused,
    HashRepository,
    SortedSetRepository,
    StoreTimedOut,
    StoreUnavailable,
)
from qapla.errors import ConfigurationError, ModelError, QueryError


@dataclass
class Person:
    id: str
    name: str
    age: int | None = None


@dataclass
class Seat:
    hall: str
    number: int
    taken: bool = False


class PersonRepository(HashRepository[Person, str]):
    key_attrs = ("id",)


class SeatRepository(HashRepository[Seat]):
    key_attrs = ("hall", "number")


ADA, BOB = Person("ada", "Ada", 36), Person("bob", "Bob")


@pytest.fixture
def people(memory, fallback):
    return PersonRepository(memory, fallback, 60)


class TestReading:
    """query(…).entity and .entities"""

    async def _miss(self, people):
        try:
            return await people.query("ada").entity
        except EntityNotFound as error:
            return error

    def test_memory_answers_alone(self, people, fallback):
        """What the memory has is not asked of the store behind it."""
        asyncio.run(people.add(ADA))
        fallback.is_down = True

        assert asyncio.run(people.query("ada").entity) == ADA

    def test_what_is_behind_is_copied(self, people, memory, fallback):
        """What the memory lacks is read behind it, and copied, with its time to live."""
        asyncio.run(people.add(ADA, memory=False))
        asyncio.run(people.query("ada").entity)
        fallback.is_down = True

        assert asyncio.run(people.query("ada").entity) == ADA
        assert memory.apply([("PTTL", "person:ada")]) == [60_000]

    def test_absence_is_remembered(self, people, fallback, now):
        """That there is none is asked behind the memory once, until the marker ends."""
        for _ in range(3):
            error = asyncio.run(self._miss(people))
        calls = fallback.calls
        now[0] += 31
        asyncio.run(self._miss(people))

        assert (error.repository, error.key) == ("person", "person:ada")
        assert (calls, fallback.calls) == (1, 2)

    def test_a_hundred_callers_are_one_read(self, people, fallback):
        """All who ask for the same key at once wait for one read; one who gives up takes it from nobody."""
        asyncio.run(people.add(ADA, memory=False))
        fallback.calls, fallback.delay_s = 0, 0.02

        async def ask():
            callers = [asyncio.create_task(people.query("ada").entity) for _ in range(100)]
            await asyncio.sleep(0.01)
            callers[0].cancel()
            return await asyncio.gather(*callers[1:])

        assert asyncio.run(ask()) == [ADA] * 99
        assert fallback.calls == 1

    def test_a_read_that_was_overtaken_is_not_copied(self, people, fallback):
        """What was read before a change is not written over it."""
        asyncio.run(people.add(ADA, memory=False))
        fallback.delay_s = 0.02

        async def race():
            reader = asyncio.create_task(people.query("ada").entity)
            await asyncio.sleep(0.005)
            fallback.delay_s = 0
            await people.add(Person("ada", "new"))
            await reader
            return await people.query("ada").entity

        assert asyncio.run(race()) == Person("ada", "new")

    def test_many(self, people, memory, fallback):
        """Many are one round trip, in the order of their keys, also twice; who is missing is left out, and remembered."""
        asyncio.run(people.add(ADA, BOB))
        memory.calls = fallback.calls = 0

        first = asyncio.run(people.query(many=["bob", "eve", "ada", "bob"]).entities)
        second = asyncio.run(people.query(many=["bob", "eve", "ada"]).entities)

        assert first == [BOB, ADA, BOB]
        assert second == [BOB, ADA]
        assert (memory.calls, fallback.calls) == (3, 1)  # a copy of the absence is the third

    def test_many_from_both_places(self, people, memory):
        """What the memory lacks of many is read behind it."""
        asyncio.run(people.add(ADA, BOB))
        memory.apply([("DEL", "person:ada")])

        assert asyncio.run(people.query(many=["ada", "bob"]).entities) == [ADA, BOB]
        assert asyncio.run(people.query(many=[]).entities) == []

    @pytest.mark.parametrize("memory_too", [True, False])
    def test_fields(self, people, memory_too):
        """Some fields are a dict, wherever they are read."""
        asyncio.run(people.add(ADA, BOB))

        assert asyncio.run(people.query("bob", fields=["age", "name"], memory=memory_too).entity) == {"age": None, "name": "Bob"}
        assert asyncio.run(people.query(many=["ada"], fields=["age"], memory=memory_too).entities) == [{"age": 36}]

    def test_exists(self, people, memory):
        """Whether there is one is known from the memory, its marker, or the store behind it."""
        asyncio.run(people.add(ADA))
        memory.apply([("DEL", "person:ada")])

        assert [asyncio.run(people.query(id).exists) for id in ("ada", "ada", "eve", "eve")] == [True, True, False, False]

    def test_damaged_entry_is_read_behind_the_memory(self, people, memory):
        """An entry that is no such entity is removed, and the store behind it answers."""
        asyncio.run(people.add(ADA))
        memory.apply([("HSET", "person:ada", "age", b"old")])

        assert asyncio.run(people.query("ada").entity) == ADA
        memory.apply([("HSET", "person:ada", "age", b"old")])
        assert asyncio.run(people.query(many=["ada"]).entities) == [ADA]

    def test_memory_down_is_no_absence(self, people, memory):
        """A memory that fails is an error that names repository and key."""
        memory.is_down = True

        with pytest.raises(StoreUnavailable) as caught:
            asyncio.run(people.query("ada").entity)

        assert (caught.value.repository, caught.value.key) == ("person", "person:ada")

    def test_fallback_down_is_no_absence(self, people, fallback):
        """A store that fails is an error, and nothing is remembered of it."""
        asyncio.run(people.add(ADA, memory=False))
        fallback.is_down = True
        with pytest.raises(StoreUnavailable):
            asyncio.run(people.query("ada").entity)

        fallback.is_down = False

        assert asyncio.run(people.query("ada").entity) == ADA

    @pytest.mark.parametrize("which", ["memory", "fallback"])
    def test_deadline(self, memory, fallback, which):
        """A call that takes too long is an error of its own, never an absence; a hanging store does not hold it."""
        people = PersonRepository(memory, fallback, 60, deadline_s=0.05)
        {"memory": memory, "fallback": fallback}[which].hangs = True

        for ask in (lambda: people.query("ada").entity, lambda: people.add(ADA), lambda: people.query(many=["ada"]).entities):
            with pytest.raises(StoreTimedOut, match=r"0\.05 s") as caught:
                asyncio.run(ask())
            assert caught.value.key == "person:ada"


class TestWriting:
    """add and delete"""

    def test_entities_replace_each_other(self, people, memory):
        """An entity takes the place of the one before, in both places; the last of a call wins."""
        asyncio.run(people.add(ADA, Person("ada", "x"), Person("ada", "Countess")))

        for memory_too in (True, False):
            assert asyncio.run(people.query("ada", memory=memory_too).entity) == Person("ada", "Countess")
        assert memory.apply([("PTTL", "person:ada")]) == [60_000]

    def test_entry_ends(self, people, memory, now):
        """The memory forgets after its time to live, the store behind it does not."""
        asyncio.run(people.add(ADA))
        now[0] += 61

        assert memory.apply([("EXISTS", "person:ada")]) == [0]
        assert asyncio.run(people.query("ada").entity) == ADA

    def test_deleted_is_gone(self, people, fallback):
        """What is deleted is gone in both places at once, and can be deleted again, and added again."""
        asyncio.run(people.add(ADA, BOB))

        asyncio.run(people.query("ada").delete)
        asyncio.run(people.delete(people.query(many=["ada", "bob"])))

        assert asyncio.run(people.query(many=["ada", "bob"]).entities) == []
        assert fallback.db == {}
        asyncio.run(people.add(ADA))
        assert asyncio.run(people.query("ada").entity) == ADA

    def test_nothing_is_written_when_the_store_fails(self, people, memory, fallback):
        """A write that the store behind the memory does not take is an error, and changes nothing."""
        asyncio.run(people.add(ADA))
        fallback.is_down = True
        for change in (lambda: people.add(Person("ada", "new")), lambda: people.query("ada").delete):
            with pytest.raises(StoreUnavailable):
                asyncio.run(change())
        fallback.is_down = False

        assert asyncio.run(people.query("ada").entity) == ADA

    @pytest.mark.parametrize("how", ["is_down", "full"])
    def test_no_stale_entry_is_read(self, people, memory, fallback, how, caplog):
        """A write that only the store took is not lost, and the old entry is not read in this process any more."""
        asyncio.run(people.add(ADA, BOB))
        setattr(memory, how, True)

        asyncio.run(people.add(Person("ada", "new")))
        asyncio.run(people.query("bob").delete)
        while_away = asyncio.run(people.query(many=["ada"], memory=False).entities)
        setattr(memory, how, False)

        assert "person" in caplog.text
        assert "Ada" not in caplog.text
        assert while_away == [Person("ada", "new")]
        assert asyncio.run(people.query(many=["ada", "bob"]).entities) == [Person("ada", "new")]
        assert memory.apply([("EXISTS", "person:bob")]) == [0]

    @pytest.mark.parametrize("how", ["is_down", "full"])
    def test_an_outage_is_told_once(self, people, memory, how, caplog):
        """Writes that a memory does not take are one line of the log, however many they are."""
        setattr(memory, how, True)

        for _ in range(3):
            asyncio.run(people.add(ADA))

        assert [record.levelname for record in caplog.records if record.name == "qapla.repositories"] == ["WARNING"]

    def test_stale_entry_is_not_read_while_the_memory_only_reads(self, people, memory):
        """While a stale entry cannot be removed the store behind it answers."""
        asyncio.run(people.add(ADA))
        memory.is_down = True
        asyncio.run(people.add(Person("ada", "new")))

        assert asyncio.run(people.query("ada").entity) == Person("ada", "new")
        assert asyncio.run(people.query(many=["ada"]).entities) == [Person("ada", "new")]

    def test_marks_end_with_the_entries(self, people, memory, monkeypatch):
        """A mark lives no longer than the entry that it is about."""
        clock = [0.0]
        monkeypatch.setattr(people._stale, "_clock", lambda: clock[0])
        memory.is_down = True
        asyncio.run(people.add(ADA))
        clock[0] = 61.0
        asyncio.run(people.add(BOB))

        assert len(people._stale) == 1

    def test_writers_of_a_key_are_in_order(self, people, fallback):
        """Two writes of one key end the same in both places."""

        async def write():
            fallback.delay_s = 0.01
            first = asyncio.create_task(people.add(Person("ada", "first")))
            await asyncio.sleep(0)
            fallback.delay_s = 0
            await people.add(Person("ada", "second"))
            await first
            return [await people.query("ada", memory=memory_too).entity for memory_too in (True, False)]

        first, second = asyncio.run(write())

        assert first == second

    def test_entity_that_cannot_be_kept_keeps_the_others_out(self, people, fallback):
        """All entities of a call are looked at before one is written."""
        with pytest.raises(EntityRefused) as caught:
            asyncio.run(people.add(ADA, Person("eve", "secret", age="old")))

        assert fallback.db == {}
        assert "secret" not in str(caught.value)
        assert "'age'" in str(caught.value)


class TestKeys:
    """key_attrs"""

    def test_several_parts(self, memory, fallback):
        """A key of several parts is given in their order or by name; many share the first parts, or have all of their own."""
        seats = SeatRepository(memory, fallback)
        asyncio.run(seats.add(Seat("a:b", 1), Seat("a:b", 2, True), Seat("c", 1)))

        assert asyncio.run(seats.query("a:b", 2).entity) == asyncio.run(seats.query(number=2, hall="a:b").entity) == Seat("a:b", 2, True)
        assert asyncio.run(seats.query("a:b", many=[2, 1]).entities) == [Seat("a:b", 2, True), Seat("a:b", 1)]
        assert asyncio.run(seats.query(many=[("c", 1), ("a:b", 1)]).entities) == [Seat("c", 1), Seat("a:b", 1)]

    def test_entity_without_key_is_refused(self, people):
        """An entity without a key, and one of another class, are refused."""
        with pytest.raises(EntityRefused, match="'id'"):
            asyncio.run(people.add(Person(None, "x")))
        with pytest.raises(EntityRefused, match="'Person', not 'Seat'"):
            asyncio.run(people.add(Seat("a", 1)))

    @pytest.mark.parametrize(
        ("ask", "said"),
        [
            (lambda people: people.query("a", "b"), "has 1 parts, 2 are given"),
            (lambda people: people.query("a", id="b"), "given twice"),
            (lambda people: people.query("a", page=2), "knows no 'page'"),
            (lambda people: people.query("a", feilds=["name"]), "did you mean 'fields'"),
            (lambda people: people.query("a", fields=["nmae"]), "did you mean 'name'"),
            (lambda people: people.query("a", fields="name"), "not the text"),
            (lambda people: people.query("a", fields=[]), "no field"),
            (lambda people: people.query(many="ab"), "list of keys"),
            (lambda people: people.query(many=[("a", "b")]), "has 1 parts, 2 are given"),
            (lambda people: people.query(many=["a"]).entity, "use 'entities'"),
        ],
    )
    def test_wrong_question_is_told(self, people, ask, said):
        """A question that makes no sense is told before anybody is asked."""
        with pytest.raises(QueryError, match=said):
            ask(people)

    def test_question_without_key_is_told(self, people):
        """A question about nobody is refused."""
        with pytest.raises(EntityRefused, match="'id'"):
            people.query()


class TestClasses:
    """Repositories as classes"""

    def test_wrong_classes_are_told(self):
        """What cannot work is told when the class is made."""
        with pytest.raises(ModelError, match="no field 'idd'"):

            class NoKey(HashRepository[Person, str]):
                key_attrs = ("idd",)

        with pytest.raises(ModelError, match="'key_attrs'"):

            class TextKey(HashRepository[Person, str]):
                key_attrs = "id"

        with pytest.raises(ModelError, match="'str' cannot be kept"):

            class NoFields(HashRepository[str, str]):
                pass

        with pytest.raises(ModelError, match="no field 'data'"):

            class NoMembers(SortedSetRepository[Person, str]):
                pass

    def test_entities_may_be_named_by_attribute(self):
        """entity_cls does what the type argument does; a class of one's own may have its own name, and be inherited from."""

        class People(HashRepository):
            entity_cls = Person
            name = "folk"

        class More(People):
            pass

        assert (People.name, More.name, More.entity_cls, PersonRepository.name) == ("folk", "folk", Person, "person")

    @pytest.mark.parametrize("wrong", [{"expire_time": 0}, {"expire_time": -1}, {"deadline_s": 0}, {"not_found_expire_time": 0}])
    def test_wrong_times_are_told(self, wrong):
        """Times are more than nothing."""
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            PersonRepository(DictMemoryDataSource(), DictFallbackDataSource(), **wrong)

    def test_repository_of_nothing_is_told(self):
        """A repository without entities says how they are named."""
        with pytest.raises(ConfigurationError, match="HashRepository"):
            HashRepository(DictMemoryDataSource(), DictFallbackDataSource())
