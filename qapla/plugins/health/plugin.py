"""The plugin: a check for every declared database, and two routes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qapla.guard import is_insider, read_token
from qapla.plugin import Plugin
from qapla.plugins.health.checks import Health, Probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyramid.config import Configurator

    from qapla.application import Application
    from qapla.database.database import Database

DEADLINE_S = 2.0


class HealthPlugin(Plugin):
    """Say whether the application lives, and whether it is ready. Plugins that are declared after it may add checks of their own."""

    key = "health"

    def start(self, app: Application) -> Health:
        """Make the checks; those of declared databases come by themselves."""
        self._token = read_token(app.settings, "health:token")
        deadline_s = app.settings.read("health:deadline_s", float, DEADLINE_S, "a number of seconds")
        if not deadline_s > 0:
            raise app.settings.wrong("health:deadline_s", "a number of seconds above 0")
        return Health(deadline_s, partial(check_databases, app))

    def includeme(self, config: Configurator) -> None:
        """Add the two routes."""
        config.add_route("health.live", "/healthz")
        config.add_view(self.live, route_name="health.live", request_method="GET")
        config.add_route("health.ready", "/readyz")
        config.add_view(self.ready, route_name="health.ready", request_method="GET")

    def live(self, request: Any) -> Any:
        """Answer that this process serves."""
        return _answer(request, 200, "ok\n", {"status": "ok"})

    def ready(self, request: Any) -> Any:
        """Answer whether what is needed can be asked; how each check went is told to those who may know."""
        report = request.app[self.key].run()
        details = is_insider(request.environ, self._token)
        return _answer(request, 200 if report.is_ready else 503, report.as_text(details=details), report.as_json(details=details))


def check_databases(app: Application) -> Iterator[Probe]:
    """Yield a check of every database that is declared by now."""
    for database in app.find("database", ()):
        required = app.settings.read(f"db:{database.name}:required", bool, True, "true or false")
        yield Probe(f"database:{database.name}", partial(ping, database), required)


def ping(database: Database) -> None:
    """Ask a declared database for a sign of life, in whichever way its engine has for that."""
    with database.engine.connect() as connection:
        engine, lent = database.engine, connection.connection.dbapi_connection
        engine.dialect.do_ping(lent)  # type: ignore[arg-type]


def _answer(request: Any, status: int, words: str, values: dict[str, Any]) -> Any:
    from pyramid.response import Response

    offers = request.accept.acceptable_offers(["text/plain", "application/json"])
    if offers and offers[0][0] == "application/json":
        return Response(json_body=values, status=status, cache_control="no-store", vary="Accept")
    return Response(words, status=status, content_type="text/plain", charset="utf-8", cache_control="no-store", vary="Accept")
