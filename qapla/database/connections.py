"""The connections of a pool by name: those that ``init_pool`` was given, or the databases of the application whose scope is open here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, inspect

from qapla.database.aftercommit import find_sessions
from qapla.database.asynchronous import AsyncSessions
from qapla.database.pending import is_pending, watch
from qapla.errors import NotBound, UnknownConnection, nearest

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    from qapla.database.database import Database
    from qapla.scope import Scope

DEFAULT = "DEFAULT"
CONNECTION = "qapla_connection"  # in the info of a session: the name of its connection

scope_finders: list[Callable[[], Scope | None]] = []
"""Each tells the scope of the request that is being answered, also where nobody has used it yet."""


class Connection:
    """One database of a pool.

    Args:
        name: what ``connection_name`` calls it.
        database: what has its ``safe_url`` and its ``engine``.
        find_session: tells the session of this thread or task; with True it opens one where there is none yet.
    """

    def __init__(self, name: str, database: Any, find_session: Callable[[bool], Session | None]) -> None:
        self.name, self.database = name, database
        self._find_session = find_session

    def __repr__(self) -> str:
        return f"Connection({self.name!r}, {self.safe_url!r})"

    @property
    def safe_url(self) -> str:
        """Return the URL with its password masked."""
        safe: str = self.database.safe_url
        return safe

    @property
    def engine(self) -> Engine:
        """Return SQLAlchemy's engine of this process."""
        engine: Engine = self.database.engine
        return engine

    @property
    def session(self) -> Session:
        """Return SQLAlchemy's session of this thread or task."""
        session = self._find_session(True)
        assert session is not None
        return session

    @property
    def opened(self) -> Session | None:
        """Return the session of this thread or task if somebody has used it."""
        return self._find_session(False)

    @property
    def has_work(self) -> bool | None:
        """Tell whether this thread or task has work here that is not committed; None where nobody knows."""
        session = self.opened
        return is_pending(session) if session is not None else False


class Connections(Mapping[str, Connection]):
    """Connections by name.

    Args:
        found: them, in order.
        aliases: further names of theirs, in lower case, which are found in any.
    """

    def __init__(self, found: Mapping[str, Connection], aliases: Mapping[str, str] | None = None) -> None:
        self._found, self._aliases = found, aliases or {}

    def __getitem__(self, name: str) -> Connection:
        """Return the connection called *name*.

        Raises:
            UnknownConnection: there is none; the hint names those that there are.
        """
        found = self._found.get(name) or self._found.get(self._aliases.get(str(name).casefold(), ""))
        if found is None:
            known = f"there are {', '.join(repr(each) for each in self._found)}"
            close = nearest(str(name), self._found)
            raise UnknownConnection(f"no connection is called {name!r}", hint=f"{close} {known}" if close else known)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def choose(self, name: str | None) -> list[Connection]:
        """Return the one called *name*, or all of them for None."""
        return list(self.values()) if name is None else [self[name]]


def find_lent() -> Connections | None:
    """Return the databases of the application as connections, where a scope of one is open, or a request is being answered.

    Raises:
        NotBound: the scope is one of asyncio, whose sessions are awaited, or the application declares no database.
    """
    sessions = find_sessions() or _find_sessions_of_request()
    if sessions is None:
        return None
    if isinstance(sessions, AsyncSessions):
        hint = "await its own, scope['database']['main'], or use 'with app.scope()' in a thread: asyncio.to_thread(…)"
        raise NotBound("the pool's sessions are not awaited, and this scope is one of asyncio", hint=hint)
    databases: Mapping[str, Database] = sessions.databases
    if not databases:
        raise NotBound("the application declares no database", hint="DatabasePlugin([Database('main')])")
    default = find_default(databases)
    shown = {name: DEFAULT if name == default else name for name in databases}
    found = {called: Connection(called, databases[name], partial(_find, sessions, name, called)) for name, called in shown.items()}
    return Connections(found, {name.casefold(): called for name, called in shown.items()} | {DEFAULT.casefold(): DEFAULT})


def find_default(names: Mapping[str, Any]) -> str:
    """Return which of the databases of an application is ``DEFAULT``: the one called so, or ``main``, or the first."""
    return next((name for name in names if name.casefold() == DEFAULT.casefold()), "main" if "main" in names else next(iter(names)))


def _find_sessions_of_request() -> Any:
    for find in scope_finders:
        scope = find()
        if scope is not None and "database" in scope.app:
            return scope["database"]
    return None


def _find(sessions: Any, name: str, shown: str, opens: bool) -> Session | None:
    return adopt(sessions[name], shown) if opens or sessions.is_open(name) else None


def adopt(session: Session, name: str) -> Session:
    """Have *session* know that it is on the connection called *name*, and what it writes; also its rows, when it is closed."""
    if CONNECTION not in session.info:
        session.info[CONNECTION] = name
        event.listen(watch(session), "persistent_to_detached", _remember)
    return session


def _remember(session: Session, row: Any) -> None:
    inspect(row).info[CONNECTION] = session.info[CONNECTION]
