"""Errors below ``/admin`` as pages: what happened, in words, and where to go from there."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPException, HTTPSeeOther

from qapla.errors import NotAuthenticated, NotFound, QaplaError
from qapla.plugins.admin.forms import say
from qapla.predicates import Below

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.request import Request

log = logging.getLogger(__name__)

TITLES = {
    400: "That was not understood",
    403: "You may not do that",
    404: "Nothing here",
    405: "This cannot be changed",
    409: "Something stands against it",
    410: "Not here any more",
    412: "Somebody was faster",
    413: "Too large",
    503: "Not reachable now",
    504: "No answer in time",
}


class AdminRequest(Below):
    """A view predicate: the path is one of the admin."""

    name, prefix = "admin_request", "/admin"


def includeme(config: Configurator) -> None:
    """Register the exception views of everything below ``/admin``."""
    config.add_view_predicate(AdminRequest.name, AdminRequest)
    config.add_exception_view(ask_to_log_in, context=NotAuthenticated, admin_request=True)
    for kind in (Exception, HTTPException):
        config.add_exception_view(show_error, context=kind, admin_request=True, renderer="qapla.plugins.admin:templates/error.pt")


def ask_to_log_in(error: NotAuthenticated, request: Request) -> Any:
    """Lead to the login page, and back to here afterwards."""
    query = {"next": request.path_qs} if request.method == "GET" and not request.headers.get("HX-Request") else {}
    address = request.route_path("auth.login", _query=query) if has_login(request) else f"{request.script_name}/admin/-/login"
    answer = HTTPSeeOther(address)
    if request.headers.get("HX-Request"):
        answer.status_int = 401
        answer.headers["HX-Redirect"] = address
    return answer


def has_login(request: Request) -> bool:
    """Tell whether the application has the login pages."""
    from pyramid.interfaces import IRoutesMapper

    return request.registry.getUtility(IRoutesMapper).get_route("auth.login") is not None


def show_error(error: Exception, request: Request) -> Any:
    """Show *error*; what nobody foresaw gets a number that the log has, too, and nothing else."""
    if isinstance(error, HTTPException) and error.status_int < 400:
        return error
    found = translate_error(error, request)
    request.response.status_int = found.status
    request.response.headers.update(found.headers)
    details = found.details if isinstance(found.details, str) else None
    return {
        "title": TITLES.get(found.status, "Something went wrong"),
        "heading": TITLES.get(found.status, "Something went wrong"),
        "text": say(found),
        "details": details,
        "code": found.code,
    }


def translate_error(error: Exception, request: Request) -> QaplaError:
    """Return *error* as one of ours."""
    if isinstance(error, QaplaError):
        return error
    if isinstance(error, HTTPException):
        if error.status_int == 404:
            return NotFound("there is no such page")
        return QaplaError(error.title or "this request is refused", status=error.status_int, code=f"QAPLA{error.status_int}")
    if isinstance(error, UnicodeDecodeError):  # pyramid's URLDecodeError is one
        return QaplaError("the address is not UTF-8", status=400, code="PGRST100")
    request_id = request.environ.get("HTTP_X_REQUEST_ID", "")[:64] or uuid.uuid4().hex
    log.error("request %s failed", request_id, exc_info=error)
    return QaplaError("something went wrong here, and it was not your fault", details=f"request {request_id}")
