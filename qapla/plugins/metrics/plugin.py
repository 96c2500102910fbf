"""The plugin: chooses the backend, and lets it count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qapla.errors import ConfigurationError
from qapla.guard import is_insider, read_token
from qapla.plugin import Plugin
from qapla.ports import NullMetrics

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from qapla.application import Application
    from qapla.ports import MetricsBackend

COUNTING = ("uwsgi", "celery", "tests")  # a command is gone before anybody can ask it
COUNT = "a number"
SWITCH = "true or false"


class MetricsPlugin(Plugin):
    """Give every part of the application one place to count things."""

    key = "metrics"

    def start(self, app: Application) -> MetricsBackend:
        """Make the backend, and have it count the statements of every declared database."""
        self._token = read_token(app.settings, "metrics:token")
        self._details = {name: app.settings.read(f"metrics:{name}", bool, False, SWITCH) for name in ("tables", "callers")}
        self._meters: dict[int, Any] = {}
        backend = self._make(app)
        self._watch(app, backend)
        return backend

    def stop(self, app: Application) -> None:
        """Let the backend go, if it has something to let go of."""
        close = getattr(app[self.key], "close", None)
        if close is not None:
            close()

    def includeme(self, config: Configurator) -> None:
        """Count requests, and show the numbers; nothing of that where nothing is counted."""
        app = config.registry["qapla.app"]
        backend = app[self.key]
        if isinstance(backend, NullMetrics):
            if app.start_point not in COUNTING and app.settings.get("metrics:backend") == "prometheus":
                self._add_route(config)  # for ``qapla routes``: it is there when the application serves
            return
        config.action(None, lambda: self._watch(app, backend))  # databases that were declared meanwhile
        from pyramid.tweens import INGRESS

        from qapla.plugins.metrics.tween import Timing

        config.registry["qapla.metrics.timing"] = Timing(backend, **self._details)
        config.add_tween("qapla.plugins.metrics.tween.timing", under=INGRESS)
        if hasattr(backend, "render"):
            self._add_route(config)

    def _add_route(self, config: Configurator) -> None:
        config.add_route("metrics", "/metrics")
        config.add_view(self.show, route_name="metrics", request_method="GET")

    def show(self, request: Any) -> Any:
        """Show the numbers to programs on this machine, or to who has the token."""
        from pyramid.response import Response

        if not is_insider(request.environ, self._token):
            hint = "send the token of 'metrics:token'" if self._token else "ask from this machine, or set 'metrics:token'"
            answer = Response(f"metrics are not shown to everybody ({hint})\n", 401 if self._token else 403, content_type="text/plain")
            if self._token:
                answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        for meter in self._meters.values():
            meter.read_pools()
        body, content_type = request.app[self.key].render(request.headers.get("Accept", ""))
        return Response(body, headerlist=[("Content-Type", content_type), ("Cache-Control", "no-store")])

    def _watch(self, app: Application, backend: MetricsBackend) -> None:
        """Have a meter on every database that is declared by now, and has none."""
        declared: Any = next((plugin for plugin in app.plugins if plugin.key == "database"), ())
        if isinstance(backend, NullMetrics) or not declared:
            return
        from qapla.plugins.metrics.statements import StatementMeter

        for database in declared:
            if id(database) not in self._meters:
                meter = self._meters[id(database)] = StatementMeter(database.name, backend)
                database.on_engine.append(meter.watch)

    def _make(self, app: Application) -> MetricsBackend:
        backend = app.settings.get("metrics:backend") if app.start_point in COUNTING else None
        if backend != "prometheus":
            made: MetricsBackend = NullMetrics() if not backend or backend == "null" else app.settings.resolve("metrics:backend")()
            return made
        try:
            from qapla.plugins.metrics.prometheus import SERIES, PrometheusMetrics
        except ImportError as error:
            hint = "pip install 'qapla[metrics]'"
            raise ConfigurationError("metrics for Prometheus are asked for, but its client is not installed", hint=hint) from error
        series = app.settings.read("metrics:series", int, SERIES, COUNT)
        return PrometheusMetrics(app.settings.get("metrics:prefix", "qapla"), series)
