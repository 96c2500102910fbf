"""A list read from a lazydb that serves, as streams of Arrow over HTTP: one, or page by page where an answer has not all rows."""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from qapla.errors import (
    AccessError,
    Conflict,
    DatabaseError,
    InputError,
    NotAuthenticated,
    NotFound,
    NotOffered,
    QaplaError,
    QueryError,
    TimedOut,
    TooLarge,
    Unavailable,
)

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from typing import NoReturn

    import pyarrow as pa

ARROW = "application/vnd.apache.arrow.stream"
TOKEN = "LAZYDB_TOKEN"  # noqa: S105 - the name of a variable
HINT = "url is its address, without /api"
MAX_ERROR_BYTES = 100_000
PAGE_ROWS = 1000  # the most that REST makes in one piece as Arrow: only then it says at which row the page ends
CLASSES: dict[int, type[QaplaError]] = {
    400: QueryError, 401: NotAuthenticated, 403: AccessError, 404: NotFound, 406: NotOffered, 409: Conflict, 413: TooLarge, 414: TooLarge,
    503: Unavailable, 504: TimedOut,
}  # fmt: skip

_SAFE = "!$'()*,;:@/?-._~=&+%"  # what an address may hold as it is
_NEXT = re.compile(r'<[^>?]*\?([^>]*)>;\s*rel="next"')
_AFTER = re.compile(r"(^|&)after=")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class List:
    """One list of a lazydb that serves, and how it is asked for."""

    address: str  # without the query
    headers: dict[str, str]
    timeout_s: float

    def read(self, query: str) -> tuple[pa.Table, str | None]:
        """Return the rows of one answer, and the query of those behind it, None where there are none.

        Raises:
            QaplaError: what lazydb answers, as the error that it is here. Unavailable: nobody answers there.
            DatabaseError: the answer ended before its end.
        """
        import pyarrow as pa

        request = Request(f"{self.address}{'?' if query else ''}{query}", headers=self.headers)  # noqa: S310 - http or https: _root looked
        with _open(request, self.timeout_s) as answer:
            if answer.headers.get_content_type() != ARROW:
                raise Unavailable(f"what answers at {_place(request)!r} is no lazydb", hint=HINT)
            try:
                with pa.ipc.open_stream(answer) as reader:
                    table = reader.read_all()
            except TimeoutError as error:
                message = f"lazydb was silent for {self.timeout_s:g} s in the middle of its answer"
                raise TimedOut(message, hint="timeout_s=… waits longer") from error
            except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
                raise DatabaseError("the answer ended before its end", hint="lazydb's log says why; ask again") from error
            found = _NEXT.search(answer.headers.get("Link") or "")
        return table, found[1] if found else None


def read_table(
    database: str, path: str, query: str, *, schema: str | None, url: str | None, token: str | None, timeout_s: float
) -> pa.Table:
    """Return the rows that ``{url}/api/{database}/{path}?{query}`` has; where one answer has not all of them, page by page.

    Raises: as ``List.read`` does.
    """
    headers = {"Accept": ARROW, "User-Agent": "lazydb.frame"}
    if schema is not None:
        headers["Accept-Profile"] = quote(schema, safe="")
    token = token or os.environ.get(TOKEN)
    if token:
        headers["Authorization"] = f"Bearer {_checked(token)}"
    source = List(f"{_root(url or '')}/api/{quote(database, safe='')}/{encoded(path)}", headers, timeout_s)
    table, following = source.read(encoded(query))
    wanted = _limit(query)
    if following is None or table.num_rows == wanted:
        return table
    has_place = _AFTER.search(following) is not None
    whole = _read_on(source, [table], following, wanted) if has_place else _read_on(source, [], encoded(query), wanted)
    if whole is None:
        message = f"there are more rows: database {database!r} gives {table.num_rows:,} of this list at most (its db_max_rows)"
        warnings.warn(f"{message}, and rows without a key are not read in pages; raise it, or filter the list", stacklevel=3)
        return table
    return whole


def _read_on(source: List, pages: list[pa.Table], following: str | None, wanted: int | None) -> pa.Table | None:
    """Return the rows of *pages* and of all that follow.

    Each begins behind the last row of the one before: what is there all the time comes once, whatever else changes.

    Args:
        following: the query of the next page.

    Returns:
        None where the rows have no key: pages by number would miss some, and repeat others, when rows come and go meanwhile.
    """
    import pyarrow as pa

    left = (sys.maxsize if wanted is None else wanted) - sum(page.num_rows for page in pages)
    while following is not None and left > 0:
        page, following = source.read(_with_limit(following, min(left, PAGE_ROWS)))
        if following is not None and not _AFTER.search(following):
            return None
        pages.append(page)
        left -= page.num_rows
    try:
        return pa.concat_tables(pages)
    except pa.ArrowInvalid as error:
        raise DatabaseError("the columns of the list changed while it was read", hint="ask again") from error


def _limit(query: str) -> int | None:
    found = dict(parse_qsl(query)).get("limit", "")
    return int(found) if found.isdecimal() else None


def _with_limit(query: str, rows: int) -> str:
    kept = [pair for pair in query.split("&") if pair and pair.partition("=")[0] != "limit"]
    return "&".join([*kept, f"limit={rows}"])


def encoded(text: str) -> str:
    """Return *text* as it can stand in an address: what is percent-encoded stays, and so does a sign that has a meaning there."""
    return quote(_BARE_PERCENT.sub("%25", text), safe=_SAFE)


def _root(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("the url is no address of a lazydb", hint="https://lazydb.example.org")
    if parts.username is not None or parts.query or parts.fragment:
        raise InputError("the url has more than an address", hint="https://lazydb.example.org; a token is given by token=")
    return url.rstrip("/").removesuffix("/api")


def _checked(token: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token.strip():
        raise InputError("the token cannot be one", hint="`lazydb token add NAME` shows a new one, once")
    return token.strip()


class _NoRedirect(HTTPRedirectHandler):
    """Follows nobody: the token would go along."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


def _open(request: Request, timeout_s: float) -> HTTPResponse:
    place = _place(request)
    try:
        answer: HTTPResponse = build_opener(_NoRedirect).open(request, timeout=timeout_s)
    except HTTPError as error:
        with error:
            _raise(error, place, "Authorization" in request.headers)
    except TimeoutError as error:
        raise TimedOut(f"lazydb at {place!r} did not answer within {timeout_s:g} s", hint="timeout_s=… waits longer") from error
    except URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise TimedOut(f"lazydb at {place!r} did not answer within {timeout_s:g} s", hint="timeout_s=… waits longer") from error
        raise Unavailable(f"no lazydb answers at {place!r}: {error.reason}") from error
    except OSError as error:
        raise Unavailable(f"no lazydb answers at {place!r}: {error}") from error
    return answer


def _raise(error: HTTPError, place: str, has_token: bool) -> NoReturn:
    """Raise what lazydb has answered."""
    if 300 <= error.code < 400:
        to = urlsplit(error.headers.get("Location") or "")
        hint = f"give its address as it is: {to.scheme}://{to.netloc}" if to.netloc else "give its address as it is"
        raise Unavailable(f"what answers at {place!r} sends one elsewhere", hint=hint) from None
    try:
        said = json.loads(error.read(MAX_ERROR_BYTES))
        message, parts = str(said["message"]), {name: said.get(name) for name in ("code", "details", "hint")}
    except (ValueError, KeyError, TypeError, OSError):
        raise Unavailable(f"what answers at {place!r} is no lazydb: it says {error.code}", hint=HINT) from None
    if error.code == NotAuthenticated.status and not has_token:
        parts["hint"] = f"token='…', or {TOKEN} in the environment; `lazydb token add NAME` makes one"
    kind = CLASSES.get(error.code, QaplaError if error.code < 500 else DatabaseError)
    raise kind(message, status=error.code, **parts) from None


def _place(request: Request) -> str:
    parts = urlsplit(request.full_url)
    return f"{parts.scheme}://{parts.netloc}"
