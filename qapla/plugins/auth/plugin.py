"""The plugin: an identifier for every start point, login pages for the web."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from qapla.plugin import Plugin
from qapla.plugins.auth.identifier import SessionIdentifier
from qapla.plugins.auth.throttle import Throttle

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from qapla.application import Application

IDLE_S = 12 * 3600
LIFETIME_S = 7 * 24 * 3600


class AuthPlugin(Plugin):
    """Know who is asking."""

    key = "identifier"
    requires = ("accounts", "sealing")

    def start(self, app: Application) -> SessionIdentifier:
        """Make the identifier. The cookie's name depends on the key: two installations on one machine share its host."""
        self._key = app["sealing"].derive("sessions")
        self._idle_s = app.settings.read("auth:idle_s", int, IDLE_S, "a number of seconds")
        lifetime_s = app.settings.read("auth:lifetime_s", int, LIFETIME_S, "a number of seconds")
        return SessionIdentifier(app["accounts"], "session_" + hashlib.sha256(self._key).hexdigest()[:8], lifetime_s)

    def includeme(self, config: Configurator) -> None:
        """Add sessions, CSRF tokens and the login pages."""
        from pyramid.csrf import SessionCSRFStoragePolicy

        from qapla.plugins.auth.session import make_session_factory

        identifier = config.registry["qapla.app"][self.key]
        config.set_session_factory(make_session_factory(self._key, identifier.cookie, self._idle_s))
        config.set_csrf_storage_policy(SessionCSRFStoragePolicy())
        config.registry["qapla.auth.throttle"] = Throttle()
        config.include("qapla.plugins.auth.views")
