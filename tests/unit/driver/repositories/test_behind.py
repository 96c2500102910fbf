"""Write-behind, as far as no server is needed: what is refused, and what is written down"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from qapla.driver import (
    DictFallbackDataSource,
    DictMemoryDataSource,
    FallbackDataSource,
    HashRepository,
    RedisMemoryDataSource,
    SentinelMemoryDataSource,
    ShardedMemoryDataSource,
)
from qapla.driver.repositories.keys import make_key, read_key
from qapla.driver.repositories.pending import Pending, Write, read_value
from qapla.errors import ConfigurationError


@dataclass
class Thing:
    id: str
    value: int


class ThingRepository(HashRepository[Thing, str]):
    pass


class Plain(DictFallbackDataSource):
    has_terms = False


@pytest.mark.parametrize(
    ("memory", "store", "options", "said"),
    [
        (DictMemoryDataSource(), DictFallbackDataSource(), {}, "'dict' may lose writes"),
        (ShardedMemoryDataSource(a=DictMemoryDataSource()), DictFallbackDataSource(), {}, "'sharded' may lose writes"),
        (SentinelMemoryDataSource([("127.0.0.1", 1)], "shop"), DictFallbackDataSource(), {}, "'sentinel' may lose writes"),
        (RedisMemoryDataSource("redis://127.0.0.1:1/0"), Plain(), {}, "cannot tell an old writer"),
        (RedisMemoryDataSource("redis://127.0.0.1:1/0"), DictFallbackDataSource(), {"queue_size": 0}, "a size of 0"),
        (RedisMemoryDataSource("redis://127.0.0.1:1/0"), DictFallbackDataSource(), {"write_policy": "beind"}, "behind"),
    ],
    ids=["dict", "sharded", "sentinel", "no terms", "no queue", "no policy"],
)
def test_what_cannot_be_written_behind_is_refused(memory, store, options, said):
    """Stores that are not made for it, and policies that nobody knows, are refused when the repository is made."""
    with pytest.raises(ConfigurationError, match=said):
        ThingRepository(memory, store, 60, **{"write_policy": "behind", **options})


def test_nothing_waits_where_writing_goes_through():
    """A repository that writes through has no worker, and nothing to write."""
    things = ThingRepository(DictMemoryDataSource(), DictFallbackDataSource(), 60)

    assert (things.write_policy, things.writer, asyncio.run(things.write_pending())) == ("through", None, 0)


@pytest.mark.parametrize("values", [("a", "b"), ("a:b", "%3A"), ("{x}", "é\x00\n"), ("%", "%%41")], ids=ascii)
def test_keys_are_read_as_they_were_written(values):
    """The text of a key has its values, whatever is in them."""
    key = make_key("thing:s", ("one", "two"), values)

    read = read_key(key.text, "thing:s", ("one", "two"))

    assert (read, read.values) == (key, values)
    with pytest.raises(ValueError, match="parts"):
        read_key(key.text, "thing:s", ("one",))


@pytest.mark.parametrize("document", [None, {}, {"id": b'"a"', "note": '"ä"'.encode(), "big": b"NaN"}], ids=["nothing", "empty", "some"])
def test_what_waits_is_a_name_and_a_document(document):
    """A write is read as it was written, and two writes of the same have other names."""
    values = [Pending("thing", 10).write({"thing:a": document}, [])[-2] for _ in range(2)]

    writes = [read_value(value) for value in values]

    assert [write.document for write in writes] == [document] * 2
    assert writes[0].name != writes[1].name
    assert len(writes[0].name) == 16
    assert isinstance(writes[0], Write)


@pytest.mark.parametrize("value", [b"\xff", b"0123456789abcdef[", b"0123456789abcdef7"], ids=ascii)
def test_what_nobody_wrote_is_told(value):
    """What is no write is told as that."""
    with pytest.raises(ValueError, match=r"."):
        read_value(value)


def test_a_source_says_that_it_has_no_terms():
    """A source of one's own need not be made for it."""

    class Own(FallbackDataSource):
        get_many = put_many = delete_many = None

    for asked in (Own().begin_term("thing", "x"), Own().settle("thing", "x", [], [])):
        with pytest.raises(NotImplementedError, match="Own has no terms"):
            asyncio.run(asked)
