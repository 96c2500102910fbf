"""As whom, and with which settings, the statements of one request run: PostgREST's transaction-scoped settings.

``request.jwt.claims``, ``request.method``, ``request.path``, ``request.headers`` and ``request.cookies``, the search path, the connection's
``app.settings``, and the role with the settings that ``ALTER ROLE … SET`` gave it. The path is that below the database's URL. What is
ours alone, an API token or the session of the admin, is not shown to functions of the database.
"""

from __future__ import annotations

import json
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import quote

from qapla.database.dialects import get_engine
from qapla.database.local import Local, Said
from qapla.database.roles import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyramid.request import Request

    from qapla.database.catalog import Served
    from qapla.plugins.rest.claims import Claims
    from qapla.ports import Identity

Pairs = tuple[tuple[str, str], ...]
READS = ("GET", "HEAD")
DEFAULT_SEARCH_PATH = ("public",)


def make_local(request: Request, served: Served, identity: Identity, claims: Claims | None, profile: str | None) -> Local | None:
    """Return what holds for the transactions of this request, or None where the engine has no such thing."""
    if not get_engine(served.schema.engine).has_roles:
        return None
    options, role = served.options, identity.role
    environ = request.environ
    said = {**(claims or {}), **({"role": role} if role is not None else {})}
    settings = (
        ("search_path", _search_path(served, profile)),
        ("request.jwt.claims", _json(said)),
        ("request.method", environ["REQUEST_METHOD"]),
        ("request.path", _path(request)),
        ("request.headers", _json(dict(_headers(environ, with_token=claims is not None)))),
        ("request.cookies", _json(_cookies(request))),
        *((f"app.settings.{name}", str(value)) for name, value in options.app_settings),
    )
    of_role, isolation = get_settings(served.bulkhead, role) if role is not None else ((), None)
    calls = (options.db_pre_request,) if options.db_pre_request else ()
    listens = bool(calls) or environ["REQUEST_METHOD"] not in READS
    return Local(role, settings, calls, of_role, isolation, Said() if listens else None)


def _search_path(served: Served, profile: str | None) -> str:
    schemas = served.schema.schemas
    chosen = (profile or (schemas[0] if schemas else served.schema.default_schema),)
    names = dict.fromkeys(name for name in (*chosen, *(served.options.db_extra_search_path or DEFAULT_SEARCH_PATH)) if name)
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)


def _path(request: Request) -> str:
    return "/" + quote(request.matchdict.get("rest", ""))


def _headers(environ: Mapping[str, str], *, with_token: bool) -> Iterator[tuple[str, str]]:
    """Yield the headers of the request, names in lower case; cookies have a setting of their own."""
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            name = key[5:].replace("_", "-").lower()
            if name != "cookie" and (with_token or name != "authorization"):
                yield name, _text(value)
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            yield key.replace("_", "-").lower(), _text(value)


def _cookies(request: Request) -> dict[str, str]:
    text = request.environ.get("HTTP_COOKIE")
    if not text:
        return {}
    try:
        found = {name: morsel.value for name, morsel in SimpleCookie(_text(text)).items()}
    except CookieError:
        return {}
    session = request.app.find("session")
    if session is not None:
        found.pop(session.cookie, None)
    return found


def _text(value: str) -> str:
    """Return a header's value, which WSGI has as Latin-1, as text."""
    return value.encode("latin-1", "replace").decode("utf-8", "replace")


def _json(value: object) -> str:
    """Return JSON in ASCII; a NUL, which no text of PostgreSQL holds, is escaped like everything else."""
    return json.dumps(value, separators=(",", ":"))
