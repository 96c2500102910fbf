"""Drop and create a database, and copy one: for databases of tests. Whoever calls this asks ``identity.refuse_unless_test`` first.

PostgreSQL cannot drop a database that one is connected to, so a second one on the same server is used, and other connections are ended;
MariaDB and MySQL wait for ever where another connection has a transaction, so these are ended, too. A SQLite database is a file.

Settings  ``db:<name>:default_url``: the database to be connected to meanwhile; default: ``postgres`` on the same server, none in particular
          on MariaDB and MySQL.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from qapla.database.engines import read_url
from qapla.database.identity import identify
from qapla.database.maintenance import connect_beside
from qapla.errors import ConfigurationError, NotOffered
from qapla.masking import mask_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL, Connection

    from qapla.database.database import Database

SQLITE_FILES = ("", "-wal", "-shm", "-journal")


def recreate(database: Database) -> None:
    """Drop *database*, whoever is connected to it, and create it empty.

    Raises:
        NotOffered: its engine has no such thing here.
        ConfigurationError: the server does not allow it.
        Unavailable: the server cannot be reached.
    """
    database.dispose()
    maker = _maker(database)
    maker.drop(database)
    maker.create(database, None)


def drop(database: Database) -> None:
    """Drop *database*, whoever is connected to it, if it is there; raises as ``recreate`` does."""
    database.dispose()
    _maker(database).drop(database)


def copy(database: Database, template: URL) -> None:
    """Make *database* anew as a copy of *template*, which nobody is connected to; raises as ``recreate`` does."""
    database.dispose()
    maker = _maker(database)
    maker.drop(database)
    maker.create(database, template)


def has_templates(database: Database) -> bool:
    """Tell whether ``copy`` works for the engine of *database*."""
    return _maker(database).has_templates


class Maker(Protocol):
    """How one kind of engine drops and creates."""

    has_templates: bool

    def drop(self, database: Database) -> None:
        """Drop it if it is there."""

    def create(self, database: Database, template: URL | None) -> None:
        """Create it, empty or as a copy."""


class _Server:
    """What the servers have in common."""

    has_templates = False
    default_name = ""  # none

    def default_url(self, database: Database) -> URL:
        given = database.settings.get(f"db:{database.name}:default_url")
        if given:
            return read_url(database.settings, f"db:{database.name}:default_url", given)
        query = {key: value for key, value in database.url.query.items() if key not in ("dbname", "database", "db")}
        return database.url.set(database=self.default_name, query=query)

    def drop(self, database: Database) -> None:
        _name(database.url)
        with connect_beside(database, self.default_url(database)) as connection:
            self._allowed(database, connection, "dropped", self._drop)

    def create(self, database: Database, template: URL | None) -> None:
        with connect_beside(database, self.default_url(database)) as connection:
            self._allowed(database, connection, "created", lambda one, link, name: self._create(one, link, name, template))

    def _allowed(self, database: Database, connection: Connection, what: str, act: Callable[[Database, Connection, str], None]) -> None:
        try:
            act(database, connection, _name(database.url))
        except DBAPIError as error:
            problem = (str(error.orig).splitlines() or [type(error.orig).__name__])[0][:200]
            hint = f"the user needs the right, or set 'db:{database.name}:default_url'"
            raise ConfigurationError(f"database {database.name!r} cannot be {what}: {problem}", hint=hint) from error

    def _drop(self, database: Database, connection: Connection, name: str) -> None:
        raise NotImplementedError

    def _create(self, database: Database, connection: Connection, name: str, template: URL | None) -> None:
        raise NotImplementedError


class _PostgreSQL(_Server):
    has_templates = True
    default_name = "postgres"

    def _drop(self, database: Database, connection: Connection, name: str) -> None:
        self._forget_prepared(database, connection, name)
        quoted = _quote(connection, name)
        if (connection.dialect.server_version_info or (0,)) >= (13,):
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")
            return
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}).all()
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {quoted}")

    def _forget_prepared(self, database: Database, connection: Connection, name: str) -> None:
        """Roll back what a test left between the two phases of a commit; it would keep the database from being dropped."""
        found = connection.scalars(text("SELECT gid FROM pg_prepared_xacts WHERE database = :name"), {"name": name}).all()
        if found:
            with connect_beside(database, self.default_url(database).set(database=name)) as inside:
                for gid in found:
                    inside.exec_driver_sql("ROLLBACK PREPARED '" + gid.replace("'", "''").replace("%", "%%") + "'")

    def _create(self, database: Database, connection: Connection, name: str, template: URL | None) -> None:
        options = f" TEMPLATE {_quote(connection, _name(template))}" if template is not None else ""
        owner = database.url.username
        if owner and owner != connection.scalar(text("SELECT current_user")):
            options += f" OWNER {_quote(connection, owner)}"
        connection.exec_driver_sql(f"CREATE DATABASE {_quote(connection, name)}{options}")


class _MySQL(_Server):
    """MariaDB and MySQL."""

    def _drop(self, database: Database, connection: Connection, name: str) -> None:
        others = text("SELECT id FROM information_schema.processlist WHERE db = :name AND id <> connection_id()")
        for (number,) in connection.execute(others, {"name": name}).all():
            with suppress(DBAPIError):  # it has gone meanwhile
                connection.exec_driver_sql(f"KILL {int(number)}")
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {_quote(connection, name)}")

    def _create(self, database: Database, connection: Connection, name: str, template: URL | None) -> None:
        if template is not None:
            raise NotOffered(f"a copy of a database is not offered by {connection.dialect.name!r}")
        connection.exec_driver_sql(f"CREATE DATABASE {_quote(connection, name)} CHARACTER SET utf8mb4")


class _SQLite:
    has_templates = True

    def drop(self, database: Database) -> None:
        """Remove the file and what SQLite keeps beside it."""
        for file in _files(database.url):
            file.unlink(missing_ok=True)

    def create(self, database: Database, template: URL | None) -> None:
        """Copy the file; an empty one is made on first use."""
        files = _files(database.url)
        if template is None or not files:
            return
        files[0].parent.mkdir(parents=True, exist_ok=True)
        source = _files(template)[0]
        with closing(sqlite3.connect(source)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        shutil.copyfile(source, files[0])


def _files(url: URL) -> list[Path]:
    if not url.database or url.database == ":memory:":
        return []
    return [Path(f"{url.database}{suffix}") for suffix in SQLITE_FILES]


def _name(url: URL) -> str:
    if not url.database:
        raise ConfigurationError(f"the URL {url.render_as_string(hide_password=True)!r} names no database")
    if identify(url).name != url.database:  # ?dbname= wins in the driver: what was looked at and what is dropped would be two
        problem = f"the URL {mask_text(url.render_as_string(hide_password=True))!r} names two databases"
        raise ConfigurationError(problem, hint="say which one in its path, and nowhere else")
    return url.database


def _quote(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name).replace("%%", "%").replace("%", "%%")


_MAKERS: dict[str, Maker] = {"postgresql": _PostgreSQL(), "mariadb": _MySQL(), "mysql": _MySQL(), "sqlite": _SQLite()}


def _maker(database: Database) -> Maker:
    backend = database.url.get_backend_name()
    if backend not in _MAKERS:
        raise NotOffered(f"database {database.name!r} cannot be dropped and created: not offered for {backend!r}", hint="do it by hand")
    return _MAKERS[backend]
