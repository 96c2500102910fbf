"""What an application says about one repository, and the service that is made of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from qapla.errors import ConfigurationError, PluginError, SettingsError, nearest

if TYPE_CHECKING:
    from qapla.application import Application
    from qapla.driver.repositories.repository import Repository
    from qapla.driver.repositories.service import Service
    from qapla.driver.repositories.source import FallbackDataSource, MemoryDataSource
    from qapla.settings import Settings

SECONDS = ("expire_time", "not_found_expire_time", "deadline_s", "memory_deadline_s", "cache_ttl", "cb_recovery_timeout")
NUMBERS = ("cache_max_size", "cb_failure_threshold", "queue_size")
NAMES = ("redis", "database", "cache_type", "write_policy")
SWITCHES = ("cache_invalidation", "required", "worker")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where entities are kept, and how.

    Attributes:
        redis: name of the Redis that is the memory, as in ``redis:<name>:url``.
        database: name of the declared database behind it.
        model: a mapped class for the rows there; None: documents, in the table ``qapla_entity``.
        memory: makes another memory, of the application; a source's class does, too. In place of ``redis``.
        fallback: makes another store behind it, of the application. In place of ``database``.
        expire_time: seconds that an entry of the memory lives; None for ever.
        not_found_expire_time: seconds that "there is none" is remembered.
        deadline_s: seconds that a call may take.
        memory_deadline_s: seconds after which the memory counts as failed.
        cache_type: ``LRU``, ``LFU`` or ``TTL``; None: answers are not kept in the process.
        cache_ttl: seconds that they are; ``expire_time`` by default.
        cache_max_size: of how many entities.
        cache_invalidation: whether they end when another process changes something; None: where the memory tells it, as Redis does.
        cb_failure_threshold: failures in a row after which the memory is not asked for a while.
        cb_recovery_timeout: for how many seconds at first; at last for eight times as long.
        required: whether the application is ready only while the memory answers.
        write_policy: ``through``: a write is done when the store has it; ``behind``: when Redis has, and a worker writes it into the store.
        queue_size: of how many entities writes may wait for that.
        worker: whether each process that uses the repository is such a worker, too; else ``qapla repositories write`` is.
    """

    redis: str = "default"
    database: str | None = None
    model: Any = None
    memory: Callable[[Application], MemoryDataSource] | None = None
    fallback: Callable[[Application], FallbackDataSource] | None = None
    expire_time: float | None = None
    not_found_expire_time: float | None = None
    deadline_s: float | None = None
    memory_deadline_s: float = 1.0
    cache_type: str | None = None
    cache_ttl: float | None = None
    cache_max_size: int = 1000
    cache_invalidation: bool | None = None
    cb_failure_threshold: int = 3
    cb_recovery_timeout: float = 1.0
    required: bool = False
    write_policy: str = "through"
    queue_size: int = 100_000
    worker: bool = True


class Declared:
    """One repository of an application: its class, and ``Options`` as keywords.

    Args:
        repository: a class of repositories.
        name: how the application calls it; the name of the class' keys by default.
        options: see ``Options``; settings win over them.

    Raises:
        PluginError: *repository* is something else, or an option is unknown.
    """

    def __init__(self, repository: type[Repository[Any, Any]], name: str | None = None, **options: Any) -> None:
        from qapla.driver.repositories.repository import Repository

        if not (isinstance(repository, type) and issubclass(repository, Repository)) or repository.entity_cls is None:
            hint = "class PersonRepository(HashRepository[Person, str]): ..."
            raise PluginError(f"{repository!r} is no class of repositories", hint=hint)
        known = [field.name for field in fields(Options)]
        for option in options:
            if option not in known:
                raise PluginError(f"repository {name or repository.name!r} has no option {option!r}", hint=nearest(option, known))
        self.repository = repository
        self.name = name or repository.name
        self.options = Options(**options)

    def __repr__(self) -> str:
        return f"Declared({self.repository.__name__}, {self.name!r})"

    @property
    def requires(self) -> tuple[str, ...]:
        """Return the plugins that it needs."""
        needed = {"redis": self.options.memory is None, "database": self.options.database is not None and self.options.fallback is None}
        return tuple(name for name, is_needed in needed.items() if is_needed)

    def configured(self, settings: Settings) -> Declared:
        """Return it with what the settings say.

        Raises:
            SettingsError: one is unknown or wrong.
        """
        options = replace(self.options, **read_options(settings, f"repositories:{self.name}"))
        return Declared(self.repository, self.name, **{field.name: getattr(options, field.name) for field in fields(Options)})

    def check(self, app: Application) -> None:
        """Raise what ``make`` would."""
        self.make(app)

    def make(self, app: Application) -> Service[Any, Any]:
        """Make the service; no connection is opened.

        Raises:
            ConfigurationError: it has no store, or an option is out of range.
            PluginError: *app* has no such database.
        """
        from qapla.database.breaker import Breaker
        from qapla.driver.repositories.cache import Cache, CacheType
        from qapla.driver.repositories.service import Service

        options = self.options
        if options.cb_failure_threshold < 1 or not options.cb_recovery_timeout > 0 or not options.memory_deadline_s > 0:
            raise ConfigurationError(f"the breaker of repository {self.name!r} needs at least one failure, and more than 0 seconds")
        repository = self.repository(
            make_memory(app, options),
            self._make_fallback(app),
            options.expire_time,
            not_found_expire_time=options.not_found_expire_time,
            deadline_s=options.deadline_s,
            write_policy=options.write_policy,
            queue_size=options.queue_size,
        )
        cache = None
        if options.cache_type is not None:
            if options.cache_type not in CacheType.__members__:
                raise ConfigurationError(f"repository {self.name!r} has no cache {options.cache_type!r}", hint="LRU, LFU or TTL")
            cache = Cache(CacheType[options.cache_type], options.cache_max_size, options.cache_ttl or options.expire_time)
        pause_s = options.cb_recovery_timeout
        breaker = Breaker(options.cb_failure_threshold, pause_s, 8 * pause_s)
        return Service(
            repository,
            breaker=breaker,
            cache=cache,
            cache_invalidation=options.cache_invalidation,
            memory_deadline_s=options.memory_deadline_s,
            metrics=app.find("metrics"),
        )

    def _make_fallback(self, app: Application) -> FallbackDataSource:
        from qapla.driver.repositories.sql import SQLFallbackDataSource

        if self.options.fallback is not None:
            return self.options.fallback(app)
        if self.options.database is None:
            hint = f"Declared(…, database='main'), or the setting 'repositories:{self.name}:database'"
            raise ConfigurationError(f"repository {self.name!r} has no database behind its memory", hint=hint)
        return SQLFallbackDataSource(app["database"][self.options.database], self.options.model)


def make_memory(app: Application, options: Options) -> MemoryDataSource:
    """Return the memory that *options* name."""
    from qapla.driver.repositories.redis import RedisMemoryDataSource

    if options.memory is not None:
        return options.memory(app)
    key = f"redis:{options.redis}"
    given = app.settings.get(f"{key}:options") or {}
    url = app.settings.require(f"{key}:url", "a URL, redis://user:password@host:port/0")
    try:
        return RedisMemoryDataSource(url, **{name: number(value) for name, value in given.items()})
    except ConfigurationError as error:
        raise SettingsError(f"setting '{key}' in {app.settings.origin(f'{key}:url')} is wrong: {error.message}", hint=error.hint) from None


def number(value: Any) -> Any:
    """Return text that is a number, as the environment has it, as that number; else *value* itself."""
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        with suppress(ValueError):
            return kind(value)
    return value


def read_options(settings: Settings, key: str) -> dict[str, Any]:
    """Return the options that the settings below *key* give.

    Raises:
        SettingsError: one is unknown or wrong.
    """
    given = settings.get(key) or {}
    if not hasattr(given, "items"):
        raise settings.wrong(key, "options by name")
    known = (*SECONDS, *NUMBERS, *NAMES, *SWITCHES, "model", "class")
    for name in given:
        if name not in known:
            hint = nearest(name, known) or f"known are {', '.join(known)}"
            raise SettingsError(f"setting '{key}:{name}' in {settings.origin(f'{key}:{name}')} is unknown", hint=hint)
    read: dict[str, Any] = {}
    kinds = [*((name, float, "seconds") for name in SECONDS), *((name, int, "a number") for name in NUMBERS)]
    kinds += [*((name, str, "a name") for name in NAMES), *((name, bool, "true or false") for name in SWITCHES)]
    for name, kind, expected in kinds:
        if given.get(name) is not None:
            read[name] = settings.read(f"{key}:{name}", kind, None, expected)
    if given.get("model") is not None:
        read["model"] = settings.resolve(f"{key}:model")
    return read
