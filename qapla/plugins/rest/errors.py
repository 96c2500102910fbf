"""Answer every error of the REST side as ``{"code", "message", "details", "hint"}``: the one exception view.

An error that nobody foresaw becomes a 500 with a request id and nothing else; the log has the rest under the same id.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from typing import TYPE_CHECKING

from pyramid.httpexceptions import HTTPException
from pyramid.response import Response

from qapla.errors import QaplaError, QueryError
from qapla.plugins.rest import cors, watching
from qapla.predicates import Below

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.request import Request

log = logging.getLogger(__name__)

JSON = "application/json; charset=utf-8"
PREFIX = "/api"
_TOKEN = re.compile(r"[A-Za-z0-9_]{1,40}")
WITHOUT_BODY = (204, 205, 304)


class MethodNotAllowed(QaplaError):
    """The thing is there, but not for this method."""

    status = 405
    code = "PGRST117"


class NotAcceptable(QaplaError):
    """No format that ``Accept`` allows can be made of this."""

    status = 406
    code = "PGRST107"


class RestRequest(Below):
    """A view predicate: the path is that of the REST API."""

    name, prefix = "rest_request", PREFIX


def includeme(config: Configurator) -> None:
    """Register the exception view for everything below ``/api``."""
    config.add_view_predicate(RestRequest.name, RestRequest)
    for kind in (Exception, HTTPException):
        config.add_exception_view(render_error, context=kind, rest_request=True)


def render_error(error: Exception, request: Request) -> Response:
    """Answer *error*; what is not one of ours is logged and told as a 500 without any detail."""
    found = _translate(error, request)
    headers = [("Content-Type", JSON), ("X-Content-Type-Options", "nosniff"), *found.headers.items()]
    if _TOKEN.fullmatch(found.code):
        headers.append(("Proxy-Status", f"PostgREST; error={found.code}"))  # RFC 9209, as clients of PostgREST know it
    if found.status == 401 and "WWW-Authenticate" not in found.headers:
        headers.append(("WWW-Authenticate", "Bearer"))
    body = b"" if found.status in WITHOUT_BODY else error_body(found)  # a function of the database may choose any status
    response = Response(body, status=_print_status(found), headerlist=headers)
    cors.add_headers(request, response)
    watching.add_headers(request, response)
    return response


def _print_status(error: QaplaError) -> int | str:
    """Return the status line: a function of the database may raise an error with a reason of its own."""
    reason = getattr(error, "reason", None)
    return f"{error.status} {reason}" if reason else error.status


def error_body(error: QaplaError) -> bytes:
    """Return the JSON of *error*."""
    return json.dumps(error.as_json(), ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "backslashreplace")


def _translate(error: Exception, request: Request) -> QaplaError:
    if isinstance(error, QaplaError):
        if error.status == 500:
            log.error("request failed: %s %s", error.code, error)
        elif error.code == "42501" and error.status == 403 and _is_nobody(request):
            error.status = 401  # the database does not know who asks
        return error
    if isinstance(error, HTTPException):
        return _translate_http(error, request)
    if isinstance(error, UnicodeDecodeError):  # pyramid's URLDecodeError is one
        return QueryError("the path of the URL is not UTF-8", hint="percent-encode the bytes of its text in UTF-8")
    request_id = request.environ.get("HTTP_X_REQUEST_ID", "")[:64] or uuid.uuid4().hex
    log.error("request %s failed", request_id, exc_info=error)
    return QaplaError("something went wrong here, and it is not your request's fault", details={"request_id": request_id})


def _is_nobody(request: Request) -> bool:
    """Tell whether the caller is anonymous, as far as is known when something goes wrong."""
    rights = getattr(getattr(request, "context", None), "rights", None)
    return rights is not None and not rights.authenticated


def _translate_http(error: HTTPException, request: Request) -> QaplaError:
    if error.status_int == 405:
        methods = getattr(getattr(request, "context", None), "methods", None) or tuple(error.allow or ())
        return method_not_allowed(request.method, methods)
    if error.status_int == 404:
        hint = "the API of a database is at /api/{database}/, the list of databases at /api/"
        return QaplaError("there is nothing at this URL", status=404, code="QAPLA404", hint=hint)
    headers = {"Location": error.location} if getattr(error, "location", None) else {}
    return QaplaError(error.title or error.explanation, status=error.status_int, code=f"QAPLA{error.status_int}", headers=headers)


def method_not_allowed(method: str, methods: tuple[str, ...]) -> MethodNotAllowed:
    """Return the 405 that names what is allowed instead."""
    allowed = ", ".join(methods)
    return MethodNotAllowed(f"Unsupported HTTP method: {method[:20]}", hint=f"allowed here: {allowed}", headers={"Allow": allowed})
