"""Which other web pages may write to a served database without credentials: its own setting says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qapla.errors import QaplaError

if TYPE_CHECKING:
    from collections.abc import Collection


def allowed_origins(request: Any) -> Collection[str]:
    """Return the origins whose pages may use the database that *request* is about."""
    name = (request.matchdict or {}).get("database")
    if not name:
        return ()
    try:
        return request.databases[name].options.server_cors_allowed_origins
    except (QaplaError, AttributeError):
        return ()
