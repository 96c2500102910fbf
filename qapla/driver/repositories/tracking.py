"""Caches of this process that are told what other processes change.

A memory tells of changes (``MemoryDataSource.invalidations``) on one line: all services of the process that have the same memory share it,
and so do all event loops. It is listened to by a task of the loop that first missed something in a cache; when that loop ends, the next
one that misses something begins anew.

No answer is older than the line. A cache answers only while it is *believed*: for ``LEASE_S`` from the last moment before which all
changes are known to be told. When the line is lost it is emptied, and it stays empty and silent until there is another one. So what is
changed is seen within milliseconds as a rule; within ``LEASE_S`` when the network goes silent, or this process sleeps.

What is kept are answers of the memory itself, never those of the store behind it: they are copied into the memory, and that is a change,
too. The next question finds them there. Own changes are told like any other: Redis merges what several clients did to a key at the same
moment into one message, so whose it was cannot be known. What is read before the message comes is read from the memory once more.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Hashable
from math import inf
from typing import TYPE_CHECKING
from weakref import WeakSet, WeakValueDictionary

from qapla.driver.repositories.invalidations import Changed, Confirmed
from qapla.driver.repositories.keys import subject_of
from qapla.driver.repositories.listening import Line
from qapla.errors import ConfigurationError
from qapla.ports import NullMetrics

if TYPE_CHECKING:
    from qapla.driver.repositories.cache import Cache
    from qapla.driver.repositories.source import MemoryDataSource
    from qapla.ports import MetricsBackend

LEASE_S = 3.0

log = logging.getLogger("qapla.repositories")


class Listener:
    """A cache that is told.

    Args:
        cache: what is told.
        repository: name of the repository whose answers it has.
        prefix: what the keys of their entities begin with, ``person:``.
        metrics: where ``repository_cache_off`` is 1 while nothing is told, although somebody asked.
        repair: awaited each time that changes are confirmed: the memory is there.
    """

    def __init__(
        self,
        cache: Cache,
        repository: str,
        prefix: str,
        metrics: MetricsBackend | None = None,
        repair: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.cache = cache
        self.repository = repository
        self.prefix = prefix
        self.repair = repair
        self._metrics: MetricsBackend = metrics or NullMetrics()
        self._is_off = False
        cache.doubt()

    def switch(self, *, is_off: bool) -> None:
        """Note whether the cache is off because nothing is told."""
        if is_off:
            self.cache.doubt()
        if is_off is not self._is_off:
            self._is_off = is_off
            self._metrics.set("repository_cache_off", int(is_off), repository=self.repository)


class Tracking:
    """The line to one memory, and the caches of this process that believe it. Safe for threads.

    Args:
        source: the memory.
    """

    def __init__(self, source: MemoryDataSource) -> None:
        self._source = source
        self._listeners: WeakSet[Listener] = WeakSet()  # a service that nobody has any more does not listen
        self._is_lost = False
        self.begin_anew()
        _all.add(self)

    def begin_anew(self) -> None:
        """Leave the line to the process that this one was forked from."""
        self._lock = threading.RLock()
        self.line: Line | None = None
        for listener in list(self._listeners):
            listener.cache.begin_anew()
            listener.cache.doubt()

    def wake(self, listener: Listener) -> None:
        """See to it that *listener* is told, from a moment on that comes soon; to be called on an event loop."""
        line = self.line
        if line is not None and listener in line.told and line.goes_on(listener):
            return
        with self._lock:
            self._listeners.add(listener)
            line = self.line
            if line is None or listener.prefix not in line.prefixes or not line.goes_on(listener):
                self._drop_line()
                self.line = line = Line(self, self._source, [one.prefix for one in self._listeners])
            self._take_up(line, listener)

    def _take_up(self, line: Line, listener: Listener) -> None:
        line.told.add(listener)
        if line.until > time.monotonic():
            listener.cache.believe(line.until - time.monotonic())

    async def leave(self, listener: Listener) -> None:
        """Do not tell *listener* any more, until it wakes the line again; the last one ends it."""
        with self._lock:
            self._listeners.discard(listener)
            if self.line is not None:
                self.line.told.discard(listener)
            listener.cache.doubt()
            line = None if self._listeners else self._drop_line()
        if line is not None:
            await line.wait()

    # -- what a line says

    def hear(self, line: Line, event: Changed | Confirmed) -> bool:
        """Pass on what *line* tells, and return whether anybody wants more."""
        with self._lock:
            listeners = list(line.told)
            if line is not self.line or not listeners:
                return False
            if isinstance(event, Confirmed):
                line.until = event.at + LEASE_S
                self._confirm(listeners, line.until - time.monotonic())
            elif event.keys is None:
                for one in listeners:
                    one.cache.clear()
            else:
                self._drop(listeners, [subject_of(key) for key in event.keys])
            return True

    def lose(self, line: Line, why: str) -> None:
        """Note that *line* tells nothing any more."""
        with self._lock:
            if line is not self.line:
                return
            line.until = -inf
            for one in self._listeners:
                one.switch(is_off=True)
            if not self._is_lost:
                self._is_lost = True
                log.warning("caches of %s are off, as nobody tells what other processes change: %s", self._names(), why)

    def end(self, line: Line) -> None:
        """Note that *line* has ended, and is not missed."""
        with self._lock:
            if line is self.line:
                self._drop_line()

    def _drop_line(self) -> Line | None:
        line, self.line = self.line, None
        for one in self._listeners:
            one.cache.doubt()
        if line is not None:
            line.stop()
        return line

    def _confirm(self, listeners: list[Listener], time_s: float) -> None:
        for one in listeners:
            one.cache.believe(time_s)
            one.switch(is_off=False)
        if self._is_lost:
            self._is_lost = False
            log.info("caches of %s are on again", self._names())

    def _drop(self, listeners: list[Listener], keys: list[str]) -> None:
        for one in listeners:
            mine = [key for key in keys if key.startswith(one.prefix)]
            if mine:
                one.cache.drop(mine)

    def _names(self) -> str:
        return ", ".join(sorted({repr(one.repository) for one in self._listeners}))

    def repairs(self) -> list[Callable[[], Awaitable[None]]]:
        """Return what is to be done while the memory is there."""
        with self._lock:
            return [one.repair for one in self._listeners if one.repair is not None]


def track(source: MemoryDataSource) -> Tracking:
    """Return the line to a memory, the same one for all sources that hear the same.

    Raises:
        ConfigurationError: *source* does not tell of changes.
    """
    key = source.line
    if key is None:
        raise ConfigurationError(f"a memory of {source.name!r} does not tell of changes", hint="cache_invalidation=False")
    with _guards[0]:
        found = _known.get(key)
        if found is None:
            found = _known[key] = Tracking(source)
        return found


def _leave_to_parent() -> None:
    _guards[0] = threading.Lock()
    for tracking in list(_all):
        _inherited.append(tracking.line)
        tracking.begin_anew()


_all: WeakSet[Tracking] = WeakSet()
_known: WeakValueDictionary[Hashable, Tracking] = WeakValueDictionary()
_guards = [threading.Lock()]
_inherited: list[Line | None] = []  # those of the process that this one was forked from: neither used nor closed here
os.register_at_fork(after_in_child=_leave_to_parent)
