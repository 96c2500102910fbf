"""Serve marked models of a declared database: the catalog of an application that has its database anyway.

Adds      ``app["catalog"]``, with the database under a name of its own.
Uses      ``app["database"]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.plugin import Plugin

if TYPE_CHECKING:
    from qapla.application import Application
    from qapla.database.catalog import Catalog
    from qapla.plugins.rest.marks import Marks


class DeclaredCatalogPlugin(Plugin):
    """Serve the models in *marks* of one declared database; declare it among the web plugins, before ``RestPlugin``.

    Args:
        database: which declared database.
        name: what it is called in URLs, ``/api/NAME/``; by default as it is declared.
    """

    key = "catalog"
    requires = ("database",)

    def __init__(self, marks: Marks, database: str = "main", name: str | None = None) -> None:
        self._marks, self._database, self._name = marks, database, name or database

    def start(self, app: Application) -> Catalog:
        """Make the catalog; what a model has and its table has not is told now."""
        from qapla.database.catalog import Catalog
        from qapla.plugins.rest.given import find_given
        from qapla.plugins.rest.modelsource import ModelSource

        return Catalog(ModelSource(self._marks, find_given({self._name: app["database"][self._database]})))

    def stop(self, app: Application) -> None:
        """Close every connection."""
        app["catalog"].close()
