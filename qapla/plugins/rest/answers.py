"""Make responses cheaply: bytes and a list of headers, straight into Pyramid's Response."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pyramid.response import Response
from webob.response import EmptyResponse

from qapla.plugins.rest import cors, overrides, watching
from qapla.plugins.rest.formats import CONTENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pyramid.request import Request

    from qapla.plugins.rest.contexts import Resource
    from qapla.plugins.rest.formats import Format
    from qapla.plugins.rest.preferences import Preferences

Headers = list[tuple[str, str]]
BROKEN_OFF: dict[Format, bytes] = {  # what no reader of the format takes for its end
    "json": b"\nthe answer broke off here",
    "csv": b'\r\n"the answer broke off here',
    "ndjson": b'\n{"the answer broke off here',
    "stripped": b"\nthe answer broke off here",
    "geojson": b"\nthe answer broke off here",
    "arrow": b"\xff\xff\xff\xff\xff\xff\xff\x0fthe answer broke off here",  # a message that says to be longer than it is
    "parquet": b"the answer broke off here",  # and no footer
}
NO_SNIFFING = ("X-Content-Type-Options", "nosniff")
STATUS = {200: "200 OK", 201: "201 Created", 204: "204 No Content", 206: "206 Partial Content", 304: "304 Not Modified"}


def make_response(
    request: Request, body: bytes, kind: Format, headers: Headers, status: int = 200, content_type: str | None = None
) -> Response:
    """Return an answer whose body is there already; *content_type* is for one that is none of our formats."""
    headers += (("Content-Type", content_type or CONTENT_TYPES[kind]), ("Content-Length", str(len(body))), NO_SNIFFING)
    return _finish(request, Answer([body], headers, status))


def make_stream(request: Request, chunks: Iterator[bytes], kind: Format, headers: Headers, status: int = 200) -> Response:
    """Return an answer that is made while it is sent. Its first chunk is made now, so that an error there is still an answer."""
    headers += (("Content-Type", CONTENT_TYPES[kind]), NO_SNIFFING)
    if request.environ["REQUEST_METHOD"] == "HEAD":
        close(chunks)
        return _finish(request, Answer([], headers, status))
    try:
        first = next(chunks, b"")
    except BaseException:
        close(chunks)
        raise
    return _finish(request, Answer(Chunks(first, chunks, kind), headers, status))


def make_empty(request: Request, headers: Headers, status: int = 204) -> Response:
    """Return an answer without a body."""
    if status != 204:
        headers.append(("Content-Length", "0"))
    return _finish(request, Answer([], headers, status))


def make_json(request: Request, value: Any, headers: Headers | None = None, status: int = 200) -> Response:
    """Return *value* as JSON."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return make_response(request, body, "json", headers if headers is not None else [], status)


def common_headers(context: Resource, preferences: Preferences) -> Headers:
    """Return the headers that every answer about rows may have."""
    headers: Headers = [("Vary", "Accept, Prefer, Range")]
    if preferences.applied:
        headers.append(("Preference-Applied", preferences.applied_header))
    if context.profile is not None:
        is_plain = context.profile.isascii() and context.profile.isprintable() and context.profile == context.profile.strip()
        headers.append(("Content-Profile", context.profile if is_plain else quote(context.profile)))
    return headers


class Answer(Response):
    """Pyramid's Response, made and sent as it is: all its parts are there, and WebOb would look at each of them; it would also make
    ``Location`` absolute by the Host header, which a proxy may have changed.

    Args:
        status: a key of ``STATUS``.
    """

    def __init__(self, app_iter: Iterable[bytes], headers: Headers, status: int) -> None:
        self._app_iter = app_iter
        self._headerlist = headers
        self._headers = None
        self._status = STATUS[status]
        self.conditional_response = False

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Send it."""
        start_response(self._status, self._headerlist)
        return EmptyResponse(self._app_iter) if environ["REQUEST_METHOD"] == "HEAD" else self._app_iter


class Chunks:
    """The chunks of a stream; closing it closes the cursor behind, also when the client has gone.

    An error under way never ends as a complete answer: the body is left unreadable in its format, and the error goes on to the server,
    which breaks the connection. (Granian 2.8 only ends the body then, as if it were complete; a reader notices all the same.)
    """

    def __init__(self, first: bytes, rest: Iterator[bytes], kind: Format) -> None:
        self._rest = rest
        self._all = itertools.chain((first,), rest)
        self._kind: Format = kind

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._all
        except Exception:
            yield BROKEN_OFF[self._kind]
            raise

    def close(self) -> None:
        """Let go of the cursor."""
        close(self._rest)


def close(chunks: Iterator[bytes]) -> None:
    """Close an iterator that has a ``close``."""
    end = getattr(chunks, "close", None)
    if end is not None:
        end()


def _finish(request: Request, response: Response) -> Response:
    local = request.context.local
    if local is not None and local.said is not None:
        overrides.apply(local.said, response)
    if "HTTP_ORIGIN" in request.environ:
        cors.add_headers(request, response)
    if watching.KEY in request.environ:
        watching.add_headers(request, response)
    return response
