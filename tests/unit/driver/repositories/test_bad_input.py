"""What comes in wrongly is told: the thing, its value where that is no secret, what is wrong with it. An entity's values are never shown"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, make_dataclass
from math import inf, nan
from typing import NotRequired, TypedDict

import pytest

from qapla.driver import (
    Cache,
    DictFallbackDataSource,
    DictMemoryDataSource,
    EntityRefused,
    GeoMember,
    GeoSpatialEntity,
    GeoSpatialRepository,
    HashRepository,
    ListEntity,
    ListRepository,
    RedisMemoryDataSource,
    Service,
    SetEntity,
    SetRepository,
    SortedSetEntity,
    SortedSetRepository,
    WrongKeyType,
    make_hash_service,
)
from qapla.errors import ConfigurationError, ModelError, QueryError

SECRET = "hunter2"


@dataclass
class Person:
    id: str
    name: str
    age: int | None = None


class Note(TypedDict):
    id: str
    text: str
    more: NotRequired[int]


class Playlist(SortedSetEntity):
    id: str


class Places(GeoSpatialEntity):
    id: str


class Tasks(ListEntity):
    id: str


class Tags(SetEntity):
    id: str


class PersonRepository(HashRepository[Person, str]):
    pass


class NoteRepository(HashRepository[Note, str]):
    pass


class PlaylistRepository(SortedSetRepository[Playlist, str]):
    pass


class PlacesRepository(GeoSpatialRepository[Places, str]):
    pass


class TasksRepository(ListRepository[Tasks, str]):
    pass


class TagsRepository(SetRepository[Tags, str]):
    pass


def make(repository):
    return repository(DictMemoryDataSource(), DictFallbackDataSource(), 60)


def refused(repository, entity):
    """Return what is said of an entity that is refused, of which nothing is kept"""
    repository = make(repository)
    with pytest.raises(EntityRefused) as caught:
        asyncio.run(repository.add(entity))
    assert caught.value.repository == repository.name
    assert repository.fallback_data_source.db == {}
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None or SECRET not in str(caught.value.__cause__)
    return str(caught.value)


@pytest.mark.parametrize(
    ("repository", "entity", "said"),
    [
        (PersonRepository, Person(None, SECRET), "has no 'id'"),
        (PersonRepository, Person("", SECRET), "'id' of 'person' is empty"),
        (PersonRepository, Person("half \ud800", SECRET), "'id' of 'person' is no valid text"),
        (PersonRepository, Person(b"ada", SECRET), "of type 'bytes'"),
        (PersonRepository, Person(1.5, SECRET), "of type 'float'"),
        (PersonRepository, Person(["ada"], SECRET), "of type 'list'"),
        (PersonRepository, Note(id="a", text=SECRET), "keeps 'Person', not 'dict'"),
        (PersonRepository, [Person("ada", SECRET)], "not 'list'"),
        (PersonRepository, None, "not 'NoneType'"),
        (PersonRepository, Person, "not 'type'"),
        (PersonRepository, Person("ada", SECRET, age=SECRET), r"field 'age' .* declares int"),
        (PersonRepository, Person("ada", {SECRET}), "field 'name'"),
        (PersonRepository, Person("ada", f"{SECRET}\ud800"), "field 'name'"),
        (PersonRepository, Person("ada", object()), "field 'name'"),
        (NoteRepository, {"text": SECRET}, "has no 'id'"),
        (NoteRepository, {"id": "a"}, "'text' is missing"),
        (NoteRepository, {"id": "a", "text": SECRET, "colour": SECRET}, "has no field 'colour'"),
        (NoteRepository, {"id": "a", "text": SECRET, 5: SECRET}, "has no field 5"),
        (PlaylistRepository, Playlist(id="a", data=SECRET), "collection of members"),
        (PlaylistRepository, Playlist(id="a", data=None), "collection of members"),
        (PlaylistRepository, Playlist(id="a", data={SECRET: 1}), "collection of members"),
        (PlaylistRepository, Playlist(id="a", data=[SECRET, SECRET]), "with its score"),
        (PlaylistRepository, Playlist(id="a", data=[1, 2]), "with its score"),
        (PlaylistRepository, Playlist(id="a", data=[(SECRET, nan)]), "a score is not a number"),
        (PlaylistRepository, Playlist(id="a", data=[("m", SECRET)]), "a number is none"),
        (PlaylistRepository, Playlist(id="a", data=[("m", 10**400)]), "a number is too large"),
        (PlaylistRepository, Playlist(id="a", data=[(None, 1)]), "text or bytes, not 'NoneType'"),
        (PlaylistRepository, Playlist(id="a", data=[(f"{SECRET}\ud800", 1)]), "no valid text"),
        (PlacesRepository, Places(id="a", data=[SECRET]), "with its position"),
        (PlacesRepository, Places(id="a", data=[None]), "with its position"),
        (PlacesRepository, Places(id="a", data=[GeoMember(SECRET, 0, 86)]), "out of range: .* latitudes from -85"),
        (PlacesRepository, Places(id="a", data=[GeoMember(SECRET, 181, 0)]), "longitudes go from -180 to 180"),
        (PlacesRepository, Places(id="a", data=[GeoMember(SECRET, nan, 0)]), "out of range"),
        (PlacesRepository, Places(id="a", data=[GeoMember("m", SECRET, 0)]), "a number is none"),
        (TasksRepository, Tasks(id="a", data=[1]), "text or bytes, not 'int'"),
        (TasksRepository, Tasks(id="a", data={"m": SECRET}), "collection of members"),
        (TagsRepository, Tags(id="a", data={1}), "text or bytes, not 'int'"),
    ],
    ids=range(37),
)
def test_entity_that_cannot_be_kept(repository, entity, said):
    """An entity is looked at before anything of it is written; who refuses it does not repeat what is in it."""
    assert re.search(said, refused(repository, entity))


ODD_KEYS = ["a:b", "%3A", "{x}", "new\nline", "nul\x00", "Grüße ☃", " ", "*", "x" * 10_240, "'; DROP TABLE x", "../.."]


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
def test_odd_keys_work(key):
    """A key is any text: what means something in Redis is escaped."""
    people = make(PersonRepository)
    asyncio.run(people.add(Person(key, "Ada"), Person("other", "Bob")))
    for memory in (True, False):
        assert asyncio.run(people.query(key, memory=memory).entity) == Person(key, "Ada")

    asyncio.run(people.query(key).delete)

    assert [person.id for person in asyncio.run(people.query(many=[key, "other"]).entities)] == ["other"]


@pytest.mark.parametrize(
    ("repository", "question", "said"),
    [
        (PersonRepository, {"fields": ["nmae"]}, r"'nmae' \(did you mean 'name'"),
        (PersonRepository, {"fields": [None]}, "no field None"),
        (PersonRepository, {"fields": 5}, "'int'"),
        (PersonRepository, {"fields": {"name": 1}.keys() & set()}, "no field is asked for"),
        (PersonRepository, {"memory": "no"}, "'memory' is 'no'"),
        (PersonRepository, {"colour": "red"}, "knows no 'colour'"),
        (PersonRepository, {"deadline_s": -1}, "deadline .* is -1"),
        (PlaylistRepository, {"page_size": 0}, r"'page_size' is 0 \(a whole number, at least 1"),
        (PlaylistRepository, {"page_size": -5}, "'page_size' is -5"),
        (PlaylistRepository, {"page_size": 2.0}, r"'page_size' is 2\.0"),
        (PlaylistRepository, {"page_size": "2"}, "'page_size' is '2'"),
        (PlaylistRepository, {"page_size": True}, "'page_size' is True"),
        (PlaylistRepository, {"page_size": 2**63}, "'page_size' is 9223372036854775808"),
        (PlaylistRepository, {"page": 0, "page_size": 5}, "'page' is 0"),
        (PlaylistRepository, {"page": 2}, "what size"),
        (PlaylistRepository, {"page": 2**40, "page_size": 2**40}, "further away"),
        (PlaylistRepository, {"page_size": 10**5000}, "thousands of digits"),
        (PlaylistRepository, {"min_score": nan}, "'min_score' is nan"),
        (PlaylistRepository, {"max_score": "5"}, "'max_score' is '5'"),
        (PlaylistRepository, {"max_score": True}, "'max_score' is True"),
        (PlaylistRepository, {"max_score": 10**400}, "'max_score' is 1000"),
        (PlaylistRepository, {"reverse": "no"}, "'reverse' is 'no'"),
        (PlaylistRepository, {"withscores": 1}, "'withscores' is 1"),
        (TasksRepository, {"page_size": 0}, "'page_size' is 0"),
        (TasksRepository, {"withmaxsize": "yes"}, "'withmaxsize' is 'yes'"),
        (TagsRepository, {"page_size": 5}, "knows no 'page_size'"),
        (TagsRepository, {"withmaxsize": None}, "'withmaxsize' is None"),
        (PlacesRepository, {"latitude": 86, "longitude": 0, "max_distance": 1}, "out of range"),
        (PlacesRepository, {"latitude": 0, "longitude": -180.1, "max_distance": 1}, "out of range"),
        (PlacesRepository, {"latitude": nan, "longitude": 0, "max_distance": 1}, "out of range"),
        (PlacesRepository, {"latitude": "0", "longitude": 0, "max_distance": 1}, "no numbers"),
        (PlacesRepository, {"latitude": 0}, "only one"),
        (PlacesRepository, {"max_distance": 1}, "around a position"),
        (PlacesRepository, {"latitude": 0, "longitude": 0}, "how far"),
        (PlacesRepository, {"latitude": 0, "longitude": 0, "width": 1}, "how far"),
        (PlacesRepository, {"latitude": 0, "longitude": 0, "max_distance": 1, "width": 1, "height": 1}, "how far"),
        (PlacesRepository, {"latitude": 0, "longitude": 0, "max_distance": 0}, "'max_distance' is 0"),
        (PlacesRepository, {"latitude": 0, "longitude": 0, "max_distance": -1}, "'max_distance' is -1"),
        (PlacesRepository, {"latitude": 0, "longitude": 0, "max_distance": inf}, "'max_distance' is inf"),
        (PlacesRepository, {"latitude": 0, "longitude": 0, "width": 10**400, "height": 1}, "'width' is 1000"),
        (PlacesRepository, {"distance_unit": "kms"}, r"'kms' is unknown \(did you mean 'km'"),
        (PlacesRepository, {"distance_unit": ["km"]}, "unknown"),
        (PlacesRepository, {"count": 0}, "'count' is 0"),
        (PlacesRepository, {"count": 2**70}, "'count' is 1180591620717411303424"),
    ],
    ids=range(44),
)
def test_wrong_question(repository, question, said):
    """A question that makes no sense is told before anybody is asked, with its value, which is the caller's own."""
    with pytest.raises(QueryError, match=said) as caught:
        make(repository).query("a", **question)

    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("many", "error", "said"),
    [
        ("abc", QueryError, r"many=\['abc'\]"),
        (b"abc", QueryError, "list of keys"),
        (5, QueryError, "'many' is of type 'int'"),
        ([None], EntityRefused, "has no 'id'"),
        ([["a"]], EntityRefused, "of type 'list'"),
        ([("a", "b")], QueryError, "has 1 parts, 2 are given"),
    ],
)
def test_wrong_many(many, error, said):
    """Many keys are a collection of keys, each of which could stand alone."""
    with pytest.raises(error, match=said):
        make(PersonRepository).query(many=many)


def test_odd_many(memory, fallback):
    """None is many, too; so is one key twice, and a generator; very many are asked for in parts, which hold nobody up."""
    people = PersonRepository(memory, fallback, 60)
    ids = [f"p{number}" for number in range(2500)]
    asyncio.run(people.add(*(Person(id, "x") for id in ids)))
    memory.calls = 0

    found = asyncio.run(people.query(many=(id for id in ["eve", *ids, ids[0]])).entities)

    assert [person.id for person in found] == [*ids, ids[0]]
    assert memory.calls == 4  # three parts, and a copy of the absence
    assert asyncio.run(people.query(many=[]).entities) == []
    asyncio.run(people.query(many=ids).delete)
    assert fallback.db == {}


def test_wrong_type_in_the_memory():
    """What somebody else keeps under a key is neither read nor taken for nothing: the key and WRONGTYPE are named."""
    people = make(PersonRepository)
    people.memory_data_source.apply([("SET", "person:odd", SECRET)])

    with pytest.raises(WrongKeyType, match=r"'person:odd' .*WRONGTYPE") as caught:
        asyncio.run(people.query("odd").entity)

    assert (caught.value.repository, caught.value.key) == ("person", "person:odd")
    assert SECRET not in str(caught.value)


class TestClasses:
    """What cannot work is told when a class is made"""

    @pytest.mark.parametrize("cls", ["Person", int, list[int], Person | None, dict], ids=str)
    def test_what_is_no_entity(self, cls):
        """Entities are of a class that has fields."""
        with pytest.raises(ModelError, match="dataclass, TypedDict"):
            type("R", (HashRepository,), {"entity_cls": cls})
        with pytest.raises(ModelError, match="dataclass, TypedDict"):

            class R(HashRepository[cls, str]):
                pass

    @pytest.mark.parametrize("kind", [complex, object, Cache], ids=str)
    def test_types_without_json(self, kind):
        """A field of a type that cannot be written is told at once, not with the first entity."""
        entity = make_dataclass("Odd", [("id", str), ("odd", list[kind])])

        with pytest.raises(ModelError, match=rf"'odd' of entity 'Odd' .* {kind.__name__!r} have no JSON"):
            type("R", (HashRepository,), {"entity_cls": entity})

    @pytest.mark.parametrize("key_attrs", ["id", (), None, (1,), ("idd",)], ids=str)
    def test_wrong_key(self, key_attrs):
        """The key is names of fields."""
        with pytest.raises(ModelError, match="key"):
            type("R", (HashRepository,), {"entity_cls": Person, "key_attrs": key_attrs})

    @pytest.mark.parametrize("name", ["", 5, None])
    def test_wrong_name(self, name):
        """The name is what keys begin with."""
        with pytest.raises(ModelError, match="the name of 'R'"):
            type("R", (HashRepository,), {"entity_cls": Person, "name": name})

    def test_no_argument(self):
        """A repository of nothing cannot be made, and says how it is written."""

        class R(HashRepository):
            pass

        with pytest.raises(ConfigurationError, match=r"HashRepository\[Person, str\]"):
            make(R)


class TestOptions:
    """Repositories, services, caches and sources are made of what they can be made of"""

    @pytest.mark.parametrize("name", ["expire_time", "not_found_expire_time", "deadline_s"])
    @pytest.mark.parametrize("value", [0, -1, nan, "60", True, -inf])
    def test_wrong_times(self, name, value):
        """Times are seconds, more than 0."""
        with pytest.raises(ConfigurationError, match=rf"'{name}' of repository 'person' is {value!r}"):
            PersonRepository(DictMemoryDataSource(), DictFallbackDataSource(), **{name: value})

    @pytest.mark.parametrize("value", [inf, 1e300])
    def test_time_without_end(self, value):
        """For ever is None."""
        with pytest.raises(ConfigurationError, match="None: no limit"):
            PersonRepository(DictMemoryDataSource(), DictFallbackDataSource(), value)

    @pytest.mark.parametrize(
        "sources",
        [(lambda: None, DictFallbackDataSource), (DictMemoryDataSource, str), (DictFallbackDataSource, DictMemoryDataSource), (str, str)],
        ids=["no memory", "no store", "the wrong way round", "text"],
    )
    def test_wrong_sources(self, sources):
        """What is no source is told."""
        with pytest.raises(ConfigurationError, match="repository 'person' is of type"):
            PersonRepository(*(make() for make in sources))

    @pytest.mark.parametrize(
        ("name", "value"),
        [("max_size", 0), ("max_size", 1.5), ("max_size", "5"), ("ttl_s", nan), ("ttl_s", "5"), ("jitter", 1), ("type", "LRU")],
    )
    def test_wrong_caches(self, name, value):
        """A cache has a size, a type, times."""
        with pytest.raises(ConfigurationError, match="of a cache"):
            Cache(**{name: value})

    @pytest.mark.parametrize("seconds", [0, -1, nan, "1", None])
    def test_wrong_deadline_of_the_memory(self, seconds):
        """A memory that may take any time would keep everybody waiting."""
        with pytest.raises(ConfigurationError, match="deadline of the memory of repository 'person'"):
            Service(make(PersonRepository), memory_deadline_s=seconds)

    @pytest.mark.parametrize("wrong", [None, PersonRepository, DictMemoryDataSource()], ids=["None", "a class", "a source"])
    def test_service_of_no_repository(self, wrong):
        """A service is of a repository."""
        with pytest.raises(ConfigurationError, match="is no repository"):
            Service(wrong)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"repository_cls": PlaylistRepository}, "no HashRepository"),
            ({"repository_cls": None}, "no HashRepository"),
            ({"memory_data_source_factory": DictMemoryDataSource()}, "cannot be called"),
            ({"fallback_data_source_factory": lambda: None}, "'NoneType'"),
            ({"cb_failure_threshold": 0}, "cb_failure_threshold"),
            ({"cb_failure_threshold": "3"}, "cb_failure_threshold"),
            ({"cb_recovery_timeout": nan}, "cb_recovery_timeout"),
            ({"cb_recovery_timeout": None}, "cb_recovery_timeout"),
            ({"cache_type": "LRU"}, "type of a cache"),
        ],
        ids=range(9),
    )
    def test_wrong_services(self, change, said):
        """What a service cannot be made of is named."""
        right = {
            "repository_cls": PersonRepository,
            "memory_data_source_factory": DictMemoryDataSource,
            "fallback_data_source_factory": DictFallbackDataSource,
        }

        with pytest.raises(ConfigurationError, match=said):
            asyncio.run(make_hash_service(**{**right, **change}))

    @pytest.mark.parametrize(
        "url",
        [
            "",
            None,
            5,
            "redis.example.org",
            "http://redis.example.org",
            f"redis://:{SECRET}@redis.example.org:port/0",
            f"redis://me:{SECRET}@redis.example.org:99999",
            f"redis://me:{SECRET}@redis.example.org/first",
            "redis://redis.example.org/-1",
            f"redis://:{SECRET}@[::1",
        ],
    )
    def test_wrong_url(self, url):
        """A URL of a wrong scheme, port or database is told when a source is made, without its password."""
        with pytest.raises(ConfigurationError, match="redis://user:password@host:port/0") as caught:
            RedisMemoryDataSource(url)

        assert SECRET not in str(caught.value)

    @pytest.mark.parametrize("options", [{"max_connections": 0}, {"max_connections": "many"}, {"sokcet_timeout": 1}], ids=str)
    def test_wrong_options_of_redis(self, options):
        """Options that a client does not know, or that would let nobody in, are told."""
        with pytest.raises(ConfigurationError, match=r"redis\.example\.org"):
            RedisMemoryDataSource("redis://redis.example.org", **options)
