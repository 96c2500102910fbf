"""Answer 503 while the application is closed. The only module that knows Pyramid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_AFTER_S = 60


def make_tween(handler: Callable[[Any], Any], registry: Any) -> Callable[[Any], Any]:
    """Return what stands before every view (Pyramid's tween factory)."""
    app = registry["qapla.app"]
    maintenance = app["maintenance"]
    always_open = tuple(app.settings.get("maintenance:open", ("/healthz",)))

    def answer(request: Any) -> Any:
        message = maintenance.find_message()
        if message is None or request.path_info in always_open:
            return handler(request)
        return HTTPServiceUnavailable(detail=message, headers={"Retry-After": str(RETRY_AFTER_S)})

    return answer
