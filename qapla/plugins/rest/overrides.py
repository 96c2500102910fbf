"""What functions of the database want the answer to be: ``response.status`` and ``response.headers``, as PostgREST has them.

Headers are a JSON array of objects with one name and one text each; what a function says takes the place of what was there, and several
of one name stay several. Headers that belong to the transport are not a function's to set.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from qapla.errors import QaplaError

if TYPE_CHECKING:
    from pyramid.response import Response

    from qapla.database.local import Said

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")  # RFC 9110: a token
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # nothing that would end a header
_TRANSPORT = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer"})
_STATUSES = range(200, 600)
_WITHOUT_BODY = (204, 205, 304)
# A page that a function makes has an origin of its own: the admin's cookie is not for its scripts. A function may say otherwise.
SANDBOX = ("Content-Security-Policy", "sandbox allow-scripts allow-forms allow-popups allow-downloads")


def apply(said: Said, response: Response) -> None:
    """Change *response* as functions have said.

    Raises:
        QaplaError: PGRST111, PGRST112 (500), what they said is no header or no status.
    """
    if said.headers is not None:
        pairs = read_headers(said.headers)
        for name in {name for name, _ in pairs}:
            response.headers.pop(name, None)
        response.headerlist.extend(pairs)
        if any(name.lower() == "content-type" for name, _ in pairs) and SANDBOX[0] not in response.headers:
            response.headerlist.append(SANDBOX)
    if said.status is not None:
        _set_status(response, read_status(said.status))


def read_headers(text: str) -> list[tuple[str, str]]:
    """Return the headers in ``response.headers``.

    Raises:
        QaplaError: PGRST111 (500).
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(item, dict) and len(item) == 1 for item in found):
        raise _wrong_headers("it is no such array")
    return [_read_header(*item.popitem()) for item in found]


def read_status(text: str) -> int:
    """Return the status in ``response.status``.

    Raises:
        QaplaError: PGRST112 (500).
    """
    status = int(text) if re.fullmatch(r"\d{3}", text, re.ASCII) else 0
    if status not in _STATUSES:
        raise QaplaError("response.status guc must be a valid status code", code="PGRST112")
    return status


def _read_header(name: str, value: Any) -> tuple[str, str]:
    if not isinstance(value, str) or not _NAME.fullmatch(name):
        raise _wrong_headers("a header has another form")
    if name.lower() in _TRANSPORT:
        raise _wrong_headers(f"{name[:100]!r} belongs to the server")
    value = value if value.isascii() else value.encode("utf-8", "replace").decode("latin-1")
    if not _VALUE.fullmatch(value):
        raise _wrong_headers(f"the value of {name[:100]!r} has a line break or a control character")
    return name, value


def _set_status(response: Response, status: int) -> None:
    known = {each.value: each.phrase for each in HTTPStatus}
    response.status = f"{status} {known.get(status, 'Status')}"
    if status in _WITHOUT_BODY:
        response.app_iter = []
        for name in ("Content-Length", "Content-Type"):
            response.headers.pop(name, None)


def _wrong_headers(details: str) -> QaplaError:
    message = "response.headers guc must be a JSON array composed of objects with a single key and a string value"
    return QaplaError(message, code="PGRST111", details=details)
