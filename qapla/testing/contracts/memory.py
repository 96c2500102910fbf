"""What every memory source does: ``MemorySourceContract``."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from qapla.driver.repositories.invalidations import Changed, Confirmed
from qapla.driver.repositories.source import Command, MemoryDataSource
from qapla.errors import ConfigurationError, WrongKeyType

PLACES = (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania", 2.349014, 48.864716, "Paris")


class MemorySourceContract:
    """A memory source runs these commands of Redis, replies as Redis does in RESP2, and forgets when it is told to."""

    @pytest.fixture
    def source(self) -> MemoryDataSource:
        """Return a source. To be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has no fixture 'source'")

    @pytest.fixture
    def key(self) -> str:
        """Return a key that nobody has."""
        return f"contract:{secrets.token_hex(6)}"

    def run(self, source: MemoryDataSource, *commands: Command, atomic: bool = False) -> list[Any]:
        """Run commands in an event loop of their own."""
        replies: list[Any] = self.wait(source, source.run(commands, atomic=atomic))
        return replies

    def wait(self, source: MemoryDataSource, asked: Coroutine[Any, Any, Any]) -> Any:
        """Await what is asked of a source."""
        return asyncio.run(asked)

    @pytest.mark.parametrize("atomic", [False, True])
    def test_replies_come_in_order(self, source: MemoryDataSource, key: str, atomic: bool) -> None:
        """Each command has its reply, in the order of the commands, atomic or not."""
        asked = (("SET", key, b"\xff\x00"), ("GET", key), ("EXISTS", key, f"{key}:2"), ("DEL", key), ("GET", key), ("EXISTS", key))

        replies = self.run(source, *asked, atomic=atomic)

        assert replies[1:] == [b"\xff\x00", 1, 1, None, 0]

    def test_values_outlive_a_loop(self, source: MemoryDataSource, key: str) -> None:
        """What one event loop has written another one reads."""
        self.run(source, ("SET", key, "x"))

        assert self.run(source, ("GET", key)) == [b"x"]

    def test_values_expire(self, source: MemoryDataSource, key: str) -> None:
        """A value is gone when its time is over, however it was said; until then the time left can be asked for."""
        written = (("SET", key, "x", "PX", 60), ("HSET", f"{key}:h", "a", "1"), ("PEXPIRE", f"{key}:h", 60), ("SET", f"{key}:k", "x"))

        first = self.run(source, *written, ("PTTL", key), ("PTTL", f"{key}:h"), ("PTTL", f"{key}:k"), ("PTTL", f"{key}:none"))[4:]
        self.sleep(0.08)
        later = self.run(source, ("GET", key), ("HGETALL", f"{key}:h"), ("EXISTS", key), ("PTTL", key), ("DEL", f"{key}:k"))

        assert [0 < first[0] <= 60, 0 < first[1] <= 60, *first[2:]] == [True, True, -1, -2]
        assert later == [None, [], 0, -2, 1]

    def test_a_new_value_lives_as_long_as_it_says(self, source: MemoryDataSource, key: str) -> None:
        """What is written anew has no time of what was there."""
        replies = self.run(source, ("SET", key, "x", "PX", 60), ("SET", key, "y"), ("PTTL", key), ("DEL", key))

        assert replies[2] == -1

    def test_hashes(self, source: MemoryDataSource, key: str) -> None:
        """Fields are written together, and read all or some; one that is not there is None."""
        asked = (("HSET", key, "a", b"1", "b", b"\xff"), ("HSET", key, "b", "2"), ("HMGET", key, "b", "c"), ("HGETALL", key))

        replies = self.run(source, *asked)

        assert replies[:3] == [2, 0, [b"2", None]]
        assert self.pairs(replies[3]) == {b"a": b"1", b"b": b"2"}
        assert self.run(source, ("HMGET", f"{key}:none", "a"), ("HGETALL", f"{key}:none")) == [[None], []]

    def test_many_strings(self, source: MemoryDataSource, key: str) -> None:
        """MGET skips what is not there, and what is no string."""
        replies = self.run(source, ("SET", key, "x"), ("HSET", f"{key}:h", "a", "1"), ("MGET", f"{key}:none", key, f"{key}:h"))

        assert replies[2] == [None, b"x", None]

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ((0, -1), [b"b", b"a", b"c", b"d"]),
            ((0, -1, "REV", "WITHSCORES"), [b"d", b"2.5", b"c", b"2", b"a", b"2", b"b", b"-1"]),
            ((1, 2), [b"a", b"c"]),
            ((-2, -1), [b"c", b"d"]),
            ((4, 9), []),
            (("2.0", "+inf", "BYSCORE"), [b"a", b"c", b"d"]),
            (("2.0", "-inf", "BYSCORE", "REV"), [b"c", b"a", b"b"]),
            (("-inf", "2.0", "BYSCORE", "LIMIT", 1, 1), [b"a"]),
            (("+inf", "-inf", "BYSCORE", "REV", "LIMIT", 2, 5, "WITHSCORES"), [b"a", b"2", b"b", b"-1"]),
        ],
        ids=str,
    )
    def test_sorted_sets(self, source: MemoryDataSource, key: str, asked: Sequence[Any], expected: list[bytes]) -> None:
        """Members are ordered by score, then by their bytes; by position or score, backwards, a part of them."""
        self.run(source, ("ZADD", key, "2.0", "c", "2.0", "a", "-1.0", "b", "7.0", b"d"), ("ZADD", key, "2.5", "d"))

        assert self.run(source, ("ZRANGE", key, *asked), ("ZCARD", key), ("ZCARD", f"{key}:none")) == [expected, 4, 0]

    def test_scores_are_exact(self, source: MemoryDataSource, key: str) -> None:
        """A score comes back as the double that it was."""
        scores = [0.1 + 0.2, 1e300, -5e-324, float("inf"), 1e17, 123456789.125]
        for index, score in enumerate(scores):
            self.run(source, ("ZADD", key, repr(score), f"m{index}"))

        flat = self.run(source, ("ZRANGE", key, 0, -1, "WITHSCORES"))[0]

        assert sorted(float(score) for score in flat[1::2]) == sorted(scores)

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            (("BYRADIUS", "200.0", "km", "ASC"), [b"Catania", b"Palermo"]),
            (("BYRADIUS", "100.0", "mi", "ASC", "COUNT", 1), [b"Catania"]),
            (("BYBOX", "400.0", "400.0", "km", "ASC"), [b"Catania", b"Palermo"]),
            (("BYBOX", "10.0", "400000.0", "m", "ASC"), []),
            (("BYRADIUS", "21000.0", "km", "ASC"), [b"Catania", b"Palermo", b"Paris"]),
        ],
        ids=str,
    )
    def test_places(self, source: MemoryDataSource, key: str, asked: Sequence[Any], expected: list[bytes]) -> None:
        """Places are found in a radius or a box, the nearest first."""
        self.run(source, ("GEOADD", key, *PLACES))

        found = self.run(source, ("GEOSEARCH", key, "FROMLONLAT", "15.0", "37.0", *asked, "WITHDIST", "WITHCOORD"))[0]

        assert [member for member, _, _ in found] == expected

    def test_distances_and_positions(self, source: MemoryDataSource, key: str) -> None:
        """A place comes with its distance in the unit of the question, four digits, and where it is, 60 cm exact at worst."""
        self.run(source, ("GEOADD", key, *PLACES))

        asked = ("GEOSEARCH", key, "FROMLONLAT", "15.0", "37.0", "BYRADIUS", "200.0", "km", "ASC", "WITHDIST", "WITHCOORD")
        found = self.run(source, asked)[0]

        assert [distance for _, distance, _ in found] == [b"56.4413", b"190.4424"]
        assert [[round(float(part), 9) for part in place] for _, _, place in found] == [
            [15.087267458, 37.502668423],
            [13.361389339, 38.115556395],
        ]

    def test_lists(self, source: MemoryDataSource, key: str) -> None:
        """Members keep their order, also the same ones."""
        asked = (("RPUSH", key, "b", b"\xff"), ("RPUSH", key, "b"), ("LLEN", key), ("LRANGE", key, 0, -1), ("LRANGE", key, 1, 1))

        replies = self.run(source, *asked)

        assert replies == [2, 3, 3, [b"b", b"\xff", b"b"], [b"\xff"]]
        assert self.run(source, ("LLEN", f"{key}:none"), ("LRANGE", f"{key}:none", 0, -1)) == [0, []]

    def test_sets(self, source: MemoryDataSource, key: str) -> None:
        """Each member is there once."""
        replies = self.run(source, ("SADD", key, "b", b"\xff", "b"), ("SCARD", key), ("SMEMBERS", key))

        assert [*replies[:2], sorted(replies[2])] == [2, 2, [b"b", b"\xff"]]

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            (("XRANGE", "-", "+"), ["1-1", "1-2", "5-0"]),
            (("XREVRANGE", "+", "-", "COUNT", 2), ["5-0", "1-2"]),
            (("XRANGE", "1", "1"), ["1-1", "1-2"]),
            (("XRANGE", "(1-1", "(5"), ["1-2", "5-0"]),
            (("XREVRANGE", "(5-0", "1-2"), ["1-2"]),
            (("XRANGE", "9", "+"), []),
        ],
        ids=str,
    )
    def test_streams(self, source: MemoryDataSource, key: str, asked: Sequence[Any], expected: list[str]) -> None:
        """Entries have ids that grow, and are read between two of them, forwards and backwards, a number of them."""
        self.run(source, ("XADD", key, "1-1", "a", b"\xff"), ("XADD", key, "1-2", "b", "2", "c", "3"), ("XADD", key, 5, "d", "4"))

        found, size, nothing = self.run(source, (asked[0], key, *asked[1:]), ("XLEN", key), ("XLEN", f"{key}:none"))

        assert ([id.decode() for id, _ in found], size, nothing) == (expected, 3, 0)
        assert all(fields in ([b"a", b"\xff"], [b"b", b"2", b"c", b"3"], [b"d", b"4"]) for _, fields in found)

    def test_ids_of_streams_grow(self, source: MemoryDataSource, key: str) -> None:
        """An entry whose id does not grow is refused."""
        self.run(source, ("XADD", key, "1-2", "a", "1"))

        with pytest.raises(ConfigurationError, match="smaller"):
            self.run(source, ("XADD", key, "1-2", "a", "1"))

    def test_changes_are_told(self, source: MemoryDataSource, key: str) -> None:
        """A source tells of the keys that are asked for, once it has confirmed that it does; one that does not says so."""
        prefixes, marker = [f"{key}:", f"marker:{{{key}:"], f"marker:{{{key}:m}}"
        if source.line is None:
            with pytest.raises(ConfigurationError, match="does not tell of changes"):
                source.invalidations(prefixes)
            return

        async def listen() -> tuple[object, set[str]]:
            told: set[str] = set()
            async with asyncio.timeout(30), aclosing(source.invalidations(prefixes)) as events:
                first = await anext(events)
                await source.run([("SET", f"{key}:a", "x"), ("SET", key, "x"), ("SET", f"{key}:b", "x"), ("SET", marker, "0")])
                await source.run([("DEL", f"{key}:a"), ("DEL", key), ("DEL", f"{key}:b", marker)])
                async for event in events:
                    told |= set(event.keys or ()) if isinstance(event, Changed) else set()
                    if {f"{key}:a", f"{key}:b", marker} <= told:
                        break
            return first, told

        first, told = self.wait(source, listen())

        assert isinstance(first, Confirmed)
        assert told == {f"{key}:a", f"{key}:b", marker}

    def test_written_if_absent(self, source: MemoryDataSource, key: str) -> None:
        """A batch is written where none of its keys exists, else nothing of it; each batch is judged by itself."""
        marker = f"marker:{{{key}}}"
        batch = ((key, marker), [("HSET", key, "a", b"\xff\x00"), ("PEXPIRE", key, 60_000)])
        other = ((f"{key}:2", f"marker:{{{key}:2}}"), [("ZADD", f"{key}:2", "1.5", "m")])

        first = self.wait(source, source.run_if_absent([batch]))
        second = self.wait(source, source.run_if_absent([((key, marker), [("HSET", key, "a", b"2")]), other]))
        self.run(source, ("DEL", key), ("SET", marker, "0"))
        third = self.wait(source, source.run_if_absent([batch]))

        assert (first, second, third) == ([True], [False, True], [False])
        assert self.run(source, ("HGETALL", key), ("ZRANGE", f"{key}:2", 0, -1, "WITHSCORES")) == [[], [b"m", b"1.5"]]

    def test_what_is_written_if_absent_is_whole(self, source: MemoryDataSource, key: str) -> None:
        """What was written if it was absent has its value and its time."""
        self.wait(source, source.run_if_absent([((key,), [("HSET", key, "a", b"\xff\x00"), ("PEXPIRE", key, 60_000)])]))

        fields, lives_ms = self.run(source, ("HGETALL", key), ("PTTL", key))

        assert fields == [b"a", b"\xff\x00"]
        assert 50_000 < lives_ms <= 60_000

    @pytest.mark.parametrize(
        "asked",
        [("HGETALL",), ("HSET", "a", "1"), ("ZCARD",), ("ZADD", "1.0", "a"), ("LLEN",), ("RPUSH", "a"), ("SMEMBERS",), ("XLEN",)],
        ids=str,
    )
    def test_another_type_is_told(self, source: MemoryDataSource, key: str, asked: Sequence[Any]) -> None:
        """A key of another type is an error that names the key, says WRONGTYPE, and leaves the value alone."""
        self.run(source, ("SET", key, "hidden"))

        with pytest.raises(WrongKeyType, match="WRONGTYPE") as caught:
            self.run(source, (asked[0], key, *asked[1:]))

        assert caught.value.key == key
        assert "hidden" not in str(caught.value)
        assert self.run(source, ("GET", key)) == [b"hidden"]

    def test_closed_source_opens_again(self, source: MemoryDataSource, key: str) -> None:
        """Closing is for the connections of a loop; the source can be used after that."""

        async def use() -> list[Any]:
            await source.run([("SET", key, "x")])
            await source.aclose()
            await source.aclose()
            return await source.run([("GET", key)])

        assert self.wait(source, use()) == [b"x"]

    def pairs(self, flat: list[bytes]) -> dict[bytes, bytes]:
        """Return a flat reply as a dict."""
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def sleep(self, time_s: float) -> None:
        """Let time pass for the source."""
        asyncio.run(asyncio.sleep(time_s))
