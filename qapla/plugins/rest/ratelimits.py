"""How many requests a caller may send to one database in a minute (``requests_per_minute``), 429 beyond.

A window that slides: what was sent in the minute before counts as much of it as is still within the last sixty seconds. Counted in the
memory of this process, bounded; where the application has a Redis called ``default``, there, for all processes together. A Redis that
does not answer stops nobody: this process counts alone then, and asks again after a while.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import math
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from qapla.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.application import Application

log = logging.getLogger(__name__)

WINDOW_S = 60
MAX_CALLERS = 10_000  # remembered by one process; the one who was silent longest is forgotten first
AWAY_S = 30  # after which a Redis that failed is asked again
PREFIX = "qapla:requests"


class Store(Protocol):
    """Counts requests by caller and minute."""

    def count(self, key: str, minute: int) -> tuple[int, int]:
        """Count one more; return how many came in the minute before this one, and in this one."""
        ...


class MemoryStore:
    """In this process; safe for threads."""

    def __init__(self, size: int = MAX_CALLERS) -> None:
        self._size = size
        self._counts: OrderedDict[str, tuple[int, int, int]] = OrderedDict()  # minute, in the one before, in this one
        self._lock = threading.Lock()

    def count(self, key: str, minute: int) -> tuple[int, int]:
        """Count one more; return how many came in the minute before this one, and in this one."""
        with self._lock:
            known, before, now = self._counts.pop(key, (minute, 0, 0))
            if known != minute:
                before, now = (now, 0) if known == minute - 1 else (0, 0)
            self._counts[key] = (minute, before, now + 1)
            while len(self._counts) > self._size:
                self._counts.popitem(last=False)
        return before, now + 1


class RedisStore:
    """In Redis, for all processes; in this one while Redis is away.

    Args:
        find_client: returns the client of this process.
        clock: monotonic seconds.
    """

    def __init__(self, find_client: Callable[[], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._find_client = find_client
        self._clock = clock
        self._own = MemoryStore()
        self._away_until = float("-inf")

    def count(self, key: str, minute: int) -> tuple[int, int]:
        """Count one more; return how many came in the minute before this one, and in this one."""
        if self._clock() >= self._away_until:
            try:
                return self._count(key, minute)
            except Exception as error:  # whatever is wrong with Redis is not wrong with the request
                self._away_until = self._clock() + AWAY_S
                log.warning("requests are counted by each process alone: Redis does not answer: %s", type(error).__name__)
        return self._own.count(key, minute)

    def _count(self, key: str, minute: int) -> tuple[int, int]:
        name = f"{PREFIX}:{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()[:32]}"
        with self._find_client().pipeline(transaction=False) as pipe:
            pipe.get(f"{name}:{minute - 1}")
            pipe.incr(f"{name}:{minute}")
            pipe.expire(f"{name}:{minute}", 2 * WINDOW_S + 1)
            before, now, _ = pipe.execute()
        return int(before or 0), int(now)


def check(app: Application, database: str, caller: str, limit: int, clock: Callable[[], float] = time.time) -> None:
    """Count a request.

    Args:
        caller: who sends it, as ``name_caller`` says.
        clock: seconds since 1970, the same for all processes.

    Raises:
        AccessError: QAPLA429 (429), with ``Retry-After``: there were too many lately.
    """
    now = clock()
    minute, passed_s = divmod(now, WINDOW_S)
    before, count = _store_of(app).count(f"{database}\0{caller}", int(minute))
    before = min(before, limit)  # what was refused is no reason to refuse more
    if before * (1 - passed_s / WINDOW_S) + count > limit:
        seconds = _wait_s(before, count + 1, limit, passed_s)
        raise AccessError(
            f"there were more than {limit} requests to database {database!r} within a minute",
            code="QAPLA429",
            status=429,
            hint=f"try again in {seconds} s",
            headers={"Retry-After": str(seconds)},
        )


def _wait_s(before: int, count: int, limit: int, passed_s: float) -> int:
    """Return in how many seconds there is room for the request with the number *count* in its minute, if none is sent meanwhile."""
    if count > limit:  # in this minute not any more; in the next one as soon as enough of it has slid out
        return math.ceil(WINDOW_S - passed_s + WINDOW_S / limit)
    return max(1, math.ceil(WINDOW_S * (1 - (limit - count) / before) - passed_s))


def name_address(text: str) -> str:
    """Return an address as that of a caller: of IPv6 the network, since one subscriber has very many addresses in it."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    if address.version == 4:
        return text
    return str(address.ipv4_mapped or ipaddress.ip_network((int(address) >> 64 << 64, 64)))


def _store_of(app: Application) -> Store:
    store = _stores.get(app)
    if store is None:
        clients = app.find("redis")
        store = RedisStore(lambda: clients["default"]) if clients is not None and "default" in tuple(clients) else MemoryStore()
        store = _stores.setdefault(app, store)
    return store


_stores: WeakKeyDictionary[Application, Store] = WeakKeyDictionary()
