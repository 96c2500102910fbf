"""Serve every database in the catalog at ``/api/{database}/``, in the PostgREST dialect.

Adds      the routes below ``/api``, and the one exception view for them.
Uses      ``request.databases``, ``request.rights(name)``, ``request.identity``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.plugin import Plugin

if TYPE_CHECKING:
    from pyramid.config import Configurator


class RestPlugin(Plugin):
    """Give every served database its REST API."""

    key = "rest"

    def includeme(self, config: Configurator) -> None:
        """Add the API."""
        from qapla.plugins.rest import apipage, errors, express, services

        config.include(services.include_cornice)
        config.add_static_view(apipage.STATIC_URL, apipage.STATIC, cache_max_age=365 * 24 * 3600, content_encodings=["gzip"])
        config.include(errors.includeme)
        config.include(services.includeme)
        config.include(express.includeme)
