"""Databases in a Pyramid application: ``request.<name>`` for declared ones, ``request.databases[name]`` for any.

A plain Pyramid program includes it by itself: ``config.include("qapla.database.web")``. Every database that has a setting
``qapla.db.<name>.url`` is declared then; ``config.add_database(Database("main", "migrations"))`` says more about one, or adds another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Give requests a session on every database in the settings."""
    from qapla.database.web.plugin import DatabaseWebPlugin
    from qapla.web import include_plugin

    include_plugin(config, DatabaseWebPlugin())
