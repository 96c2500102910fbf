"""A database that an application declares in code: ``Database("main", "migrations")``.

The URL comes from the setting ``db:<name>:url``, SQLAlchemy's options from ``db:<name>:options``. The engine is made on first use, anew
after a fork, and disposed when the application stops.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.orm import Session, sessionmaker

from qapla.database import dialects
from qapla.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from morfdict import Paths
    from sqlalchemy import URL, Connection

    from qapla.settings import Settings

BUSY_TIMEOUT_S = 10
IMMEDIATE = "qapla_immediate"


class Database:
    """One declared database: engine, sessions and where its migrations are.

    Args:
        name: what requests, tasks and settings call it: ``request.main``, ``db:main:url``.
        migrations_key: key of the path of its migrations directory; None when it has no migrations of ours.

    ``on_engine`` holds functions that are called with every engine that is made, before anything uses it: for SQLAlchemy's events.
    """

    def __init__(self, name: str, migrations_key: str | None = None) -> None:
        if not name.isidentifier():
            raise ConfigurationError(f"database name {name!r} cannot be an attribute of a request", hint="letters, digits and _")
        self.name = name
        self.migrations_key = migrations_key
        self.on_engine: list[Callable[[Engine], None]] = []
        self._settings: Settings | None = None
        self._paths: Paths | None = None
        self._engine: Engine | None = None
        self._engine_pid: int | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Database({self.name!r}, {self.migrations_key!r})"

    def configure(self, settings: Settings, paths: Paths) -> None:
        """Take URL and options from *settings*; checks them, and opens no connection.

        Raises:
            SettingsError: the URL is missing, or is none.
        """
        self._settings, self._paths = settings, paths
        self.url  # noqa: B018 - a wrong URL is told at the start and not on the first request

    @property
    def settings(self) -> Settings:
        """Return the settings of the application, as they were given to ``configure``."""
        return self._configured()

    @property
    def url(self) -> URL:
        """Return the URL, its password inside: for SQLAlchemy, not for people."""
        key = f"db:{self.name}:url"
        settings = self._configured()
        text = settings.require(key, "a database URL, engine://user:password@host:port/name")
        try:
            return make_url(text)
        except ArgumentError:
            raise settings.wrong(key, "a database URL, engine://user:password@host:port/name") from None

    @property
    def safe_url(self) -> str:
        """Return the URL with its password masked."""
        return self.url.render_as_string(hide_password=True)

    @property
    def migrations_path(self) -> str:
        """Return the directory of the migrations, the one with ``env.py``.

        Raises:
            ConfigurationError: the database has none, or the settings do not say where.
        """
        if self.migrations_key is None or self._paths is None or self.migrations_key not in self._paths.paths:
            key = self.migrations_key or "migrations"
            raise ConfigurationError(f"database {self.name!r} has no migrations directory", hint=f"set the path {key!r} in the settings")
        return str(self._paths.get(self.migrations_key))

    @property
    def engine(self) -> Engine:
        """Return the engine of this process."""
        if self._engine is None or self._engine_pid != os.getpid():
            with self._lock:
                self._make_engine()
        assert self._engine is not None
        return self._engine

    def _make_engine(self) -> None:
        if self._engine is not None and self._engine_pid == os.getpid():
            return
        if self._engine is not None:
            self._engine.dispose(close=False)  # the connections belong to the parent process
        engine = open_engine(self.url, dict(self._configured().get(f"db:{self.name}:options") or {}))
        for hook in self.on_engine:
            hook(engine)
        self._engine, self._engine_pid = engine, os.getpid()

    def make_session(self, **options: Any) -> Session:
        """Make a session; the caller closes it, and commits."""
        return sessionmaker(self.engine, **options)()

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

    def dispose(self) -> None:
        """Close all connections; the next use opens new ones."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose(close=self._engine_pid == os.getpid())

    def _configured(self) -> Settings:
        if self._settings is None:
            raise ConfigurationError(f"database {self.name!r} is used before its application started", hint="call a run_… method first")
        return self._settings


def open_engine(url: URL, options: dict[str, Any]) -> Engine:
    """Make an engine as declared databases have it: connections are checked before use; SQLite with WAL and foreign keys.

    A URL that names no driver gets ours.

    Raises:
        ConfigurationError: the driver is not installed, or the file cannot be made.
    """
    backend = url.get_backend_name()
    known = dialects.ENGINES.get(backend)
    if known is not None and "+" not in url.drivername:
        url = url.set(drivername=known.drivername)
    try:
        return _open_sqlite(url, options) if backend == "sqlite" else create_engine(url, **{"pool_pre_ping": True, **options})
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        hint = f"pip install 'qapla[{known.extra}]'" if known is not None and known.extra else "install it, or choose another engine"
        raise ConfigurationError(f"the driver {url.drivername!r} is not installed", hint=hint) from error


def _open_sqlite(url: URL, options: dict[str, Any]) -> Engine:
    if url.database and url.database != ":memory:":
        _make_file(Path(url.database).absolute())
    engine = create_engine(url, **options)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_file(file: Path) -> None:
    """Make the file, and its folder, where there is none yet; for nobody but the owner of this process."""
    if file.exists():
        return
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
    except OSError as error:
        raise ConfigurationError(f"the database file {str(file)!r} cannot be made: {error.strerror}") from error


def _prepare_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver begins too late, and not before DDL: BEGIN is ours
    for pragma in (f"busy_timeout={BUSY_TIMEOUT_S * 1000}", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get(IMMEDIATE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
