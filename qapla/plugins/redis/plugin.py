"""The plugin: clients for every start point, ``request.redis`` for the web."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qapla.errors import ConfigurationError
from qapla.plugin import Plugin
from qapla.ports import NullHealth

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from qapla.application import Application
    from qapla.plugins.redis.clients import Clients
    from qapla.scope import Scope


class RedisPlugin(Plugin):
    """Lend clients of Redis."""

    key = "redis"

    def start(self, app: Application) -> Clients:
        """Read the settings; no connection is opened.

        Raises:
            SettingsError: a URL is missing or wrong.
            ConfigurationError: the client is not installed.
        """
        try:
            from qapla.plugins.redis.clients import Clients
        except ImportError as error:
            raise ConfigurationError("the client of Redis is not installed", hint="pip install 'qapla[redis]'") from error
        clients = Clients(app.settings)
        self._add_checks(app, clients)
        return clients

    def stop(self, app: Application) -> None:
        """Close all connections."""
        app[self.key].close()

    def enter(self, scope: Scope) -> Clients:
        """Return the clients: they are for all threads."""
        clients: Clients = scope.app[self.key]
        return clients

    def exit(self, scope: Scope, value: Any, error: BaseException | None) -> None:
        """Close nothing: the clients belong to the application."""

    def includeme(self, config: Configurator) -> None:
        """Add ``request.redis``."""
        app = config.registry["qapla.app"]
        config.action(None, lambda: self._add_checks(app, app[self.key]))  # when everything is included, whatever comes first
        config.add_request_method(lambda request: app[self.key]["default"], "redis", property=True)

    def _add_checks(self, app: Application, clients: Clients) -> None:
        """Add the checks where they are asked for."""
        health = app.find("health", NullHealth())
        for name in clients:
            required = app.settings.read(f"redis:{name}:required", bool, True, "true or false")
            health.add(f"redis:{name}", partial(ping, clients, name), required=required)


def ping(clients: Clients, name: str) -> None:
    """Ask for a sign of life."""
    clients[name].ping()
