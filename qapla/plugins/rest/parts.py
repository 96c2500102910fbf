"""The requests in the body of a batch: read and checked, and each made into a request like any other when its turn has come."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from qapla.errors import NotOffered, QueryError, TooLarge
from qapla.plugins.rest.bodies import load_json
from qapla.plugins.rest.contexts import prepare
from qapla.plugins.rest.references import fill_body, fill_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyramid.request import Request

    from qapla.database.catalog import Options
    from qapla.plugins.rest.references import Answers

MAX_REQUESTS = 1000
METHODS = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE")
FIELDS = frozenset({"id", "method", "path", "headers", "body"})
# Headers that are the batch's own, not those of the requests in it: who is asking, and how the message came.
OUTER_HEADERS = frozenset(
    {"authorization", "cookie", "host", "origin", "x-csrf-token", "content-length", "content-encoding", "transfer-encoding", "connection"}
)
# What a view looks at is said by each request for itself.
OWN_HEADERS = ("accept", "prefer", "range", "if-match", "if-none-match", "origin", "transfer-encoding", "content-encoding")
_OWN = frozenset("HTTP_" + name.upper().replace("-", "_") for name in OWN_HEADERS)
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_ID = re.compile(r"[\w-]{1,100}")
_MORE_DEPTH = 4  # of the JSON around a body: {"requests": [{"body": …}]}


@dataclass(frozen=True, slots=True)
class Part:
    """One request of a batch. ``body`` is the JSON value as it came, or text in another format; None without one."""

    id: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any = None

    def make(self, outer: Request, answers: Answers) -> Request:
        """Return the request, its references filled, by whoever sends *outer*.

        Raises:
            QueryError: a reference leads nowhere, or the path is not UTF-8.
        """
        target = fill_path(self.path, answers)
        path, _, query = target.partition("?")
        raw = b"" if self.body is None else self._print_body(fill_body(self.body, answers))
        environ = {name: value for name, value in outer.environ.items() if name not in _OWN and not name.startswith(("webob.", "bfg."))}
        profile = outer.context.profile
        if profile is not None:
            environ["HTTP_ACCEPT_PROFILE"] = environ["HTTP_CONTENT_PROFILE"] = profile
        for name, value in self.headers.items():
            if name != "content-type":
                environ["HTTP_" + name.upper().replace("-", "_")] = value
        rest = _decode(path)
        environ.update(
            {
                "REQUEST_METHOD": self.method,
                "PATH_INFO": f"/api/{outer.context.served.name}/{rest}".encode().decode("latin-1"),
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("content-type", "application/json" if raw else ""),
                "CONTENT_LENGTH": str(len(raw)),
                "wsgi.input": io.BytesIO(raw),
            }
        )
        inner = type(outer)(environ)
        inner.registry = outer.registry
        inner.matchdict = {"database": outer.context.served.name, "rest": rest}
        inner.__dict__["identity"] = outer.identity  # asked once, with the CSRF token of the whole
        prepare(inner)
        return inner

    def _print_body(self, value: Any) -> bytes:
        if "json" in self.headers.get("content-type", "json"):
            return print_json(value).encode("ascii")
        if not isinstance(value, str):
            raise QueryError(f"the body is no text, as {self.headers['content-type'][:100]!r} is", code="PGRST102")
        return value.encode("utf-8", "surrogatepass")


def _decode(path: str) -> str:
    try:
        return unquote_to_bytes(path.lstrip("/")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise QueryError("the path is not UTF-8", hint="percent-encode the bytes of its text in UTF-8") from error


def print_json(value: Any) -> str:
    """Return *value* as JSON text in ASCII, its numbers exact."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return f"[{','.join(map(print_json, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{print_json(item)}" for name, item in value.items()) + "}"
    return json.dumps(value)


# -- reading ----------------------------------------------------------------------------------------------------------------------


def read_parts(raw: bytes, options: Options) -> list[Part]:
    """Return the requests in the body of a batch.

    Raises:
        QueryError: PGRST102, it is not such a body; the number of the request is named.
        TooLarge: more than ``MAX_REQUESTS``, or nested too deep.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(f"the body is not UTF-8: byte {error.start + 1} of it") from error
    value = load_json(text, options.max_json_depth + _MORE_DEPTH)
    if not isinstance(value, dict) or not isinstance(value.get("requests"), list):
        raise _refused("the body is no object with a list of requests", '{"requests": [{"id": "1", "method": "GET", "path": "/orders"}]}')
    _refuse_others(value, frozenset({"requests"}), "the body")
    items = value["requests"]
    if len(items) > MAX_REQUESTS:
        raise TooLarge(f"a batch has at most {MAX_REQUESTS} requests, and this one has {len(items)}")
    parts = [_read_part(number, item) for number, item in enumerate(items, 1)]
    _refuse_twice(parts)
    return parts


def _read_part(number: int, item: Any) -> Part:
    where = f"request {number}"
    if not isinstance(item, dict):
        raise _refused(f"{where} is no object")
    _refuse_others(item, FIELDS, where)
    method, path = item.get("method", "GET"), item.get("path")
    if not isinstance(method, str) or method.upper() not in METHODS:
        raise _refused(f"{where}: method {str(method)[:40]!r} is none of {', '.join(METHODS)}")
    if not isinstance(path, str) or not path.strip("/"):
        raise _refused(f"{where} has no path", 'it is that below the database: "/orders?id=eq.1"')
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|//", path) or "#" in path:
        hint = 'it is that below the database: "/orders?id=eq.1"; other databases have batches of their own'
        raise _refused(f"{where}: {path[:100]!r} is no path of this database", hint)
    return Part(_read_id(item.get("id", number), where), method.upper(), path, _read_headers(item.get("headers"), where), item.get("body"))


def _read_id(value: Any, where: str) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _ID.fullmatch(text):
        raise _refused(f"{where}: the id is no number or short name", "letters, digits, _ and -")
    return text


def _read_headers(value: Any, where: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _refused(f"{where}: headers are no object", '{"Prefer": "return=representation"}')
    found: dict[str, str] = {}
    for name, text in value.items():
        lower = name.lower()
        if not _NAME.fullmatch(name) or "_" in name or not isinstance(text, str) or not _is_plain(text):
            raise _refused(f"{where}: the header {name[:100]!r} cannot be sent")
        if lower in OUTER_HEADERS:
            raise NotOffered(f"{where}: the header {name!r} is that of the batch, not of a request in it", hint="send it with the batch")
        if lower in found:
            raise _refused(f"{where}: the header {name!r} is there twice")
        found[lower] = text
    return found


def _is_plain(text: str) -> bool:
    return len(text) <= 8192 and all(("\x20" <= letter <= "\xff" and letter != "\x7f") or letter == "\t" for letter in text)


def _refuse_others(value: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for name in value:
        if name not in known:
            raise _refused(f"{where} has {name[:100]!r}, which is not known", f"known: {', '.join(sorted(known))}")


def _refuse_twice(parts: list[Part]) -> None:
    seen: set[str] = set()
    for part in parts:
        if part.id in seen:
            raise _refused(f"two requests have the id {part.id!r}")
        seen.add(part.id)


def _refused(message: str, hint: str | None = None) -> QueryError:
    return QueryError(message, code="PGRST102", hint=hint)
