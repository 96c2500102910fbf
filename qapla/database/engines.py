"""SQLAlchemy engines as declared databases have them: made on first use, anew after a fork, checked before use.

``Engines`` are those on one URL: one for threads and, for asyncio, one per event loop. ``open_engine`` and ``open_async_engine`` make a
single one. Both kinds have SQLite with WAL, foreign keys and a BEGIN that is ours.
"""

from __future__ import annotations

import os
import re
import threading
import weakref
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, make_url
from sqlalchemy.engine import engine_from_config
from sqlalchemy.exc import ArgumentError, InvalidRequestError, NoSuchModuleError

from qapla.database import dialects
from qapla.errors import ConfigurationError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from qapla.database.asynchronous import LoopEngines
    from qapla.settings import Settings

URL_EXPECTED = "a database URL, engine://user:password@host:port/name"
OPTIONS_EXPECTED = "a mapping of options for SQLAlchemy's create_engine"
INVALID_OPTIONS = re.compile(r"Invalid argument\(s\) (.+?) sent to create_engine")
BUSY_TIMEOUT_S = 10
IMMEDIATE = "qapla_immediate"
LATIN_PASSWORDS = ("pymysql", "aiomysql")  # drivers that write passwords in Latin-1, also those that have other letters

_inherited: list[Any] = []  # what belongs to the parent process: neither used nor closed here, so never garbage either
_known: weakref.WeakSet[Engines] = weakref.WeakSet()


class Engines:
    """The engines on one URL.

    Args:
        open_sync: makes the engine for threads.
        open_async: makes one for an event loop.
    """

    def __init__(self, open_sync: Callable[[], Engine], open_async: Callable[[], AsyncEngine]) -> None:
        self._open_sync = open_sync
        self._open_async = open_async
        self._lock = threading.RLock()
        self._engine: Engine | None = None
        self._by_loop: LoopEngines | None = None
        _known.add(self)

    @property
    def engine(self) -> Engine:
        """Return the engine of this process."""
        engine = self._engine
        if engine is None:
            with self._lock:
                if self._engine is None:
                    self._engine = self._open_sync()
                engine = self._engine
        return engine

    @property
    def async_engine(self) -> AsyncEngine:
        """Return the engine of the running event loop; it is closed when the loop ends.

        Raises:
            ConfigurationError: no loop runs here, or an asyncio driver is not installed.
        """
        if self._by_loop is None:
            from qapla.database.asynchronous import LoopEngines

            with self._lock:
                self._by_loop = self._by_loop or LoopEngines(self._open_async)
        return self._by_loop.get()

    @property
    def opened(self) -> Iterator[Engine]:
        """Yield the engines that have been used and not disposed, those of event loops as the engines inside."""
        if self._engine is not None:
            yield self._engine
        if self._by_loop is not None:
            for engine in self._by_loop.opened:
                yield engine.sync_engine

    def dispose(self) -> None:
        """Close all connections; the next use opens new ones. Not for a coroutine of its own loop: there it is ``await aclose()``."""
        with self._lock:
            engine, self._engine = self._engine, None
            by_loop, self._by_loop = self._by_loop, None
        if engine is not None:
            engine.dispose()
        if by_loop is not None:
            by_loop.dispose()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        if self._by_loop is not None:
            await self._by_loop.aclose()

    def _leave_to_parent(self) -> None:
        # No other thread lives in a child that has just been forked; one of the parent's may have held the lock.
        _inherited.extend(kept for kept in (self._engine, self._by_loop) if kept is not None)
        self._lock = threading.RLock()
        self._engine = self._by_loop = None


def _after_fork() -> None:
    for engines in list(_known):
        engines._leave_to_parent()


os.register_at_fork(after_in_child=_after_fork)


def open_engine(url: URL, options: dict[str, Any], *, is_read_only: bool = False, keeps_journal: bool = False) -> Engine:
    """Make an engine for threads. A URL that names no driver gets ours; numbers among the *options* may be text.

    Args:
        options: keywords of SQLAlchemy's ``create_engine``.
        is_read_only: refuse writes by the database itself, as replicas need it.
        keeps_journal: leave a SQLite file in the journal mode that it is in, instead of WAL: for files of others.

    Raises:
        ConfigurationError: the driver is not installed, or the file cannot be made.
        TypeError, ValueError: SQLAlchemy does not know an option, or cannot read its value.
    """
    known = dialects.ENGINES.get(url.get_backend_name())
    if known is not None and "+" not in url.drivername:
        url = url.set(drivername=known.drivername)
    try:
        return _prepare(engine_from_config({"url": url, **_defaults(url, options)}, prefix=""), url, is_read_only, keeps_journal)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        hint = f"pip install 'qapla[{known.extra}]'" if known is not None and known.extra else "install it, or choose another engine"
        raise ConfigurationError(f"the driver {url.drivername!r} is not installed", hint=hint) from error


def open_async_engine(url: URL, options: dict[str, Any], *, is_read_only: bool = False) -> AsyncEngine:
    """Make an engine for one event loop. A URL that names a driver which cannot await gets ours that can.

    Raises:
        ConfigurationError: the driver is not installed, there is none, or the file cannot be made.
        TypeError, ValueError: SQLAlchemy does not know an option, or cannot read its value.
    """
    from qapla.database.asynchronous import find_async_url

    url, extra = find_async_url(url)
    try:
        import_module("greenlet")  # SQLAlchemy would miss it only when somebody awaits
        from sqlalchemy.ext.asyncio import async_engine_from_config

        engine = async_engine_from_config({"url": url, **_defaults(url, options)}, prefix="")
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        hint = f"pip install 'qapla[{extra}]'" if extra else "install it, or choose another engine"
        raise ConfigurationError(f"the asyncio driver {url.drivername!r} is not installed", hint=hint) from error
    _prepare(engine.sync_engine, url, is_read_only)
    return engine


def read_url(settings: Settings, key: str, text: Any) -> URL:
    """Return the URL that *text*, the value of the setting *key*, is.

    Raises:
        SettingsError: it is none.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # the second: a port that is no number, perhaps half of a password
        raise settings.wrong(key, URL_EXPECTED) from None
    if "@" in (url.host or ""):  # the rest of a password, which no message may repeat
        raise settings.wrong(key, f"{URL_EXPECTED}; an '@' in user or password is written %40")
    return url


def read_options(settings: Settings, key: str) -> dict[str, Any]:
    """Return the options that the setting *key* has, none when it is missing.

    Raises:
        SettingsError: it is no mapping.
    """
    options = settings.get(key)
    if not isinstance(options, Mapping | None):
        raise settings.wrong(key, OPTIONS_EXPECTED)
    return _plain(options or {})


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) if isinstance(value, Mapping) else value for key, value in options.items()}


def open_configured(
    opener: Callable[..., Any], url: URL, settings: Settings, key: str, options: dict[str, Any] | None = None, **more: Any
) -> Any:
    """Open an engine with *options*, by default those of the setting *key*.

    Raises:
        SettingsError: SQLAlchemy does not like them; the message has the key, and what is wrong. What the driver does not like about
            ``connect_args`` is told so when it connects.
        ConfigurationError: what *opener* raises.
    """

    def wrong(error: Exception) -> SettingsError:
        unknown = INVALID_OPTIONS.match(str(error))
        said = f"options of create_engine, and {unknown[1]} is none" if unknown else f"{OPTIONS_EXPECTED}: {first_line(error)}"
        return settings.wrong(key, said)

    try:
        engine = opener(url, read_options(settings, key) if options is None else options, **more)
    except (TypeError, ValueError, ArgumentError, InvalidRequestError) as error:
        raise wrong(error) from error
    dialect = engine.dialect
    connect = dialect.connect

    def connect_or_tell(*arguments: Any, **keywords: Any) -> Any:
        try:
            return connect(*arguments, **keywords)
        except Exception as error:
            if isinstance(error, TypeError) or "invalid connection option" in str(error):
                raise wrong(error) from error
            raise

    dialect.connect = connect_or_tell
    return engine


def first_line(error: BaseException) -> str:
    """Return what the driver says is wrong: one line, without SQL. Drivers know no secrets."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).splitlines() or [type(cause).__name__])[0][:200]


def _defaults(url: URL, options: dict[str, Any]) -> dict[str, Any]:
    return options if url.get_backend_name() == "sqlite" else {"pool_pre_ping": True, **options}


def _prepare(engine: Engine, url: URL, is_read_only: bool, keeps_journal: bool = False) -> Engine:
    if url.get_backend_name() == "sqlite":
        if url.database and url.database != ":memory:" and not is_read_only and not url.database.startswith("file:"):
            _make_file(Path(url.database).absolute())
        event.listen(engine, "connect", partial(_prepare_sqlite, is_read_only or keeps_journal))
        event.listen(engine, "begin", _begin_sqlite)
    if engine.dialect.driver in LATIN_PASSWORDS:
        event.listen(engine, "do_connect", _encode_password)
    if is_read_only:
        event.listen(engine, "connect", partial(_only_read, dialects.get_engine(url.get_backend_name()).read_only or ""))
    return engine


def _encode_password(dialect: Any, record: Any, arguments: Any, keywords: dict[str, Any]) -> None:
    """Have the driver, which writes a password in Latin-1, send the bytes that it is in UTF-8."""
    if isinstance(keywords.get("password"), str):
        keywords["password"] = keywords["password"].encode().decode("latin-1")


def _make_file(file: Path) -> None:
    """Make the file, and its folder, where there is none yet; for nobody but the owner of this process."""
    if file.exists():
        return
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
    except OSError as error:
        raise ConfigurationError(f"the database file {str(file)!r} cannot be made: {error.strerror}") from error


def _prepare_sqlite(keeps_journal: bool, connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver begins too late, and not before DDL: BEGIN is ours
    journal = () if keeps_journal else ("journal_mode=WAL", "synchronous=NORMAL")
    _run(connection, *(f"PRAGMA {pragma}" for pragma in (f"busy_timeout={BUSY_TIMEOUT_S * 1000}", *journal, "foreign_keys=ON")))


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get(IMMEDIATE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _only_read(statement: str, connection: Any, record: Any) -> None:
    _run(connection, statement)
    connection.commit()  # a setting made inside of a transaction that is rolled back would be lost


def _run(connection: Any, *statements: str) -> None:
    cursor = connection.cursor()  # the one door that drivers for threads and for asyncio have in common
    for statement in statements:
        cursor.execute(statement)
    cursor.close()
