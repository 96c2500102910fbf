"""The answer to an error of ours that nobody else answers: its status and headers, its sentence as text, or as JSON for who asks.

Plugins for the web include it, so that a plain Pyramid program need not know our errors; an exception view of the program's own wins.
``add_translation`` lets a plugin say what somebody else's error means in ours.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response

from qapla.errors import ConfigurationError, QaplaError
from qapla.gate import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyramid.config import Configurator

TRANSLATIONS = "qapla.translations"
INTERNAL = "internal error"
log = logging.getLogger(__name__)


def includeme(config: Configurator) -> None:
    """Add the exception view."""
    config.add_exception_view(answer, context=Exception)


def add_translation(config: Configurator, translate: Callable[[Exception], QaplaError | None]) -> None:
    """Have *translate* asked what an error means, where it is none of ours; None: it does not know."""
    config.registry.setdefault(TRANSLATIONS, []).append(translate)


def find_refusal(error: Exception, request: Any) -> QaplaError | None:
    """Return what a caller may be told of *error*: one of ours, or what it means; None for all others.

    Also for the mistakes of whoever put the application together: he wants to see where.
    """
    if isinstance(error, QaplaError):
        return None if isinstance(error, ConfigurationError) else error
    if isinstance(error, UnicodeDecodeError) and (refusal := refuse(request.environ, None)) is not None:
        return refusal  # of whoever sent %ff, not of the view that looked at it
    translations: Iterable[Callable[[Exception], QaplaError | None]] = request.registry.get(TRANSLATIONS, ())
    found = next((meant for translate in translations if (meant := translate(error)) is not None), None)
    if found is not None:
        found.__cause__ = error
    return found


def answer(error: Exception, request: Any) -> Response:
    """Answer *error* when it is one of ours, or means one; all others go on as if this view were not there."""
    found = find_refusal(error, request)
    if found is None:
        raise HTTPNotFound  # how Pyramid is told that no exception view fits
    if found.status >= 500:
        log.error("request failed: %s %s", found.code, found, exc_info=found if found.status == 500 else None)
    if found.status == 500:  # a fault of ours, perhaps in the words of an engine: for the log alone
        found = QaplaError(INTERNAL, code=found.code)
    offers = request.accept.acceptable_offers(["text/plain", "application/json"])
    if offers and offers[0][0] == "application/json":
        response = Response(json_body=found.as_json(), status=found.status)
    else:
        response = Response(f"{found}\n", status=found.status, content_type="text/plain", charset="utf-8")
    response.headers.update(found.headers)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
