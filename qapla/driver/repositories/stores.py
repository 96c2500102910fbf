"""The two stores of a repository, asked together: what is read where, and what is believed.

``repository.py`` has the questions and the changes, kinds of repositories say which commands of Redis write a document, and which read it.
"""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf
from typing import Any, ClassVar, Generic, TypeVar

from qapla.driver.repositories.behind import Behind
from qapla.driver.repositories.deadlines import detach
from qapla.driver.repositories.dictmemory import DictMemoryDataSource
from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.flights import Flights, Queues
from qapla.driver.repositories.keys import Key, marker_of
from qapla.driver.repositories.pending import Write
from qapla.driver.repositories.query import Query
from qapla.driver.repositories.source import Batch, Command, FallbackDataSource, MemoryDataSource
from qapla.driver.repositories.staleness import Staleness
from qapla.errors import (
    EntityDamaged,
    EntityNotFound,
    InDoubt,
    OfRepository,
    QaplaError,
    StoreTimedOut,
    StoreUnavailable,
    Unavailable,
)

Entity = TypeVar("Entity")

log = logging.getLogger("qapla.repositories")

KEYS_AT_ONCE = 1000  # in one round trip: more would hold up this event loop, and Redis, and so look like an outage
COMMANDS_AT_ONCE = 3 * KEYS_AT_ONCE
TOLD_S = 10.0  # a memory that is full refuses every write: it is told once, until none was refused for so long
NOTHING, EMPTY = b"0", b"1"  # what a marker says: nothing is there; an entity without members, which Redis cannot hold, is


class Stores(Generic[Entity]):
    """A memory, and a store behind it, of the entities of one repository."""

    name: ClassVar[str]
    memory_data_source: MemoryDataSource
    fallback_data_source: FallbackDataSource
    _on_store_read: Callable[[Iterable[str]], None] | None = None
    _expire_ms: int | None
    _marker_ms: int
    _stale: Staleness
    _flights: Flights[Document | None]
    _queues: Queues
    _behind: Behind | None
    _told_at = -inf

    # -- what a kind of repository says ------------------------------------

    @abstractmethod
    def write_commands(self, key: Key, document: Document) -> list[Command]:
        """Return what writes a document into the memory, where nothing is under its key; nothing for an entity without members."""

    @abstractmethod
    def read_commands(self, key: Key, query: Query[Entity]) -> list[Command]:
        """Return what reads what *query* asks for; as many commands for every key."""

    @abstractmethod
    def parse(self, query: Query[Entity], key: Key, replies: Sequence[Any], exists: bool) -> Any:
        """Return what the replies mean; None when there is no entity, and *exists* does not say that there is."""

    def from_document(self, query: Query[Entity], key: Key, document: Document) -> Any:
        """Answer *query* from a document: as the memory would, had it this one only."""
        scratch = DictMemoryDataSource()
        scratch.apply(self.write_commands(key, document))
        return self.parse(query, key, scratch.apply(self.read_commands(key, query)), exists=True)

    # -- inside ---------------------------------------------------------------

    async def _change(self, texts: list[str], change: Callable[[], Any], commands: list[Command] | None) -> None:
        async with self._queues.of(texts):
            try:
                await self._named(change(), texts[0])
            except BaseException as error:
                if not _is_answer(error):
                    self._stale.doubt(texts)  # nobody knows whether it arrived, or will
                raise
            finally:
                self._flights.forget(texts)
            if commands is None:
                self._stale.mark(texts)
                return
            try:
                for some in _entities(commands):
                    await self._run(some, texts[0], atomic=True)
                self._stale.clear(texts)
            except StoreUnavailable as error:
                self._tell_once(error)
                if isinstance(error, StoreTimedOut):
                    self._stale.doubt(texts)
                else:
                    self._stale.mark(texts)
                if error.answered:  # full, say: what is old can be removed at once
                    await self._is_fresh(texts)
            except BaseException:
                self._stale.doubt(texts)
                raise

    def _tell_once(self, error: StoreUnavailable) -> None:
        """Log that the memory did not take a write; one line says it for all writes of an outage."""
        now = time.monotonic()
        is_known = len(self._stale) > 0 or now < self._told_at + TOLD_S
        self._told_at = now
        level = logging.DEBUG if is_known else logging.WARNING
        log.log(level, "repository %r: written behind the memory only: %s", self.name, error.message)

    async def _write_behind(self, behind: Behind, documents: dict[str, Document | None], commands: list[Command] | None) -> None:
        if commands is None:
            markers = [("SET", marker_of(text), NOTHING, "PX", self._marker_ms) for text in documents]  # caches are told of what is there
            commands = [*markers, *(("DEL", text, marker_of(text)) for text in documents)]
        try:
            await behind.write(self._run, documents, commands)
        finally:
            self._flights.forget(list(documents))

    def _ask_waiting(self, keys: Sequence[Key]) -> list[Command]:
        """Return what reads writes that the store does not have yet; after the entries, and before the store is asked."""
        return [] if self._behind is None else [self._behind.pending.read([key.text for key in keys])]

    def _waits(self, key: Key, value: bytes | None) -> Write | None:
        write = None if self._behind is None else self._behind.read(key, value)
        if write is not None and self._on_store_read is not None:
            self._on_store_read((key.text,))  # no entry need be there, whose change would be told
        return write

    async def _from_memory(self, query: Query[Entity], key: Key) -> Any:
        text = key.text
        if not await self._is_fresh((text,)):
            return None
        try:
            found = self.parse(query, key, await self._run(self.read_commands(key, query), text), exists=False)
            if found is not None:
                return found
            is_damaged = False
        except EntityDamaged:
            await self._drop_damaged(text)
            is_damaged = True
        *waiting, marker = await self._run([*self._ask_waiting((key,)), ("GET", marker_of(text))], text)
        write = self._waits(key, waiting[0][0]) if waiting else None
        if write is None:
            return None if is_damaged else self._from_marker(query, key, marker)
        if write.document is None:
            raise self._not_found(key)
        return self.from_document(query, key, write.document)

    async def _many_from_memory(self, query: Query[Entity]) -> dict[str, Any]:
        """Return what the memory knows, by key: entities, and None where it knows that there is none."""
        keys = list(dict.fromkeys(query.keys))
        await self._is_fresh([key.text for key in keys])
        keys = [key for key in keys if key.text not in self._stale]
        found: dict[str, Any] = {}
        for at in range(0, len(keys), KEYS_AT_ONCE):
            found.update(await self._some_from_memory(query, keys[at : at + KEYS_AT_ONCE]))
        return found

    async def _some_from_memory(self, query: Query[Entity], keys: list[Key]) -> dict[str, Any]:
        commands = [self.read_commands(key, query) for key in keys]
        flat = [command for some in commands for command in some]
        more = [*self._ask_waiting(keys), ("MGET", *(marker_of(key.text) for key in keys))]
        replies = await self._run([*flat, *more], keys[0].text)
        waiting, markers = replies[len(flat)] if self._behind else [None] * len(keys), replies[-1]
        found: dict[str, Any] = {}
        size = len(commands[0])
        for index, (key, value, marker) in enumerate(zip(keys, waiting, markers, strict=True)):
            write = self._waits(key, value)
            if write is not None:
                found[key.text] = None if write.document is None else self.from_document(query, key, write.document)
                continue
            try:
                entity = self.parse(query, key, replies[index * size : (index + 1) * size], exists=marker == EMPTY)
            except EntityDamaged:
                await self._drop_damaged(key.text)
                continue
            if entity is not None or marker == NOTHING:
                found[key.text] = entity
        return found

    def _from_marker(self, query: Query[Entity], key: Key, marker: bytes | None) -> Any:
        if marker is None:
            return None
        if marker == EMPTY:
            return self.parse(query, key, DictMemoryDataSource().apply(self.read_commands(key, query)), exists=True)
        raise self._not_found(key)

    async def _load(self, keys: Sequence[Key], query: Query[Entity]) -> dict[str, Document | None]:
        """Return the documents of *keys* from behind the memory, whose entries and what waits there have been asked for, if at all."""
        if self._behind is None or query.memory:
            return await self._read_store(keys, query.memory)
        waiting = None if query.is_alone else await self._behind.find(self._run, keys)
        known = waiting or {}
        rest = [key for key in keys if key.text not in known]
        found = {**known, **(await self._read_store(rest, False) if rest else {})}
        unknown = [key for key in keys if found[key.text] is None]
        if waiting is None and unknown:
            message = f"nobody can tell whether repository {self.name!r} has entity {unknown[0].path!r}: it may wait to be written"
            raise StoreUnavailable(message, repository=self.name, key=unknown[0].text)
        return found

    async def _read_store(self, keys: Sequence[Key], copies: bool) -> dict[str, Document | None]:
        by_text = {key.text: key for key in keys}

        async def read(texts: Sequence[str]) -> dict[str, Document | None]:
            detach()
            found = await self._named(self.fallback_data_source.get_many([by_text[text] for text in texts]), texts[0])
            documents = dict(zip(texts, found, strict=True))
            if copies:
                await self._copy_back({by_text[text]: documents[text] for text in texts if self._flights.is_current(text)})
            return documents

        found: dict[str, Document | None] = await self._named(self._flights.join(list(by_text), read), keys[0].text)
        if self._on_store_read is not None:
            self._on_store_read(by_text)
        return found

    async def _copy_back(self, documents: dict[Key, Document | None]) -> None:
        entries: list[tuple[str, str, list[Command]]] = []
        for key, document in documents.items():
            if key.text in self._stale:
                continue
            text, marker = key.text, marker_of(key.text)
            commands = [] if document is None else self.write_commands(key, document)
            if commands:
                entries.append((text, marker, commands + self._expire(text)))
            else:
                said = NOTHING if document is None else EMPTY
                entries.append((text, marker, [("SET", marker, said, "PX", self._marker_ms)]))
        if entries:
            try:
                for at in range(0, len(entries), KEYS_AT_ONCE):
                    some = entries[at : at + KEYS_AT_ONCE]
                    if self._behind is None:
                        await self.memory_data_source.run_if_absent([_batch(*entry) for entry in some])
                    else:
                        await self._run([self._behind.pending.copy(some)], some[0][0])
            except StoreUnavailable as error:
                log.debug("repository %r: read behind the memory only: %s", self.name, error.message)

    def _replace(self, key: Key, document: Document) -> list[Command]:
        text, marker = key.text, marker_of(key.text)
        commands = self.write_commands(key, document)
        if commands:
            return [("DEL", text, marker), *commands, *self._expire(text)]
        lives = () if self._expire_ms is None else ("PX", self._expire_ms)
        return [("DEL", text), ("SET", marker, EMPTY, *lives)]

    def _expire(self, text: str) -> list[Command]:
        return [] if self._expire_ms is None else [("PEXPIRE", text, self._expire_ms)]

    async def _is_fresh(self, texts: Sequence[str]) -> bool:
        """Remove marked entries, if there are any, and tell whether the memory may be asked about all of *texts*."""
        if not len(self._stale):
            return True
        due = self._stale.due(texts)
        if due:
            try:
                await self.memory_data_source.run([("DEL", text, marker_of(text)) for text in due])
                self._stale.clear(due)
            except StoreUnavailable as error:
                log.debug("repository %r: old entries are still in the memory: %s", self.name, error.message)
        return not any(text in self._stale for text in texts)

    async def _drop_damaged(self, text: str) -> None:
        log.warning("repository %r: an entry of the memory could not be read, and is removed: %r", self.name, text)
        await self._run([("DEL", text)], text)

    async def _run(self, commands: Sequence[Command], text: str, atomic: bool = False) -> list[Any]:
        try:
            return await self.memory_data_source.run(commands, atomic=atomic)
        except OfRepository as error:
            error.repository, error.key = error.repository or self.name, error.key or text
            raise

    async def _named(self, answer: Any, text: str) -> Any:
        try:
            return await answer
        except OfRepository as error:
            error.repository, error.key = error.repository or self.name, error.key or text
            raise

    def _not_found(self, key: Key) -> EntityNotFound:
        return EntityNotFound(f"repository {self.name!r} has no entity {key.path!r}", repository=self.name, key=key.text)


def _batch(text: str, marker: str, commands: list[Command]) -> Batch:
    """Return commands for where neither key exists; the first one is that of the commands."""
    return ((text, marker) if commands[0][1] == text else (marker, text)), commands


def _entities(commands: Iterable[Command]) -> Iterator[list[Command]]:
    """Yield commands in parts, those of an entity together: each entity's begin with a DEL."""
    part: list[Command] = []
    for command in commands:
        if len(part) >= COMMANDS_AT_ONCE and command[0] == "DEL":
            yield part
            part = []
        part.append(command)
    if part:
        yield part


def _is_answer(error: BaseException) -> bool:
    """Tell whether a store that raised *error* has answered, and did nothing."""
    if isinstance(error, StoreUnavailable):
        return error.answered
    return isinstance(error, QaplaError) and not isinstance(error, Unavailable | InDoubt)
