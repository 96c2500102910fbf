"""The applications of a test run, started once per class and settings, and lent to one test after the other.

An application is lent again as long as a test has left it as it was: running, with the same settings and the same values of its plugins.
While it is lent, an application of its class that a module made and nobody started (``main``) is the same application, so that
``@WithDatabase(main, "main")`` and tasks work on the database of the test.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qapla.application import Application
from qapla.database import migrate
from qapla.database.identity import make_refusal
from qapla.database.shared import SharedEngines
from qapla.database.testdatabases import TestDatabases, is_memory
from qapla.errors import ConfigurationError
from qapla.settings import flat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType

    from qapla.database.database import Database

ISOLATIONS = ("transaction", "copy")


@dataclass
class Lent:
    """An application, for one test. ``wsgi`` is None unless it was started for the web."""

    application: Application
    wsgi: Callable[..., Any] | None
    shared: list[SharedEngines] = field(default_factory=list)

    def end(self) -> None:
        """Say that the test itself is over: what is still open is rolled back, whatever else that undoes."""
        for engines in self.shared:
            engines.is_ending = True


class Kept:
    """A started application, and how it was when it started."""

    def __init__(self, application: Application, wsgi: Callable[..., Any] | None, overrides: Mapping[str, Any]) -> None:
        self.application, self.wsgi, self.overrides = application, wsgi, dict(overrides)
        self.is_spoilt = False
        self._state = self._describe()

    def _describe(self) -> tuple[Any, ...]:
        app = self.application
        return app.phase, {plugin.key: id(app.find(plugin.key)) for plugin in app.plugins}, dict(flat(app.settings))

    def is_as_it_was(self) -> bool:
        """Tell whether the tests have left the application as it was."""
        return not self.is_spoilt and self._describe() == self._state

    @property
    def databases(self) -> list[Database]:
        """Return the databases that the application declares."""
        return list(self.application.find("database") or ())


class Stage:
    """What one process of a test run shares between its tests.

    Args:
        worker: the name of this worker of pytest-xdist, ``gw0``; empty without.
        run: what all workers of the run have in common.
    """

    def __init__(self, worker: str = "", run: str = "") -> None:
        self._databases = TestDatabases(worker, run)
        self._kept: dict[tuple[type[Application], bool], Kept] = {}
        self._mains = Mains()

    @contextmanager
    def lend(self, application_class: type[Application], overrides: Mapping[str, Any], *, web: bool, isolation: str) -> Iterator[Lent]:
        """Lend an application for one test.

        Args:
            overrides: settings that win over those in files.
            web: start it for the web.
            isolation: ``transaction``, one connection per database and all of it rolled back; ``copy``, databases of its own.

        Raises:
            ConfigurationError: there is no such isolation, or a database cannot be made.
            AccessError: a database is not one of tests.
        """
        if isolation not in ISOLATIONS:
            raise ConfigurationError(f"isolation {isolation!r} is not known", hint=f"one of {', '.join(ISOLATIONS)}")
        if isolation == "copy":
            self._begin_anew()
        kept = self._get(application_class, overrides, web)
        try:
            with self._mains.replaced_by(kept.application), ExitStack() as stack:
                lent = Lent(kept.application, kept.wsgi)
                for database in kept.databases if isolation == "transaction" else ():
                    lent.shared.append(SharedEngines(database))
                    stack.callback(self._give_back, kept, database, lent.shared[-1])
                yield lent
        finally:
            if isolation == "copy":
                self._begin_anew()
            self._drop(lambda one: not one.is_as_it_was())

    def close(self) -> None:
        """Stop the applications, and drop the databases that were made for this run alone."""
        try:
            self._drop(lambda kept: True)
        finally:
            self._databases.close()

    def _begin_anew(self) -> None:
        self._drop(lambda kept: True)  # they have connections, and what their start wrote would be missing
        self._databases.spoil_all()

    def _give_back(self, kept: Kept, database: Database, shared: SharedEngines) -> None:
        shared.is_ending = True
        if not shared.close():
            kept.is_spoilt = True
            self._databases.spoil(database)
        shared.restore()

    def _get(self, application_class: type[Application], overrides: Mapping[str, Any], web: bool) -> Kept:
        kept = self._kept.get((application_class, web))
        if kept is not None and kept.overrides == overrides and all(self._databases.is_made(one) for one in kept.databases):
            return kept
        self._drop(lambda one: one is kept)
        settings = {**overrides, **self._make_databases(application_class, overrides)}
        application = application_class()
        wsgi = application.run_web_tests(settings) if web else None
        if not web:
            application.run_tests(settings)
        kept = self._kept[application_class, web] = Kept(application, wsgi, overrides)
        for database in kept.databases:
            if database.migrations_key is not None and is_memory(database.url):
                migrate.upgrade(database)
        return kept

    def _drop(self, is_meant: Callable[[Kept], bool]) -> None:
        for key, kept in list(self._kept.items()):
            if is_meant(kept):
                del self._kept[key]
                kept.application.stop()

    def _make_databases(self, application_class: type[Application], overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Make the databases that have to be made; return the settings that lead to those of this worker."""
        changed: dict[str, Any] = {}
        refuse = None
        with prepared(application_class, overrides) as (application, databases):
            for declared in databases:
                database = declared.at(self._databases.place(declared))
                changed[f"db:{declared.name}:url"] = database.url.render_as_string(hide_password=False)
                if declared.settings.get(f"db:{declared.name}:replicas"):
                    changed[f"db:{declared.name}:replicas"] = None  # they would lag behind the test
                if not self._databases.is_made(database):
                    refuse = refuse or make_refusal(application)
                    for one in [one for kept in self._kept.values() for one in kept.databases]:
                        one.dispose()  # of other classes, perhaps, and connected to what is dropped now
                    self._databases.make(database, declared.url, refuse)
        return changed


@contextmanager
def prepared(application_class: type[Application], overrides: Mapping[str, Any]) -> Iterator[tuple[Application, list[Database]]]:
    """Give an application with the settings of tests, and its declared databases; nothing else of it is started."""
    application = application_class().prepare("tests", overrides)
    plugin = next((plugin for plugin in application.plugins if plugin.key == "database"), None)
    try:
        yield application, list(plugin.start(application)) if plugin is not None else []
    finally:
        if plugin is not None:
            plugin.stop(application)
        application.stop()


class Mains:
    """The applications that modules made and nobody has started."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._found: list[Application] = []

    @contextmanager
    def replaced_by(self, application: Application) -> Iterator[None]:
        """Let those whose class *application* is of be *application*, until the end of the block."""
        meant = [one for one in self._find() if one.phase == "new" and isinstance(application, type(one))]
        before = [one.__dict__ for one in meant]
        for one in meant:
            one.__dict__ = application.__dict__
        try:
            yield
        finally:
            for one, attributes in zip(meant, before, strict=True):
                one.__dict__ = attributes

    def _find(self) -> list[Application]:
        for name, module in list(sys.modules.items()):
            if name not in self._seen:
                self._seen.add(name)
                self._found += [one for one in _applications_in(module) if all(one is not known for known in self._found)]
        return self._found


def _applications_in(module: ModuleType) -> list[Application]:
    # The framework's own classes say nothing about whose application it is.
    values = list(getattr(module, "__dict__", {}).values())
    return [value for value in values if isinstance(value, Application) and not type(value).__module__.startswith("qapla.")]


def make_stage() -> Stage:
    """Make the stage of this process; pytest-xdist says by the environment which worker of which run it is."""
    return Stage(os.environ.get("PYTEST_XDIST_WORKER", ""), os.environ.get("PYTEST_XDIST_TESTRUNUID", ""))
