"""The declared databases of an application, as a plugin. It knows nothing of the web.

Adds      ``app["database"]``, the databases by name; ``scope["database"]``, one session per database and scope.
          ``qapla database …``.
Settings  ``db:<name>:url``, ``db:<name>:options``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from qapla.database.session import Sessions
from qapla.errors import PluginError, nearest
from qapla.plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import click

    from qapla.application import Application
    from qapla.database.database import Database
    from qapla.scope import Scope


class DatabasePlugin(Plugin):
    """Configure the declared databases and lend sessions on them."""

    key = "database"

    def __init__(self, databases: Sequence[Database]) -> None:
        self._databases = {database.name: database for database in databases}
        if len(self._databases) != len(databases):
            raise PluginError("two databases are declared with the same name", details=[database.name for database in databases])
        for database in databases:
            database.siblings = tuple(self._databases)

    def __getitem__(self, name: str) -> Database:
        """Return the database declared as *name*.

        Raises:
            PluginError: there is none.
        """
        try:
            return self._databases[name]
        except KeyError:
            raise PluginError(f"no database is declared as {name!r}", hint=nearest(name, self._databases)) from None

    def __iter__(self) -> Iterator[Database]:
        """Yield the databases in the order in which they are declared."""
        return iter(self._databases.values())

    def start(self, app: Application) -> Self:
        """Read the settings of every database; no connection is opened."""
        for database in self:
            database.configure(app.settings, app.paths)
        return self

    def stop(self, app: Application) -> None:
        """Close all connections."""
        for database in self:
            database.dispose()

    def commands(self, group: click.Group) -> None:
        """Add ``database status`` and ``database migrate``."""
        from qapla.database.commands import database

        group.add_command(database)

    def enter(self, scope: Scope) -> Sessions:
        """Return the sessions of *scope*; none is open yet."""
        return Sessions(self._databases, manager=getattr(scope.request, "tm", None))

    def exit(self, scope: Scope, value: Any, error: BaseException | None) -> None:
        """Close the sessions of *scope*."""
        value.close()
