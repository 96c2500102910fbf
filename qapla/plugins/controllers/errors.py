"""Errors of controllers as answers: JSON for those that answer with JSON, else a page.

A view of the application's own wins: ``config.add_exception_view(…, context=NotFound)``, or Pyramid's ``add_notfound_view`` and
``add_forbidden_view``, which get what our errors become. An error that nobody foresaw is not looked at here, nor is a mistake in how the
application is put together.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pyramid.exceptions import PredicateMismatch
from pyramid.httpexceptions import HTTPException, HTTPMethodNotAllowed, HTTPNoContent, status_map
from pyramid.response import Response

from qapla.predicates import Predicate
from qapla.refusals import find_refusal

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from qapla.errors import QaplaError
    from qapla.plugins.controllers.declaration import Declared

REGISTRY_KEY = "qapla.controllers"
log = logging.getLogger(__name__)


class ControllerRequest(Predicate):
    """A view predicate: a controller's route has matched, and the error is one that is answered here: ``refused``, ``wrong method``."""

    name = "controller_error"

    def __call__(self, context: Any, request: Any) -> bool:
        """Tell whether this error is answered here."""
        declared = find_declared(request)
        if self.value == "refused":
            return bool(declared) and isinstance(context, Exception) and find_refusal(context, request) is not None
        return bool(declared) and all(one.methods for one in declared) and request.method not in answered(declared)


def includeme(config: Configurator) -> None:
    """Register the exception views. The contexts are the widest ones: a view of the application for any of our errors comes first."""
    config.include("qapla.refusals")  # for views that are no controllers
    config.add_view_predicate(ControllerRequest.name, ControllerRequest)
    config.add_exception_view(show_refusal, context=Exception, controller_error="refused")
    config.add_exception_view(show_methods, context=PredicateMismatch, controller_error="wrong method")


def find_declared(request: Any) -> list[Declared]:
    """Return the controllers of the route that has matched; none when the route is not one of theirs."""
    route = getattr(request, "matched_route", None)
    found: list[Declared] = request.registry.get(REGISTRY_KEY, {}).get(route.name, []) if route is not None else []
    return found


def answered(declared: list[Declared]) -> set[str]:
    """Return the methods that the controllers of an address answer."""
    found = {method for one in declared for method in one.methods}
    return found | {"HEAD"} if "GET" in found else found


def show_methods(error: Exception, request: Any) -> Response:
    """Answer a method that no controller of the address has: 405, or the methods for OPTIONS."""
    allow = {"Allow": ", ".join(sorted({*answered(find_declared(request)), "OPTIONS"}))}
    return HTTPNoContent(headers=allow) if request.method == "OPTIONS" else HTTPMethodNotAllowed(headers=allow)


def show_refusal(raised: Exception, request: Any) -> Response:
    """Answer one of our errors, or what means one; the message of one that is a fault of ours is for the log alone."""
    error = find_refusal(raised, request)
    assert error is not None  # says the predicate
    if error.status >= 500:
        log.error("request failed: %s %s", error.code, error, exc_info=error if error.status == 500 else None)
    if answers_json(request):
        body = error.as_json() if error.status != 500 else {"code": error.code, "message": "internal error", "details": None, "hint": None}
        response = Response(json_body=body, status=error.status)
        response.headers.update(error.headers)
        return response
    page = make_page(error)
    try:
        return request.invoke_exception_view((type(page), page, None))
    except HTTPException as refused:  # there is not even Pyramid's own view
        return refused


def answers_json(request: Any) -> bool:
    """Tell whether the controller would have answered with JSON."""
    declared = find_declared(request)
    return all(str(one.view_options.get("renderer", "")) == "json" for one in declared)


def make_page(error: QaplaError) -> HTTPException:
    """Return the HTTP exception that *error* becomes."""
    kind = status_map.get(error.status, status_map[500])
    return kind(detail="" if error.status == 500 else str(error), headers=error.headers)
