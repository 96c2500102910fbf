"""An application: settings, then plugins, then (for the web only) Pyramid.

    new ──> settings ──> plugins ──> web ──> ready ──> stopped

A subclass lists its plugins in ``append_app_plugins`` and ``append_web_plugins``; one of the ``run_…`` methods starts it. Plugins start in
the order in which they are declared and stop in reverse: by ``stop()``, when a later one cannot start, and at the end of the process.
Nothing here imports Pyramid before the web phase begins.

Settings  ``plugins``: names of installed plugins (see ``qapla.installed``) that are declared after those in the code.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Self

from qapla import exits, installed
from qapla import settings as settings_loader
from qapla.declaration import Declarations, find_place
from qapla.errors import PluginError
from qapla.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from morfdict import Paths
    from pyramid.config import Configurator

    from qapla.plugin import Plugin
    from qapla.settings import Settings

Phase = Literal["new", "settings", "plugins", "web", "ready", "stopped"]

log = logging.getLogger(__name__)


class Application:
    """The parts of a program, put together and started once.

    ``MetaConfig.settings_module`` names the settings package; without it that is ``settings`` in the application's own package, or in one
    around that.
    """

    class MetaConfig:
        """What is said about an application class."""

        settings_module: str | None = None

    settings: Settings
    paths: Paths
    config: Configurator

    def __init__(self) -> None:
        self.phase: Phase = "new"
        self.start_point: str | None = None
        self._declared = Declarations()
        self._values: dict[str, Any] = {}

    # -- what a subclass fills in

    def append_app_plugins(self) -> None:
        """Declare the plugins that every start point needs, by ``add_app_plugin``. No Pyramid here."""

    def append_web_plugins(self) -> None:
        """Declare what only the web needs, by ``add_web_plugin`` or on ``self.config``, Pyramid's Configurator."""

    # -- starting

    def run_uwsgi(self, settings: Mapping[str, Any] | None = None) -> Callable[..., Any]:
        """Start for the web and return the WSGI application. *settings* win over those in files."""
        return self._start_web("uwsgi", settings)

    def run_web_tests(self, settings: Mapping[str, Any] | None = None) -> Callable[..., Any]:
        """Start for the web with the settings of tests and return the WSGI application."""
        return self._start_web("tests", settings)

    def run_celery(self, settings: Mapping[str, Any] | None = None) -> Self:
        """Start for a task worker."""
        return self._start("celery", settings)

    def run_tests(self, settings: Mapping[str, Any] | None = None) -> Self:
        """Start with the settings of tests."""
        return self._start("tests", settings)

    def run_shell(self, settings: Mapping[str, Any] | None = None) -> Self:
        """Start for an interactive session."""
        return self._start("shell", settings)

    def run_command(self, settings: Mapping[str, Any] | None = None, only: Collection[str] | None = None) -> Self:
        """Start for one command of a command line; *only* names the plugins that it needs (theirs come with them), None means all."""
        return self._start("command", settings, only)

    def run_web_command(self, settings: Mapping[str, Any] | None = None) -> Callable[..., Any]:
        """Start for a command that looks at the web application: nothing that only a serving process has begins."""
        return self._start_web("command", settings)

    def prepare(self, start_point: str = "command", settings: Mapping[str, Any] | None = None) -> Self:
        """Read the settings and declare the plugins, but start none; a ``run_…`` method may follow.

        Raises:
            PluginError: the application has been started, or a plugin is declared wrongly.
        """
        if self.phase != "new":
            raise self._started_already(start_point)
        self.phase, self.start_point = "settings", start_point
        with self._stopped_on_error():
            self.settings, self.paths = settings_loader.load(self._settings_module(), start_point, settings)
            self.append_app_plugins()
            for name in self.settings.names("plugins"):
                self._add(name, self.settings.origin("plugins"))
            self._declared.check()
        return self

    def __call__(self, global_config: Mapping[str, Any] | None = None, **settings: Any) -> Callable[..., Any]:
        """Start for the web: an application is a WSGI factory, also for PasteDeploy, where a dot in a setting's name stands for a colon."""
        return self.run_uwsgi(settings_loader.from_dotted(settings))

    def stop(self) -> None:
        """Stop every plugin that was started, last first. All are stopped, whatever one of them raises. Stopping twice does nothing."""
        failed: BaseException | None = None
        for key in reversed(list(self._values)):
            try:
                with self._named(key, "stop"):
                    self._declared[key].plugin.stop(self)
            except BaseException as error:
                if failed is not None:
                    log.error("plugin %r cannot stop", key, exc_info=error)
                failed = failed or error
            self._values.pop(key, None)  # it may have been stopped meanwhile, by a signal or another thread
        self.phase = "stopped"
        exits.forget(self)
        if failed is not None:
            raise failed

    @property
    def is_running(self) -> bool:
        """Tell whether plugins can be used."""
        return self.phase in {"plugins", "web", "ready"}

    # -- plugins

    def add_app_plugin(self, plugin: Plugin | str) -> None:
        """Declare *plugin*, or the installed one of that name; it starts after those declared before it.

        Raises:
            PluginError: it has no key or one that is taken, is not installed, or comes too late.
        """
        self._add(plugin, find_place())

    add_web_plugin = add_app_plugin

    def _add(self, plugin: Plugin | str, place: str) -> None:
        if self.phase not in {"settings", "web"}:
            name = plugin if isinstance(plugin, str) else getattr(plugin, "key", plugin)
            raise PluginError(f"plugin {name!r} at {place} is declared at the wrong time", hint="do it in append_app_plugins")
        self._declared.add(installed.make_plugin(plugin, place) if isinstance(plugin, str) else plugin, place)

    def include(self, config: Configurator, plugin: Plugin) -> Any:
        """Declare, start and include *plugin* now, and before it the installed ones that it requires; see ``qapla.web.include_plugin``."""
        known = self._declared.find(plugin.key)
        if known is None or type(known.plugin) is not type(plugin):
            for key in plugin.requires:
                if key not in self._declared and installed.is_installed(key):
                    self.include(config, installed.make_plugin(key, find_place()))
            self._add(plugin, find_place())
            self._declared.check()
            self._start_plugins([plugin.key])
            self._include(config, plugin.key)
        return self.find(plugin.key)

    def get_plugin(self, key: str) -> Plugin:
        """Return the plugin declared as *key*, started or not.

        Raises:
            PluginError: there is none.
        """
        return self._declared[key].plugin

    @property
    def plugins(self) -> Iterator[Plugin]:
        """Yield the declared plugins in order."""
        return (self._declared[key].plugin for key in self._declared)

    def __getitem__(self, key: str) -> Any:
        """Return the value of the plugin called *key*.

        Raises:
            PluginError: there is no such plugin, or the application is not running.
        """
        try:
            return self._values[key]
        except KeyError:
            pass
        if self.phase == "new":
            raise self._not_running(f"plugin {key!r} is not started")
        place = self._declared[key].place
        raise self._not_running(f"plugin {key!r}, declared at {place}, is not started")

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def find(self, key: str, default: Any = None) -> Any:
        """Return the value of the plugin called *key*, or *default* when it is not there."""
        return self._values.get(key, default)

    def scope(self, request: Any = None) -> Scope:
        """Begin a unit of work; use it in a ``with`` statement."""
        if not self.is_running:
            raise self._not_running("no work can begin")
        return Scope(self, request)

    def _not_running(self, what: str) -> PluginError:
        hint = "make another one" if self.phase == "stopped" else "call one of its run_… methods first"
        if self.is_running:
            hint = "it starts later, or was left out of this start"
        return PluginError(f"{what}: the application is {self.phase!r}", hint=hint)

    # -- the phases

    def _start(self, start_point: str, settings: Mapping[str, Any] | None, only: Collection[str] | None = None) -> Self:
        self._start_app(start_point, settings, only)
        self.phase = "ready"
        return self

    def _start_web(self, start_point: str, settings: Mapping[str, Any] | None) -> Callable[..., Any]:
        self._start_app(start_point, settings)
        with self._stopped_on_error():
            from qapla.web import make_configurator  # Pyramid is imported here, and only for the web

            self.phase = "web"
            self.config = make_configurator(self)
            self.append_web_plugins()
            self._declared.check()
            self._start_plugins([key for key in self._declared if key not in self._values])
            for key in self._declared:
                self._include(self.config, key)
            wsgi: Callable[..., Any] = self.config.make_wsgi_app()
        self.phase = "ready"
        return wsgi

    def _start_app(self, start_point: str, settings: Mapping[str, Any] | None, only: Collection[str] | None = None) -> None:
        if self.phase == "new":
            self.prepare(start_point, settings)
        elif self.phase != "settings" or self.start_point != start_point:
            raise self._started_already(start_point)
        with self._stopped_on_error():
            self.phase = "plugins"
            chosen = set(self._declared) if only is None else self._declared.with_required(set(only))
            self._start_plugins([key for key in self._declared if key in chosen])

    def _started_already(self, start_point: str) -> PluginError:
        problem = f"cannot start as {start_point!r}: it is {self.phase!r}, started as {self.start_point!r}"
        return PluginError(f"application {type(self).__name__!r} {problem}", hint="an application starts once; make another one")

    def _start_plugins(self, keys: list[str]) -> None:
        exits.remember(self)
        for key in keys:
            with self._named(key, "start"):
                self._values[key] = self._declared[key].plugin.start(self)

    def _include(self, config: Configurator, key: str) -> None:
        from qapla.web import make_includeme

        with self._named(key, "be included"):
            config.include(make_includeme(*self._declared[key]))  # Pyramid does nothing the second time

    @contextmanager
    def _named(self, key: str, what: str) -> Iterator[None]:
        """Let an error say which plugin it is about: it keeps its type, for those who know it, and gets a note."""
        try:
            yield
        except Exception as error:
            error.add_note(f"plugin {key!r}, declared at {self._declared[key].place}, cannot {what}")
            raise

    @contextmanager
    def _stopped_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            try:
                self.stop()
            except Exception as error:  # the first problem is the one to tell
                log.error("after a failed start, a plugin cannot stop", exc_info=error)
            raise

    def _settings_module(self) -> str:
        return getattr(self.MetaConfig, "settings_module", None) or settings_loader.find_package(type(self))
