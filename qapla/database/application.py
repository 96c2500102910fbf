"""``DatabaseApplication``: an application that declares databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.application import Application
from qapla.database.plugin import DatabasePlugin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qapla.database.database import Database
    from qapla.database.session import CommitMode


class DatabaseApplication(Application):
    """An application with databases.

    Call ``add_database_app`` in ``append_app_plugins`` and ``add_database_web`` in ``append_web_plugins``.
    """

    def add_database_app(self, databases: Sequence[Database]) -> None:
        """Declare *databases*; sessions on them come from scopes."""
        self.add_app_plugin(DatabasePlugin(databases))

    def add_database_web(self, commit: CommitMode | None = None) -> None:
        """Let requests use every declared database as ``request.<name>``.

        Args:
            commit: ``manual``, you commit by yourself; ``tm``, pyramid_tm commits when the request went well. None: what the setting
                ``database:commit`` says, ``manual`` by default.
        """
        from qapla.database.web.plugin import DatabaseWebPlugin  # Pyramid, for the web only

        self.add_web_plugin(DatabaseWebPlugin(commit))
