"""Which plugins lazydb is made of, and in which order."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING

from lazydb.health import check_registry
from lazydb.models import HEAD
from lazydb.plugins import REGISTRY_PLUGINS
from qapla.database import migrate
from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.errors import ConfigurationError
from qapla.gate import is_loopback
from qapla.plugin import Plugin
from qapla.plugins.auth.plugin import AuthPlugin
from qapla.plugins.csrf.plugin import CsrfPlugin
from qapla.plugins.health.plugin import HealthPlugin
from qapla.plugins.logging.plugin import LoggingPlugin
from qapla.plugins.metrics.plugin import MetricsPlugin
from qapla.plugins.session.plugin import SessionPlugin
from qapla.plugins.tasks.plugin import TasksPlugin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from qapla.application import Application


REGISTRY_ENGINES = ("sqlite", "postgresql")
EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  (not a name that anybody is reached by)


class RegistryPlugin(Plugin):
    """Bring the registry up to date, under a lock, before anything else uses it."""

    key = "registry"
    requires = ("database", "health")

    def start(self, app: Application) -> Database:
        """Upgrade the registry; return its ``Database``.

        Raises:
            ConfigurationError: it is on an engine that it was never tried on, or was written by a newer release.
        """
        database: Database = app["database"]["main"]
        if database.url.get_backend_name() not in REGISTRY_ENGINES:
            raise ConfigurationError(
                f"the registry cannot be kept in {database.url.get_backend_name()!r}", hint=f"use {' or '.join(REGISTRY_ENGINES)}"
            )
        if not migrate.is_at(database, HEAD):  # Alembic takes a quarter of the time of a short command
            migrate.upgrade(database)
        app["health"].add("registry", partial(check_registry, database))
        return database


class SealedSessionPlugin(SessionPlugin):
    """Sessions, signed with what is derived from the secret key."""

    requires = ("sealing",)

    def find_secrets(self, app: Application) -> tuple[str, ...]:
        """Return the one secret."""
        return (app["sealing"].derive("sessions").hex(),)

    def find_cookie(self, app: Application) -> str:
        """Return a name that depends on the key: two installations on one machine share its host, and so their cookies."""
        return "session_" + hashlib.sha256(app["sealing"].derive("sessions")).hexdigest()[:8]


class LazydbApplication(DatabaseApplication):
    """A REST API and an admin for every database that is registered."""

    class MetaConfig:
        """Where the settings are."""

        settings_module = "lazydb.settings"

    def _start_web(self, start_point: str, settings: Mapping[str, Any] | None) -> Callable[..., Any]:
        """Start; the database that the setting ``lazydb:root`` names is answered at ``/`` as well."""
        from qapla.plugins.rest.atroot import AtRoot

        application = super()._start_web(start_point, settings)
        root = self.settings.get("lazydb:root")
        if root is None:
            return application
        first = (route.pattern.strip("/").partition("/")[0] for route in self.config.get_routes_mapper().get_routes())
        return AtRoot(application, root, {name for name in first if name}, self.settings.get("web:root_path") or "")

    def append_app_plugins(self) -> None:
        """Declare what serving, working and the command line have in common."""
        host = self.settings.get("lazydb:host")
        # Whoever had it listen there will ask for it by that address.
        if host is not None and host not in EVERY_ADDRESS and not is_loopback(host):
            self.settings["web:hosts"] = (*self.settings.names("web:hosts"), host)
        self.add_app_plugin(LoggingPlugin())
        self.add_app_plugin(MetricsPlugin())
        self.add_app_plugin(HealthPlugin())
        self.add_database_app([Database("main", "migrations")])
        self.add_app_plugin(RegistryPlugin())
        for plugin in REGISTRY_PLUGINS:
            self.add_app_plugin(plugin())
        self.add_app_plugin(SealedSessionPlugin())
        self.add_app_plugin(CsrfPlugin())
        self.add_app_plugin(AuthPlugin(prefix="/admin/-", home="/admin/"))
        if self.settings.get("celery:broker_url"):
            from qapla.plugins.celery.plugin import CeleryPlugin  # an optional package, and without a broker nobody needs it

            self.add_app_plugin(CeleryPlugin())
        self.add_app_plugin(TasksPlugin(modules=("lazydb.tasks",)))

    def append_web_plugins(self) -> None:
        """Declare what only serving needs."""
        from lazydb.views.plugin import ScreensPlugin
        from qapla.plugins.admin.plugin import AdminPlugin
        from qapla.plugins.rest.plugin import RestPlugin

        self.add_database_web(commit="manual")
        self.add_web_plugin(RestPlugin())
        self.add_web_plugin(ScreensPlugin())  # before the admin's own pages, whose route of a table takes every other path
        self.add_web_plugin(AdminPlugin("lazydb"))


main = LazydbApplication()
