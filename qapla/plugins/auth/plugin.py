"""The plugin: an identifier for every start point, login pages for the web."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.plugin import Plugin
from qapla.plugins.auth.identifier import SessionIdentifier
from qapla.plugins.auth.origins import allowed_origins
from qapla.plugins.auth.throttle import Throttle

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from qapla.application import Application

LIFETIME_S = 7 * 24 * 3600


class AuthPlugin(Plugin):
    """Know who is asking.

    Args:
        accounts: key of the plugin whose value is the ``AccountStore``.
        prefix: the path below which the pages are: ``/login`` and ``/logout`` without one.
        home: where to go after a login that came from nowhere.
        template: a login page of the application's own, ``shop:templates/login.pt``; it gets ``title``, ``problem``, ``name``, ``target``.
            Without one it is in the frame of the admin's pages where they are, and else a plain page.
    """

    key = "identifier"

    def __init__(self, accounts: str = "accounts", prefix: str = "", home: str = "/", template: str | None = None) -> None:
        self.requires = (accounts, "session", "csrf")
        self._accounts = accounts
        self._prefix = prefix.rstrip("/")
        self._home = home
        self._template = template

    def start(self, app: Application) -> SessionIdentifier:
        """Make the identifier; from now on a request is authenticated by a cookie when its session has somebody logged in."""
        lifetime_s = app.settings.read("auth:lifetime_s", int, LIFETIME_S, "a number of seconds")
        csrf = app["csrf"]
        identifier = SessionIdentifier(app[self._accounts], app["session"].cookie, lifetime_s, csrf)
        csrf.by_cookie, csrf.origins = identifier.has_login, allowed_origins
        return identifier

    def includeme(self, config: Configurator) -> None:
        """Add the login pages."""
        config.registry["qapla.auth.throttle"] = Throttle()
        config.registry["qapla.auth.home"] = self._home
        config.registry["qapla.auth.template"] = self._template
        config.registry["qapla.auth.accounts"] = config.registry["qapla.app"][self._accounts]
        config.add_route("auth.login", f"{self._prefix}/login")
        config.add_route("auth.logout", f"{self._prefix}/logout")
        config.include("qapla.refusals")
        config.include("qapla.plugins.auth.views")
