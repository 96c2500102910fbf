"""A connection beside the pool, for what is done to a database rather than in it: locks between processes, dropping, creating."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import NullPool
from sqlalchemy.exc import DBAPIError

from qapla.database.database import open_engine
from qapla.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection

    from qapla.database.database import Database


@contextmanager
def connect_beside(database: Database, url: URL | None = None) -> Iterator[Connection]:
    """Lend a connection of its own, in autocommit, to the server of *database*; closed at the end. A small pool cannot be in its way.

    Args:
        url: where to, if not to the database itself.

    Raises:
        Unavailable: it cannot be reached.
    """
    target = url or database.url
    arguments = (database.settings.get(f"db:{database.name}:options") or {}).get("connect_args") or {}
    engine = open_engine(target, {"poolclass": NullPool, "isolation_level": "AUTOCOMMIT", "connect_args": dict(arguments)})
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise unreachable(database, error, target) from error
    try:
        yield connection
    finally:
        connection.close()
        engine.dispose()


def unreachable(database: Database, error: DBAPIError, url: URL | None = None) -> Unavailable:
    """Make the error for a database that cannot be reached, in the driver's words; it knows no secrets."""
    return Unavailable(
        f"database {database.name!r} cannot be reached: {first_line(error)}",
        details=(url or database.url).render_as_string(hide_password=True),
        hint="is it running, and is its URL right?",
    )


def first_line(error: DBAPIError) -> str:
    """Return what a database, or its driver, says in one line, without the statement."""
    return (str(error.orig).splitlines() or [type(error.orig).__name__])[0][:200]
