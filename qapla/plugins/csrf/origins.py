"""Where a request comes from: a page of ours, another web page, or no page at all."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit


def find_foreign_origin(request: Any) -> str | None:
    """Return the origin of the other web page that made a browser send *request*; None for our own pages and for programs.

    Schemes are not compared: behind a proxy that ends TLS ours may look like ``http``. A proxy may also put its own name for us into
    ``Host``; then the names of the setting ``web:hosts`` are those that browsers know us by.
    """
    environ = request.environ
    origin: str | None = environ.get("HTTP_ORIGIN")
    if origin is None:
        return "a page of another site" if environ.get("HTTP_SEC_FETCH_SITE") == "cross-site" else None
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        return origin[:100]
    own = {_plain(request.host), *(request.registry.get("qapla.hosts") or ())}
    return None if host and _plain(host) in own else origin[:100]


def _plain(host: str) -> str:
    host = host.lower()
    for port in (":80", ":443"):
        host = host.removesuffix(port)
    return host
