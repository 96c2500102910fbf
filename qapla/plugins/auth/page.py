"""The login page: a template of the application's own, else in the frame of the admin's pages, else plain."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyramid.csrf import get_csrf_token
from pyramid.interfaces import IRoutesMapper
from pyramid.renderers import render_to_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chameleon import PageTemplateFile

FRAMED = "qapla.plugins.auth:templates/login.pt"
PLAIN = Path(__file__).parent / "templates" / "plain.pt"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


def show_page(request: Any, values: Mapping[str, Any]) -> Any:
    """Return the response, ``request.response``, with the page for *values*: ``title``, ``problem``, ``name``, ``target``."""
    own = request.registry.get("qapla.auth.template")
    if own or has_frame(request):
        return render_to_response(own or FRAMED, dict(values), request=request, response=request.response)
    response = request.response
    response.headers.update(HEADERS)
    response.text = load()(**values, action=request.route_path("auth.login"), csrf_token=get_csrf_token(request))
    return response


def has_frame(request: Any) -> bool:
    """Tell whether the pages of the admin are there, whose renderer knows their layout."""
    return request.registry.getUtility(IRoutesMapper).get_route("admin.own") is not None


@cache
def load() -> PageTemplateFile:
    """Return the plain template."""
    from chameleon import PageTemplateFile

    return PageTemplateFile(str(PLAIN), boolean_attributes={"required", "autofocus"})
