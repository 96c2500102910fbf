"""The form of a connection: its fields per engine, filled from a URL, a stored connection or what somebody typed.

A password is never put into a page. What was typed goes to the browser and back sealed (``kept``), bound to the one who typed it,
so that a failed Test does not ask for it again.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lazydb.views.formfields import API, API_RIGHTS, API_ROLES, FormField
from qapla.database.catalog import Options
from qapla.database.dialects import ENGINES
from qapla.database.spec import SSLMODES
from qapla.database.url import read_url
from qapla.errors import QaplaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qapla.database.spec import ConnectionSpec


SERVER = (
    FormField("host", "Host", required=True, placeholder="db.example.org"),
    FormField("port", "Port", "number"),
    FormField("database", "Database", required=True),
    FormField("user", "User", required=True),
    FormField("password", "Password", "password"),
)
HERE = "on the machine that lazydb runs on."
FILE = (FormField("path", "File", required=True, placeholder="/data/shop.sqlite", hint=f"An existing file {HERE}"),)
SSLMODE_WORDS = (
    "Off",
    "When the server offers it",
    "Always",
    "Always, and check the certificate",
    "Always, and check certificate and host name",
)
TLS = (
    FormField(
        "sslmode",
        "TLS",
        "choice",
        "prefer",
        choices=tuple(zip(SSLMODES, SSLMODE_WORDS, strict=True)),
    ),
    FormField("tls_ca", "CA certificate", hint=f"A PEM file {HERE}"),
)
SERVING = (
    FormField("writable", "Writing", "flag", words="Rows may be changed", hint="Off: the API and the admin only read."),
    FormField(
        "anonymous",
        "Without a login",
        "choice",
        "none",
        choices=(
            ("none", "Nothing: the API needs a token"),
            ("read", "The API may be read by anyone"),
            ("write", "The API may be read and written by anyone"),
        ),
    ),
    FormField("db_schemas", "Schemas", placeholder="all", hint="Names separated by commas; the first is the default one."),
    FormField("include", "Only tables", placeholder="all", hint="Patterns separated by commas: orders, sales.*, *_2026"),
    FormField("exclude", "Leave out", placeholder="none", hint="Patterns separated by commas."),
    FormField(
        "environment",
        "Environment",
        "choice",
        choices=(
            ("", "None"),
            ("development", "Development"),
            ("staging", "Staging"),
            ("production", "Production: marked red on every page"),
        ),
    ),
)
LIMITS = (
    FormField("pool_size", "Connections", "number", hint="At most so many at once, for each serving process."),
    FormField("statement_timeout_s", "Statement timeout", "number", hint="Seconds after which a statement is ended."),
    FormField("db_max_rows", "Rows per answer", "number", placeholder="no limit"),
)
FLAGS = tuple(each.name for each in (*SERVING, *API) if each.kind == "flag")
_SECRET_OPTION = re.compile(r"([?&][^=&]*(?:pass|pwd|secret|token)[^=&]*=)[^&]*", re.IGNORECASE)
OPTION_NAMES = tuple(each.name for each in (*SERVING, *LIMITS, *API, *API_RIGHTS, *API_ROLES))
EXAMPLES = {"sqlite": "sqlite:////data/shop.sqlite", "oracle": "oracle://user:password@host:1521/service"}


@dataclass
class ConnectionForm:
    """What is in the form now. ``values`` holds text by field name; the password is only in ``password`` and never shown."""

    engine: str = "postgresql"
    values: dict[str, str] = field(default_factory=dict)
    url: str = ""
    password: str | None = field(default=None, repr=False)
    kept: str = ""
    kept_settings: str = ""
    stored: str | None = None  # the name of the connection that is edited
    has_password: bool = False  # the registry keeps one
    errors: dict[str, str] = field(default_factory=dict)
    may_save_paused: bool = False

    @classmethod
    def posted(cls, given: Mapping[str, str], stored: str | None = None) -> ConnectionForm:
        """Return what somebody typed."""
        engine = given.get("engine", "postgresql")
        form = cls(engine if engine in ENGINES else "postgresql", url=given.get("url", "").strip(), stored=stored)
        form.values = {name: given[name].strip() for name in form.names if name in given}
        form.values.update({name: "true" if given.get(name) else "false" for name in FLAGS if f"has_{name}" in given})
        form.password = given.get("password") or None
        return form

    @classmethod
    def of(cls, spec: ConnectionSpec, name: str, options: Mapping[str, Any], stored: str | None = None) -> ConnectionForm:
        """Return a form filled from a connection."""
        form = cls(spec.engine, url=spec.to_url(), stored=stored, has_password=spec.password is not None)
        form.fill(spec)
        form.values["name"] = name
        form.values.update({key: _as_text(value) for key, value in options.items()})
        return form

    def hide_password(self) -> None:
        """Take the password out of the URL, which is shown; it is kept like one that was typed, where it can be read."""
        shown = without_password(self.url)
        if shown != self.url and self.password is None:
            with suppress(QaplaError):
                self.password = read_url(self.url).get("password") or None
        self.url = shown

    def fill(self, spec: ConnectionSpec) -> None:
        """Put the parts of *spec* into the fields."""
        self.engine = spec.engine
        for each in (*self._target, *TLS):
            value = getattr(spec, each.name, None)
            if each.name != "password" and value is not None:
                self.values[each.name] = str(value)
        self.password = spec.password or self.password

    @property
    def name(self) -> str:
        """Return the name in the form."""
        return self.values.get("name", "")

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all fields but the password."""
        names = (each.name for each in (*self._target, *TLS, *SERVING, *LIMITS, *self._api))
        return ("name", *(name for name in names if name != "password"))

    @property
    def target(self) -> dict[str, str]:
        """Return the fields that say where the database is, as ``spec.from_fields`` takes them."""
        chosen = FILE if self.engine == "sqlite" else (*SERVER, *TLS)
        found = {each.name: self.values.get(each.name, "") for each in chosen if each.name != "password"}
        return {"engine": self.engine, **found, **({"password": self.password} if self.password and self.engine != "sqlite" else {})}

    @property
    def options(self) -> dict[str, str]:
        """Return the fields that say how it is served, as ``options.read_options`` takes them; an empty one means the default."""
        defaults = {name: _as_text(getattr(Options(), name)) for name in OPTION_NAMES}
        return {name: self.values[name] or defaults[name] for name in OPTION_NAMES if name in self.values}

    @property
    def fields(self) -> list[FormField]:
        """Return the name and the fields of the engine."""
        name = FormField("name", "Name", placeholder="taken from the database", hint="It stands in URLs: letters, digits, - and _.")
        return [self._shown(each) for each in (name, *self._target)]

    @property
    def serving(self) -> list[FormField]:
        """Return the fields on what is served, and to whom."""
        return [self._shown(each) for each in SERVING]

    @property
    def more(self) -> list[FormField]:
        """Return the fields that are folded away."""
        return [self._shown(each) for each in (*LIMITS, *(() if self.engine == "sqlite" else TLS))]

    @property
    def more_open(self) -> bool:
        """Tell whether a field that is folded away has an error."""
        return any(each.name in self.errors for each in (*LIMITS, *TLS))

    @property
    def api(self) -> list[FormField]:
        """Return the fields on the answers of the API, which are folded away."""
        return [self._shown(each) for each in self._api]

    @property
    def api_open(self) -> bool:
        """Tell whether a field of the API has an error."""
        return any(each.name in self.errors for each in self._api)

    @property
    def _api(self) -> tuple[FormField, ...]:
        return (*(API_ROLES if ENGINES[self.engine].has_roles else API_RIGHTS), *API)

    @property
    def _target(self) -> tuple[FormField, ...]:
        return FILE if self.engine == "sqlite" else SERVER

    def _shown(self, each: FormField) -> FormField:
        if each.name == "password":
            kept = "kept; leave it empty to keep it" if self.kept or self.has_password else ""
            return replace(each, placeholder=kept)
        if each.name == "port":
            each = replace(each, placeholder=str(ENGINES[self.engine].port))
        if each.name == "database" and self.engine == "oracle":
            each = replace(each, label="Service name")
        return replace(each, value=self.values.get(each.name, each.value))


def without_password(url: str) -> str:
    """Return *url* without what is, or may be, a password in it; it need not be one that can be read."""
    scheme, mark, rest = url.partition("://")
    login, at, place = rest.rpartition("@")
    if at:
        rest = f"{login.partition(':')[0]}@{place}"
    return _SECRET_OPTION.sub(r"\1", f"{scheme}{mark}{rest}")


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "\n".join(f"{name}={text}" for name, text in value.items())
    return ", ".join(value) if isinstance(value, (list, tuple)) else str(value)
