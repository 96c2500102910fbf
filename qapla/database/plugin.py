"""The declared databases of an application, as a plugin. It knows nothing of the web.

Adds      ``app["database"]``, the databases by name; ``scope["database"]``, one session per database and scope.
          ``qapla database …``.
Settings  ``db:<name>:url``, ``db:<name>:options``.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from qapla.database.aftercommit import work_on
from qapla.database.session import Sessions, Together, lock_early
from qapla.database.twophase import make_plan
from qapla.errors import PluginError, nearest
from qapla.plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import click

    from qapla.application import Application
    from qapla.database.asynchronous import AsyncSessions
    from qapla.database.database import Database
    from qapla.database.twophase import Plan
    from qapla.errors import Unavailable
    from qapla.scope import Scope
    from qapla.settings import Settings

COMMIT = "qapla.database.commit"


class DatabasePlugin(Plugin):
    """Configure the declared databases and lend sessions on them.

    Args:
        databases: None for every one that the settings have a URL for.
    """

    key = "database"

    def __init__(self, databases: Sequence[Database] | None = None) -> None:
        self._is_open = databases is None
        self._databases = collect(databases or ())
        self._tell_siblings()

    def __getitem__(self, name: str) -> Database:
        """Return the database declared as *name*.

        Raises:
            PluginError: there is none.
        """
        try:
            return self._databases[name]
        except KeyError:
            hint = nearest(name, self._databases) or f"declared are {', '.join(map(repr, self._databases)) or 'none'}"
            raise PluginError(f"no database is declared as {name!r}", hint=hint) from None

    def __iter__(self) -> Iterator[Database]:
        """Yield the databases in the order in which they are declared."""
        return iter(self._databases.values())

    def declare(self, app: Application, database: Database) -> None:
        """Add *database* to those of a running application; one that was only found in the settings gives way to it.

        Raises:
            PluginError: another one is declared with its name.
        """
        known = self._databases.get(database.name)
        if known is database:
            return
        if known is not None and not self._is_open:
            raise PluginError(f"two databases are declared as {database.name!r}", hint="each needs a name of its own")
        database.configure(app.settings, app.paths)
        self._databases[database.name] = database
        self.__dict__.pop("plan", None)  # it was made for those that were known
        self._tell_siblings()
        if known is not None:
            known.dispose()

    def _tell_siblings(self) -> None:
        self.__dict__.pop("plan", None)
        for database in self:
            database.siblings = tuple(self._databases)

    def _find(self, settings: Settings) -> None:
        """Declare every database that *settings* have a URL for."""
        from qapla.database.database import Database

        found = settings.get("db") or {}
        self._databases |= {name: Database(name) for name in found if settings.get(f"db:{name}:url") is not None}
        self._tell_siblings()

    def start(self, app: Application) -> Self:
        """Read the settings of every database; no connection is opened."""
        if self._is_open:
            self._find(app.settings)
        self.__dict__.pop("plan", None)
        for database in self:
            database.configure(app.settings, app.paths)
        return self

    def stop(self, app: Application) -> None:
        """Close all connections."""
        for database in self:
            database.dispose()

    def commands(self, group: click.Group) -> None:
        """Add the group ``database``."""
        from qapla.database.commands import database

        group.add_command(database)

    def enter(self, scope: Scope) -> Sessions | AsyncSessions:
        """Return the sessions of *scope*; none is open yet. In a scope of asyncio they are awaited."""
        if scope.is_asynchronous:
            from qapla.database.asynchronous import AsyncSessions

            return AsyncSessions(self._databases)
        return Sessions(self._databases, find_manager(scope.request), self.plan)

    def find_outage(self, error: BaseException) -> Unavailable | None:
        """Return what *error* means when it says that a database is away; None when it says something else."""
        from qapla.database.outage import find_outage

        return find_outage(error)

    @contextmanager
    def transaction(self, *names: str) -> Iterator[Sessions]:
        """Lend sessions that are committed together at the end of the block, and rolled back when an error leaves it.

        Args:
            names: the databases that may be used; all that are declared where none is named. Several written ones commit in two phases.

        Raises:
            PluginError: no database of such a name is declared.
            NotOffered: several were written, and one of them cannot commit in two phases. Nothing is committed.
            InDoubt: the commit is not finished. It must not be repeated before it is: ``qapla database in-doubt``.
        """
        chosen = {name: self[name] for name in names} or dict(self._databases)
        together = Together()
        sessions = Sessions(chosen, together, self.plan.only(tuple(chosen)))
        try:
            lock_early(chosen, sessions, tuple(chosen if names else ()))
            with work_on(sessions):
                yield sessions
            together.commit()
        except BaseException:
            together.abort()
            raise
        finally:
            sessions.close()

    @cached_property
    def plan(self) -> Plan:
        """Return how the databases commit together."""
        return make_plan(self._databases)

    def exit(self, scope: Scope, value: Any, error: BaseException | None) -> Any:
        """Close the sessions of *scope*."""
        return value.close(error)


def collect(databases: Sequence[Database]) -> dict[str, Database]:
    """Return the databases by name.

    Raises:
        PluginError: one is none, or has the name of another.
    """
    from qapla.database.database import Database

    found: dict[str, Database] = {}
    if isinstance(databases, str | Database):
        raise PluginError(f"{databases!r} is no list of databases", hint='[Database("main", "migrations")]')
    for database in databases:
        if not isinstance(database, Database):
            raise PluginError(f"{database!r} is no database", hint='[Database("main", "migrations")]')
        if database.name in found:
            raise PluginError(f"two databases are declared as {database.name!r}", hint="each needs a name of its own")
        found[database.name] = database
    return found


def find_manager(request: Any) -> Any:
    """Return the transaction manager of *request*, if it is the one that commits: a program may have one for something else."""
    if request is None or request.registry.get(COMMIT) != "tm":
        return None
    return request.tm
