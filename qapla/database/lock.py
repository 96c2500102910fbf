"""The only right to migrate a database: held between processes, by a file beside a SQLite database, an advisory lock on the servers."""

from __future__ import annotations

import time
import zlib
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from sqlalchemy import text

from qapla.database.maintenance import connect_beside
from qapla.errors import TimedOut

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from qapla.database.database import Database

LOCK_TIMEOUT_S = 60

_SERVER_LOCKS = {
    # engine: (take, give back); each answers one true value when it worked
    "postgresql": ("SELECT pg_try_advisory_lock(:key)", "SELECT pg_advisory_unlock(:key)"),
    "mysql": ("SELECT GET_LOCK(CONCAT('qapla:', :key), 0)", "SELECT RELEASE_LOCK(CONCAT('qapla:', :key))"),
    "mariadb": ("SELECT GET_LOCK(CONCAT('qapla:', :key), 0)", "SELECT RELEASE_LOCK(CONCAT('qapla:', :key))"),
}


def hold(database: Database) -> AbstractContextManager[None]:
    """Hold the only right to migrate *database*.

    Raises:
        TimedOut: another process has had it for longer than a minute.
        Unavailable: the database cannot be reached.
    """
    backend = database.url.get_backend_name()
    if backend == "sqlite":
        database.engine  # noqa: B018 - makes the folder where there is none yet
        return _file_lock(database.url.database, database.name)
    if backend in _SERVER_LOCKS:
        return _server_lock(database, *_SERVER_LOCKS[backend])
    return nullcontext()


@contextmanager
def hold_by(connection: Connection, name: str) -> Iterator[None]:
    """Hold the only right to migrate a database by a connection of one's own.

    Args:
        connection: in no transaction, and in none again at the end.
        name: what the database is called.

    Raises:
        TimedOut: another process has had it for longer than a minute.
    """
    backend, url = connection.dialect.name, connection.engine.url
    if backend == "sqlite":
        with _file_lock(url.database, name):
            yield
    elif backend not in _SERVER_LOCKS:
        yield
    else:
        take, give_back = _SERVER_LOCKS[backend]
        key = _key(url.database, name)
        _wait(name, connection, take, key)
        connection.commit()
        try:
            yield
        finally:
            connection.rollback()
            connection.execute(text(give_back), key)
            connection.commit()


@contextmanager
def _file_lock(path: str | None, name: str) -> Iterator[None]:
    from filelock import FileLock, Timeout

    if not path or path == ":memory:":
        yield
        return
    try:
        with FileLock(f"{path}.migrating", timeout=LOCK_TIMEOUT_S):
            yield
    except Timeout:
        raise _too_long(name) from None


@contextmanager
def _server_lock(database: Database, take: str, give_back: str) -> Iterator[None]:
    key = _key(database.url.database, database.name)
    with connect_beside(database) as connection:
        _wait(database.name, connection, take, key)
        try:
            yield
        finally:
            connection.execute(text(give_back), key)


def _key(database: str | None, name: str) -> dict[str, int]:
    return {"key": zlib.crc32(f"{database}:{name}".encode())}


def _wait(name: str, connection: Connection, take: str, key: dict[str, int]) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while not connection.scalar(text(take), key):
        if time.monotonic() > deadline:
            raise _too_long(name)
        time.sleep(0.1)


def _too_long(name: str) -> TimedOut:
    return TimedOut(f"another process has been migrating database {name!r} for {LOCK_TIMEOUT_S} s", hint="try again later")
