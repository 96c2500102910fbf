"""Answer ``/-/batch``: several requests of one database as one transaction, in their order, all or nothing.

Each of them goes through the views that it would go through alone, with the same rights, on the connection of the whole. The answer has
theirs; when one is refused nothing is kept, and the answer is its error, with its status, and says which one it was.
"""

from __future__ import annotations

import json
from time import monotonic
from typing import TYPE_CHECKING, Any

from qapla.database.joint import joined
from qapla.errors import NotFound, NotOffered, TooLarge
from qapla.plugins.rest import cors
from qapla.plugins.rest.answers import make_response
from qapla.plugins.rest.bodies import JSON_TYPES, split_type
from qapla.plugins.rest.contexts import Collection, Function, enter, find_resource
from qapla.plugins.rest.errors import NotAcceptable, method_not_allowed, render_error
from qapla.plugins.rest.formats import JSON_ONLY, choose_format
from qapla.plugins.rest.parts import read_parts
from qapla.plugins.rest.preferences import parse_preferences
from qapla.plugins.rest.references import Answers
from qapla.plugins.rest.uploads import read_upload
from qapla.plugins.rest.views import VIEWS

if TYPE_CHECKING:
    from pyramid.request import Request
    from pyramid.response import Response

    from qapla.database.catalog import Options, Served
    from qapla.plugins.rest.contexts import Batch, Resource
    from qapla.plugins.rest.parts import Part
    from qapla.plugins.rest.preferences import Preferences

WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
# Of an answer, what has no meaning inside another one.
_LEFT_OUT = frozenset({"content-length", "x-content-type-options", "vary", "www-authenticate", "server-timing", "proxy-status"})


class Refused(Exception):
    """A request of a batch that was refused: the answer to it, and which one it was."""

    def __init__(self, part: Part, response: Response) -> None:
        super().__init__(part.id)
        self.part = part
        self.response = response


def run_batch(request: Request) -> Response:
    """Run the requests in the body."""
    context: Batch = request.context
    served, options = context.served, context.served.options
    choose_format(request.environ.get("HTTP_ACCEPT"), JSON_ONLY)
    preferences = _read_preferences(request, options)
    _require_json(request)
    parts = read_parts(read_upload(request.environ, options.max_body_bytes), options)
    keep = (preferences.tx or options.db_tx_end.split("-")[0]) == "commit"
    writes = options.writable and any(part.method in WRITES for part in parts)
    until = monotonic() + options.statement_timeout_s
    try:
        with joined(served, context.local, writes=writes, until=until, keep=keep) as together:
            answers = _run_all(request, together, parts)
    except Refused as refused:
        return _answer_refused(request, refused)
    headers = [("Preference-Applied", ", ".join(applied))] if (applied := _applied(preferences)) else []
    return make_response(request, b'{"responses":[' + b",".join(answers) + b"]}", "json", headers)


def _read_preferences(request: Request, options: Options) -> Preferences:
    can_override = options.db_tx_end.endswith("-allow-override")
    return parse_preferences(request.environ.get("HTTP_PREFER"), "POST", tx_override=can_override)


def _applied(preferences: Preferences) -> list[str]:
    return [text for text in preferences.applied if text.startswith(("tx=", "handling="))]


def _require_json(request: Request) -> None:
    media, _charset = split_type(request.environ.get("CONTENT_TYPE"))
    if media not in JSON_TYPES:
        raise NotOffered(f"a batch is not offered as {media[:100]!r}", code="PGRST107", status=415, hint="send application/json")


def _run_all(request: Request, together: Served, parts: list[Part]) -> list[bytes]:
    printed: list[bytes] = []
    answers = Answers()
    left = together.options.max_body_bytes
    for part in parts:
        response, body = _run(request, together, part, answers)
        answers.add(part.id, body)
        printed.append(_print(part, response, body))
        left -= len(printed[-1])
        if left < 0:
            message = f"the answers of a batch have more than {together.options.max_body_bytes} bytes"
            raise TooLarge(message, hint="choose fewer rows or columns, or send Prefer: return=minimal")
    return printed


def _run(request: Request, together: Served, part: Part, answers: Answers) -> tuple[Response, bytes | None]:
    """Return the answer to one request, and its body as JSON.

    Raises:
        Refused: it is an error.
    """
    inner: Any = request
    try:
        inner = part.make(request, answers)
        inner.context = _find_context(request, inner, together)
        _refuse_ending(inner, together)
        view = VIEWS[type(inner.context)].get("GET" if part.method == "HEAD" else part.method)
        if view is None:
            raise method_not_allowed(part.method, inner.context.methods)
        response: Response = view(inner)
        if response.status_int < 400:
            return response, _body_of(part, response)
    except Exception as error:
        raise Refused(part, render_error(error, inner)) from error
    raise Refused(part, response)


def _refuse_ending(inner: Request, together: Served) -> None:
    """Refuse a request that wants to be kept, or not to be, by itself."""
    if parse_preferences(inner.environ.get("HTTP_PREFER"), inner.method, served=together).tx is not None:
        raise NotOffered("tx= is that of the batch, not of a request in it", hint="send Prefer: tx=rollback with the batch")


def _find_context(request: Request, inner: Request, together: Served) -> Resource:
    rights, profile, local = enter(inner, request.databases[together.name])
    path = inner.matchdict["rest"]
    try:
        found = find_resource(path, (together, rights, profile, local))
    except NotFound as error:
        if path.startswith("api/"):
            error.hint = "the path of a request in a batch is that below the database: /orders?id=eq.1"
        raise
    if not isinstance(found, Collection | Function):
        raise NotOffered(f"{path[:100]!r} is not offered within a batch", hint="tables, rows and functions are")
    return found


# -- what comes back ----------------------------------------------------------------------------------------------------------------


def _body_of(part: Part, response: Response) -> bytes | None:
    """Return the body of an answer as JSON: itself, or a text where it is another format; None without one.

    Raises:
        NotAcceptable: it is no text.
    """
    body = b"".join(response.app_iter) if part.method != "HEAD" else b""
    if not body:
        return None
    media = response.content_type or ""
    if media.endswith(("/json", "+json")):
        return body
    try:
        return json.dumps(body.decode()).encode()
    except UnicodeDecodeError:
        message = f"the answer to request {part.id[:100]!r} is {media}, and no text: a batch has no room for it"
        raise NotAcceptable(message, hint="ask for JSON or CSV, or send the request alone") from None


def _print(part: Part, response: Response, body: bytes | None) -> bytes:
    headers = {name: value for name, value in response.headerlist if name.lower() not in _LEFT_OUT}
    said = json.dumps({"id": part.id, "status": response.status_int, "headers": headers}, separators=(",", ":")).encode()
    return said[:-1] + b',"body":' + (body or b"null") + b"}"


def _answer_refused(request: Request, refused: Refused) -> Response:
    """Return the error of the request that was refused, with that request's own answer in it."""
    response, body = refused.response, b"".join(refused.response.app_iter)
    if body:  # a function of the database may choose a status that has none
        response.body = body[:-1] + b',"responses":[' + _print(refused.part, response, body) + b"]}"
    cors.add_headers(request, response)
    return response
