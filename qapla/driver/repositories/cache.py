"""Answers kept in this process, by the key of their entity, so that a change of it takes all of them away.

What comes from a cache is shared by all who get it: do not change it.

A cache that is told what other processes change (``tracking.py``) answers only while it is believed: while nothing can be untold.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from enum import Enum
from math import inf
from typing import Any

from cachetools import LFUCache, LRUCache

from qapla.driver.repositories.checks import check_count, check_seconds
from qapla.errors import ConfigurationError

MISSING = object()  # in the place of an entity: there is none


class CacheType(Enum):
    """Which entity makes room for another one: the one that was not used for the longest time, or the one that was used least.

    ``TTL`` is the first, and says that entries end at a time; the others may end, too.
    """

    LRU = LRUCache
    LFU = LFUCache
    TTL = "ttl"


class Cache:
    """Answers about a bounded number of entities. Safe for threads.

    Args:
        type: who makes room.
        max_size: how many entities.
        ttl_s: seconds that an answer lives; None for ever.
        jitter: up to which part of ``ttl_s`` a life may be shorter, so that not all that came together goes together.
        missing_ttl_s: seconds that "there is none" lives; as ``ttl_s`` by default.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        type: CacheType = CacheType.LRU,
        max_size: int = 1000,
        ttl_s: float | None = None,
        jitter: float = 0.1,
        missing_ttl_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not isinstance(type, CacheType):
            raise ConfigurationError(f"the type of a cache is {type!r}", hint="CacheType.LRU, LFU or TTL")
        check_count(max_size, "the size of a cache", ConfigurationError)
        if not isinstance(jitter, int | float) or not 0 <= jitter < 1:
            raise ConfigurationError(f"the jitter of a cache is {jitter!r}", hint="a part of the time to live: from 0, below 1")
        if type is CacheType.TTL and ttl_s is None:
            raise ConfigurationError("a cache of type TTL has no time to live", hint="cache_ttl=60")
        for value in (ttl_s, missing_ttl_s):
            check_seconds(value, "the time to live of a cache", ConfigurationError)
        make: Any = LRUCache if type is CacheType.TTL else type.value
        self._make = lambda: make(max_size)
        self._ttl_s, self._missing_ttl_s = ttl_s, missing_ttl_s or ttl_s
        self._jitter = jitter
        self._clock = clock
        self._believed_until = inf
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget everything, and who may hold its lock: for a process that was forked."""
        self._lock = threading.Lock()
        self._entries: Any = self._make()
        self._reading: dict[str, object] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str, variant: Hashable) -> Any:
        """Return the answer, MISSING where there is no such entity, None where nothing is known."""
        now = self._clock()
        if now >= self._believed_until:
            return None
        with self._lock:
            answers = self._entries.get(key)
            if answers is None:
                return None
            found = answers.get(variant)
            if found is None:
                return None
            value, end = found
            if end is not None and end <= now:
                del answers[variant]
                return None
            return value

    def begin(self, keys: Iterable[str]) -> dict[str, object]:
        """Note that *keys* are being read; what is returned goes to ``put``."""
        with self._lock:
            return {key: self._reading.setdefault(key, object()) for key in keys}

    def put(self, key: str, variant: Hashable, value: Any, token: object) -> None:
        """Keep an answer, unless its entity was changed since it began to be read."""
        ttl_s = self._missing_ttl_s if value is MISSING else self._ttl_s
        now = self._clock()
        end = None if ttl_s is None else now + ttl_s * (1 - self._jitter * random.random())  # noqa: S311 - no secret
        with self._lock:
            if self._reading.get(key) is not token or now >= self._believed_until:
                return
            self._entries.setdefault(key, {})[variant] = (value, end)

    def end(self, tokens: dict[str, object]) -> None:
        """Note that what ``begin`` began is read."""
        with self._lock:
            for key, token in tokens.items():
                if self._reading.get(key) is token:
                    del self._reading[key]

    def drop(self, keys: Iterable[str]) -> None:
        """Forget all about *keys*, and what is being read of them now."""
        with self._lock:
            for key in keys:
                self._entries.pop(key, None)
                self._reading.pop(key, None)

    def interrupt(self, keys: Iterable[str]) -> None:
        """Let nothing be kept that is being read of *keys* now."""
        with self._lock:
            for key in keys:
                self._reading.pop(key, None)

    def clear(self) -> None:
        """Forget everything, and what is being read now."""
        with self._lock:
            self._entries.clear()
            self._reading.clear()

    # -- one that is told what others change

    @property
    def is_believed(self) -> bool:
        """Tell whether it answers now."""
        return self._clock() < self._believed_until

    def believe(self, time_s: float) -> None:
        """Let it answer for *time_s* seconds from now on; after a doubt with what is read from now on."""
        if self._believed_until == -inf:
            self.clear()
        self._believed_until = self._clock() + time_s

    def doubt(self) -> None:
        """Forget everything, and do not answer until it is believed again."""
        self._believed_until = -inf
        self.clear()
