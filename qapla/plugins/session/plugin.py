"""The plugin: reads its settings at start, gives requests their sessions."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

from qapla.errors import ConfigurationError, PluginError
from qapla.plugin import Plugin
from qapla.plugins.session.options import MIN_LENGTH, Options, read_options, read_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyramid.config import Configurator

    from qapla.application import Application

WEB = ("uwsgi", "tests")
COOKIE = re.compile(r"[A-Za-z0-9_.-]+")


class SessionPlugin(Plugin):
    """Give requests a session. An application that has its secrets somewhere else overrides ``find_secrets``."""

    key = "session"

    def start(self, app: Application) -> Options:
        """Read the settings. A command has no sessions and needs no secret.

        Raises:
            SettingsError: there is no secret, or something is wrong.
        """
        found = self.find_secrets(app) if app.start_point in WEB else ()
        return read_options(app.settings, found, self.find_cookie(app))

    def find_secrets(self, app: Application) -> Sequence[str]:
        """Return what signs, first, and what is believed; a test that names none gets one of its own."""
        if app.start_point == "tests" and app.settings.get("session:secret") is None:
            return [secrets.token_hex(MIN_LENGTH)]
        return read_secrets(app.settings)

    def find_cookie(self, app: Application) -> str:
        """Return the name of the cookie.

        Raises:
            SettingsError: no cookie can be called so.
        """
        name: Any = app.settings.get("session:cookie", "session")
        if not isinstance(name, str) or not COOKIE.fullmatch(name):
            raise app.settings.wrong("session:cookie", "a name of letters, digits, _, - and .")
        return name

    def includeme(self, config: Configurator) -> None:
        """Add ``request.session``.

        Raises:
            PluginError: sessions are kept in Redis, and there is none.
        """
        from qapla.plugins.session.stores import make_cookie_store, make_redis_store

        config.include("qapla.refusals")
        app = config.registry["qapla.app"]
        options: Options = app[self.key]
        if options.store == "cookie":
            config.set_session_factory(make_cookie_store(options))
            return
        name = app.settings.get("session:redis", "default")
        if "redis" not in app:
            raise PluginError("plugin 'session' keeps sessions in Redis and needs 'redis'", hint="declare 'redis' before it")
        app["redis"][name]
        try:
            config.set_session_factory(make_redis_store(options, lambda: app["redis"][name]))
        except ImportError as error:
            hint = "pip install 'qapla[redis]'"
            raise ConfigurationError("sessions are kept in Redis, but a package for it is missing", hint=hint) from error
