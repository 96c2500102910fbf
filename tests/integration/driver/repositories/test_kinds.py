"""Every kind of repository, on a dict and on Redis: the memory and the store behind it answer alike"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from math import inf, nan
from typing import Any, TypedDict

import pytest

from qapla.driver import (
    BooleanRepository,
    DictFallbackDataSource,
    DictMemoryDataSource,
    DocumentRepository,
    EntityNotFound,
    EntityRefused,
    GeoMember,
    GeoSpatialEntity,
    GeoSpatialRepository,
    HashRepository,
    ListEntity,
    ListRepository,
    RedisMemoryDataSource,
    SetEntity,
    SetRepository,
    SortedSetEntity,
    SortedSetRepository,
    WrongKeyType,
)
from qapla.errors import EntityDamaged, ModelError, QueryError

PALERMO, CATANIA = GeoMember("Palermo", 13.361389, 38.115556), GeoMember("Catania", 15.087269, 37.502669)


@dataclass
class Page:
    id: int
    text: str
    size: float = 0.0


@dataclass
class Seen:
    user: str
    page: int


class Playlist(SortedSetEntity):
    id: str


class Typed(TypedDict):
    id: str
    data: Any
    max_size: int | None


class Sights(GeoSpatialEntity):
    id: str


class Steps(ListEntity):
    id: str


class Tags(SetEntity):
    id: int


class PageRepository(HashRepository[Page, int]):
    pass


class DocRepository(DocumentRepository[Page, int]):
    name = "doc"


class SeenRepository(BooleanRepository[Seen]):
    key_attrs = ("user", "page")


class NumberRepository(BooleanRepository[int, int]):
    name = "number"


class PlaylistRepository(SortedSetRepository[Playlist, str]):
    pass


class TypedRepository(SortedSetRepository[Typed, str]):
    pass


class SightsRepository(GeoSpatialRepository[Sights, str]):
    pass


class StepsRepository(ListRepository[Steps, str]):
    pass


class TagsRepository(SetRepository[Tags, int]):
    pass


@pytest.fixture(params=["dict", "redis"])
def memory(request):
    if request.param == "dict":
        return DictMemoryDataSource()
    return RedisMemoryDataSource(request.getfixturevalue("redis_url"))


@pytest.fixture
def make(memory):
    """Make a repository whose keys nobody else has"""

    def make(cls):
        own = type(cls.__name__, (cls,), {"name": f"{cls.name}{secrets.token_hex(4)}"})
        return own(memory, DictFallbackDataSource(), 60)

    return make


def ask(repository, *values, **options):
    """Ask the memory, the store behind it, and the memory again after it was emptied: all three say the same"""
    drop = repository.memory_data_source.run([("DEL", repository.query(*values).keys[0].text)])

    async def read():
        one = await repository.query(*values, **options).entity
        two = await repository.query(*values, memory=False, **options).entity
        await drop
        three = await repository.query(*values, **options).entity
        four = await repository.query(*values, **options).entity
        assert one == two == three == four
        return one

    return asyncio.run(read())


@pytest.mark.parametrize("cls", [PageRepository, DocRepository])
def test_entities_with_fields(make, cls):
    """Hashes and documents keep any field, and read some of them."""
    pages = make(cls)
    asyncio.run(pages.add(Page(1, "null \x00 ☃", inf)))

    assert ask(pages, 1) == Page(1, "null \x00 ☃", inf)
    assert ask(pages, 1, fields=["size"]) == {"size": inf}
    assert asyncio.run(pages.query(many=[2, 1]).entities) == [Page(1, "null \x00 ☃", inf)]


def test_document_that_is_damaged_is_read_behind_the_memory(make):
    """A string that is no document is not believed."""
    pages = make(DocRepository)
    asyncio.run(pages.add(Page(1, "x")))
    asyncio.run(pages.memory_data_source.run([("SET", pages.query(1).keys[0].text, b"{")]))

    assert asyncio.run(pages.query(1).entity) == Page(1, "x")


def test_bare_keys(make):
    """A key that is there is its entity, of a class or by itself; what was not added is not there."""
    seen, numbers = make(SeenRepository), make(NumberRepository)
    asyncio.run(seen.add(Seen("a:b", 7)))
    asyncio.run(numbers.add(5, -6))

    assert ask(seen, "a:b", 7) == ask(seen, "a:b", "7") == Seen("a:b", 7)
    assert ask(numbers, 5) == 5
    assert asyncio.run(numbers.query(many=[-6, 0, 5]).entities) == [-6, 5]
    assert not asyncio.run(numbers.query(1).exists)
    asyncio.run(numbers.query(5).delete)
    with pytest.raises(EntityNotFound):
        asyncio.run(numbers.query(5).entity)
    with pytest.raises(EntityRefused, match="'int', not 'bool'"):
        asyncio.run(numbers.add(True))


QUESTIONS = [
    ({}, [b"a", b"b", b"c", b"\xff", b"d"]),
    ({"reverse": True}, [b"d", b"\xff", b"c", b"b", b"a"]),
    ({"withscores": True, "page": 1, "page_size": 2}, [(b"a", -inf), (b"b", 0.1)]),
    ({"page": 2, "page_size": 2}, [b"c", b"\xff"]),
    ({"page": 9, "page_size": 2}, []),
    ({"page_size": 1, "reverse": True}, [b"d"]),
    ({"min_score": 2}, [b"c", b"\xff", b"d"]),
    ({"max_score": 2, "reverse": True}, [b"\xff", b"c", b"b", b"a"]),
    ({"min_score": 0, "max_score": 0.1, "withscores": True}, [(b"b", 0.1)]),
    ({"min_score": 0, "page": 2, "page_size": 2}, [b"\xff", b"d"]),
    ({"min_score": 5, "max_score": 4}, []),
]


@pytest.mark.parametrize(("options", "expected"), QUESTIONS, ids=str)
def test_sorted_sets(make, options, expected):
    """Pages, scores and the other way round, alike in both places; max_size counts all."""
    playlists = make(PlaylistRepository)
    asyncio.run(playlists.add(Playlist("p", [("c", 2), (b"\xff", 2.0), ("a", -inf), ("b", 9), ("b", 0.1), ("d", 3)])))

    assert ask(playlists, "p", **options) == Playlist("p", expected)
    assert ask(playlists, "p", withmaxsize=True, **options).max_size == 5


def test_sorted_sets_of_other_classes(make):
    """Any class with the key and ``data`` will do; many members, and none, are kept."""
    playlists = make(TypedRepository)
    many = [(f"m{number:04}", number) for number in range(2500)]
    asyncio.run(playlists.add({"id": "p", "data": many}, {"id": "none", "data": []}))

    assert ask(playlists, "p")["data"] == [member.encode() for member, _ in many]
    assert ask(playlists, "none", withmaxsize=True) == {"id": "none", "data": [], "max_size": 0}
    assert [found["id"] for found in asyncio.run(playlists.query(many=["none", "gone", "p"]).entities)] == ["none", "p"]
    asyncio.run(playlists.add({"id": "p", "data": [("x", 1)]}))
    assert ask(playlists, "p")["data"] == [b"x"]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, {b"Palermo", b"Catania"}),
        ({"latitude": 37, "longitude": 15, "max_distance": 100}, {b"Catania"}),
        ({"latitude": 37, "longitude": 15, "max_distance": 200_000, "distance_unit": "m"}, {b"Palermo", b"Catania"}),
        ({"latitude": 37, "longitude": 15, "max_distance": 200, "count": 1}, {b"Catania"}),
        ({"latitude": 37, "longitude": 15, "width": 400, "height": 400}, {b"Palermo", b"Catania"}),
        ({"latitude": 0, "longitude": 0, "max_distance": 1}, set()),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),  # a set is in another order in each process
)
def test_places(make, options, names):
    """Places by radius and by box, nearest first, alike in both places."""
    sights = make(SightsRepository)
    asyncio.run(sights.add(Sights("s", [PALERMO, CATANIA])))

    found = ask(sights, "s", **options).data

    assert {member.member for member in found} == names
    distances = [member.distance for member in found]
    assert distances == (sorted(distances) if "latitude" in options else [None, None])


def test_places_come_back_where_they_were(make):
    """A place is at most 60 cm from where it was put; what was read can be added again."""
    sights = make(SightsRepository)
    asyncio.run(sights.add(Sights("s", [CATANIA])))

    found = ask(sights, "s", latitude=37.502669, longitude=15.087269, max_distance=1, distance_unit="m").data[0]

    assert found.distance < 0.6
    asyncio.run(sights.add(Sights("s", [found])))
    assert ask(sights, "s").data == [found._replace(distance=None)]


def test_lists_and_sets(make):
    """Lists keep order and doubles, and have pages; sets have neither."""
    steps, tags = make(StepsRepository), make(TagsRepository)
    asyncio.run(steps.add(Steps("s", ["b", b"\xff", "a", "b"]), Steps("e", [])))
    asyncio.run(tags.add(Tags(1, {"x", b"\xff", b"x"})))

    assert ask(steps, "s").data == [b"b", b"\xff", b"a", b"b"]
    assert ask(steps, "s", page=2, page_size=3, withmaxsize=True) == Steps("s", [b"b"], 4)
    assert ask(steps, "e").data == []
    assert ask(tags, "1", withmaxsize=True) == Tags(1, frozenset({b"x", b"\xff"}), 2)


@pytest.mark.parametrize("cls", [PageRepository, DocRepository, PlaylistRepository, SightsRepository, StepsRepository, TagsRepository])
def test_wrong_type_under_the_key_is_told(make, cls):
    """A key that holds another type is told by repository and key, alone and among many; adding puts it right."""
    repository = make(cls)
    key = repository.query(1).keys[0].text
    wrong = ("RPUSH", key, "1") if cls is not StepsRepository else ("SADD", key, "1")
    asyncio.run(repository.memory_data_source.run([wrong]))

    for question in (lambda: repository.query(1).entity, lambda: repository.query(many=[2, 1]).entities):
        with pytest.raises(WrongKeyType, match="WRONGTYPE") as caught:
            asyncio.run(question())
        assert caught.value.repository == repository.name
    entities = {Page: Page(1, "x"), Tags: Tags(1, [])}
    asyncio.run(repository.add(entities.get(cls.entity_cls) or cls.entity_cls("1", [])))
    asyncio.run(repository.query(1).entity)


BAD = [
    (PlaylistRepository, lambda repository: repository.query("p", page_size=0), QueryError, "'page_size' is 0"),
    (PlaylistRepository, lambda repository: repository.query("p", page=0, page_size=1), QueryError, "'page' is 0"),
    (PlaylistRepository, lambda repository: repository.query("p", page=2), QueryError, "page_size"),
    (PlaylistRepository, lambda repository: repository.query("p", min_score=nan), QueryError, "min_score"),
    (PlaylistRepository, lambda repository: repository.query("p", latitude=1), QueryError, "knows no 'latitude'"),
    (StepsRepository, lambda repository: repository.query("p", page_size=True), QueryError, "page_size"),
    (SightsRepository, lambda repository: repository.query("s", latitude=91, longitude=0, max_distance=1), QueryError, "out of range"),
    (SightsRepository, lambda repository: repository.query("s", latitude=1, longitude=nan, max_distance=1), QueryError, "out of range"),
    (SightsRepository, lambda repository: repository.query("s", latitude="1", longitude=1, max_distance=1), QueryError, "no numbers"),
    (SightsRepository, lambda repository: repository.query("s", latitude=1, max_distance=1), QueryError, "only one of them"),
    (SightsRepository, lambda repository: repository.query("s", latitude=1, longitude=1), QueryError, "how far"),
    (SightsRepository, lambda repository: repository.query("s", latitude=1, longitude=1, width=1), QueryError, "how far"),
    (SightsRepository, lambda repository: repository.query("s", max_distance=1), QueryError, "around a position"),
    (SightsRepository, lambda repository: repository.query("s", latitude=1, longitude=1, max_distance=-1), QueryError, "max_distance"),
    (SightsRepository, lambda repository: repository.query("s", distance_unit="parsec"), QueryError, "parsec"),
    (SightsRepository, lambda repository: repository.query("s", count=0), QueryError, "count"),
    (PlaylistRepository, lambda repository: repository.document("p", ["m"]), EntityRefused, "comes with its score"),
    (PlaylistRepository, lambda repository: repository.document("p", [("m", nan)]), EntityRefused, "not a number"),
    (PlaylistRepository, lambda repository: repository.document("p", [("m", "secret")]), EntityRefused, "a number is none"),
    (PlaylistRepository, lambda repository: repository.document("p", [(7, 1)]), EntityRefused, "text or bytes, not 'int'"),
    (PlaylistRepository, lambda repository: repository.document("p", None), EntityRefused, "collection"),
    (StepsRepository, lambda repository: repository.document("p", "abc"), EntityRefused, "collection"),
    (StepsRepository, lambda repository: repository.document("p", ["\ud800"]), EntityRefused, "no valid text"),
    (SightsRepository, lambda repository: repository.document("s", [GeoMember("x", 181, 0)]), EntityRefused, "out of range"),
    (SightsRepository, lambda repository: repository.document("s", [("x", 1)]), EntityRefused, "GeoMember"),
]


@pytest.mark.parametrize(("cls", "ask", "error", "said"), BAD)
def test_bad_input_is_told(cls, ask, error, said):
    """What makes no sense is told with what would, before anything is asked or written, and without the value of an entity."""
    repository = cls(DictMemoryDataSource(), DictFallbackDataSource())
    repository.document = lambda key, data: repository.document_of(cls.entity_cls(key, data), repository.query(key).keys[0])

    with pytest.raises(error, match=said) as caught:
        ask(repository)

    assert "secret" not in str(caught.value)


def test_document_of_another_kind_is_told():
    """A document behind the memory that has no members is damaged, not empty."""
    repository = PlaylistRepository(DictMemoryDataSource(), DictFallbackDataSource())
    repository.fallback_data_source.db["playlist:p"] = {"id": b'"p"', "data": b"7"}

    with pytest.raises(EntityDamaged, match="playlist:p"):
        asyncio.run(repository.query("p").entity)


def test_fields_that_nobody_keeps_are_told():
    """A class with more than its key and its members is refused as a class."""

    class Owned(SortedSetEntity):
        id: str
        owner: str

    with pytest.raises(ModelError, match="'owner'"):

        class OwnedRepository(SortedSetRepository[Owned, str]):
            pass

    with pytest.raises(ModelError, match="has no name"):

        class Nameless(BooleanRepository[str]):
            pass

    with pytest.raises(ModelError, match="'text'"):

        class Fat(BooleanRepository[Page]):
            pass
