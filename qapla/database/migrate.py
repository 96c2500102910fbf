"""Bring a declared database up to date with its migrations, one process at a time.

The lock holds between processes: a file beside a SQLite database, an advisory lock on the servers.
"""

from __future__ import annotations

import zlib
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from qapla.errors import ConfigurationError, TimedOut, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection

    from qapla.database.database import Database

LOCK_TIMEOUT_S = 60


def upgrade(database: Database) -> bool:
    """Run every migration that *database* lacks; tell whether there were any.

    Raises:
        ConfigurationError: the database was written by a newer release.
        Unavailable: it cannot be reached.
        TimedOut: another process has been migrating it for longer than a minute.
    """
    from alembic import command
    from alembic.script import ScriptDirectory

    config = make_config(database)
    script = ScriptDirectory.from_config(config)
    if is_current(database, script):
        return False
    with _lock(database):
        if is_current(database, script):  # somebody else did it while this process waited
            return False
        command.upgrade(config, "heads")
    return True


def is_current(database: Database, script: ScriptDirectory | None = None) -> bool:
    """Tell whether *database* has every migration that this program knows.

    Raises:
        ConfigurationError: it has one that this program does not know.
        Unavailable: it cannot be reached.
    """
    if script is None:
        from alembic.script import ScriptDirectory

        script = ScriptDirectory.from_config(make_config(database))
    found = current(database)
    known = {revision.revision for revision in script.walk_revisions()}
    unknown = sorted(found - known)
    if unknown:
        raise ConfigurationError(
            f"database {database.name!r} is newer than this program: its revision {unknown[0]!r} is not known here",
            hint="use the release that wrote it, or a copy from before",
        )
    return found == set(script.get_heads())


def current(database: Database) -> set[str]:
    """Return the revisions that *database* is at; none when it is empty.

    Raises:
        Unavailable: it cannot be reached.
    """
    from alembic.migration import MigrationContext

    try:
        with database.engine.connect() as connection:
            return set(MigrationContext.configure(connection).get_current_heads())
    except DBAPIError as error:
        problem = (str(error.orig).splitlines() or [type(error.orig).__name__])[0][:200]  # the driver's words; it knows no secrets
        raise Unavailable(
            f"database {database.name!r} cannot be reached: {problem}",
            details=database.safe_url,
            hint="is it running, and is its URL right?",
        ) from error


def make_config(database: Database) -> Config:
    """Return what Alembic needs to know; it hands *database* to ``AlembicEnv``."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", database.migrations_path.replace("%", "%%"))
    config.attributes["database"] = database
    return config


def _lock(database: Database) -> AbstractContextManager[None]:
    """Hold the only right to migrate *database*."""
    backend = database.url.get_backend_name()
    if backend == "sqlite":
        return _file_lock(database)
    if backend in _SERVER_LOCKS:
        return _server_lock(database, *_SERVER_LOCKS[backend])
    return nullcontext()


_SERVER_LOCKS = {
    # engine: (take, give back); each answers one true value when it worked
    "postgresql": ("SELECT pg_try_advisory_lock(:key)", "SELECT pg_advisory_unlock(:key)"),
    "mysql": ("SELECT GET_LOCK(CONCAT('qapla:', :key), 0)", "SELECT RELEASE_LOCK(CONCAT('qapla:', :key))"),
    "mariadb": ("SELECT GET_LOCK(CONCAT('qapla:', :key), 0)", "SELECT RELEASE_LOCK(CONCAT('qapla:', :key))"),
}


@contextmanager
def _file_lock(database: Database) -> Iterator[None]:
    from filelock import FileLock, Timeout

    path = database.url.database
    if not path or path == ":memory:":
        yield
        return
    try:
        with FileLock(f"{path}.migrating", timeout=LOCK_TIMEOUT_S):
            yield
    except Timeout:
        raise _too_long(database) from None


@contextmanager
def _server_lock(database: Database, take: str, give_back: str) -> Iterator[None]:
    key = {"key": zlib.crc32(f"{database.url.database}:{database.name}".encode())}
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        _wait(database, connection, take, key)
        try:
            yield
        finally:
            connection.execute(text(give_back), key)


def _wait(database: Database, connection: Connection, take: str, key: dict[str, int]) -> None:
    import time

    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while not connection.scalar(text(take), key):
        if time.monotonic() > deadline:
            raise _too_long(database)
        time.sleep(0.1)


def _too_long(database: Database) -> TimedOut:
    return TimedOut(f"another process has been migrating database {database.name!r} for {LOCK_TIMEOUT_S} s", hint="try again later")
