"""Tell a supervisor how the process is: ``/healthz`` answers while it lives, ``/readyz`` while the registry answers, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.response import Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from qapla.plugin import Plugin

if TYPE_CHECKING:
    from pyramid.config import Configurator


class HealthPlugin(Plugin):
    """Add ``/healthz`` and ``/readyz``. Neither needs a login, neither says more than one word."""

    key = "health"
    requires = ("database",)

    def includeme(self, config: Configurator) -> None:
        """Add the two routes."""
        config.add_route("health.live", "/healthz")
        config.add_view(live, route_name="health.live", request_method="GET")
        config.add_route("health.ready", "/readyz")
        config.add_view(ready, route_name="health.ready", request_method="GET")


def live(request: Any) -> Response:
    """Answer that this process serves."""
    return _answer(200, "ok")


def ready(request: Any) -> Response:
    """Answer whether the registry can be asked. A served database that is down makes nobody less ready."""
    try:
        with request.app["database"]["main"].engine.connect() as connection:
            connection.execute(text("SELECT number FROM revision"))
    except SQLAlchemyError:
        return _answer(503, "the registry does not answer")
    return _answer(200, "ok")


def _answer(status: int, words: str) -> Response:
    return Response(words + "\n", status=status, content_type="text/plain", charset="utf-8", cache_control="no-store")
