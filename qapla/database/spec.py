"""What a person types to name a database, made into one checked value: ``ConnectionSpec``.

Form, REST, import, configuration file and command line share this one validator (``parse_url``, ``from_fields``). A URL is never
handed on to a driver: drivers know options that read local files, run commands or replace the host that was checked. Here the
schemes are a closed list, every option that is not on the short list is refused by its name, and the engine is built from the
fields alone. No message repeats the URL, since half of one may be a password: only the engine, an option's name or the wrong part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from qapla.database import files
from qapla.database.address import resolve
from qapla.database.dialects import ENGINES
from qapla.database.url import CONTROL, URL_OPTIONS, engine_of, option_hint, read_url, shown
from qapla.errors import TargetRefused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

SSLMODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
TLS_FILES = ("tls_ca", "tls_cert", "tls_key")
SERVER_FIELDS = ("host", "port", "database", "user", "password", *URL_OPTIONS, *TLS_FILES)
CONNECT_TIMEOUT_MAX_S = 10

Sslmode = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})", re.ASCII)
_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}", re.ASCII)

@dataclass(frozen=True, slots=True)
class Origin:
    """Who typed it, and what that allows.

    ``sqlite_folders`` None means any existing file. ``registry`` is what may not be added, lazydb's own database: a spec of
    the same kind. ``private_allowed`` says whether loopback and private addresses may be reached (``qapla.database.address``).
    """

    name: str = "command line"
    sqlite_folders: tuple[str, ...] | None = None
    private_allowed: bool = True
    registry: ConnectionSpec | None = None


COMMAND_LINE = Origin()


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """How to reach one database. Made by ``parse_url`` or ``from_fields``; the password is in no ``repr``.

    ``engine`` is a key of ``dialects.ENGINES``; ``mysql`` and ``mariadb`` may each turn out to be the other. For Oracle
    ``database`` is the service name. ``path`` is SQLite's file, absolute and without links. ``private_allowed`` is kept from the
    origin, since the address is looked up and checked again each time a connection is made.
    """

    engine: str
    host: str | None = None
    port: int | None = None
    database: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    path: str | None = None
    sslmode: Sslmode = "prefer"
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    connect_timeout: int = 5
    application_name: str = "lazydb"
    private_allowed: bool = True

    @property
    def place(self) -> str:
        """Return where it is, for people: ``127.0.0.1:5432/shop`` or the file."""
        return self.path or f"{_bracketed(self.host)}:{self.port}/{self.database}"

    @property
    def target(self) -> tuple[str, ...]:
        """Return what makes two specs the same database: the server and the database in it, whoever logs in, or the file."""
        if self.path is not None:
            return ("sqlite", self.path)
        family = "mysql" if self.engine == "mariadb" else self.engine
        return (family, (self.host or "").lower().rstrip("."), str(self.port), self.database or "")

    @property
    def safe_url(self) -> str:
        """Return the URL with ``***`` where the password is."""
        return self.to_url(password="***" if self.password else None)

    def to_url(self, password: str | None = None) -> str:
        """Return a URL that ``parse_url`` reads back into the same fields; with this *password* in it, by default with none."""
        if self.path is not None:
            return f"sqlite:///{quote(self.path)}"
        secret = "" if password is None else ":***" if password == "***" else f":{quote(password, safe='')}"  # noqa: S105  (a mask)
        address = f"{quote(self.user or '', safe='')}{secret}@{_bracketed(self.host)}:{self.port}/{quote(self.database or '', safe='')}"
        changed = [(name, str(getattr(self, name))) for name in URL_OPTIONS if getattr(self, name) != _DEFAULTS[name]]
        options = "&".join(f"{name}={quote(value, safe='')}" for name, value in changed)
        return f"{self.engine}://{address}{'?' if options else ''}{options}"

    def as_fields(self) -> dict[str, Any]:
        """Return everything but the password, as JSON can hold it: what a registry stores and ``from_stored`` takes back."""
        names = ("path",) if self.path is not None else tuple(name for name in SERVER_FIELDS if name != "password")
        found = {name: getattr(self, name) for name in ("engine", *names, "private_allowed")}
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def from_stored(cls, fields: Mapping[str, Any], password: str | None = None) -> ConnectionSpec:
        """Return the spec whose ``as_fields`` these are. They were checked before they were stored; unknown ones are left out."""
        return cls(**{name: value for name, value in fields.items() if name in cls.__slots__}, password=password)

    def with_password(self, password: str | None) -> ConnectionSpec:
        """Return the same spec with another password."""
        return replace(self, password=password)


_DEFAULTS: dict[str, Any] = {"sslmode": "prefer", "connect_timeout": 5, "application_name": "lazydb"}


def parse_url(text: str, *, origin: Origin = COMMAND_LINE) -> ConnectionSpec:
    """Read a URL that a person typed.

    Args:
        text: ``engine://user:password@host:port/database?option=value`` or ``sqlite:///PATH``; parts percent-encoded.
        origin: where it was typed, and what is allowed there.

    Raises:
        TargetRefused: something in it is wrong or not allowed; ``field`` says which part.
    """
    return from_fields(read_url(text), origin=origin)


def from_fields(fields: Mapping[str, Any], *, origin: Origin = COMMAND_LINE) -> ConnectionSpec:
    """Check the fields of a connection, as a form, a file or ``read_url`` has them; empty ones count as not given.

    Raises:
        TargetRefused: a field is unknown, missing, wrong or not allowed; ``field`` names it.
    """
    given = {name: value for name, value in fields.items() if value is not None and value != ""}
    engine = engine_of(str(given.pop("engine", "")))
    allowed = ("path",) if engine == "sqlite" else SERVER_FIELDS
    for name in given:
        if name not in allowed:
            raise TargetRefused(f"{engine} takes no option {shown(name)}", field="url", hint=option_hint(name, allowed))
    if engine == "sqlite":
        path = files.find_sqlite(_text(given, "path", engine), folders=origin.sqlite_folders)
        spec = ConnectionSpec("sqlite", path=path, private_allowed=origin.private_allowed)
    else:
        spec = _server_spec(engine, given, origin)
    _refuse_registry(spec, origin.registry)
    return spec


def check_name(name: str) -> str:
    """Return *name* when it can stand in a URL: 1-63 ASCII letters, digits, ``-``, ``_``, a letter or digit first.

    Raises:
        TargetRefused: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise TargetRefused(
            f"name {shown(name)} cannot be used in a URL",
            field="name",
            hint=f"1-63 letters, digits, '-' or '_', a letter or digit first; try {default_name_of(name)!r}",
        )
    return name


def default_name(spec: ConnectionSpec) -> str:
    """Return the name of the database or of the file, made fit for a URL."""
    return default_name_of(Path(spec.path).stem if spec.path is not None else spec.database or spec.engine)


def default_name_of(text: str) -> str:
    """Return the nearest text to *text* that is a name, ``database`` when nothing of it can stay."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-_")[:63].rstrip("-_") or "database"


def _server_spec(engine: str, given: Mapping[str, Any], origin: Origin) -> ConnectionSpec:
    texts = {name: _text(given, name, engine) for name in ("user", "password", "database", "application_name", *TLS_FILES) if name in given}
    for name in ("user", "database"):
        if name not in texts:
            word = "service name" if engine == "oracle" and name == "database" else name
            raise TargetRefused(f"the {engine} connection names no {word}", field=name, hint=f"{engine}://user:password@host:port/database")
    for name in TLS_FILES:
        if name in texts:
            texts[name] = files.find_pem(texts[name], name)
    return ConnectionSpec(
        engine,
        host=_host(_text(given, "host", engine) if "host" in given else "", engine),
        port=_number(given.get("port", ENGINES[engine].port), "port", 65535),
        sslmode=_sslmode(given.get("sslmode", "prefer")),
        connect_timeout=_number(given.get("connect_timeout", 5), "connect_timeout", CONNECT_TIMEOUT_MAX_S),
        private_allowed=origin.private_allowed,
        **texts,
    )


def _host(host: str, engine: str) -> str:
    host = host.removeprefix("[").removesuffix("]") if ":" in host else host
    if not host:
        raise TargetRefused(f"the {engine} connection names no host", field="host", hint="sockets are not used; this machine is 127.0.0.1")
    if "/" in host or "\\" in host or host.startswith("@") or "%2f" in host.lower():
        raise TargetRefused("the host is a path of a socket", field="host", hint="sockets are not used; this machine is 127.0.0.1")
    if "," in host:
        raise TargetRefused("more than one host is given", field="host", hint="one connection has one host")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise TargetRefused(f"host {shown(host)} is not a name or address", field="host") from error
    if not (_IPV6 if ":" in host else _HOST).fullmatch(host):
        raise TargetRefused(f"host {shown(host)} is not a name or address", field="host", hint="a name, 192.0.2.1 or [2001:db8::1]")
    return host


def _sslmode(value: Any) -> Sslmode:
    if value not in SSLMODES:
        raise TargetRefused(f"sslmode {shown(value)} is not known", field="sslmode", hint=f"there are {', '.join(SSLMODES)}")
    return value


def _number(value: Any, name: str, largest: int) -> int:
    text = str(value).strip()
    wrong = name if name == "port" else f"{name} {shown(value)}"  # "user:12345" without a host looks like a port
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= largest):
        raise TargetRefused(f"{wrong} is not a whole number from 1 to {largest}", field=name)
    return int(text)


def _text(given: Mapping[str, Any], name: str, engine: str) -> str:
    value = given.get(name)
    if value is None:
        raise TargetRefused(f"the {engine} connection names no {name}", field=name)
    if not isinstance(value, str):
        raise TargetRefused(f"{name} is not text", field=name)
    if CONTROL.search(value):
        raise TargetRefused(f"the {name} holds a control character", field=name)
    if len(value) > 4096:
        raise TargetRefused(f"the {name} is longer than 4096 characters", field=name)
    return value


def _refuse_registry(spec: ConnectionSpec, registry: ConnectionSpec | None) -> None:
    if registry is not None and (files.is_same(spec.path, registry.path) or _is_same_server(spec, registry)):
        raise TargetRefused("this is lazydb's own registry", field="database", hint="it holds lazydb's settings and cannot be served by it")


def _is_same_server(spec: ConnectionSpec, registry: ConnectionSpec) -> bool:
    """Tell whether both are one database on one server, under whatever name or address."""
    if spec.host is None or registry.host is None or (spec.target[0], *spec.target[2:]) != (registry.target[0], *registry.target[2:]):
        return False
    if spec.target == registry.target:
        return True
    try:
        return bool(set(resolve(spec.host, spec.port or 0, 2)) & set(resolve(registry.host, registry.port or 0, 2)))
    except Unavailable:  # a host that is not found cannot be connected to either
        return False


def _bracketed(host: str | None) -> str:
    return f"[{host}]" if host and ":" in host else host or ""
