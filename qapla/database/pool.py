"""Connections by name, as Flask-Philo has them: ``get_pool().commit(connection_name="MUSIC_CATALOG")``.

::

    pool = init_pool({"DATABASES": {"POSTGRESQL": {"DEFAULT": url, "MUSIC_CATALOG": other}}})
    pool.create_tables()
    Genre(name="Rock").add()
    pool.commit()

Each thread and each asyncio task has sessions of its own, closed when it ends. Nothing is committed unless somebody says so.

Where ``init_pool`` was not called, the pool is the databases of the application whose scope is open, with the sessions of that scope:
``main`` (else the first) is ``DEFAULT``, the others have their own names, in any case.
"""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Self

from sqlalchemy.orm import Session

from qapla.database import lock
from qapla.database.address import find_address
from qapla.database.connections import DEFAULT, Connections, adopt, find_lent
from qapla.database.connections import Connection as PoolConnection
from qapla.database.direct import make_direct_engine
from qapla.database.engines import Engines
from qapla.database.owned import Owned
from qapla.database.pending import is_pending
from qapla.database.poolurls import EXAMPLE, read_addresses
from qapla.errors import Conflict, DatabaseError, NotBound, NothingPending, NotOffered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import Connection, Engine, MetaData

    from qapla.database.poolurls import Address

log = logging.getLogger(__name__)

metadatas: weakref.WeakSet[MetaData] = weakref.WeakSet()
"""Of the models whose tables ``create_tables`` makes; a base class adds its own."""


class Pool:
    """The connections of a program and the sessions on them. There is one per process, ``get_pool()``."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a generator that uses the pool may be collected, and ends, while it is held
        self._own: dict[str, Opened] = {}
        self._connections: Connections | None = None
        self._sessions: Owned[dict[Opened, Session]] = Owned(dict, _end)

    def __repr__(self) -> str:
        return f"<Pool: {', '.join(self._connections or ()) or 'no connections of its own'}>"

    # -- which databases

    def init(self, config: Mapping[str, Any]) -> Self:
        """Take the connections of *config* in place of those that were there; see ``init_pool``."""
        addresses = read_addresses(config)
        opened = {name: Opened(address) for name, address in addresses.items()}
        connections = Connections({name: PoolConnection(name, own, partial(self._find, own)) for name, own in opened.items()})
        self.dispose()
        with self._lock:
            self._own, self._connections = opened, connections
        return self

    @property
    def connections(self) -> Connections:
        """Return the connections by name.

        Raises:
            NotBound: ``init_pool`` was not called, and no scope of an application with databases is open here.
        """
        found = self._connections if self._connections is not None else find_lent()
        if found is None:
            raise NotBound("the pool has no connections yet", hint=f"{EXAMPLE}, or use it in a scope of an application with databases")
        return found

    def session(self, connection_name: str = DEFAULT) -> Session:
        """Return the session of this thread or task on a connection; SQLAlchemy's, for all that the pool has no word for."""
        return self.connections[connection_name].session

    def _find(self, own: Opened, opens: bool) -> Session | None:
        mine = self._sessions.get()
        if own not in mine and opens:
            mine[own] = adopt(Session(own.engine), own.name)
        return mine.get(own)

    # -- what becomes of the work

    def commit(self, connection_name: str | None = DEFAULT) -> None:
        """Commit what was done on a connection; None: on each of them, one after the other.

        Raises:
            NothingPending: there is nothing to commit on this one, but there is on another. Nothing has happened.
            DatabaseError: one of several could not be committed after others were, and the message says which. It and those behind it
                are rolled back.
        """
        connections = self.connections
        if connection_name is None:
            _commit_each([each for each in connections.values() if each.opened is not None])
        else:
            _refuse_wrong_one(connections, connection_name)
            connections[connection_name].session.commit()

    def rollback(self, connection_name: str | None = DEFAULT) -> None:
        """Undo what was done on a connection since its last commit; None: on each of them."""
        for session in self._opened(connection_name):
            session.rollback()

    def close(self, connection_name: str | None = None) -> None:
        """Give the connections of this thread or task back, all of them unless one is named. What is not committed is rolled back.

        The pool can be used again. Rows that were read before belong to no session any more.
        """
        for session in self._opened(connection_name):
            session.close()

    def _opened(self, connection_name: str | None) -> Iterable[Session]:
        return [session for each in self.connections.choose(connection_name) if (session := each.opened) is not None]

    # -- tables

    def create_tables(self, connection_name: str | None = None, *, metadata: MetaData | None = None) -> None:
        """Create the tables of all models that are not there yet, in every connection unless one is named; one process after the other.

        Args:
            metadata: the tables of a base class of one's own; by default those of ``BaseModel``.

        Raises:
            Conflict: this thread or task has work there that is not committed.
        """
        self._for_tables(connection_name, metadata, lambda each, connection: each.create_all(connection))

    def drop_tables(self, connection_name: str | None = None, *, metadata: MetaData | None = None) -> None:
        """Drop the tables of all models with everything in them, in every connection unless one is named.

        Raises:
            Conflict: this thread or task has work there that is not committed.
        """
        self._for_tables(connection_name, metadata, lambda each, connection: each.drop_all(connection))

    def _for_tables(self, connection_name: str | None, metadata: MetaData | None, act: Callable[[MetaData, Connection], object]) -> None:
        chosen = self.connections.choose(connection_name)
        for one in chosen:
            if one.has_work:
                raise Conflict(f"connection {one.name!r} has work that is not committed", hint="commit it or roll it back before")
        for one in chosen:
            if one.opened is not None:
                one.session.rollback()  # what it has only read would keep others from changing tables
            # One after the other: of programs that start together, all have looked before the first has made its tables.
            with one.engine.connect() as connection, lock.hold_by(connection, one.database.name), connection.begin():
                for each in list(metadatas) if metadata is None else [metadata]:
                    act(each, connection)

    # -- the end

    def dispose(self) -> None:
        """Close all connections and forget them. What this thread or task has not committed is rolled back."""
        with self._lock:
            own, self._own, self._connections = self._own, {}, None
        mine = self._sessions.get() if own else {}
        _end({each: mine.pop(each) for each in own.values() if each in mine})
        for each in own.values():
            each.engines.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.dispose()


class Opened:
    """A database that ``init_pool`` was given; the engine is made when somebody wants it, and anew after a fork."""

    def __init__(self, address: Address) -> None:
        self.name, self.safe_url, self._address = address.name, address.safe_url, address
        self.engines = Engines(self._open, self._refuse)

    @property
    def engine(self) -> Engine:
        """Return the engine of this process."""
        return self.engines.engine

    def _open(self) -> Engine:
        spec, is_read_only = self._address.find_spec()
        options = dict(self._address.options)
        return make_direct_engine(
            spec, self.name, find_address=find_address, options=options, is_read_only=is_read_only, keeps_journal=self._address.spec is None
        )

    def _refuse(self) -> NoReturn:
        raise NotOffered("the pool has no sessions that are awaited", hint="asyncio.to_thread(…)")


def _refuse_wrong_one(connections: Connections, name: str) -> None:
    wanted = connections[name]
    if wanted.has_work is not False:
        return
    waiting = [each.name for each in connections.values() if each is not wanted and each.has_work]
    if waiting:
        places = " and ".join(repr(one) for one in waiting)
        raise NothingPending(
            f"there is nothing to commit on connection {wanted.name!r}, but there is on {places}",
            hint=f"commit(connection_name={waiting[0]!r}), or roll that back first",
        )


def _commit_each(connections: list[PoolConnection]) -> None:
    """Commit one after the other. All write what they have not written yet before the first one commits: most errors come there."""
    for each in connections:
        each.session.flush()
    done: list[str] = []
    for each in connections:
        has_work = each.has_work
        try:
            each.session.commit()
        except Exception as error:
            if not done:
                raise
            for other in connections:
                other.session.rollback()
            places = ", ".join(repr(name) for name in done)
            hint = "what belongs together is committed by app['database'].transaction(…)"
            raise DatabaseError(f"connection {each.name!r} could not be committed after {places} had been", hint=hint) from error
        if has_work:
            done.append(each.name)


def _end(sessions: dict[Opened, Session]) -> None:
    """Close sessions that nobody will use any more. Work that nobody has committed is told in the log."""
    while sessions:
        own, session = sessions.popitem()
        try:
            if is_pending(session):
                log.warning("work on connection %r was not committed: it is rolled back", own.name)
            session.close()
        except Exception:
            log.exception("a session on connection %r cannot be closed", own.name)


_pool = Pool()
atexit.register(_pool.dispose)


def get_pool() -> Pool:
    """Return the pool of this process. It may be asked for before ``init_pool`` and used after."""
    return _pool


def init_pool(config: Mapping[str, Any]) -> Pool:
    """Give the pool its connections in place of those that it had, and return it. No connection is opened.

    Args:
        config: ``{"DATABASES": {"POSTGRESQL": {"DEFAULT": url, "MUSIC_CATALOG": url}}}``. The keys in the middle only group: the URL says
            which engine it is; ``"shop"`` is what is registered as that on this machine. In place of a URL there may be
            ``{"url": url, "options": {"pool_size": 3}}``, with keywords of SQLAlchemy's ``create_engine``. A ``%`` in a user or password is
            written ``%25``. Further keys of *config* are left alone.

    Returns:
        The pool; as a context manager it closes its connections at the end.

    Raises:
        SettingsError: an address is missing or wrong, or a name is there twice.
    """
    return _pool.init(config)
