"""``qapla routes``: which addresses a web application answers, with which methods, by which views.

The application is put together as for serving, but with the start point ``command``: nothing that belongs to a serving process begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from qapla.application import Application


@dataclass(frozen=True, slots=True)
class Route:
    """One address and method. ``view`` is None where nothing answers."""

    name: str
    pattern: str
    methods: str
    view: str | None


def list_routes(app: Application) -> list[Route]:
    """Start *app* for the web, return its routes in the order in which they are tried, and stop it."""
    from pyramid.interfaces import IRoutesMapper
    from pyramid.scripts.proutes import get_route_data

    app.run_web_command()
    try:
        registry = app.config.registry
        mapper = registry.queryUtility(IRoutesMapper)
        routes = mapper.get_routes(include_static=True) if mapper is not None else []
        found = [row for route in routes for row in get_route_data(route, registry)]
        routed = [Route(name, pattern, methods, None if view == "<unknown>" else view) for name, pattern, view, methods in found]
        return routed + _traversed(app.config)
    finally:
        app.stop()


def _traversed(config: Configurator) -> list[Route]:
    """Return the views that are found by traversal: those without a route, but for what shows errors."""
    from pyramid.interfaces import IExceptionResponse

    found = []
    for entry in config.introspector.get_category("views", sort_key=lambda view: view["name"]):
        view = entry["introspectable"]
        context = view["context"]
        is_error = context is IExceptionResponse or (isinstance(context, type) and issubclass(context, Exception))
        if view["route_name"] or view["exception_only"] or is_error:
            continue
        methods = view["request_methods"] or "*"
        made = f"{view['callable'].__module__}.{getattr(view['callable'], '__qualname__', type(view['callable']).__name__)}"
        pattern = f"/*traverse/{view['name']}".rstrip("/")
        found.append(Route("", pattern, methods if isinstance(methods, str) else ",".join(sorted(methods)), made))
    return found


def print_routes(routes: list[Route]) -> list[str]:
    """Return one line per route, in columns."""
    cells = [(route.methods, route.pattern, route.name, route.view or "(no view)") for route in routes]
    widths = [max((len(row[column]) for row in cells), default=0) for column in range(3)]
    return ["  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[3]]) for row in cells]
