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
        return _file_lock(database)
    if backend in _SERVER_LOCKS:
        return _server_lock(database, *_SERVER_LOCKS[backend])
    return nullcontext()


@contextmanager
def _file_lock(database: Database) -> Iterator[None]:
    from filelock import FileLock, Timeout

    path = database.url.database
    if not path or path == ":memory:":
        yield
        return
    database.engine  # noqa: B018 - makes the folder where there is none yet
    try:
        with FileLock(f"{path}.migrating", timeout=LOCK_TIMEOUT_S):
            yield
    except Timeout:
        raise _too_long(database) from None


@contextmanager
def _server_lock(database: Database, take: str, give_back: str) -> Iterator[None]:
    key = {"key": zlib.crc32(f"{database.url.database}:{database.name}".encode())}
    with connect_beside(database) as connection:
        _wait(database, connection, take, key)
        try:
            yield
        finally:
            connection.execute(text(give_back), key)


def _wait(database: Database, connection: Connection, take: str, key: dict[str, int]) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while not connection.scalar(text(take), key):
        if time.monotonic() > deadline:
            raise _too_long(database)
        time.sleep(0.1)


def _too_long(database: Database) -> TimedOut:
    return TimedOut(f"another process has been migrating database {database.name!r} for {LOCK_TIMEOUT_S} s", hint="try again later")
