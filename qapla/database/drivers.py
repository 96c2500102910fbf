"""Open databases with a ``with``: models ask and write there while the block runs.

::

    with Sqlite("poll.db") as db:
        db.create_table(Question)
        Question(question_text="…").save()

Each class takes a URL, keywords, or a ``Database`` of an application; ``Sqlite`` also a path. The database is bound for this thread or
asyncio task only, until the block ends, however it ends; blocks may be inside each other, and a new row goes to the innermost one.

What was written is committed at a clean end, and rolled back when an exception ends the block. With ``commit=False`` you call
``db.commit()`` by yourself, and what is not committed at the end is rolled back.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from sqlalchemy import URL

from qapla.database.address import find_address
from qapla.database.database import Database
from qapla.database.dialects import ENGINES, get_engine
from qapla.database.direct import MEMORY, make_direct_engine
from qapla.database.models import binding
from qapla.database.models.bound import Bound, Source
from qapla.database.models.reference import Reference
from qapla.database.named import find_named
from qapla.database.spec import ConnectionSpec, default_name, from_fields, parse_url
from qapla.database.url import engine_of
from qapla.errors import NotOffered, TargetRefused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

PROGRAM = "qapla"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)
CLASSES = {"sqlite": "Sqlite", "postgresql": "Postgresql", "mysql": "Mysql", "mariadb": "Mariadb", "oracle": "Oracle"}


class Driver:
    """A way to open one database; the classes below are those to use.

    Args:
        target: a URL, a path (SQLite), or a ``Database``; None where keywords say it.
        name: what errors and the ``database`` column call it; by default the database's or the file's own name.
        commit: whether what was written is committed at a clean end.
        options: keywords of SQLAlchemy's ``create_engine``: ``pool_size``, ``echo``, …
        fields: ``host``, ``port``, ``user``, ``password``, ``database``, ``sslmode``, ``tls_ca``, …, in place of a URL.

    Raises:
        TargetRefused: something about them is wrong; no message has the password.
    """

    engine: ClassVar[str]
    family: ClassVar[frozenset[str]]

    def __init__(
        self,
        target: str | os.PathLike[str] | URL | Database | None = None,
        *,
        name: str | None = None,
        commit: bool = True,
        options: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        self._commits = commit
        self._options = dict(options or {})
        self._source, self._name = self._read(target, fields)
        self._name = name or self._name
        self._open: list[Bound] = []

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._source.place!r})"

    def __enter__(self) -> Bound:
        opened = Bound(_free_name(self._name), self._source, commits=self._commits)
        binding.bind(opened)
        self._open.append(opened)
        return opened

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        opened = self._open.pop()
        try:
            opened.close(failed=kind is not None)
        finally:
            binding.unbind(opened)

    async def __aenter__(self) -> NoReturn:
        raise NotOffered(
            f"{type(self).__name__} cannot be opened with 'async with': models wait for their database",
            hint="use a plain 'with', in a coroutine too; for a server, 'await asyncio.to_thread(work)' with the 'with' inside of work",
        )

    async def __aexit__(self, *error: object) -> None:
        """Do nothing: it is never opened."""

    def _read(self, target: Any, fields: dict[str, Any]) -> tuple[Source, str]:
        if target is not None and fields:
            hint = "name it by a URL, or by keywords"
            raise TargetRefused(f"{type(self).__name__} is given both a place and {', '.join(map(repr, fields))}", hint=hint)
        if isinstance(target, Database):
            self._check_engine(_engine_of(target))
            return _declared(target), target.name
        if target is None:
            given = {"engine": self.engine, **self._checked(fields)}  # what is given is looked at before what is added
            return self._specified(from_fields({**given, "application_name": fields.get("application_name", PROGRAM)}))
        if isinstance(target, URL):
            target = target.render_as_string(hide_password=False)
        if not isinstance(target, str):
            raise TargetRefused(f"{type(self).__name__} cannot open a {type(target).__name__!r}", hint="give a URL, keywords or a Database")
        return self._at(target) if "://" in target else self._named(target)

    def _named(self, name: str) -> tuple[Source, str]:
        """Read a name that an installed package knows, as lazydb does."""
        if not NAME.fullmatch(name):
            hint = f"{self.engine}://user:password@host/database, or the name of a registered database"
            raise TargetRefused(f"{type(self).__name__} is given neither a URL nor a name", hint=hint)
        found = find_named(name)
        self._check_engine(found.spec.engine)
        given: dict[str, Any] = {"find_address": find_address, "options": self._options, "is_read_only": not found.is_writable}
        opener = partial(make_direct_engine, found.spec, **given)
        reference = Reference("lazydb", name)
        return Source(opener, found.spec.place, found.spec.target, reference, found.spec, is_read_only=not found.is_writable), name

    def _check_engine(self, key: str) -> None:
        if key not in self.family:
            hint = f"with {CLASSES[key]}(…)"
            raise TargetRefused(f"{type(self).__name__} cannot open a database of {get_engine(key).label}", field="engine", hint=hint)

    def _at(self, text: str) -> tuple[Source, str]:
        """Read what somebody wrote as a URL."""
        self._check_engine(engine_of(text.partition("://")[0]))
        spec = parse_url(text)
        is_named = "application_name=" in text  # else it is that of lazydb
        return self._specified(spec if is_named else replace(spec, application_name=PROGRAM))

    def _checked(self, fields: dict[str, Any]) -> dict[str, Any]:
        if "engine" in fields:
            raise TargetRefused(f"{type(self).__name__} takes no option 'engine'", hint="the class says it")
        return fields

    def _specified(self, spec: ConnectionSpec) -> tuple[Source, str]:
        opener = partial(make_direct_engine, spec, find_address=find_address, options=self._options)
        return Source(opener, spec.place, spec.target, Reference("url", spec.safe_url, spec), spec), default_name(spec)


class Lazydb(Driver):
    """Open a database by the name that it is registered with, whatever its engine: ``Lazydb("shop")``.

    Writing is refused by the database itself unless it is registered as writable.
    """

    engine = "any"
    family = frozenset(ENGINES)

    def _read(self, target: Any, fields: dict[str, Any]) -> tuple[Source, str]:
        if not isinstance(target, str) or fields or "://" in target:
            raise TargetRefused("Lazydb is given no name", hint="Lazydb('shop'); a URL is opened by the class of its engine")
        return self._named(target)


class Sqlite(Driver):
    """Open a SQLite file, which is made where there is none: ``Sqlite("poll.db")``, ``Sqlite(":memory:")``."""

    engine = "sqlite"
    family = frozenset({"sqlite"})

    def _read(self, target: Any, fields: dict[str, Any]) -> tuple[Source, str]:
        if isinstance(target, os.PathLike):
            target = os.fspath(target)
        if isinstance(target, str):
            return self._at(target) if not fields else super()._read(target, fields)
        if target is None and set(fields) <= {"path"}:
            return self._file(os.fspath(fields.get("path") or ""))
        return super()._read(target, fields)

    def _at(self, text: str) -> tuple[Source, str]:
        if "://" not in text:
            return self._file(text)
        from qapla.database.url import read_url

        fields = read_url(text)
        if fields["engine"] != "sqlite":
            return super()._at(text)
        return self._file(fields["path"] or MEMORY)

    def _file(self, text: str) -> tuple[Source, str]:
        if not text or "\0" in text:
            raise TargetRefused("no SQLite file is named", field="path", hint="Sqlite('poll.db'), or Sqlite(':memory:')")
        if text == MEMORY:
            path = MEMORY
        else:
            path = os.path.realpath(os.path.expanduser(text))
            if os.path.exists(path):
                from qapla.database.files import find_sqlite

                find_sqlite(path, folders=None)
            elif not Path(path).parent.is_dir():
                hint = "the file is made, folders are not"
                raise TargetRefused(f"folder {str(Path(path).parent)!r} does not exist", field="path", hint=hint)
        return self._specified(ConnectionSpec("sqlite", path=path))


class Postgresql(Driver):
    """Open a database of PostgreSQL: ``Postgresql("postgresql://user:password@host/database")``."""

    engine = "postgresql"
    family = frozenset({"postgresql"})


class Mysql(Driver):
    """Open a database of MySQL, or of MariaDB as if it were one."""

    engine = "mysql"
    family = frozenset({"mysql", "mariadb"})


class Mariadb(Driver):
    """Open a database of MariaDB."""

    engine = "mariadb"
    family = frozenset({"mysql", "mariadb"})

    def _specified(self, spec: ConnectionSpec) -> tuple[Source, str]:
        return super()._specified(replace(spec, engine="mariadb"))


class Oracle(Driver):
    """Open a database of Oracle; ``database`` is the service name."""

    engine = "oracle"
    family = frozenset({"oracle"})


def open_url(url: str | URL, **options: Any) -> Driver:
    """Return the driver of a URL of any engine: ``with open_url(url) as db``.

    Raises:
        TargetRefused: something about the URL is wrong.
    """
    text = url.render_as_string(hide_password=False) if isinstance(url, URL) else url
    found: type[Driver] = globals()[CLASSES[engine_of(text.partition("://")[0] if "://" in text else "")]]
    return found(text, **options)


def _engine_of(database: Database) -> str:
    """Return the engine of a database that an application declares.

    Raises:
        ConfigurationError: its application has not started.
    """
    return database.url.get_backend_name()


def _declared(database: Database) -> Source:
    """Return the source of a database that an application declares; its engine is lent, not owned."""
    url = database.url
    if url.get_backend_name() == "sqlite":
        target: tuple[str, ...] = ("sqlite", os.path.realpath(url.database or ""))
    else:
        key = url.get_backend_name()
        target = ("mysql" if key == "mariadb" else key, url.host or "", str(url.port or get_engine(key).port), url.database or "")
    return Source(lambda name: database.engine, database.safe_url, target, Reference("settings", database.name), None, owns_engine=False)


def _free_name(name: str) -> str:
    """Return *name*, with a number where a database of that name is open already."""
    taken = {each.name for each in binding.bound()}
    number = 2
    found = name
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found
