"""A program that serves its models: mark them with ``@rest()``, then ``app.run()``.

::

    from qapla.database import models
    from qapla.database.drivers import Sqlite
    from qapla.plugins.rest import app, rest

    @rest()
    class Question(models.Model):
        question_text = models.Char(max_length=200)

    if __name__ == "__main__":
        with Sqlite("poll.db"):
            app.run()              # http://127.0.0.1:8000/question, /question/1

The databases are those that are open where ``run`` is called, or ``database=``, or the one of ``QAPLA_DATABASE_URL``. Nobody logs in: it
listens to this machine alone unless another ``host`` is given, answers no ``Host`` but its own, and takes no writes from other web pages.
``app`` is an ``Application``, and a WSGI application for any server: ``gunicorn program:app``.

Settings  ``web:hosts``, and those of every application.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from qapla.application import Application
from qapla.errors import ConfigurationError
from qapla.gate import is_loopback
from qapla.plugin import Plugin
from qapla.plugins.rest.marks import Marks, rest
from qapla.ports import ALL_RIGHTS, Identity, Rights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from qapla.database.catalog import Catalog
    from qapla.plugins.rest.given import Given
    from qapla.plugins.rest.modelsource import ModelSource

EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  (not a name that anybody is reached by)
SERVED = f"{__name__}:served"


class ModelCatalogPlugin(Plugin):
    """Serve the marked models of the given databases."""

    key = "catalog"

    def start(self, app: Application) -> Catalog:
        """Make the catalog of what the program has found, or finds now."""
        from qapla.database.catalog import Catalog

        assert isinstance(app, ModelApplication)
        return Catalog(app.make_source())

    def stop(self, app: Application) -> None:
        """Close every connection."""
        app["catalog"].close()


class ModelPolicyPlugin(Plugin):
    """Everybody who reaches the program may do what its models are marked for."""

    key = "policy"
    requires = ("catalog",)

    def start(self, app: Application) -> ModelPolicyPlugin:
        """Remember the catalog."""
        self._catalog = app["catalog"]
        return self

    def rights(self, identity: Identity, database: str) -> Rights:
        """Return what anybody may do."""
        served = self._catalog.find(database)
        return ALL_RIGHTS if served is None or not served.withheld else ModelRights(served.withheld)


class ModelRights:
    """A ``Rights``: no rows are read, by any way, of a table that is served without GET."""

    authenticated = True

    def __init__(self, withheld: Mapping[Any, frozenset[str]]) -> None:
        self._unread = frozenset(name for name, methods in withheld.items() if "GET" in methods)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelRights) and self._unread == other._unread

    def __hash__(self) -> int:
        return hash(self._unread)

    def allows(self, operation: str, schema: str | None, table: str, column: str | None = None) -> bool:
        """Tell whether *operation* is allowed; which others are left out, the table itself says."""
        return operation != "select" or (schema, table) not in self._unread


class ModelApplication(Application):
    """A REST API for the models that *marks* has."""

    class MetaConfig:
        """Where the settings are."""

        settings_module = "qapla.plugins.rest.settings"

    def __init__(self, marks: Marks = rest) -> None:
        super().__init__()
        self.marks = marks
        self._given: tuple[Given, ...] | None = None
        self._source: ModelSource | None = None
        self._wsgi: Callable[..., Any] | None = None
        self._starting = threading.Lock()  # a server's threads may bring the first requests at once

    # -- what a program calls

    def run(
        self,
        *,
        database: Any = None,
        host: str = "127.0.0.1",
        port: int | None = None,
        workers: int = 1,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
    ) -> None:
        """Serve until Ctrl+C or SIGTERM.

        Args:
            database: a URL, a path of a SQLite file, an open database, a ``Database``, or a list of them; a mapping gives them names.
                None: those that are open here, else the one of ``QAPLA_DATABASE_URL``.
            host: the address to listen on. Nobody logs in, so anything but loopback is open to whoever reaches it.
            port: None: that of ``QAPLA_PORT``, else 8000.
            workers: number of processes.
            hosts: names, besides *host*, by which the program may be called; any other ``Host`` is refused.
            origins: whose web pages, besides its own, may read and write: ``"http://localhost:3000"``.

        Raises:
            NotBound: there is no database. ModelError: a model has no table there, or none is marked.
            ConfigurationError: the port is taken, or the address is not one of this machine.
        """
        global served
        from qapla.plugins.rest.given import VARIABLE
        from qapla.serving import Serving, check_port, serve

        _require_fork()
        port = _read_number(os.environ.get("QAPLA_PORT", "").strip() or 8000 if port is None else port, "port", 65535)
        workers = _read_number(workers, "workers", 64)
        try:
            check_port(host, port)
        except ConfigurationError as error:  # its hint is for a command line
            error.hint = error.hint and error.hint.replace("--port ", "port=").replace("--host ", "host=")
            raise
        settings = self._look(database, (*_own_names(host), *_names("hosts", hosts)), _names("origins", origins))
        served = self
        serving = Serving(SERVED, workers, settings, secrets=(VARIABLE,), probe="api/", host=host, port=port)
        serve(serving, lambda: self._announce(serving.url))

    def wsgi(self, *, database: Any = None, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> Callable[..., Any]:
        """Start, and return the WSGI application, for a server of one's own; the arguments are those of ``run``.

        Raises:
            PluginError: it has been started: an application starts once.
        """
        self._wsgi = self.run_uwsgi(self._look(database, _names("hosts", hosts), _names("origins", origins)))
        return self._wsgi

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        """Answer a request, as a WSGI application; or start, as every ``Application`` does, with settings or none."""
        if len(arguments) == 2:
            with self._starting:
                answer = self._wsgi or self.wsgi()
            return answer(*arguments)
        return super().__call__(*arguments, **settings)

    # -- what it is made of

    def append_app_plugins(self) -> None:
        """Declare what REST needs: the databases, what anybody may do, and a check of where a write comes from."""
        self.add_app_plugin(ModelCatalogPlugin())
        self.add_app_plugin(ModelPolicyPlugin())
        self.add_app_plugin("session")
        self.add_app_plugin("csrf")

    def append_web_plugins(self) -> None:
        """Declare REST."""
        from qapla.plugins.rest.plugin import RestPlugin

        self.add_web_plugin(RestPlugin())

    def make_source(self) -> ModelSource:
        """Return the models in their databases; those that ``run`` has looked at are not read again."""
        if self._source is None:
            self._look(None)
        assert self._source is not None
        self.marks.is_closed = True
        return self._source

    def stop(self) -> None:
        """Stop, and take marks again."""
        super().stop()
        self.marks.is_closed = False

    def _look(self, database: Any, hosts: tuple[str, ...] = (), origins: tuple[str, ...] = ()) -> dict[str, Any]:
        """Find the databases and what they have of the models; return what the start is told."""
        from qapla.plugins.rest.given import find_given
        from qapla.plugins.rest.modelsource import ModelSource
        from qapla.plugins.rest.narrowing import check_marks

        check_marks(self.marks)  # first: without a model no database helps
        self._given = find_given(database)
        self._source = ModelSource(self.marks, self._given, origins)
        given = {"web:hosts": hosts, "csrf:origins": origins}
        return {key: value for key, value in given.items() if value}  # else those of the environment hold

    def _start_web(self, start_point: str, settings: Mapping[str, Any] | None) -> Callable[..., Any]:
        """Start; the only database is answered at ``/`` as well."""
        from qapla.plugins.rest.atroot import AtRoot

        application = super()._start_web(start_point, settings)
        assert self._given is not None
        if len(self._given) > 1:
            return application
        first = (route.pattern.strip("/").partition("/")[0] for route in self.config.get_routes_mapper().get_routes())
        return AtRoot(application, self._given[0].name, {name for name in first if name}, self.settings.get("web:root_path") or "")

    def _announce(self, url: str) -> None:
        """Say where the models are."""
        from click import echo

        given = self._given or ()
        for each in given:
            place = url if len(given) == 1 else f"{url}api/{each.name}/"
            for mark in self.marks:
                echo(f"{mark.name} of {each.name} is at {place}{mark.table.name}")
        echo("Ctrl+C stops it")


def _read_number(given: Any, what: str, largest: int) -> int:
    text = str(given)
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= largest):
        raise ConfigurationError(f"{what} {text[:20]!r} is not offered", hint=f"a whole number from 1 to {largest}")
    return int(text)


def _own_names(host: str) -> tuple[str, ...]:
    """Return the name of an address that is not loopback: whoever has it listen there will ask for it by that."""
    return () if host in EVERY_ADDRESS or is_loopback(host) else (host,)


def _names(argument: str, given: Iterable[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise ConfigurationError(f"{argument}={given!r} is no list", hint=f"{argument}=[{given!r}]")
    return tuple(given)


def _require_fork() -> None:
    """See that the server's processes have the models that this one has declared.

    Raises:
        ConfigurationError: processes are started another way here.
    """
    if multiprocessing.get_start_method(allow_none=True) is None and sys.platform == "linux":
        multiprocessing.set_start_method("fork")
    if multiprocessing.get_start_method() != "fork":
        hint = "give the program to a WSGI server: app is a WSGI application"
        raise ConfigurationError("app.run() starts processes that know the models, by 'fork', which is not chosen here", hint=hint)


app = ModelApplication()
served = app  # by which a server's process finds what its parent runs
