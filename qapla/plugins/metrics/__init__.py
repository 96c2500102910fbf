"""Count requests, statements and whatever else, and time them; show the numbers at ``/metrics``.

Adds      ``app["metrics"]``, a ``qapla.ports.MetricsBackend``; the route ``/metrics``, where the backend can show its numbers; one tween.
Settings  ``metrics:backend``: ``prometheus``, or the dotted name of something that makes a ``MetricsBackend``; by default nothing is
          counted, and that costs nothing. ``metrics:token``: who has it may see ``/metrics``; without one only programs on this machine.
          ``metrics:prefix``: what the names of Prometheus begin with, ``qapla``. ``metrics:series``: at most so many combinations of tags
          in one metric, 1000. ``metrics:tables``, ``metrics:callers``: whether numbers tell apart tables, and who asked; both ``false``.

Counted, with their tags: ``http_requests`` (route, method, status) and ``http_request_seconds`` (route, method), until the answer begins;
``database_requests`` (database, method, status) and ``database_request_seconds`` (database) of requests about one of the served
databases; ``database_statements`` (database, outcome) and ``database_statement_seconds`` (database) of declared ones, and the gauge
``database_connections`` (database, state) of their pools. Routes are patterns, never paths.

Several processes of one server answer together where ``PROMETHEUS_MULTIPROC_DIR`` names a folder, empty at the start; without it each
tells its own numbers. A worker of tasks has no page; its numbers are told where it shares the folder. A command counts nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add the plugin to any Pyramid application."""
    from qapla.plugins.metrics.plugin import MetricsPlugin
    from qapla.web import include_plugin

    include_plugin(config, MetricsPlugin())
