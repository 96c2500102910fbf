"""qapla.driver.repositories.stream, on a dict and on Redis"""

from __future__ import annotations

import asyncio
import secrets

import pytest

from qapla.driver import (
    DictFallbackDataSource,
    DictMemoryDataSource,
    EntityRefused,
    RedisMemoryDataSource,
    StreamEntity,
    StreamEntry,
    StreamRepository,
    WrongKeyType,
    make_stream_service,
)
from qapla.errors import QueryError

ENTRIES = [("1-1", {"what": "begun"}), (5, {b"\xff": b"\x00", "b": ""}), ("5-3", {"what": "ended"})]
READ = [
    StreamEntry("1-1", {b"what": b"begun"}),
    StreamEntry("5-0", {b"\xff": b"\x00", b"b": b""}),
    StreamEntry("5-3", {b"what": b"ended"}),
]


class Events(StreamEntity):
    id: str


class EventsRepository(StreamRepository[Events, str]):
    pass


@pytest.fixture(params=["dict", "redis"])
def events(request):
    memory = DictMemoryDataSource() if request.param == "dict" else RedisMemoryDataSource(request.getfixturevalue("redis_url"))
    own = type("Own", (EventsRepository,), {"name": f"events{secrets.token_hex(4)}"})
    return own(memory, DictFallbackDataSource(), 60)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 1, 2]),
        ({"min_id": "5"}, [1, 2]),
        ({"min_id": "(5-0"}, [2]),
        ({"max_id": 5}, [0, 1, 2]),
        ({"max_id": "(5-3", "reverse": True}, [1, 0]),
        ({"count": 1, "reverse": True}, [2]),
        ({"min_id": 6}, []),
    ],
    ids=str,
)
def test_entries(events, options, expected):
    """Entries are read by their ids, some of them, backwards; the memory and the store behind it answer alike."""

    async def ask():
        await events.add(Events("e", ENTRIES))
        written = await events.query("e", withmaxsize=True, **options).entity
        behind = await events.query("e", memory=False, withmaxsize=True, **options).entity
        await events.memory_data_source.run([("DEL", events.query("e").keys[0].text)])
        copied = [await events.query("e", withmaxsize=True, **options).entity for _ in range(2)]
        return [written, behind, *copied]

    answers = asyncio.run(ask())

    assert answers == [Events("e", [READ[number] for number in expected], 3)] * 4


def test_streams_replace_and_are_empty(events):
    """What was read can be added again, a shorter stream takes the place of a longer one, and one without entries is one."""

    async def work():
        await events.add(Events("e", ENTRIES))
        await events.add(await events.query("e", count=1).entity, Events("none", []))
        return [found.data for found in await events.query(many=["e", "gone", "none"]).entities]

    assert asyncio.run(work()) == [READ[:1], []]


def test_another_type_under_the_key_is_told(events):
    """A key that holds another type is told by its name."""
    asyncio.run(events.memory_data_source.run([("SET", events.query("e").keys[0].text, "x")]))

    with pytest.raises(WrongKeyType, match="WRONGTYPE"):
        asyncio.run(events.query("e").entity)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([("1-2", {"a": "1"}), ("1-2", {"a": "1"})], "ids of entries grow"),
        ([("0-0", {"a": "1"})], "larger than 0-0"),
        ([("*", {"a": "1"})], "an id of its own"),
        ([("1.5", {"a": "1"})], "milliseconds and a number"),
        ([(True, {"a": "1"})], "ids of entries are"),
        ([(2**64, {"a": "1"})], "too large"),
        ([("1-1", {})], "at least one field"),
        ([("1-1", [("a", "1")])], "at least one field"),
        ([("1-1", {"a": 7})], "text or bytes, not 'int'"),
        (["1-1"], "its id and its fields"),
        (None, "collection"),
    ],
    ids=str,
)
def test_bad_entries_are_told(data, said):
    """Entries that no stream takes are refused before anything is written."""
    memory, behind = DictMemoryDataSource(), DictFallbackDataSource()

    with pytest.raises(EntityRefused, match=said):
        asyncio.run(EventsRepository(memory, behind).add(Events("e", data)))

    assert (memory._values, behind.db) == ({}, {})


@pytest.mark.parametrize(
    ("options", "said"),
    [({"min_id": "x"}, "min_id"), ({"max_id": "((1"}, "max_id"), ({"count": 0}, "count"), ({"page": 1}, "'page'")],
    ids=str,
)
def test_bad_questions_are_told(options, said):
    """A question that makes no sense is told by the option that is wrong."""
    with pytest.raises(QueryError, match=said):
        EventsRepository(DictMemoryDataSource(), DictFallbackDataSource()).query("e", **options)


def test_a_service_of_streams():
    """There is a service of streams, like of every kind."""

    async def work():
        service = await make_stream_service(EventsRepository, DictMemoryDataSource, DictFallbackDataSource, 60)
        await service.add(Events("e", ENTRIES))
        return await service.get_one("e", min_id="5-1")

    assert asyncio.run(work()).data == READ[2:]
