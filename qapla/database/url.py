"""Take a database URL apart by hand, into the fields of a form: closed list of schemes and options, nothing guessed.

No message repeats the URL, since half of one may be a password: only the engine, an option's name or the wrong part.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_to_bytes

from qapla.database.dialects import ENGINES
from qapla.errors import TargetRefused, nearest

URL_OPTIONS = ("sslmode", "connect_timeout", "application_name")
SCHEMES: dict[str, str] = {scheme: engine.key for engine in ENGINES.values() for scheme in engine.schemes}
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TLS_WORDS = {
    **dict.fromkeys(("sslrootcert", "ssl_ca", "ssl-ca", "cafile"), "tls_ca"),
    **dict.fromkeys(("sslcert", "ssl_cert", "ssl-cert"), "tls_cert"),
    **dict.fromkeys(("sslkey", "ssl_key", "ssl-key"), "tls_key"),
}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,40}", re.ASCII)


def read_url(text: str) -> dict[str, Any]:
    """Take a URL apart into the fields of a form, decoded and known by name, their values not checked yet."""
    text = text.strip()
    if CONTROL.search(text):
        raise TargetRefused("the URL holds a control character", field="url", hint="write it percent-encoded, or retype the URL")
    scheme, found, rest = text.partition("://")
    if not found and text.lower().endswith((".sqlite", ".sqlite3", ".db")):
        raise TargetRefused("a SQLite file is given by a URL", field="url", hint="write sqlite:/// in front of its path")
    engine = engine_of(scheme if found else "")
    if engine == "sqlite":
        return _read_sqlite(rest)
    authority, rest = _cut(rest, "/?#")
    if "@" in rest:  # a raw / ? # or @ inside a password: nothing that follows may be shown
        raise TargetRefused(
            f"the {engine} URL cannot be taken apart",
            field="url",
            hint="write '/' '?' '#' '@' '%' in a user, password or database percent-encoded: %2F %3F %23 %40 %25",
        )
    login, at, place = authority.rpartition("@")
    user, colon, password = login.partition(":")
    fields: dict[str, Any] = {"engine": engine, **_read_place(place, engine)}
    if at:
        fields["user"] = _decoded(user, "user", engine)
    if colon:
        fields["password"] = _decoded(password, "password", engine)
    path, options = _cut_options(rest, engine)
    fields["database"] = _decoded(path.removeprefix("/"), "database", engine)
    return fields | _read_options(options, engine)


def engine_of(scheme: str) -> str:
    """Return the engine of a URL's scheme, with our own driver's suffix or none.

    Raises:
        TargetRefused: it is not on the list.
    """
    base, _, driver = scheme.lower().partition("+")
    known = ", ".join(ENGINES)
    if not _SCHEME.fullmatch(scheme):  # perhaps half of a URL: not shown
        raise TargetRefused("no engine is given", field="engine", hint=f"a URL starts with one of {known} and ://")
    if base not in SCHEMES:
        hint = nearest(base, SCHEMES) or f"known are {known}"
        raise TargetRefused(f"engine {shown(scheme)} is not known", field="engine", hint=hint)
    engine = ENGINES[SCHEMES[base]]
    if "+" in scheme and driver != engine.drivername.partition("+")[2]:
        raise TargetRefused(f"driver {shown(driver)} of {engine.key} is not used here", field="engine", hint=f"write {base}://")
    return engine.key


def _read_sqlite(rest: str) -> dict[str, Any]:
    path, options = _cut_options(rest, "sqlite")
    if not path.startswith("/"):
        hint = "write sqlite:///PATH, with three slashes, four for an absolute path"
        raise TargetRefused("a SQLite URL has no host", field="path", hint=hint)
    fields = {"engine": "sqlite", "path": _decoded(path[1:], "path", "sqlite")}
    return fields | _read_options(options, "sqlite")


def _read_place(place: str, engine: str) -> dict[str, Any]:
    """Return host and port. A port that is no number is not repeated: without an ``@`` it can be the password."""
    if place.startswith("["):
        host, bracket, port = place[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            hint = "an IPv6 address stands in brackets: [::1]:5432"
            raise TargetRefused(f"the host of the {engine} URL is wrong", field="host", hint=hint)
        port = port[1:]
    else:
        host, _, port = place.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        raise TargetRefused(f"the port of the {engine} URL is not a number", field="port", hint="user:password@host:port/database")
    return {"host": host, "port": port or None}


def _cut(text: str, marks: str) -> tuple[str, str]:
    at = min((text.find(mark) for mark in marks if mark in text), default=len(text))
    return text[:at], text[at:]


def _cut_options(rest: str, engine: str) -> tuple[str, str]:
    if "#" in rest:
        hint = "write a '#' that belongs to a name as %23"
        raise TargetRefused(f"the {engine} URL has a fragment, a part after '#'", field="url", hint=hint)
    path, _, options = rest.partition("?")
    return path, options


def _read_options(text: str, engine: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split("&")):
        name, _, value = part.partition("=")
        name = _decoded(name, "option", engine)
        if name not in URL_OPTIONS or engine == "sqlite":
            allowed = () if engine == "sqlite" else URL_OPTIONS
            raise TargetRefused(f"a {engine} URL takes no option {shown(name)}", field="url", hint=option_hint(name, allowed))
        if name in found:
            raise TargetRefused(f"option {name!r} is given twice", field=name)
        found[name] = _decoded(value, name, engine)
    return found


def option_hint(name: str, allowed: tuple[str, ...]) -> str:
    """Return what to write instead of the option *name*."""
    if name.lower() in _TLS_WORDS:
        option = _TLS_WORDS[name.lower()]
        return f"use --{option.replace('_', '-')}, or {option} in a form or file"
    return f"there are {', '.join(allowed)}" if allowed else "a SQLite URL has no options"


def _decoded(text: str, part: str, engine: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise TargetRefused(f"the {part} of the {engine} URL is not percent-encoded rightly", field=part, hint="write '%' itself as %25")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise TargetRefused(f"the {part} of the {engine} URL is not UTF-8", field=part) from error


def shown(value: Any) -> str:
    """Return what somebody typed in quotes, cut at 100 characters, control characters escaped."""
    text = str(value)
    return repr(text if len(text) <= 100 else text[:99] + "…")
