"""Show every served database at ``/admin``: lists, records, forms.

Adds      the renderer of ``.pt`` templates, the admin's static files, the routes below ``/admin/{database}``.
Uses      ``request.databases``, ``request.rights(name)``, ``request.identity``; ``app["identifier"]`` decides who is logged in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.plugin import Plugin

if TYPE_CHECKING:
    from pyramid.config import Configurator


class AdminPlugin(Plugin):
    """Give every served database its pages.

    Args:
        product: the name at the top of every page.
    """

    key = "admin"

    def __init__(self, product: str = "qapla") -> None:
        self.product = product

    def includeme(self, config: Configurator) -> None:
        """Add the pages."""
        config.registry["qapla.admin.product"] = self.product
        config.include("qapla.plugins.admin.pages")
