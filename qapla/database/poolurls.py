"""What ``init_pool`` is given, ``{"DATABASES": {"POSTGRESQL": {"DEFAULT": url}}}``, read into addresses by name.

No message repeats a URL: half of one may be a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from qapla.database.dialects import ENGINES
from qapla.database.url import SCHEMES
from qapla.errors import SettingsError, nearest

KEY = "DATABASES"
EXAMPLE = "init_pool({'DATABASES': {'POSTGRESQL': {'DEFAULT': 'postgresql://user:password@host:5432/name'}}})"
EXPECTED = "engine://user:password@host:port/name"


@dataclass(frozen=True, slots=True)
class Address:
    """Where one connection leads; *options* are keywords of SQLAlchemy's ``create_engine``."""

    name: str
    url: URL = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


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
    return Address(name, _read_url(key, value), dict(options))


def _read_url(key: str, value: Any) -> URL:
    wrong = SettingsError(f"{key!r} is no database URL", hint=EXPECTED)
    if not isinstance(value, str | URL):
        raise wrong
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):  # the second: a port that is no number
        raise wrong from None
    if "@" in (url.host or ""):
        raise SettingsError(f"{key!r} is no database URL", hint="an '@' in user or password is written %40")
    scheme, _, driver = url.drivername.partition("+")
    engine = SCHEMES.get(scheme)
    if engine is None:
        hint = nearest(scheme, SCHEMES) or f"one of {', '.join(ENGINES)}"
        raise SettingsError(f"engine {scheme!r} of {key!r} is not known", hint=hint)
    return url.set(drivername=f"{engine}+{driver}" if driver else engine)
