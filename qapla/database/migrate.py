"""Bring declared databases up to date with their migrations, one process at a time.

``plan`` says which migrations are missing, ``upgrade`` runs them, under the lock of ``lock.py``.
"""

from __future__ import annotations

import io
import os
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import column, select, table
from sqlalchemy.exc import DBAPIError

from qapla.database import lock
from qapla.database.maintenance import first_line, unreachable
from qapla.errors import ConfigurationError, QaplaError, tell

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from qapla.database.database import Database


VERSION_TABLE = "alembic_version"  # Alembic's own name for it


@dataclass(frozen=True, slots=True)
class Step:
    """One migration: its revision, and the first line of its message."""

    revision: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is missing on one database: the revisions that it is at, and the steps to run, in order."""

    database: Database
    current: tuple[str, ...]
    steps: tuple[Step, ...]


def plan(database: Database, script: ScriptDirectory | None = None) -> Plan:
    """Say which migrations *database* lacks.

    Raises:
        ConfigurationError: it has one that this program does not know, or has no migrations directory.
        Unavailable: it cannot be reached.
    """
    script = script or open_scripts(database)
    found = current(database)
    _check_known(database, found, script)
    missing = reversed(list(script.iterate_revisions("heads", tuple(found), implicit_base=True)))
    return Plan(database, tuple(sorted(found)), tuple(Step(one.revision, one.doc.partition("\n")[0]) for one in missing))


def upgrade(database: Database) -> bool:
    """Run every migration that *database* lacks; tell whether there were any.

    Raises:
        ConfigurationError: the database was written by a newer release, or a migration failed.
        Unavailable: it cannot be reached.
        TimedOut: another process has been migrating it for longer than a minute.
    """
    if is_current(database):
        return False
    with lock.hold(database):
        return upgrade_held(database)


def upgrade_held(database: Database) -> bool:
    """Run what *database* lacks now; for a caller who holds its lock.

    Raises:
        ConfigurationError: a migration failed.
    """
    script = open_scripts(database)
    if is_current(database, script):  # somebody else did it while this process waited
        return False
    from alembic import command

    try:
        command.upgrade(make_config(database), "heads")
    except QaplaError:
        raise
    except Exception as error:
        revisions = {os.path.abspath(one.path): one.revision for one in script.walk_revisions()}
        revision = revisions.get(_find_file(database, error) or "")
        failed = f"migration {revision!r} of database {database.name!r}" if revision else f"the migrations of database {database.name!r}"
        raise ConfigurationError(f"{failed} failed: {_tell(database, error)}") from error
    return True


def print_sql(planned: Plan) -> str:
    """Return the SQL that would bring the database from where it is to the newest revision, without running it.

    Raises:
        NotOffered: Alembic cannot write a migration on paper: it has two branches, or asks the database something.
    """
    from alembic import command
    from alembic.util import CommandError

    from qapla.errors import NotOffered

    if not planned.steps:
        return ""
    config = make_config(planned.database)
    config.output_buffer = written = io.StringIO()
    start = planned.current[0] if planned.current else "base"
    try:
        if len(planned.current) > 1:
            raise CommandError("it is at more than one revision")
        command.upgrade(config, f"{start}:{planned.steps[-1].revision}", sql=True)
    except CommandError as error:
        raise NotOffered(f"the migrations of database {planned.database.name!r} cannot be written as SQL: {error}") from error
    return written.getvalue()


def is_current(database: Database, script: ScriptDirectory | None = None) -> bool:
    """Tell whether *database* has every migration that this program knows.

    Raises:
        ConfigurationError: it has one that this program does not know.
        Unavailable: it cannot be reached.
    """
    script = script or open_scripts(database)
    found = current(database)
    _check_known(database, found, script)
    return found == set(script.get_heads())


def is_at(database: Database, *revisions: str) -> bool:
    """Tell whether *database* is at just these revisions, at the price of one statement and without loading Alembic; when in doubt, no.

    For a program that has to start fast and names its last migration: ``migrate.is_at(database, HEAD) or migrate.upgrade(database)``.
    """
    options = version_options(database)
    version = table(options.get("version_table", VERSION_TABLE), column("version_num"), schema=options.get("version_table_schema"))
    try:
        with database.engine.connect() as connection:
            return sorted(connection.scalars(select(version.c.version_num))) == sorted(revisions)
    except DBAPIError:  # new, or not to be reached: whoever migrates finds out
        return False


def current(database: Database) -> set[str]:
    """Return the revisions that *database* is at; none when it is empty.

    Raises:
        ConfigurationError: its URL names none.
        Unavailable: it cannot be reached.
    """
    from alembic.migration import MigrationContext

    if not database.url.database and database.engine.dialect.name in {"mysql", "mariadb"}:
        problem = f"database {database.name!r} cannot be migrated: its URL names a server, and no database on it"
        raise ConfigurationError(problem, hint=f"'db:{database.name}:url' = engine://user:password@host:port/name")
    try:
        with database.engine.connect() as connection:
            return set(MigrationContext.configure(connection, opts=version_options(database)).get_current_heads())
    except DBAPIError as error:
        raise unreachable(database, error) from error


def version_options(database: Database) -> dict[str, Any]:
    """Return where Alembic writes down what has run, in the words of its ``configure``."""
    wanted = {"version_table": "version_table", "version_table_schema": "version_schema"}
    found = {option: database.settings.get(f"db:{database.name}:{key}") for option, key in wanted.items()}
    return {option: value for option, value in found.items() if value}


def make_config(database: Database) -> Config:
    """Return what Alembic needs to know; it hands *database* to ``AlembicEnv``."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", database.migrations_path.replace("%", "%%"))
    config.attributes["database"] = database
    return config


def open_scripts(database: Database) -> ScriptDirectory:
    """Return the migrations of *database*.

    Raises:
        ConfigurationError: it has none, their directory is not there, or a file in it cannot be read.
    """
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    try:
        script = ScriptDirectory.from_config(make_config(database))
    except CommandError as error:
        hint = "alembic init makes one"
        raise ConfigurationError(f"database {database.name!r} has no migrations directory: {error}", hint=hint) from error
    try:
        script.get_heads()  # reads the files
    except Exception as error:
        raise ConfigurationError(f"the migrations of database {database.name!r} cannot be read: {_tell(database, error)}") from error
    return script


def _find_file(database: Database, error: BaseException) -> str | None:
    """Return the file of the migrations in which *error* came up: a migration, or ``env.py``."""
    folder = os.path.join(os.path.abspath(database.migrations_path), "")
    files = [os.path.abspath(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    return next((file for file in reversed(files) if file.startswith(folder)), None)


def _tell(database: Database, error: Exception) -> str:
    """Return *error* in one line: what the database says, without its statement, or where it is in a file."""
    if isinstance(error, DBAPIError):
        return first_line(error)
    file = _find_file(database, error)
    if file is None and isinstance(error, KeyError):
        return f"one of them comes after revision {error}, which is not there"  # Alembic looks up what it comes after
    return tell(error) if file is None else f"{file}: {tell(error, file)}"


def _check_known(database: Database, found: set[str], script: ScriptDirectory) -> None:
    unknown = sorted(found - {revision.revision for revision in script.walk_revisions()})
    if unknown:
        raise ConfigurationError(
            f"database {database.name!r} is newer than this program: its revision {unknown[0]!r} is not known here",
            hint="use the release that wrote it, or a copy from before",
        )
