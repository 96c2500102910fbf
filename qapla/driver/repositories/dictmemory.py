"""A memory source in this process: the commands of Redis that repositories use, on a dict, expiry included."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from math import isnan
from typing import Any, ClassVar, TypeVar

from qapla.driver.repositories.geohash import UNITS_M, Position, distance_m, is_in_box, snap
from qapla.driver.repositories.source import Batch, Command, MemoryDataSource
from qapla.driver.repositories.streamid import LARGEST, read_id
from qapla.errors import ConfigurationError, WrongKeyType

SWEEP_EVERY = 1000  # commands; what has expired and is never asked for again is dropped then


class Hash(dict[bytes, bytes]):
    """A hash."""


class SortedSet(dict[bytes, float]):
    """Scores by member."""

    def ordered(self) -> list[tuple[bytes, float]]:
        """Return members and scores by score, then by member."""
        return sorted(self.items(), key=lambda item: (item[1], item[0]))


class Places(SortedSet):
    """Positions by member. In Redis it is a sorted set, too; no repository has use for that."""


class Stream(dict[tuple[int, int], list[bytes]]):
    """Names and values of fields, by ids that grow."""

    last = (0, 0)

    def append(self, id: tuple[int, int], fields: list[bytes]) -> None:
        """Add an entry.

        Raises:
            ConfigurationError: its id does not grow. A repository looks before it writes.
        """
        if id <= self.last:
            raise ConfigurationError("an id of an entry is equal to or smaller than the one before")
        self[id], self.last = fields, id

    def between(self, first: Any, last: Any, is_reverse: bool) -> list[Any]:
        """Return the entries from *first* to *last* as Redis does."""
        low, high = _bound(first, 0, (0, 0), 1), _bound(last, LARGEST, (LARGEST, LARGEST), -1)
        found = [[b"%d-%d" % id, list(fields)] for id, fields in self.items() if low <= id <= high]
        return found[::-1] if is_reverse else found


Kind = TypeVar("Kind")


class DictMemoryDataSource(MemoryDataSource):
    """Keep values in a dict. Safe for threads.

    Args:
        clock: seconds; for tests that cannot wait.
    """

    name = "dict"

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._values: dict[str, Any] = {}
        self._ends: dict[str, float] = {}
        self._until_sweep = SWEEP_EVERY

    async def run(self, commands: Sequence[Command], *, atomic: bool = False) -> list[Any]:
        """Run *commands*; here they are always atomic."""
        return self.apply(commands)

    async def run_if_absent(self, batches: Sequence[Batch]) -> list[bool]:
        """Run the commands of each batch if none of its keys exists."""
        with self._lock:
            return [self._do_if_absent(*batch) for batch in batches]

    def apply(self, commands: Sequence[Command]) -> list[Any]:
        """Run *commands*; like ``run`` for who cannot await."""
        with self._lock:
            return [self._do(command) for command in commands]

    def _do_if_absent(self, keys: Sequence[str], commands: Sequence[Command]) -> bool:
        if any(self._find(key, object) is not None for key in keys):
            return False
        for command in commands:
            self._do(command)
        return True

    def _do(self, command: Command) -> Any:
        self._until_sweep -= 1
        if self._until_sweep <= 0:
            self._sweep()
        return self._commands[command[0]](self, *command[1:])

    def _sweep(self) -> None:
        now = self._clock()
        for key in [key for key, end in self._ends.items() if end <= now]:
            self._drop(key)
        self._until_sweep = max(SWEEP_EVERY, len(self._ends))

    def _drop(self, key: str) -> bool:
        self._ends.pop(key, None)
        return self._values.pop(key, None) is not None

    def _find(self, key: str, kind: type[Kind]) -> Kind | None:
        end = self._ends.get(key)
        if end is not None and end <= self._clock():
            self._drop(key)
        value = self._values.get(key)
        if value is not None and not isinstance(value, kind):
            raise WrongKeyType(f"key {key!r} holds another type (WRONGTYPE): a {type(value).__name__}", key=key)
        return value

    def _make(self, key: str, kind: type[Kind]) -> Kind:
        found = self._find(key, kind)
        if found is None:
            found = self._values[key] = kind()
        return found

    # -- any type ---------------------------------------------------------

    def _delete(self, *keys: str) -> int:
        return sum(self._find(key, object) is not None and self._drop(key) for key in keys)

    def _exists(self, *keys: str) -> int:
        return sum(self._find(key, object) is not None for key in keys)

    def _pexpire(self, key: str, time_ms: int) -> int:
        if self._find(key, object) is None:
            return 0
        self._ends[key] = self._clock() + time_ms / 1000
        return 1

    def _pttl(self, key: str) -> int:
        if self._find(key, object) is None:
            return -2
        return -1 if key not in self._ends else max(0, round((self._ends[key] - self._clock()) * 1000))

    # -- strings ----------------------------------------------------------

    def _get(self, key: str) -> bytes | None:
        return self._find(key, bytes)

    def _mget(self, *keys: str) -> list[bytes | None]:
        found = [self._find(key, object) for key in keys]
        return [value if isinstance(value, bytes) else None for value in found]

    def _set(self, key: str, value: Any, *options: Any) -> bytes:
        self._drop(key)
        self._values[key] = _bytes(value)
        if options:
            self._pexpire(key, options[1])  # PX
        return b"OK"

    # -- hashes -----------------------------------------------------------

    def _hset(self, key: str, *pairs: Any) -> int:
        kept = self._make(key, Hash)
        before = len(kept)
        kept.update({_bytes(name): _bytes(value) for name, value in zip(pairs[::2], pairs[1::2], strict=True)})
        return len(kept) - before

    def _hgetall(self, key: str) -> list[bytes]:
        return [part for pair in (self._find(key, Hash) or {}).items() for part in pair]

    def _hmget(self, key: str, *names: str) -> list[bytes | None]:
        kept: dict[bytes, bytes] = self._find(key, Hash) or {}
        return [kept.get(_bytes(name)) for name in names]

    # -- sorted sets ------------------------------------------------------

    def _zadd(self, key: str, *pairs: Any) -> int:
        kept = self._make(key, SortedSet)
        before = len(kept)
        kept.update({_bytes(member): float(score) for score, member in zip(pairs[::2], pairs[1::2], strict=True)})
        return len(kept) - before

    def _zcard(self, key: str) -> int:
        return len(self._find(key, SortedSet) or ())

    def _zrange(self, key: str, first: Any, last: Any, *options: Any) -> list[bytes]:
        """ZRANGE key first last [BYSCORE] [REV] [LIMIT offset count] [WITHSCORES]"""
        items = (self._find(key, SortedSet) or SortedSet()).ordered()
        if "BYSCORE" in options:
            low, high = (float(last), float(first)) if "REV" in options else (float(first), float(last))
            items = [item for item in items if low <= item[1] <= high]
        items = items[::-1] if "REV" in options else items
        if "LIMIT" in options:
            at = options.index("LIMIT")
            items = items[options[at + 1] :][: options[at + 2]] if options[at + 2] >= 0 else items[options[at + 1] :]
        if "BYSCORE" not in options:
            items = _span(items, first, last)
        return [part for member, score in items for part in ((member, _number(score)) if "WITHSCORES" in options else (member,))]

    # -- places -----------------------------------------------------------

    def _geoadd(self, key: str, *triples: Any) -> int:
        kept = self._make(key, Places)
        before = len(kept)
        for longitude, latitude, member in zip(triples[::3], triples[1::3], triples[2::3], strict=True):
            kept[_bytes(member)] = snap((float(longitude), float(latitude)))  # type: ignore[assignment]
        return len(kept) - before

    def _geosearch(self, key: str, *options: Any) -> list[Any]:
        """GEOSEARCH key FROMLONLAT x y BYRADIUS r unit | BYBOX w h unit ASC [COUNT n] WITHDIST WITHCOORD"""
        kept: Any = self._find(key, Places) or {}
        centre = float(options[1]), float(options[2])
        is_radius = options[3] == "BYRADIUS"
        unit_m = UNITS_M[options[5 if is_radius else 6]]
        near: list[tuple[float, bytes, Position]] = []
        for member, place in kept.items():
            away_m = distance_m(centre, place)
            inside = (
                away_m <= float(options[4]) * unit_m
                if is_radius
                else is_in_box(centre, place, float(options[4]) * unit_m, float(options[5]) * unit_m)
            )
            if inside:
                near.append((away_m, member, place))
        near.sort(key=lambda item: item[0])
        if "COUNT" in options:
            near = near[: options[options.index("COUNT") + 1]]
        return [[member, b"%.4f" % (away_m / unit_m), [b"%.17g" % part for part in place]] for away_m, member, place in near]

    # -- lists and sets ---------------------------------------------------

    def _rpush(self, key: str, *members: Any) -> int:
        kept: list[bytes] = self._make(key, list)
        kept.extend(_bytes(member) for member in members)
        return len(kept)

    def _llen(self, key: str) -> int:
        return len(self._find(key, list) or ())

    def _lrange(self, key: str, first: int, last: int) -> list[bytes]:
        kept: list[bytes] = self._find(key, list) or []
        return _span(kept, first, last)

    def _sadd(self, key: str, *members: Any) -> int:
        kept: set[bytes] = self._make(key, set)
        before = len(kept)
        kept.update(_bytes(member) for member in members)
        return len(kept) - before

    def _scard(self, key: str) -> int:
        return len(self._find(key, set) or ())

    def _smembers(self, key: str) -> list[bytes]:
        return list(self._find(key, set) or ())

    # -- streams ----------------------------------------------------------

    def _xadd(self, key: str, id: Any, *pairs: Any) -> bytes:
        kept = self._make(key, Stream)
        kept.append(read_id(id), [_bytes(part) for part in pairs])
        return b"%d-%d" % kept.last

    def _xlen(self, key: str) -> int:
        return len(self._find(key, Stream) or ())

    def _xrange(self, key: str, first: Any, last: Any, *options: Any) -> list[Any]:
        """XRANGE key first last [COUNT n]"""
        return (self._find(key, Stream) or Stream()).between(first, last, False)[: options[1] if options else None]

    def _xrevrange(self, key: str, last: Any, first: Any, *options: Any) -> list[Any]:
        return (self._find(key, Stream) or Stream()).between(first, last, True)[: options[1] if options else None]

    _commands: ClassVar[dict[str, Callable[..., Any]]] = {
        "DEL": _delete,
        "EXISTS": _exists,
        "GEOADD": _geoadd,
        "GEOSEARCH": _geosearch,
        "GET": _get,
        "HGETALL": _hgetall,
        "HMGET": _hmget,
        "HSET": _hset,
        "LLEN": _llen,
        "LRANGE": _lrange,
        "MGET": _mget,
        "PEXPIRE": _pexpire,
        "PTTL": _pttl,
        "RPUSH": _rpush,
        "SADD": _sadd,
        "SCARD": _scard,
        "SET": _set,
        "SMEMBERS": _smembers,
        "XADD": _xadd,
        "XLEN": _xlen,
        "XRANGE": _xrange,
        "XREVRANGE": _xrevrange,
        "ZADD": _zadd,
        "ZCARD": _zcard,
        "ZRANGE": _zrange,
    }


def _bound(id: Any, other: int, end: tuple[int, int], step: int) -> tuple[int, int]:
    """Return one end of a range of ids; ``(`` leaves the id itself out."""
    if id in ("-", "+"):
        return end
    text = str(id)
    first, second = read_id(text.removeprefix("("), other)
    return (first, second + step) if text.startswith("(") else (first, second)  # compared only: it may be no id


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _number(score: float) -> bytes:
    assert not isnan(score)  # refused where it comes in
    return b"%d" % score if score.is_integer() and abs(score) < 1e17 else b"%.17g" % score


def _span(items: list[Any], first: int, last: int) -> list[Any]:
    """Return the items from *first* to *last*, both included, negative ones counted from the end, as Redis has it."""
    size = len(items)
    first, last = max(0, first + size if first < 0 else first), last + size if last < 0 else last
    return items[first : last + 1] if last >= first else []
