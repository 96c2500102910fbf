"""Repositories and services for who cannot await: views of Pyramid, tasks of Celery, notebooks.

::

    people = sync(service)
    people.get_one("john_doe")

    service = sync(make_hash_service)(PersonRepository, make_memory, make_fallback)

All calls of a process run on one event loop in a thread of its own (``background.py``); any thread may call. A call from a coroutine is
refused: it would hold up the coroutine's own loop. Deadlines are those of the repository and of the service.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from qapla.driver.repositories.background import LOOP
from qapla.driver.repositories.query import Query
from qapla.driver.repositories.repository import Repository
from qapla.errors import ConfigurationError

if TYPE_CHECKING:
    from qapla.database.breaker import Breaker
    from qapla.driver.repositories.cache import Cache
    from qapla.driver.repositories.service import Service

Entity = TypeVar("Entity")


class Sync:
    """Something whose methods are coroutines, called like functions: all that it has, also what a class of one's own adds."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __repr__(self) -> str:
        return f"sync({self._inner!r})"

    def __dir__(self) -> list[str]:
        return sorted({*(name for name in dir(self._inner) if not name.startswith("_")), *super().__dir__()})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._inner, name)
        if inspect.iscoroutine(found):
            return _around(LOOP.run(found))
        return _waiting(found) if inspect.isroutine(found) else _around(found)


class SyncQuery(Sync, Generic[Entity]):
    """A question; ``entity``, ``entities``, ``exists`` and ``delete`` are the answers themselves."""

    entity: Entity
    entities: list[Entity]
    exists: bool
    delete: None


class SyncRepository(Sync, Generic[Entity]):
    """A repository; its methods are those of ``Repository``, and ``query(…)`` returns a ``SyncQuery``."""

    if TYPE_CHECKING:
        name: str

        def query(self, *values: Any, **named: Any) -> SyncQuery[Entity]: ...
        def add(self, entity: Entity, *entities: Entity, memory: bool = True, deadline_s: float | None = None) -> None: ...
        def aclose(self) -> None: ...


class SyncService(Sync, Generic[Entity]):
    """A service; its methods are those of ``Service``."""

    if TYPE_CHECKING:
        repository: SyncRepository[Entity]
        breaker: Breaker
        cache: Cache | None

        def get_one(
            self, *values: Any, fields: Sequence[str] | None = None, memory: bool = True, deadline_s: float | None = None, **named: Any
        ) -> Entity: ...
        def get_many(
            self, *ids: Any, fields: Sequence[str] | None = None, memory: bool = True, deadline_s: float | None = None, **named: Any
        ) -> list[Entity]: ...
        def exists(self, *values: Any, memory: bool = True, deadline_s: float | None = None, **named: Any) -> bool: ...
        def add(self, entity: Entity, *entities: Entity, memory: bool = True, deadline_s: float | None = None) -> None: ...
        def delete(
            self, *values: Any, many: Sequence[Any] | None = None, memory: bool = True, deadline_s: float | None = None, **named: Any
        ) -> None: ...
        def write_pending(self) -> int: ...
        def check(self) -> None: ...
        def aclose(self) -> None: ...


@overload
def sync(inner: Repository[Entity, Any]) -> SyncRepository[Entity]: ...
@overload
def sync(inner: Service[Entity, Any]) -> SyncService[Entity]: ...
@overload
def sync(inner: Callable[..., Any]) -> Callable[..., Any]: ...
def sync(inner: Any) -> Any:
    """Return a repository, a service, or a coroutine function that makes one, whose calls wait for their answers.

    Raises:
        ConfigurationError: *inner* is something else.
    """
    if isinstance(inner, Sync):
        return inner
    if inspect.iscoroutinefunction(inner):
        return _waiting(inner)
    found = _around(inner)
    if found is inner:
        raise ConfigurationError(f"{inner!r} is no repository and no service", hint="sync(PersonRepository(…))")
    return found


def _waiting(method: Any) -> Any:
    @functools.wraps(method)
    def call(*values: Any, **named: Any) -> Any:
        answer = method(*(_bare(value) for value in values), **{name: _bare(value) for name, value in named.items()})
        return _around(LOOP.run(answer) if inspect.iscoroutine(answer) else answer)

    return call


def _around(found: Any) -> Any:
    from qapla.driver.repositories.service import Service  # which has a synchronous side itself

    for kind, around in ((Query, SyncQuery), (Repository, SyncRepository), (Service, SyncService)):
        if isinstance(found, kind):
            return around(found)
    return found


def _bare(value: Any) -> Any:
    return value._inner if isinstance(value, Sync) else value
