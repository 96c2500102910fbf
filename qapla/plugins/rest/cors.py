"""Let pages of other origins use a database's API, where its connection names them (``server_cors_allowed_origins``).

Off by default: with anonymous writing on loopback, any web page could write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.request import Request
    from pyramid.response import Response

    from qapla.database.catalog import Options

_EXPOSED = "Content-Range, Content-Location, ETag, Link, Location, Preference-Applied, Retry-After"
_MAX_AGE_S = 86400


def is_preflight(request: Request) -> bool:
    """Tell whether a browser asks if it may send a request from another origin."""
    environ = request.environ
    return environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ORIGIN" in environ and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ


def add_headers(request: Request, response: Response) -> None:
    """Add the CORS headers to *response*, when the request comes from an origin that the database allows."""
    origin = request.environ.get("HTTP_ORIGIN")
    if origin is None:
        return
    served = getattr(getattr(request, "context", None), "served", None)
    if served is None:
        return
    response.headers.add("Vary", "Origin")
    if not is_allowed(origin, served.options):
        return
    response.headers["Access-Control-Allow-Origin"] = "*" if "*" in served.options.server_cors_allowed_origins else origin
    response.headers["Access-Control-Expose-Headers"] = _EXPOSED


def add_preflight_headers(request: Request, response: Response, methods: tuple[str, ...]) -> None:
    """Add what a preflight asks for."""
    if "Access-Control-Allow-Origin" not in response.headers:
        return
    response.headers["Access-Control-Allow-Methods"] = ", ".join(methods)
    asked = request.environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
    response.headers["Access-Control-Allow-Headers"] = ", ".join(_safe_names(asked)) or "Authorization"
    response.headers["Access-Control-Max-Age"] = str(_MAX_AGE_S)


def is_allowed(origin: str, options: Options) -> bool:
    """Tell whether pages of *origin* may use the database."""
    allowed = options.server_cors_allowed_origins
    return "*" in allowed or origin in allowed


def _safe_names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    return [name for name in names if name and name.isascii() and name.replace("-", "").replace("_", "").isalnum()]
