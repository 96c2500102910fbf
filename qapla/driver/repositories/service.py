"""A repository that stays up: a cache, around a breaker, around the memory; while that is down the store behind it answers.

``make_hash_service`` and its sisters put one together; so can you: ``Service(repository, cache=Cache(…), breaker=Breaker(…))``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from qapla.database.breaker import Breaker
from qapla.driver.repositories.behind import QUEUE_SIZE
from qapla.driver.repositories.boolean import BooleanRepository
from qapla.driver.repositories.cache import MISSING, Cache, CacheType
from qapla.driver.repositories.checks import check_count, check_seconds
from qapla.driver.repositories.deadlines import Limit
from qapla.driver.repositories.document import DocumentRepository
from qapla.driver.repositories.geospatial import GeoSpatialRepository
from qapla.driver.repositories.guard import GuardedMemory, MemoryUnavailable
from qapla.driver.repositories.hash import HashRepository
from qapla.driver.repositories.keys import UNSAFE, escape
from qapla.driver.repositories.members import ListRepository, SetRepository
from qapla.driver.repositories.query import Query
from qapla.driver.repositories.repository import Entity, KeyType, Repository
from qapla.driver.repositories.sorted_set import SortedSetRepository
from qapla.driver.repositories.stream import StreamRepository
from qapla.driver.repositories.tracking import Listener, Tracking, track
from qapla.errors import ConfigurationError, EntityNotFound, StoreUnavailable

if TYPE_CHECKING:
    from qapla.driver.repositories.sync import SyncService
    from qapla.ports import MetricsBackend

MEMORY_DEADLINE_S = 1.0
Answer = TypeVar("Answer")


class Service(Generic[Entity, KeyType]):
    """Answers as long as the memory or the store behind it does.

    Args:
        repository: what is asked.
        breaker: counts failures of the memory; by default three in a row open it, for a second at first, for eight at last.
        cache: keeps answers in this process; None for no cache.
        cache_invalidation: whether the cache is told what others change (``tracking.py``); None: where the memory tells it. Without it
            others' changes are seen when answers end.
        memory_deadline_s: seconds after which the memory counts as failed.
        metrics: see ``GuardedMemory`` and ``Listener``.

    Raises:
        ConfigurationError: the cache is to be told of changes, and there is none, or the memory does not tell of them.
    """

    def __init__(
        self,
        repository: Repository[Entity, KeyType],
        *,
        breaker: Breaker | None = None,
        cache: Cache | None = None,
        cache_invalidation: bool | None = None,
        memory_deadline_s: float = MEMORY_DEADLINE_S,
        metrics: MetricsBackend | None = None,
    ) -> None:
        if not isinstance(repository, Repository):
            raise ConfigurationError(f"{repository!r} is no repository", hint="Service(PersonRepository(…))")
        whose = f"the deadline of the memory of repository {repository.name!r}"
        check_seconds(memory_deadline_s, whose, ConfigurationError, is_needed=True)
        self.breaker = breaker or Breaker()
        guarded = GuardedMemory(repository.memory_data_source, self.breaker, repository.name, memory_deadline_s, metrics)
        self.cache = cache
        options_cls = repository.options_cls
        self._prefix = f"{escape(repository.name)}:"
        self._tracking = self._find_tracking(repository, cache_invalidation)
        self.repository = repository.through(guarded, None if cache is None or self._tracking is None else cache.interrupt)
        if cache is not None and self._tracking is not None:
            self._listener = Listener(cache, repository.name, self._prefix, metrics, self.repository.repair)
        self._whole: Hashable = (None, None if options_cls is None else options_cls())  # the variant of a question without options
        self._is_simple = len(repository.key_attrs) == 1
        if repository.writer is not None and metrics is not None:
            repository.writer.metrics = metrics

    @property
    def sync(self) -> SyncService[Entity]:
        """Return the same service, whose calls wait for their answers, for who cannot await."""
        from qapla.driver.repositories.sync import sync

        return sync(self)

    async def get_one(
        self, *values: Any, fields: Sequence[str] | None = None, memory: bool = True, deadline_s: float | None = None, **named: Any
    ) -> Entity:
        """Return the entity of a key; the arguments are those of ``Repository.query``.

        Raises:
            EntityNotFound: there is none, and the store behind the memory has said so.
            StoreUnavailable: nobody can tell; StoreTimedOut: not in time.
        """
        if self.cache is not None and memory and fields is None and deadline_s is None and not named and self._is_simple:
            found = self._find_simply(values)
            if found is not None:
                return found
        query = self.repository.query(*values, fields=fields, memory=memory, deadline_s=deadline_s, **named)
        if self.cache is None or not memory:
            return await self._read_one(query)
        text, variant = query.keys[0].text, _variant(query)
        found = self.cache.get(text, variant)
        if found is None:
            self._wake()
            found = await self._read_into(self.cache, query, text, variant)
        if found is MISSING:
            raise EntityNotFound(
                f"repository {self.repository.name!r} has no entity {query.keys[0].path!r}", repository=self.repository.name, key=text
            )
        answer: Entity = found
        return answer

    async def get_many(
        self, *ids: Any, fields: Sequence[str] | None = None, memory: bool = True, deadline_s: float | None = None, **named: Any
    ) -> list[Entity]:
        """Return the entities of many keys, in their order; those that do not exist are left out."""
        query = self.repository.query(many=ids, fields=fields, memory=memory, deadline_s=deadline_s, **named)
        if self.cache is None or not memory:
            read = await self._read_many(query)
            return [read[key.text] for key in query.keys if read[key.text] is not None]
        cache, variant = self.cache, _variant(query)
        answers = {key.text: cache.get(key.text, variant) for key in query.keys}
        missing = tuple(key for key in dict.fromkeys(query.keys) if answers[key.text] is None)
        if missing:
            self._wake()
            tokens = cache.begin(key.text for key in missing)
            try:
                read = await self._read_many(_narrowed(query, missing))
                for key in missing:
                    found = read.get(key.text)
                    answers[key.text] = MISSING if found is None else found
                    if not self.repository.is_in_doubt(key.text):
                        cache.put(key.text, variant, answers[key.text], tokens[key.text])
            finally:
                cache.end(tokens)
        return [answers[key.text] for key in query.keys if answers[key.text] is not MISSING]

    async def exists(self, *values: Any, memory: bool = True, deadline_s: float | None = None, **named: Any) -> bool:
        """Tell whether there is an entity of this key."""
        query = self.repository.query(*values, memory=memory, deadline_s=deadline_s, **named)
        async with self._limit(query):
            try:
                return await query.exists
            except MemoryUnavailable:
                return await _without_memory(query).exists

    async def add(self, entity: Entity, *entities: Entity, memory: bool = True, deadline_s: float | None = None) -> None:
        """Keep entities; see ``Repository.add``. Where it is written through, that does not depend on the memory."""
        keys = [self.repository.key_of(one).text for one in (entity, *entities)]
        try:
            await self.repository.add(entity, *entities, memory=memory, deadline_s=deadline_s)
        finally:
            self._drop(keys)

    async def delete(
        self, *values: Any, many: Sequence[Any] | None = None, memory: bool = True, deadline_s: float | None = None, **named: Any
    ) -> None:
        """Forget an entity, or many; they need not be there. It depends on the memory as ``add`` does."""
        query = self.repository.query(*values, many=many, memory=memory, deadline_s=deadline_s, **named)
        try:
            await query.delete
        finally:
            self._drop([key.text for key in query.keys])

    async def write_pending(self) -> int:
        """Write what waits for the store behind the memory, until nothing does; see ``Writer.write_pending``."""
        return await self.repository.write_pending()

    def check(self) -> None:
        """Raise if the memory is not asked now: for ``app["health"].add(name, service.check, required=False)``.

        Raises:
            StoreUnavailable: it is resting after failures; or writes wait too long for the store behind it.
        """
        if self.breaker.state != "closed":
            message = f"the memory of repository {self.repository.name!r} does not answer; the store behind it does its work"
            raise StoreUnavailable(message, repository=self.repository.name)
        self.repository.check_waiting()

    async def aclose(self) -> None:
        """Close what the running event loop has opened."""
        if self._tracking is not None:
            await self._tracking.leave(self._listener)
        await self.repository.aclose()

    def _find_tracking(self, repository: Repository[Entity, KeyType], is_wanted: bool | None) -> Tracking | None:
        if is_wanted is False:
            return None
        if self.cache is None:
            if is_wanted:
                message = f"the service of repository {repository.name!r} has no cache to be told of changes"
                raise ConfigurationError(message, hint="cache_type=CacheType.LRU")
            return None
        source = repository.memory_data_source
        return track(source) if is_wanted or source.line is not None else None

    def _wake(self) -> None:
        if self._tracking is not None:
            self._tracking.wake(self._listener)

    def _find_simply(self, values: tuple[Any, ...]) -> Any:
        """Return what the cache has under a key of one part of plain text; a question need not be made for it."""
        if len(values) != 1 or type(values[0]) is not str or UNSAFE.search(values[0]) is not None:
            return None
        found = self.cache.get(self._prefix + values[0], self._whole) if self.cache is not None else None
        return None if found is MISSING else found

    async def _read_one(self, query: Query[Entity]) -> Entity:
        async with self._limit(query):
            try:
                return await query.entity
            except MemoryUnavailable:
                return self._not_kept(query, await _without_memory(query).entity)

    async def _read_many(self, query: Query[Entity]) -> dict[str, Any]:
        async with self._limit(query):
            try:
                return await self.repository.read_all(query)
            except MemoryUnavailable:
                return self._not_kept(query, await self.repository.read_all(_without_memory(query)))

    def _not_kept(self, query: Query[Entity], answer: Answer) -> Answer:
        """Return what the store alone has answered; where it is written behind, that may be old, and is not kept."""
        if self.repository.write_policy == "behind":
            self._drop([key.text for key in query.keys])
        return answer

    def _limit(self, query: Query[Entity]) -> Limit:
        """Return the deadline of both attempts together."""
        return self.repository.limit(query.keys[0].text if query.keys else self.repository.name, query.deadline_s)

    async def _read_into(self, cache: Cache, query: Query[Entity], text: str, variant: Hashable) -> Any:
        tokens = cache.begin((text,))
        try:
            try:
                found: Any = await self._read_one(query)
            except EntityNotFound:
                found = MISSING
            if not self.repository.is_in_doubt(text):
                cache.put(text, variant, found, tokens[text])
        finally:
            cache.end(tokens)
        return found

    def _drop(self, keys: list[str]) -> None:
        if self.cache is not None:
            self.cache.drop(keys)


async def make_service(
    kind: type[Repository[Any, Any]],
    repository_cls: type[Repository[Entity, KeyType]],
    memory_data_source_factory: Callable[[], Any],
    fallback_data_source_factory: Callable[[], Any],
    repository_expire_time: float | None = None,
    *,
    cache_type: CacheType | None = None,
    cache_ttl: float | None = None,
    cache_max_size: int = 1000,
    cache_jitter: float = 0.1,
    cache_invalidation: bool | None = None,
    cb_failure_threshold: int = 3,
    cb_recovery_timeout: float = 1.0,
    memory_deadline_s: float = MEMORY_DEADLINE_S,
    deadline_s: float | None = None,
    write_policy: str = "through",
    queue_size: int = QUEUE_SIZE,
    metrics: MetricsBackend | None = None,
) -> Service[Entity, KeyType]:
    """Make a service of a class of repositories.

    Args:
        kind: what the class has to be.
        repository_cls: the class.
        memory_data_source_factory: makes the memory; may be a coroutine function.
        fallback_data_source_factory: makes the store behind it; may be one, too.
        repository_expire_time: seconds that an entry of the memory lives.
        cache_type: how answers are kept in this process; None: not at all.
        cache_ttl: seconds that they live there; ``repository_expire_time`` by default.
        cache_max_size: of how many entities.
        cache_jitter: see ``Cache``.
        cache_invalidation: whether the cache is told what other processes change; see ``Service``.
        cb_failure_threshold: failures of the memory in a row after which it is not asked for a while.
        cb_recovery_timeout: for how many seconds at first; at last for eight times as long.
        memory_deadline_s: seconds after which the memory counts as failed.
        deadline_s: seconds after which a call is a StoreTimedOut.
        write_policy: ``through`` or ``behind``; see ``Repository``.
        queue_size: how many entities may wait to be written behind.
        metrics: see ``GuardedMemory``.

    Raises:
        ConfigurationError: the class is of another kind, or an option is out of range.
    """
    if not (isinstance(repository_cls, type) and issubclass(repository_cls, kind)):
        raise ConfigurationError(f"{repository_cls!r} is no {kind.__name__}")
    check_count(cb_failure_threshold, "'cb_failure_threshold', the failures after which a breaker opens,", ConfigurationError)
    check_seconds(cb_recovery_timeout, "'cb_recovery_timeout', the pause of a breaker,", ConfigurationError, is_needed=True)
    memory, fallback = await _made(memory_data_source_factory), await _made(fallback_data_source_factory)
    repository = repository_cls(
        memory, fallback, repository_expire_time, deadline_s=deadline_s, write_policy=write_policy, queue_size=queue_size
    )
    cache = None
    if cache_type is not None:
        cache = Cache(cache_type, cache_max_size, cache_ttl or repository_expire_time, cache_jitter)
    breaker = Breaker(cb_failure_threshold, cb_recovery_timeout, 8 * cb_recovery_timeout)
    return Service(
        repository,
        breaker=breaker,
        cache=cache,
        cache_invalidation=cache_invalidation,
        memory_deadline_s=memory_deadline_s,
        metrics=metrics,
    )


def _maker(kind: type[Repository[Any, Any]], name: str) -> Callable[..., Any]:
    async def make(
        repository_cls: type[Repository[Entity, KeyType]],
        memory_data_source_factory: Callable[[], Any],
        fallback_data_source_factory: Callable[[], Any],
        repository_expire_time: float | None = None,
        **options: Any,
    ) -> Service[Entity, KeyType]:
        return await make_service(
            kind, repository_cls, memory_data_source_factory, fallback_data_source_factory, repository_expire_time, **options
        )

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"Make a service of a {kind.__name__}; the arguments are those of ``make_service``."
    return make


make_hash_service = _maker(HashRepository, "make_hash_service")
make_sorted_set_service = _maker(SortedSetRepository, "make_sorted_set_service")
make_boolean_service = _maker(BooleanRepository, "make_boolean_service")
make_geospatial_service = _maker(GeoSpatialRepository, "make_geospatial_service")
make_document_service = _maker(DocumentRepository, "make_document_service")
make_list_service = _maker(ListRepository, "make_list_service")
make_set_service = _maker(SetRepository, "make_set_service")
make_stream_service = _maker(StreamRepository, "make_stream_service")


async def _made(factory: Callable[[], Any]) -> Any:
    if not callable(factory):
        raise ConfigurationError(f"{factory!r} makes no source: it cannot be called", hint="lambda: source")
    made = factory()
    return await made if inspect.isawaitable(made) else made


def _variant(query: Query[Any]) -> Hashable:
    return (query.fields, query.options)


def _narrowed(query: Query[Entity], keys: tuple[Any, ...]) -> Query[Entity]:
    return replace(query, keys=keys, is_many=True)


def _without_memory(query: Query[Entity]) -> Query[Entity]:
    return replace(query, memory=False, is_alone=True)
