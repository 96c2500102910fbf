"""Count and time every request, by the pattern of its route: there are as many as the application declares, whatever is asked for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.ports import MetricsBackend

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"


class Timing:
    """Makes the tween.

    Args:
        tables: tell the tables of served databases apart.
        callers: tell apart who asked, by name.
    """

    def __init__(self, metrics: MetricsBackend, *, tables: bool = False, callers: bool = False) -> None:
        self._metrics = metrics
        self._tables = tables
        self._callers = callers

    def __call__(self, handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return *handler* with its requests counted."""

        def timing(request: Any) -> Any:
            begun, status = time.perf_counter(), "500"
            try:
                response = handler(request)
                status = str(response.status_int)
                return response
            finally:
                self._count(request, status, time.perf_counter() - begun)

        return timing

    def _count(self, request: Any, status: str, seconds: float) -> None:
        route = request.__dict__.get("matched_route")
        pattern = route.pattern if route is not None else NO_ROUTE
        method = request.method if request.method in METHODS else "other"
        self._metrics.increment("http_requests", route=pattern, method=method, status=status)
        self._metrics.observe("http_request_seconds", seconds, route=pattern, method=method)
        context = request.__dict__.get("context")
        served = getattr(context, "served", None)
        if served is not None:
            tags = {"database": served.name, "method": method, "status": status, **self._details(request, context)}
            self._metrics.increment("database_requests", 1, **tags)
            self._metrics.observe("database_request_seconds", seconds, database=served.name)

    def _details(self, request: Any, context: Any) -> dict[str, str]:
        found = {}
        if self._tables:
            table = getattr(context, "table", None)
            found["table"] = str(table.name) if table is not None else ""
        if self._callers:
            identity = request.__dict__.get("identity")  # what was found out; nobody is identified for the sake of a number
            found["caller"] = f"{identity.kind} {identity.name}" if identity is not None else ""
        return found


def timing(handler: Callable[[Any], Any], registry: Any) -> Callable[[Any], Any]:
    """Return the tween of the application behind *registry*: Pyramid wants a dotted name."""
    tween: Callable[[Any], Any] = registry["qapla.metrics.timing"](handler)
    return tween
