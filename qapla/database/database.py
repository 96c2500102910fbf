"""A database that an application declares in code: ``Database("main", "migrations")``.

Settings  ``db:<name>:url``: where it is, ``postgresql://user:password@host:5432/name``.
          ``db:<name>:options``: keywords of SQLAlchemy's ``create_engine``: ``pool_size``, ``pool_recycle``, ``connect_args``, …
          ``db:<name>:async_options``: for asyncio, in place of ``options``, where the driver wants other ones.
          ``db:<name>:replicas``: copies that answer reads (``replicas.py``): a list of URLs, or of mappings with ``url`` and ``options``.
          ``db:<name>:default_url``: a database of the same server from which this one can be dropped and made anew; only for
          ``recreate``, and only where the engine's own default (PostgreSQL's ``postgres``) is not it.

Engines are made on first use, anew after a fork, and disposed when the application stops. A URL that names no driver gets ours.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from functools import partial
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from qapla.database.engines import (
    IMMEDIATE,
    URL_EXPECTED,
    Engines,
    open_async_engine,
    open_configured,
    open_engine,
    read_options,
    read_url,
)
from qapla.database.outage import name_errors
from qapla.errors import ConfigurationError
from qapla.masking import mask_text
from qapla.settings import Settings, flat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from morfdict import Paths
    from sqlalchemy import URL, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

    from qapla.database.replicas import Replicas


class Database:
    """One declared database: engine, sessions and where its migrations are.

    Args:
        name: what requests, tasks and settings call it: ``request.main``, ``db:main:url``.
        migrations_key: key of the path of its migrations directory; None when it has no migrations of ours.

    ``on_engine`` holds functions that are called with every engine that is made, to the primary and to replicas, before anything uses it:
    for SQLAlchemy's events. ``siblings`` are the names of all databases that are declared together with this one.
    """

    def __init__(self, name: str, migrations_key: str | None = None) -> None:
        if not isinstance(name, str) or not name.isidentifier() or iskeyword(name):
            hint = "letters, digits and _; no keyword"
            raise ConfigurationError(f"database name {name!r} cannot be an attribute of a request", hint=hint)
        self.name = name
        self.migrations_key = migrations_key
        self.on_engine: list[Callable[[Engine], None]] = []
        self.siblings: tuple[str, ...] = (name,)
        self._settings: Settings | None = None
        self._paths: Paths | None = None
        self._engines = Engines(partial(self._open, open_engine, "options"), partial(self._open, open_async_engine, "async_options"))
        self._replicas: Replicas | None = None
        self._uses_replicas = True

    def __repr__(self) -> str:
        return f"Database({self.name!r}, {self.migrations_key!r})"

    def configure(self, settings: Settings, paths: Paths) -> None:
        """Take URL and options from *settings*; checks them, and opens no connection.

        Raises:
            SettingsError: the URL is missing, or is none.
        """
        self._settings, self._paths = settings, paths
        self.url  # noqa: B018 - a wrong URL is told at the start and not on the first request
        for kind in ("options", "async_options"):
            read_options(settings, f"db:{self.name}:{kind}")
        if settings.get(f"db:{self.name}:replicas"):
            from qapla.database.replicas import read_replicas

            self._replicas = read_replicas(settings, f"db:{self.name}", self.url, self._announce)

    @property
    def settings(self) -> Settings:
        """Return the settings of the application, as they were given to ``configure``."""
        return self._configured()

    @property
    def url(self) -> URL:
        """Return the URL, its password inside: for SQLAlchemy, not for people."""
        key = f"db:{self.name}:url"
        return read_url(self._configured(), key, self._configured().require(key, URL_EXPECTED))

    @property
    def safe_url(self) -> str:
        """Return the URL with its password masked."""
        return mask_text(self.url.render_as_string(hide_password=True))  # and what is in its query

    @property
    def safe_replica_urls(self) -> list[str]:
        """Return the URLs of the replicas with their passwords masked."""
        return [replica.name for replica in self._replicas or ()]

    @property
    def migrations_path(self) -> str:
        """Return the directory of the migrations, the one with ``env.py``.

        Raises:
            ConfigurationError: the database has none, or the settings do not say where.
        """
        if self.migrations_key is None:
            hint = f"Database({self.name!r}, 'migrations'), and a path of that key in the settings"
            raise ConfigurationError(f"database {self.name!r} is declared without migrations", hint=hint)
        if self._paths is None or self.migrations_key not in self._paths.paths:
            hint = f"set the path {self.migrations_key!r} in the settings"
            raise ConfigurationError(f"database {self.name!r} has no migrations directory", hint=hint)
        return str(self._paths.get(self.migrations_key))

    @property
    def engine(self) -> Engine:
        """Return the engine of this process, to the primary."""
        return self._engines.engine

    @property
    def async_engine(self) -> AsyncEngine:
        """Return the engine of the running event loop, to the primary; it is closed when the loop ends.

        Raises:
            ConfigurationError: no loop runs here, or an asyncio driver is not installed.
        """
        return self._engines.async_engine

    @property
    def opened_engines(self) -> list[Engine]:
        """Return every engine that is in use: of threads and event loops, to the primary and to replicas."""
        return [engine for engines in self._all_engines() for engine in engines.opened]

    def make_session(self, **options: Any) -> Session:
        """Make a session; the caller closes it, and commits. With replicas it is a ``RoutedSession``."""
        if self._replicas is None or not self._uses_replicas or "bind" in options:
            return Session(**{"bind": options.pop("bind", None) or self.engine, **options})
        from qapla.database.routing import RoutedSession

        return RoutedSession(self.engine, replicas=self._replicas, **options)

    def make_async_session(self, **options: Any) -> AsyncSession:
        """Make a session for the running event loop; the caller closes it, and commits."""
        from qapla.database.asynchronous import make_async_session

        if self._replicas is not None and self._uses_replicas:
            from qapla.database.routing import RoutedSession

            options = {"sync_session_class": RoutedSession, "replicas": self._replicas, **options}
        return make_async_session(self.async_engine, **options)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Lend a session; it is closed in every ending, and what is not committed then is rolled back."""
        with self.make_session() as session:
            yield session

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Lend a session for a write: committed at the end, rolled back on error.

        On SQLite it takes the write lock at once, so that reading first and then writing cannot fail because another
        process wrote in between.
        """
        with self.make_session() as session:
            session.connection(execution_options={IMMEDIATE: True})
            yield session
            session.commit()

    @asynccontextmanager
    async def async_session(self) -> AsyncIterator[AsyncSession]:
        """Lend a session to a coroutine; like ``session``."""
        async with self.make_async_session() as session:
            yield session

    @asynccontextmanager
    async def async_transaction(self) -> AsyncIterator[AsyncSession]:
        """Lend a session for a write to a coroutine; like ``transaction``."""
        async with self.make_async_session() as session:
            await session.connection(execution_options={IMMEDIATE: True})
            yield session
            await session.commit()

    def at(self, url: URL) -> Database:
        """Return a database like this one at another URL, without replicas."""
        other = Database(self.name, self.migrations_key)
        settings = Settings()
        for key, value in flat(self._configured()):
            settings[key] = value
        settings[f"db:{self.name}:url"] = url.render_as_string(hide_password=False)
        settings[f"db:{self.name}:replicas"] = None
        assert self._paths is not None
        other.configure(settings, self._paths)
        other.siblings = self.siblings
        return other

    def replace_engines(self, engines: Any) -> Any:
        """Use other ``Engines``, and return those that were used until now; for tests, see ``shared.py``. Replicas rest meanwhile."""
        before, self._engines = self._engines, engines
        self._uses_replicas = isinstance(engines, Engines)
        return before

    def dispose(self) -> None:
        """Close all connections; the next use opens new ones."""
        for engines in self._all_engines():
            engines.dispose()

    async def aclose(self) -> None:
        """Close the connections of the running event loop, which would otherwise be closed at its end."""
        for engines in self._all_engines():
            await engines.aclose()

    def _all_engines(self) -> list[Engines]:
        return [self._engines, *(replica.engines for replica in self._replicas or ())]

    def _configured(self) -> Settings:
        if self._settings is None:
            raise ConfigurationError(f"database {self.name!r} is used before its application started", hint="call a run_… method first")
        return self._settings

    def _open(self, opener: Callable[..., Any], kind: str) -> Any:
        settings = self._configured()
        key = f"db:{self.name}:{kind}"
        if kind == "async_options" and key not in settings:
            key = f"db:{self.name}:options"
        engine = open_configured(opener, self.url, settings, key)
        self._announce(engine)
        return engine

    def _announce(self, engine: Any) -> None:
        inner = getattr(engine, "sync_engine", engine)
        name_errors(inner, self.name)
        for hook in self.on_engine:
            hook(inner)
