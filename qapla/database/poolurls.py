"""What ``init_pool`` is given, ``{"DATABASES": {"POSTGRESQL": {"DEFAULT": url}}}``, read into addresses by name.

URLs are read as everywhere (``spec``): a closed list of engines and options, nothing handed on to a driver unseen. No message repeats one,
since half of it may be a password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from qapla.database.files import find_sqlite
from qapla.database.named import find_named
from qapla.database.spec import ConnectionSpec, from_fields
from qapla.database.url import read_url
from qapla.errors import SettingsError, TargetRefused

KEY = "DATABASES"
EXAMPLE = "init_pool({'DATABASES': {'POSTGRESQL': {'DEFAULT': 'postgresql://user:password@host:5432/name'}}})"
EXPECTED = "engine://user:password@host:port/name, sqlite:///PATH, or the name of a registered database"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)
MEMORY = ":memory:"
PROGRAM = "qapla"


@dataclass(frozen=True, slots=True)
class Address:
    """Where one connection leads: *spec*, or what is registered as *registered*. *options* are keywords of ``create_engine``."""

    name: str
    spec: ConnectionSpec | None = None
    registered: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def safe_url(self) -> str:
        """Return where it is, its password masked."""
        return self.spec.safe_url if self.spec is not None else str(self.registered)

    def find_spec(self) -> tuple[ConnectionSpec, bool]:
        """Return how to connect, and whether only to read: a registered database is asked for now.

        Raises:
            NotFound: nothing is registered by that name.
        """
        if self.spec is not None:
            return self.spec, False
        found = find_named(str(self.registered))
        return found.spec, not found.is_writable


def read_addresses(config: Mapping[str, Any]) -> dict[str, Address]:
    """Return the connections of *config* by name. What else it holds is of no interest: it may be a whole configuration.

    The keys below ``DATABASES`` only group: the URL says which engine it is.

    Raises:
        SettingsError: there is no ``DATABASES``, it names no connection, one is named twice, or one's URL is none.
    """
    if not isinstance(config, Mapping) or KEY not in config:
        raise SettingsError(f"the configuration of the pool has no {KEY!r}", hint=EXAMPLE)
    groups = config[KEY]
    if not isinstance(groups, Mapping):
        raise SettingsError(f"{KEY!r} is no mapping of engines to connections", hint=EXAMPLE)
    found: dict[str, Address] = {}
    for group, connections in groups.items():
        if not isinstance(connections, Mapping):
            raise SettingsError(f"{group!r} of {KEY!r} is no mapping of names to URLs", hint=EXAMPLE)
        for name, value in connections.items():
            if name in found:
                raise SettingsError(f"connection {name!r} is there twice in {KEY!r}", hint="each needs a name of its own")
            found[str(name)] = _read(str(name), f"{KEY}:{group}:{name}", value)
    if not found:
        raise SettingsError(f"{KEY!r} names no connection", hint=EXAMPLE)
    return found


def _read(name: str, key: str, value: Any) -> Address:
    options: Any = {}
    if isinstance(value, Mapping):
        unknown = [str(word) for word in value if word not in ("url", "options")]
        if "url" not in value or unknown:
            raise SettingsError(f"{key!r} is no database URL", hint=f"{EXPECTED}, or a mapping with 'url' and 'options'")
        value, options = value["url"], value.get("options") or {}
        if not isinstance(options, Mapping):
            raise SettingsError(f"the options of {key!r} are no mapping", hint="keywords of SQLAlchemy's create_engine")
    return _read_target(name, key, value, dict(options))


def _read_target(name: str, key: str, value: Any, options: dict[str, Any]) -> Address:
    if isinstance(value, URL):
        value = value.render_as_string(hide_password=False)
    if not isinstance(value, str):
        raise SettingsError(f"{key!r} is no database URL", hint=EXPECTED)
    if NAME.fullmatch(value):
        return Address(name, registered=value, options=options)
    try:
        return Address(name, _read_spec(value), options=options)
    except TargetRefused as error:
        raise SettingsError(f"{key!r} is no database URL that can be used: {error.message}", hint=error.hint or EXPECTED) from None


def _read_spec(text: str) -> ConnectionSpec:
    fields = read_url(text)
    if fields["engine"] == "sqlite":
        return ConnectionSpec("sqlite", path=_find_file(fields["path"]))
    spec = from_fields(fields)
    return spec if "application_name" in fields else replace(spec, application_name=PROGRAM)


def _find_file(text: str) -> str:
    """Return the path of a SQLite file, which need not be there yet: a program makes its own."""
    if text in ("", MEMORY):
        return MEMORY
    path = os.path.realpath(os.path.expanduser(text))
    if os.path.exists(path):
        return find_sqlite(path, folders=None)
    if not Path(path).parent.is_dir():
        raise TargetRefused("the folder of its file does not exist", field="path", hint="the file is made, folders are not")
    return path
