"""What reading and writing mean, whatever an entity is kept as.

Reading   the memory; then its marker, which says that nothing is behind it; then the store behind it, once for all who ask at that moment.
          What is found is copied into the memory, unless somebody has written there meanwhile.
Writing   the store first, then the memory. Once the store has it, it is not lost: a memory that does not take it is logged, and its old
          entry is marked (``staleness.py``) until it is removed. It is never served for longer than its time to live.
          That is write-through. With ``write_policy="behind"`` the memory is written, and by a worker the store (``behind.py``).
"""

from __future__ import annotations

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
from qapla.driver.repositories.deadlines import Limit
from qapla.driver.repositories.entity import Document, EntityType
from qapla.driver.repositories.flights import Flights, Queues
from qapla.driver.repositories.keys import Key, make_key, marker_of
from qapla.driver.repositories.query import Query, read_fields
from qapla.driver.repositories.source import Command, FallbackDataSource, MemoryDataSource
from qapla.driver.repositories.staleness import Staleness
from qapla.driver.repositories.stores import EMPTY, NOTHING, Stores
from qapla.driver.repositories.writer import Writer
from qapla.errors import (
    ConfigurationError,
    EntityRefused,
    ModelError,
    QueryError,
    nearest,
)

if TYPE_CHECKING:
    from qapla.driver.repositories.sync import SyncRepository

Entity = TypeVar("Entity")
KeyType = TypeVar("KeyType", default=str)

WRITE_POLICIES = ("through", "behind")
LONGEST_MARKER_S = 30.0  # other processes believe a marker as long as it lives


class Repository(Stores[Entity], Generic[Entity, KeyType]):
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

    key_attrs: ClassVar[tuple[str, ...]] = ("id",)
    entity_cls: ClassVar[Any] = None
    kept_apart: ClassVar[tuple[str, ...]] = ()  # fields that this kind of repository keeps in its own way
    options_cls: ClassVar[Any] = None
    entity_type: ClassVar[EntityType]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        found = _find_argument(cls)
        if found is not None and not isinstance(found, typing.TypeVar | TypeVar):
            cls.entity_cls = found
        if cls.entity_cls is not None:
            cls._describe()

    @classmethod
    def _describe(cls) -> None:
        if not isinstance(cls.key_attrs, tuple | list) or not cls.key_attrs or not all(isinstance(attr, str) for attr in cls.key_attrs):
            raise ModelError(f"'key_attrs' of {cls.__name__!r} is not a tuple of names", hint="key_attrs = ('id',)")
        cls.entity_type = EntityType(cls.entity_cls, cls.kept_apart)
        for attr in cls.key_attrs:
            if attr not in cls.entity_type.fields:
                hint = nearest(attr, cls.entity_type.fields) or "name its key in 'key_attrs'"
                raise ModelError(f"entity {cls.entity_type.name!r} of {cls.__name__!r} has no field {attr!r}, its key", hint=hint)
        if "name" not in cls.__dict__ and not hasattr(cls, "name"):
            cls.name = _snake(cls.entity_type.name)
        if not isinstance(cls.name, str) or not cls.name:
            raise ModelError(f"the name of {cls.__name__!r} is {cls.name!r}", hint="text: its keys begin with it")

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

    def key_values(self, key: Key) -> dict[str, Any]:
        """Return the values of the key's attributes, as the entity declares them."""
        return {name: self.entity_type.convert(name, value) for name, value in zip(key.attrs, key.values, strict=True)}

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


def _find_argument(cls: type) -> Any:
    for base in getattr(cls, "__orig_bases__", ()):
        origin = typing.get_origin(base)
        if isinstance(origin, type) and issubclass(origin, Repository):
            return typing.get_args(base)[0]
    return None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
