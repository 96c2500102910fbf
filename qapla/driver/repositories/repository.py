"""What reading and writing mean, whatever an entity is kept as.

Reading   the memory; then its marker, which says that nothing is behind it; then the store behind it, once for all who ask at that moment.
          What is found is copied into the memory, unless somebody has written there meanwhile.
Writing   the store first, then the memory. Once the store has it, it is not lost: a memory that does not take it is logged, and its old
          entry is marked (``staleness.py``) until it is removed. It is never served for longer than its time to live.
          That is write-through. With ``write_policy="behind"`` the memory is written, and by a worker the store (``behind.py``).
"""

from __future__ import annotations

import logging
import re
import typing
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self

from typing_extensions import TypeVar

from qapla.driver.repositories.behind import QUEUE_SIZE, Behind
from qapla.driver.repositories.checks import LONGEST_S, check_flag, check_seconds, check_source
from qapla.driver.repositories.deadlines import Limit, detach
from qapla.driver.repositories.dictmemory import DictMemoryDataSource
from qapla.driver.repositories.entity import Document, EntityType
from qapla.driver.repositories.flights import Flights, Queues
from qapla.driver.repositories.keys import Key, make_key, marker_of
from qapla.driver.repositories.pending import Write
from qapla.driver.repositories.query import Query, read_fields
from qapla.driver.repositories.source import Batch, Command, FallbackDataSource, MemoryDataSource
from qapla.driver.repositories.staleness import Staleness
from qapla.driver.repositories.writer import Writer
from qapla.errors import (
    ConfigurationError,
    EntityDamaged,
    EntityNotFound,
    EntityRefused,
    InDoubt,
    ModelError,
    OfRepository,
    QaplaError,
    QueryError,
    StoreTimedOut,
    StoreUnavailable,
    Unavailable,
    nearest,
)

if TYPE_CHECKING:
    from qapla.driver.repositories.sync import SyncRepository

Entity = TypeVar("Entity")
KeyType = TypeVar("KeyType", default=str)

log = logging.getLogger("qapla.repositories")

NOTHING, EMPTY = b"0", b"1"  # what a marker says: nothing is there; an entity without members, which Redis cannot hold, is
WRITE_POLICIES = ("through", "behind")
LONGEST_MARKER_S = 30.0  # other processes believe a marker as long as it lives


class Repository(Generic[Entity, KeyType]):
    """Entities of one class, kept in a memory and in a store behind it.

    A subclass names its entities by a type argument, ``HashRepository[Person, str]``, or by ``entity_cls``.

    Args:
        memory_data_source: fast, and may forget.
        fallback_data_source: what is true.
        expire_time: seconds that an entry of the memory lives; None for ever.
        not_found_expire_time: seconds that "there is none" is remembered; by default ``expire_time``, at most 30.
        deadline_s: seconds that a call may take; None without limit.
        write_policy: ``through``: a write is done when the store has it; ``behind``: when Redis has it and will not lose it, and a worker
            (``writer``) writes it into the store. The same in every process.
        queue_size: how many entities may wait for that; a write of one more is refused.

    Attributes:
        writer: the worker of write-behind, ``async with people.writer.running(): …``; None where writing goes through.

    Raises:
        ConfigurationError: there are no entities, or the stores cannot keep them in this way.
    """

    name: ClassVar[str]
    key_attrs: ClassVar[tuple[str, ...]] = ("id",)
    entity_cls: ClassVar[Any] = None
    kept_apart: ClassVar[tuple[str, ...]] = ()  # fields that this kind of repository keeps in its own way
    options_cls: ClassVar[Any] = None
    entity_type: ClassVar[EntityType]
    _on_store_read: Callable[[Iterable[str]], None] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        found = _find_argument(cls)
        if found is not None and not isinstance(found, typing.TypeVar | TypeVar):
            cls.entity_cls = found
        if cls.entity_cls is not None:
            cls._describe()

    @classmethod
    def _describe(cls) -> None:
        if isinstance(cls.key_attrs, str) or not cls.key_attrs:
            raise ModelError(f"'key_attrs' of {cls.__name__!r} is not a tuple of names", hint="key_attrs = ('id',)")
        cls.entity_type = EntityType(cls.entity_cls, cls.kept_apart)
        for attr in cls.key_attrs:
            if attr not in cls.entity_type.fields:
                hint = nearest(attr, cls.entity_type.fields) or "name its key in 'key_attrs'"
                raise ModelError(f"entity {cls.entity_type.name!r} of {cls.__name__!r} has no field {attr!r}, its key", hint=hint)
        if "name" not in cls.__dict__ and not hasattr(cls, "name"):
            cls.name = _snake(cls.entity_type.name)

    def __init__(
        self,
        memory_data_source: MemoryDataSource,
        fallback_data_source: FallbackDataSource,
        expire_time: float | None = None,
        *,
        not_found_expire_time: float | None = None,
        deadline_s: float | None = None,
        write_policy: str = "through",
        queue_size: int = QUEUE_SIZE,
    ) -> None:
        if self.entity_cls is None:
            raise ConfigurationError(f"{type(self).__name__!r} has no entities", hint="class People(HashRepository[Person, str]): ...")
        for name, value in (("expire_time", expire_time), ("not_found_expire_time", not_found_expire_time), ("deadline_s", deadline_s)):
            longest_s = inf if name == "deadline_s" else LONGEST_S
            check_seconds(value, f"{name!r} of repository {self.name!r}", ConfigurationError, longest_s=longest_s)
        check_source(memory_data_source, f"the memory of repository {self.name!r}", ("run", "run_if_absent"))
        check_source(fallback_data_source, f"the store behind repository {self.name!r}", ("get_many", "put_many", "delete_many", "check"))
        fallback_data_source.check(self.name, self.key_attrs, self.stored_fields)
        self.memory_data_source = memory_data_source
        self.fallback_data_source = fallback_data_source
        self.expire_time = expire_time
        marker_s = not_found_expire_time or min(expire_time or LONGEST_MARKER_S, LONGEST_MARKER_S)
        self._expire_ms = None if expire_time is None else max(1, round(expire_time * 1000))
        self._marker_ms = max(1, round(marker_s * 1000))
        self._deadline_s = deadline_s
        self._stale = Staleness(expire_time)
        self._flights: Flights[Document | None] = Flights()
        self._queues = Queues()
        if write_policy not in WRITE_POLICIES:
            hint = nearest(write_policy, WRITE_POLICIES) or " or ".join(WRITE_POLICIES)
            raise ConfigurationError(f"repository {self.name!r} has no write policy {write_policy!r}", hint=hint)
        self.write_policy = write_policy
        self._behind: Behind | None = None
        self.writer: Writer | None = None
        if write_policy == "behind":
            self._behind = Behind(self.name, memory_data_source, fallback_data_source, queue_size)
            self.writer = Writer(self.name, self.key_attrs, self._behind, memory_data_source, fallback_data_source)

    def through(self, memory_data_source: MemoryDataSource, on_store_read: Callable[[Iterable[str]], None] | None = None) -> Self:
        """Return this repository with its memory behind another one, a breaker's say; what is known about stale entries is shared.

        Args:
            memory_data_source: the other memory.
            on_store_read: called with the texts of keys whose answers are not those of entries of the memory, before these are returned.
        """
        other = copy(self)
        other.memory_data_source = memory_data_source
        other._on_store_read = on_store_read
        return other

    @classmethod
    def sync(cls, *sources: Any, **options: Any) -> SyncRepository[Entity]:
        """Make a repository whose calls wait for their answers, for who cannot await; the arguments are those of the class."""
        from qapla.driver.repositories.sync import sync

        return sync(cls(*sources, **options))

    # -- what a kind of repository says ------------------------------------

    @property
    def stored_fields(self) -> tuple[str, ...]:
        """Return the names of what a document has."""
        return self.entity_type.fields

    @abstractmethod
    def document_of(self, entity: Entity, key: Key) -> Document:
        """Return *entity* as the store keeps it."""

    @abstractmethod
    def write_commands(self, key: Key, document: Document) -> list[Command]:
        """Return what writes a document into the memory, where nothing is under its key; nothing for an entity without members."""

    @abstractmethod
    def read_commands(self, key: Key, query: Query[Entity]) -> list[Command]:
        """Return what reads what *query* asks for; as many commands for every key."""

    @abstractmethod
    def parse(self, query: Query[Entity], key: Key, replies: Sequence[Any], exists: bool) -> Any:
        """Return what the replies mean; None when there is no entity, and *exists* does not say that there is."""

    def key_values(self, key: Key) -> dict[str, Any]:
        """Return the values of the key's attributes, as the entity declares them."""
        return {name: self.entity_type.convert(name, value) for name, value in zip(key.attrs, key.values, strict=True)}

    def from_document(self, query: Query[Entity], key: Key, document: Document) -> Any:
        """Answer *query* from a document: as the memory would, had it this one only."""
        scratch = DictMemoryDataSource()
        scratch.apply(self.write_commands(key, document))
        return self.parse(query, key, scratch.apply(self.read_commands(key, query)), exists=True)

    # -- questions ----------------------------------------------------------

    def query(
        self,
        *values: Any,
        many: Iterable[Any] | None = None,
        memory: bool = True,
        fields: Sequence[str] | None = None,
        deadline_s: float | None = None,
        **named: Any,
    ) -> Query[Entity]:
        """Ask about the entity of a key, or about many.

        Args:
            values: the values of ``key_attrs``, in order; they may be given by name.
            many: the last part of the key, or a tuple of the last parts, of each entity.
            memory: whether the memory is asked.
            fields: the only fields that are wanted.
            deadline_s: seconds that the answer may take; None: as many as the repository says; infinity: any number.
            named: key attributes, and what this kind of repository understands.

        Raises:
            QueryError: an argument is unknown or wrong, or parts of the key are missing.
            EntityRefused: a value cannot be part of a key.
        """
        parts = dict(zip(self.key_attrs, values, strict=False))
        options = {name: value for name, value in named.items() if name not in self.key_attrs}
        for name in self.key_attrs:
            if name in named:
                if name in parts:
                    raise QueryError(f"{name!r} is given twice to repository {self.name!r}")
                parts[name] = named[name]
        if len(values) > len(self.key_attrs):
            raise QueryError(f"the key of repository {self.name!r} has {len(self.key_attrs)} parts, {len(values)} are given")
        if many is None:
            keys: tuple[Key, ...] = (self._key(tuple(parts.get(name) for name in self.key_attrs)),)
        else:
            keys = tuple(self._keys_of_many(parts, many))
        check_flag(memory, "'memory'")
        wanted = read_fields(fields, self.entity_type.fields, self.entity_type.name)
        check_seconds(deadline_s, f"the deadline of a question to repository {self.name!r}", QueryError)
        return Query(self, keys, many is not None, memory, wanted, self._read_options(options), deadline_s)

    async def read_one(self, query: Query[Entity]) -> Entity:
        """Return the entity of *query*; see ``Query.entity``."""
        key = query.only_key()
        async with self.limit(key.text, query.deadline_s):
            found = await self._from_memory(query, key) if query.memory else None
            if found is None:
                document = (await self._load((key,), query))[key.text]
                if document is None:
                    raise self._not_found(key)
                found = self.from_document(query, key, document)
        answer: Entity = found
        return answer

    async def read_many(self, query: Query[Entity]) -> list[Entity]:
        """Return the entities of *query*; see ``Query.entities``."""
        found = await self.read_all(query)
        return [found[key.text] for key in query.keys if found[key.text] is not None]

    async def read_all(self, query: Query[Entity]) -> dict[str, Any]:
        """Return the entities of *query* by the texts of their keys, None for those that do not exist."""
        async with self.limit(query.keys[0].text if query.keys else self.name, query.deadline_s):
            found = await self._many_from_memory(query) if query.memory and query.keys else {}
            missing = [key for key in dict.fromkeys(query.keys) if key.text not in found]
            if missing:
                documents = await self._load(missing, query)
                for key in missing:
                    document = documents[key.text]
                    found[key.text] = None if document is None else self.from_document(query, key, document)
        return found

    async def has(self, query: Query[Entity]) -> bool:
        """Tell whether the entity of *query* exists."""
        key = query.only_key()
        async with self.limit(key.text, query.deadline_s):
            if query.memory and await self._is_fresh((key.text,)):
                commands = [("EXISTS", key.text), *self._ask_waiting((key,)), ("GET", marker_of(key.text))]
                exists, *waiting, marker = await self._run(commands, key.text)
                write = self._waits(key, waiting[0][0]) if waiting else None
                if write is not None:
                    return write.document is not None
                if exists or marker is not None:
                    return bool(exists) or marker == EMPTY
            return (await self._load((key,), query))[key.text] is not None

    # -- changes ------------------------------------------------------------

    async def add(self, entity: Entity, *entities: Entity, memory: bool = True, deadline_s: float | None = None) -> None:
        """Keep entities, in place of those with the same keys: all of them, or none when an error is raised before the store has them.

        Args:
            memory: False leaves the memory alone; what it has under these keys is not believed any more.
            deadline_s: seconds that it may take; None: as many as the repository says.

        Raises:
            EntityRefused: one is of another class, has no key, or a value that would not come back as it was.
            StoreUnavailable: the store behind the memory did not take them.
            StoreTimedOut: it did not answer in time. It may yet take them, all or none.
        """
        check_seconds(deadline_s, f"the deadline of a change in repository {self.name!r}", QueryError)
        documents: dict[Key, Document] = {}
        for one in (entity, *entities):
            key = self.key_of(one)
            documents[key] = self.document_of(one, key)
        commands = [command for key, document in documents.items() for command in self._replace(key, document)]
        texts = [key.text for key in documents]
        async with self.limit(texts[0], deadline_s):
            if self._behind is not None:
                waiting: dict[str, Document | None] = {key.text: document for key, document in documents.items()}
                await self._write_behind(self._behind, waiting, commands if memory else None)
                return
            await self._change(texts, lambda: self.fallback_data_source.put_many(list(documents.items())), commands if memory else None)

    async def delete(self, query: Query[Entity]) -> None:
        """Forget the entities of *query*; they need not have been there.

        Raises:
            StoreUnavailable: the store behind the memory did not do it; StoreTimedOut: not in time, it may yet do it.
        """
        texts = [key.text for key in query.keys]
        commands: list[Command] = []
        for text in texts:
            commands += [("DEL", text), ("SET", marker_of(text), NOTHING, "PX", self._marker_ms)]
        if not texts:
            return
        async with self.limit(texts[0], query.deadline_s):
            if self._behind is not None:
                await self._write_behind(self._behind, dict.fromkeys(texts), commands if query.memory else None)
                return
            await self._change(texts, lambda: self.fallback_data_source.delete_many(query.keys), commands if query.memory else None)

    def key_of(self, entity: Entity) -> Key:
        """Return the key of *entity*.

        Raises:
            EntityRefused: it is of another class, or has none.
        """
        if not self.entity_type.holds(entity):
            kind, expected = type(entity).__name__, self.entity_type.name
            raise EntityRefused(f"repository {self.name!r} keeps {expected!r}, not {kind!r}", repository=self.name)
        return self._key(tuple(self.entity_type.get(entity, attr) for attr in self.key_attrs))

    def limit(self, key: str, deadline_s: float | None) -> Limit:
        """Return what ends a block after *deadline_s*, or when it is None after what the repository says."""
        return Limit(self._deadline_s if deadline_s is None else deadline_s, self.name, key)

    def is_in_doubt(self, key: str) -> bool:
        """Tell whether a change of *key* that was given up may yet arrive: what is read now is not to be kept."""
        return self._stale.is_in_doubt(key) or (self._behind is not None and self._behind.is_in_doubt(key))

    async def repair(self) -> None:
        """Remove marked entries from the memory, if there are any and it takes commands; else the next call will."""
        await self._is_fresh(())

    def check_waiting(self) -> None:
        """Raise if writes wait for too long, as far as this process knows.

        Raises:
            StoreUnavailable: they do.
        """
        if self._behind is not None:
            self._behind.check()

    async def write_pending(self) -> int:
        """Write into the store what waits, until nothing does, and return how many writes that were; see ``Writer.write_pending``."""
        return 0 if self.writer is None else await self.writer.write_pending()

    async def aclose(self) -> None:
        """Close what the running event loop has opened in both sources; a worker writes what waits before, for three seconds at most."""
        if self.writer is not None:
            await self.writer.stop()
        await self.memory_data_source.aclose()
        await self.fallback_data_source.aclose()

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
                await self._run(commands, texts[0], atomic=True)
                self._stale.clear(texts)
            except StoreUnavailable as error:
                level = logging.DEBUG if len(self._stale) else logging.WARNING  # one line says it for all writes of an outage
                log.log(level, "repository %r: written behind the memory only: %s", self.name, error.message)
                if isinstance(error, StoreTimedOut):
                    self._stale.doubt(texts)
                else:
                    self._stale.mark(texts)
                if error.answered:  # full, say: what is old can be removed at once
                    await self._is_fresh(texts)
            except BaseException:
                self._stale.doubt(texts)
                raise

    async def _write_behind(self, behind: Behind, documents: dict[str, Document | None], commands: list[Command] | None) -> None:
        if commands is None:
            commands = [("DEL", text, marker_of(text)) for text in documents]
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
        commands = [self.read_commands(key, query) for key in keys]
        flat = [command for some in commands for command in some]
        if not keys:
            return {}
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

        found = await self._flights.join(list(by_text), read)
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
                if self._behind is None:
                    await self.memory_data_source.run_if_absent([_batch(*entry) for entry in entries])
                else:
                    await self._run([self._behind.pending.copy(entries)], entries[0][0])
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

    def _key(self, values: tuple[Any, ...]) -> Key:
        return make_key(self.name, self.key_attrs, values)

    def _keys_of_many(self, parts: dict[str, Any], many: Iterable[Any]) -> Iterable[Key]:
        if isinstance(many, str | bytes):
            raise QueryError(f"'many' is a list of keys, not one of them, {many!r}", hint=f"many=[{many!r}]")
        if not isinstance(many, Iterable):
            raise QueryError(f"'many' is of type {type(many).__name__!r}", hint="many=['a', 'b'], the keys of many")
        first = tuple(parts[name] for name in self.key_attrs if name in parts)
        for one in many:
            values = (*first, *(one if isinstance(one, tuple) else (one,)))
            if len(values) != len(self.key_attrs):
                hint = f"its parts are {', '.join(self.key_attrs)}"
                raise QueryError(f"the key of repository {self.name!r} has {len(self.key_attrs)} parts, {len(values)} are given", hint=hint)
            yield self._key(values)

    def _read_options(self, given: dict[str, Any]) -> Any:
        known = getattr(self.options_cls, "__dataclass_fields__", {})
        for name in given:
            if name not in known:
                hint = nearest(name, [*known, *self.key_attrs, "many", "memory", "fields", "deadline_s"])
                raise QueryError(f"repository {self.name!r} knows no {name!r}", hint=hint)
        return None if self.options_cls is None else self.options_cls(**given)

    def _not_found(self, key: Key) -> EntityNotFound:
        return EntityNotFound(f"repository {self.name!r} has no entity {key.path!r}", repository=self.name, key=key.text)


def _find_argument(cls: type) -> Any:
    for base in getattr(cls, "__orig_bases__", ()):
        origin = typing.get_origin(base)
        if isinstance(origin, type) and issubclass(origin, Repository):
            return typing.get_args(base)[0]
    return None


def _batch(text: str, marker: str, commands: list[Command]) -> Batch:
    """Return commands for where neither key exists; the first one is that of the commands."""
    return ((text, marker) if commands[0][1] == text else (marker, text)), commands


def _is_answer(error: BaseException) -> bool:
    """Tell whether a store that raised *error* has answered, and did nothing."""
    if isinstance(error, StoreUnavailable):
        return error.answered
    return isinstance(error, QaplaError) and not isinstance(error, Unavailable | InDoubt)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
