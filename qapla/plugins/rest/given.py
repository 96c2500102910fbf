"""The databases that a program serves its models from: those that it names, else those that are open, else that of the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL

from qapla.database.database import Database
from qapla.database.drivers import Driver
from qapla.database.models.binding import bound
from qapla.database.models.bound import Bound, Source
from qapla.database.spec import ConnectionSpec, check_name, default_name, default_name_of, from_fields, parse_url
from qapla.errors import ConfigurationError, NotBound, NotOffered

if TYPE_CHECKING:
    from collections.abc import Iterable

VARIABLE = "QAPLA_DATABASE_URL"
_MEMORY = ":memory:"
_EXPECTED = "a URL, a path of a SQLite file, an open database, or a list of them"


@dataclass(frozen=True, slots=True)
class Given:
    """One database: the name that it is served under, and how to connect. What lazydb has registered as read only stays so."""

    name: str
    spec: ConnectionSpec
    is_read_only: bool = False


def find_given(database: Any = None) -> tuple[Given, ...]:
    """Return the databases to serve.

    What is written and not committed in an open one is committed, since a server has connections of its own and would not see it; its
    connections are closed, so that none is shared with a process that is forked.

    Args:
        database: a URL, a path of a SQLite file, what ``with Sqlite(…) as db`` gives, a ``Database``, or a list of them; a mapping gives
            them names. None: all that are open here, else the one of ``QAPLA_DATABASE_URL``.

    Raises:
        NotBound: there is none. ConfigurationError: two have one name, or one is none.
        TargetRefused: a URL is wrong.
    """
    if database is None:
        found = [_read(each) for each in bound()] or _from_environment()
    elif isinstance(database, Mapping):
        found = [replace(_read(each), name=check_name(str(name))) for name, each in database.items()]
    elif isinstance(database, str | os.PathLike | URL | Bound | Database | Driver):
        found = [_read(database)]
    else:
        found = [_read(each) for each in _as_list(database)]
    if not found:
        raise NotBound("no database is given to serve the models from", hint=_EXPECTED)
    return _checked(found)


def _from_environment() -> list[Given]:
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        hint = f"open one around it, with Sqlite('poll.db'): app.run(); or app.run(database=…); or set {VARIABLE}"
        raise NotBound("no database is bound to serve the models from", hint=hint)
    return [_read(text)]


def _as_list(database: Any) -> Iterable[Any]:
    if not isinstance(database, list | tuple):
        raise ConfigurationError(f"database={type(database).__name__} is no database", hint=_EXPECTED)
    return database


def _read(given: Any) -> Given:
    if isinstance(given, Bound):
        return _read_bound(given)
    if isinstance(given, Driver):
        return _named(given._name, given._source.spec, given._source)
    if isinstance(given, Database):
        return Given(default_name_of(given.name), _spec_of(given.url))
    if isinstance(given, URL):
        given = given.render_as_string(hide_password=False)
    if isinstance(given, os.PathLike):
        given = os.fspath(given)
    if not isinstance(given, str):
        raise ConfigurationError(f"database={type(given).__name__} is no database", hint=_EXPECTED)
    spec = parse_url(given) if "://" in given else from_fields({"engine": "sqlite", "path": given})
    return Given(default_name(spec), spec)


def _read_bound(given: Bound) -> Given:
    if given.has_written and not given.commits:
        hint = "commit or roll back first: db.commit()"
        raise ConfigurationError(f"database {given.name!r} has writes that are not committed, which no server would see", hint=hint)
    if given.is_open:
        given.commit()
        given.engine.dispose()
    return _named(given.name, given.spec or _spec_of(given.engine.url), given.source)


def _spec_of(url: URL) -> ConnectionSpec:
    """Return how to connect to the database of an application."""
    return parse_url(url.render_as_string(hide_password=False))


def _named(name: str, spec: ConnectionSpec | None, source: Source) -> Given:
    if spec is None:
        raise NotOffered(f"database {name!r} cannot be served before it is open: it is an application's own", hint="give its URL")
    if spec.path == _MEMORY:
        raise NotOffered("a database in memory cannot be served: no other connection sees it", hint="use a file: Sqlite('poll.db')")
    return Given(default_name_of(name), spec, source.is_read_only)


def _checked(found: list[Given]) -> tuple[Given, ...]:
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"two databases would be served as {name!r}", hint="name them: database={'first': …, 'second': …}")
    return tuple(found)
