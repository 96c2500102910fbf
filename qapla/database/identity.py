"""Which database a URL means, whatever its spelling, and whether that is one that tests may drop.

A database may be dropped if no other start point's settings mean the same one by any declared database of the application, or if each that
does says ``db:<name>:test``, too. A URL that an environment variable sets for all start points alike is therefore refused.

Settings  ``db:<name>:test``: true for a database that exists for tests only.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from qapla.database import dialects
from qapla.database.engines import read_url
from qapla.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL

    from qapla.application import Application
    from qapla.database.database import Database
    from qapla.settings import Settings

START_POINTS = ("command", "uwsgi", "celery", "shell")
LOCAL = frozenset({"127.0.0.1", "::1"})
SAME_KIND = {"mysql": "mariadb"}  # one may be reached under the other's name


@dataclass(frozen=True, slots=True)
class Identity:
    """What a URL means: kind of engine, addresses of the host, port, and the database or the file."""

    kind: str
    hosts: frozenset[str]
    port: int | None
    name: str

    def is_same(self, other: Identity) -> bool:
        """Tell whether both are one database, as far as addresses can tell."""
        return (self.kind, self.port, self.name) == (other.kind, other.port, other.name) and (
            not self.hosts or not other.hosts or bool(self.hosts & other.hosts)
        )


def identify(url: URL) -> Identity:
    """Return which database *url* means. Options in its query that say so, too (``?host=``, ``?dbname=``), win as they do in the driver."""
    backend = url.get_backend_name()
    engine = dialects.ENGINES.get(backend)
    query = {key: value if isinstance(value, str) else ",".join(value) for key, value in url.query.items()}
    if backend == "sqlite":
        name = (url.database or ":memory:").removeprefix("file:")
        return Identity(backend, frozenset(), None, name if name == ":memory:" else os.path.realpath(name))
    hosts = query.get("unix_socket") or query.get("hostaddr") or query.get("host") or url.host or "localhost"
    port = query.get("port") or url.port or (engine.port if engine is not None else None)
    name = query.get("dbname") or query.get("database") or query.get("db") or url.database or url.username or ""
    if "service" in query or "read_default_file" in query:
        return Identity(SAME_KIND.get(backend, backend), frozenset(), _number(port), name)  # a file decides: anywhere
    addresses = frozenset(address for host in hosts.split(",") for address in _addresses(host.rpartition("]")[0] or host))
    return Identity(SAME_KIND.get(backend, backend), addresses, _number(port), name)


def _number(port: Any) -> int | None:
    text = str(port).partition(",")[0]
    return int(text) if text.isdigit() else None


def _addresses(host: str) -> frozenset[str]:
    """Return the addresses of a host; all of this machine's own ways to itself are one."""
    name = host.strip("[]")
    if name.startswith("/") or name in ("", "localhost"):
        return LOCAL
    try:
        found = frozenset(str(entry[4][0]) for entry in socket.getaddrinfo(name, None))
    except OSError:
        return frozenset({name.lower()})
    return LOCAL if found & LOCAL or any(address.startswith("127.") for address in found) else found


def refuse_unless_test(application: Application, database: Database) -> None:
    """Make sure that *database*, configured with the settings of tests, may be dropped.

    Args:
        application: the one that was prepared or started with the settings of tests.

    Raises:
        AccessError: it may not; the message names the database, its URL and why.
    """
    make_refusal(application)(database)


def make_refusal(application: Application) -> Callable[[Database], None]:
    """Return ``refuse_unless_test`` for several databases of one application; the settings are read once."""
    known: list[tuple[str, str, bool, Identity]] = []
    for start_point in START_POINTS:
        settings = _settings_of(application, start_point)
        if settings is not None:
            known += [(start_point, name, _is_marked(settings, name), identify(url)) for name, url in _urls(settings)]

    def refuse(database: Database) -> None:
        meant, is_marked = _meant_by(database), _is_marked(database.settings, database.name)
        for start_point, name, is_test, identity in known:
            if any(identity.is_same(one) for one in meant) and not (is_marked and is_test):
                raise _refused(database, f"the settings of {start_point!r} mean the same one by 'db:{name}:url'")

    return refuse


def _meant_by(database: Database) -> list[Identity]:
    """Return what would be dropped: the database itself, and that of its name on the server of ``default_url``.

    Raises:
        AccessError: these are on two machines; a setting for another start point may have been forgotten.
    """
    own, key = identify(database.url), f"db:{database.name}:default_url"
    given = database.settings.get(key)
    if not given:
        return [own]
    beside = identify(read_url(database.settings, key, given))
    if beside.kind != own.kind or (own.hosts and beside.hosts and not own.hosts & beside.hosts):
        hint = f"{key!r} is where one is connected to while it is dropped: set it beside the URL, or leave it out"
        problem = f"database {database.name!r} at {database.safe_url!r} is not dropped: {key!r} leads to another server"
        raise AccessError(problem, hint=hint)
    return [own, replace(beside, name=own.name)]


def _refused(database: Database, why: str) -> AccessError:
    key = f"db:{database.name}:test"
    hint = f"give it another URL in the settings of tests, or set {key!r} in the default settings if it holds nothing but tests"
    return AccessError(f"database {database.name!r} at {database.safe_url!r} is not dropped: {why}", hint=hint)


def _is_marked(settings: Settings, name: str) -> bool:
    return bool(settings.read(f"db:{name}:test", bool, False, "true or false"))


def _settings_of(application: Application, start_point: str) -> Settings | None:
    """Return the settings of another start point; None where they cannot be read on this machine (a secret is missing, say)."""
    other = type(application)()
    try:
        return other.prepare(start_point).settings
    except Exception:
        if start_point == START_POINTS[0]:
            raise
        return None
    finally:
        other.stop()


def _urls(settings: Settings) -> Iterator[tuple[str, URL]]:
    for name in settings.get("db") or {}:
        found = [settings.get(f"db:{name}:url"), *_replicas(settings.get(f"db:{name}:replicas"))]
        for text in found:
            try:
                if text:
                    yield name, make_url(text)
            except ArgumentError:
                continue


def _replicas(value: Any) -> list[Any]:
    listed = [value] if isinstance(value, str) else list(value or ())
    return [one.get("url") if hasattr(one, "get") else one for one in listed]
