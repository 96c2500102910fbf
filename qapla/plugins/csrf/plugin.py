"""The plugin: hangs the check into Pyramid's own place for it, before every view."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from qapla.plugin import Plugin
from qapla.plugins.csrf.check import FIELD, HEADER, SAFE_METHODS, Csrf

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from qapla.application import Application


ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]*://[^/?#@A-Z\s]+")


class CsrfPlugin(Plugin):
    """Check every unsafe request before its view runs."""

    key = "csrf"
    requires = ("session",)

    def start(self, app: Application) -> Csrf:
        """Make the check."""
        below = app.settings.get("csrf:forms_below", "/")
        if not isinstance(below, str) or not below.startswith("/"):
            raise app.settings.wrong("csrf:forms_below", "a path that begins with '/'")
        origins = app.settings.names("csrf:origins")
        if not all(ORIGIN.fullmatch(origin) for origin in origins):
            raise app.settings.wrong("csrf:origins", "origins as browsers send them: https://app.example.org")
        return Csrf(origins, below, app["session"].cookie)

    def includeme(self, config: Configurator) -> None:
        """Keep the token in the session, and have every view checked that is not declared with ``require_csrf=False``."""
        from pyramid.csrf import SessionCSRFStoragePolicy

        check = config.registry["qapla.app"][self.key].check

        def callback(request: Any) -> bool:
            check(request)
            return False  # ours is done; Pyramid's would read every body, and compare origins over https only

        config.include("qapla.refusals")
        config.set_csrf_storage_policy(SessionCSRFStoragePolicy())
        config.set_default_csrf_options(
            require_csrf=True, token=FIELD, header=HEADER, safe_methods=tuple(SAFE_METHODS), check_origin=False, callback=callback
        )
