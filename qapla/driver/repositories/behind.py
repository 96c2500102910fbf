"""Write-behind: a write is done when Redis has it, together with the intention to write it into the store behind; a worker does that.

Entry and intention are written in one step (``pending.py``), so they are never of different writes, and Redis has to keep them: a
repository looks, before it writes for the first time, whether it appends to its file and never throws away what has no time to live. What
waits is the truth: a read that finds no entry looks there in the same round trip, before the marker and before the store.

While Redis does not answer, nothing can be written, and the store alone may be behind: what it has is told, what it has not may be waiting,
so nobody says that it does not exist.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.keys import Key
from qapla.driver.repositories.pending import Pending, Waiting, Write, read_value
from qapla.driver.repositories.source import Command, FallbackDataSource, MemoryDataSource
from qapla.driver.repositories.staleness import DOUBT_S, Staleness
from qapla.errors import ConfigurationError, EntityDamaged, StoreUnavailable

QUEUE_SIZE = 100_000
LATE_S = 60.0  # what waits longer than this is told by ``check``
KNOWN_S = 10.0  # for how long what was seen of the queue is believed by ``check``
Run = Callable[[Sequence[Command], str], Awaitable[list[Any]]]

log = logging.getLogger("qapla.repositories")


@dataclass(frozen=True, slots=True)
class Seen:
    """What waits, and when that was seen."""

    waiting: Waiting
    at: float  # monotonic seconds

    def age_s(self) -> float:
        """Return since when the oldest write waits, in seconds."""
        since_ms = self.waiting.since_ms
        return 0.0 if since_ms is None else max(0.0, time.time() - since_ms / 1000)


class Behind:
    """What writing behind adds to a repository.

    Args:
        name: of the repository.
        memory: has what waits.
        fallback: is written into.
        limit: how many entities may wait; a write of one more is refused.

    Raises:
        ConfigurationError: one of the two stores is not made for it, or there is no room.
    """

    def __init__(self, name: str, memory: MemoryDataSource, fallback: FallbackDataSource, limit: int) -> None:
        if not memory.keeps_writes:
            hint = "RedisMemoryDataSource, one Redis with 'appendonly yes'"
            raise ConfigurationError(f"repository {name!r} cannot be written behind: its memory {memory.name!r} may lose writes", hint=hint)
        if not fallback.has_terms:
            hint = "a source of your own needs 'begin_term' and 'settle'"
            message = f"repository {name!r} cannot be written behind: its store {fallback.name!r} cannot tell an old writer from a new one"
            raise ConfigurationError(message, hint=hint)
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ConfigurationError(f"the queue of repository {name!r} has a size of {limit!r}", hint="a whole number, at least 1")
        self.pending = Pending(name, limit)
        self.seen: Seen | None = None
        self._name = name
        self._limit = limit
        self._is_checked = False
        self._doubts = Staleness(DOUBT_S)

    async def write(self, run: Run, documents: Mapping[str, Document | None], commands: Sequence[Command]) -> None:
        """Note what is to be written, and run *commands* on the memory, both or neither.

        Raises:
            StoreUnavailable: Redis did not do it, or too much waits.
            ConfigurationError: Redis may forget it.
        """
        texts = list(documents)
        try:
            await self.ensure_kept(run)
            reply = (await run([self.pending.write(documents, commands)], texts[0]))[0]
        except BaseException:
            self._is_checked = False  # it may be another Redis that answers next
            self._doubts.mark(texts)  # nobody knows whether it arrived, or will
            raise
        self.note(reply[1])
        if not reply[0]:
            message = f"the store behind repository {self._name!r} is late: {self._limit} entities wait for it, which is as many as may"
            raise StoreUnavailable(message, answered=True, repository=self._name, key=texts[0], headers={"Retry-After": "5"})

    async def find(self, run: Run, keys: Sequence[Key]) -> dict[str, Document | None] | None:
        """Return what waits of *keys*, by their texts; None while Redis does not answer."""
        try:
            values = (await run([self.pending.read([key.text for key in keys])], keys[0].text))[0]
        except StoreUnavailable as error:
            log.debug("repository %r: what waits cannot be read: %s", self._name, error.message)
            return None
        found = {key.text: self.read(key, value) for key, value in zip(keys, values, strict=True)}
        return {text: write.document for text, write in found.items() if write is not None}

    def read(self, key: Key, value: bytes | None) -> Write | None:
        """Return the write that waits under *key*, of what Redis has there; None when none does."""
        if value is None:
            return None
        try:
            return read_value(value)
        except ValueError:
            raise EntityDamaged(f"what waits as {key.text!r} cannot be read", repository=self._name, key=key.text) from None

    def is_in_doubt(self, text: str) -> bool:
        """Tell whether a write that was given up may yet arrive."""
        return text in self._doubts

    def note(self, reply: Sequence[Any]) -> Seen:
        """Keep what a script has said about the queue."""
        self.seen = Seen(Waiting.read(reply), time.monotonic())
        return self.seen

    def check(self) -> None:
        """Raise if something waits for too long, as far as this process knows.

        Raises:
            StoreUnavailable: it does.
        """
        seen = self.seen
        if seen is not None and time.monotonic() - seen.at < KNOWN_S and seen.age_s() > LATE_S:
            message = f"{seen.waiting.size} writes of repository {self._name!r} wait for the store behind it, since {seen.age_s():.0f} s"
            raise StoreUnavailable(message, hint="is a worker running? 'qapla repositories write'", repository=self._name)

    async def ensure_kept(self, run: Run) -> None:
        """Look, once, whether Redis keeps what it is told.

        Raises:
            ConfigurationError: it does not.
        """
        if self._is_checked:
            return
        persistence, memory = (_read_info(reply) for reply in await run([("INFO", "persistence"), ("INFO", "memory")], self._name))
        if persistence.get("aof_enabled") != "1":
            raise self._forgetful("it keeps nothing when it ends", "'appendonly yes' in its configuration, or CONFIG SET appendonly yes")
        policy = memory.get("maxmemory_policy", "")
        if policy.startswith("allkeys"):
            raise self._forgetful(f"its policy {policy!r} throws away what waits", "'maxmemory-policy volatile-lru', or noeviction")
        self._is_checked = True

    def _forgetful(self, why: str, hint: str) -> ConfigurationError:
        return ConfigurationError(f"repository {self._name!r} cannot be written behind with this Redis: {why}", hint=hint)


def _read_info(reply: bytes) -> dict[str, str]:
    lines = reply.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
