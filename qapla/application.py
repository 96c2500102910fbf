"""An application: settings, then plugins, then (for the web only) Pyramid.

    new ──> settings ──> plugins ──> web ──> ready ──> stopped

A subclass lists its plugins in ``append_app_plugins`` and ``append_web_plugins``; one of the ``run_…`` methods starts it. Plugins start in
the order in which they are listed and stop in reverse. Nothing here imports Pyramid before the web phase begins.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal, Self

from qapla import settings as settings_loader
from qapla.errors import PluginError, nearest
from qapla.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from morfdict import Paths
    from pyramid.config import Configurator

    from qapla.plugin import Plugin
    from qapla.settings import Settings

Phase = Literal["new", "settings", "plugins", "web", "ready", "stopped"]


class Application:
    """The parts of a program, put together and started once.

    ``MetaConfig.settings_module`` names the settings package; without it that is ``settings`` in the application's own package.
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
        self._plugins: dict[str, Plugin] = {}
        self._declared_at: dict[str, str] = {}
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
        """Start for one command of a command line; *only* names the plugins that it needs, None means all."""
        return self._start("command", settings, only)

    def prepare(self, start_point: str = "command", settings: Mapping[str, Any] | None = None) -> Self:
        """Read the settings and declare the plugins, but start none; a ``run_…`` method may follow.

        Raises:
            PluginError: the application has been started, or a plugin is declared wrongly.
        """
        if self.phase != "new":
            raise self._started_already(start_point)
        self.phase, self.start_point = "settings", start_point
        try:
            self.settings, self.paths = settings_loader.load(self._settings_module(), start_point, settings)
            self.append_app_plugins()
        except BaseException:
            self.stop()
            raise
        return self

    def __call__(self, global_config: Mapping[str, Any] | None = None, **settings: Any) -> Callable[..., Any]:
        """Start for the web: an application is a WSGI factory, also for PasteDeploy."""
        return self.run_uwsgi(settings)

    def stop(self) -> None:
        """Stop every plugin that was started, last first. All are stopped, whatever one of them raises. Stopping twice does nothing."""
        failed: BaseException | None = None
        for key in reversed(list(self._values)):
            try:
                self._plugins[key].stop(self)
            except Exception as error:
                failed = failed or error
            self._values.pop(key)
        self.phase = "stopped"
        if failed is not None:
            raise failed

    @property
    def is_running(self) -> bool:
        """Tell whether plugins can be used."""
        return self.phase in {"plugins", "web", "ready"}

    # -- plugins

    def add_app_plugin(self, plugin: Plugin) -> None:
        """Declare *plugin*; it starts after those declared before it.

        Raises:
            PluginError: it has no key or one that is taken, requires what is not declared before it, or comes too late.
        """
        declared_at = _caller()
        if self.phase not in {"settings", "web"}:
            raise PluginError(f"plugin {plugin.key!r} at {declared_at} is declared at the wrong time", hint="do it in append_app_plugins")
        if not plugin.key:
            raise PluginError(f"plugin {type(plugin).__name__!r} at {declared_at} has no key", hint="set the class attribute 'key'")
        if plugin.key in self._plugins:
            before = self._declared_at[plugin.key]
            raise PluginError(f"plugin {plugin.key!r} at {declared_at} is declared a second time", hint=f"the first time was at {before}")
        missing = [key for key in plugin.requires if key not in self._plugins]
        if missing:
            raise PluginError(f"plugin {plugin.key!r} at {declared_at} needs {missing[0]!r}", hint=f"declare {missing[0]!r} before it")
        self._plugins[plugin.key] = plugin
        self._declared_at[plugin.key] = declared_at

    add_web_plugin = add_app_plugin

    def get_plugin(self, key: str) -> Plugin:
        """Return the plugin declared as *key*, started or not.

        Raises:
            PluginError: there is none.
        """
        try:
            return self._plugins[key]
        except KeyError:
            raise PluginError(f"no plugin is called {key!r}", hint=nearest(key, self._plugins)) from None

    @property
    def plugins(self) -> Iterator[Plugin]:
        """Yield the declared plugins in order."""
        return iter(list(self._plugins.values()))

    def __getitem__(self, key: str) -> Any:
        """Return the value of the plugin called *key*.

        Raises:
            PluginError: there is no such plugin, or the application is not running.
        """
        try:
            return self._values[key]
        except KeyError:
            self.get_plugin(key)
            raise self._not_running(f"plugin {key!r} is not started") from None

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
        return PluginError(f"{what}: the application is {self.phase!r}", hint=hint)

    # -- the phases

    def _start(self, start_point: str, settings: Mapping[str, Any] | None, only: Collection[str] | None = None) -> Self:
        self._start_app(start_point, settings, only)
        self.phase = "ready"
        return self

    def _start_web(self, start_point: str, settings: Mapping[str, Any] | None) -> Callable[..., Any]:
        self._start_app(start_point, settings)
        try:
            from qapla.web import make_configurator  # Pyramid is imported here, and only for the web

            self.phase = "web"
            self.config = make_configurator(self)
            declared = len(self._plugins)
            self.append_web_plugins()
            self._start_plugins(list(self._plugins)[declared:])
            for plugin in self.plugins:
                self.config.include(plugin.includeme)
            wsgi = self.config.make_wsgi_app()
        except BaseException:
            self.stop()
            raise
        self.phase = "ready"
        return wsgi

    def _start_app(self, start_point: str, settings: Mapping[str, Any] | None, only: Collection[str] | None = None) -> None:
        if self.phase == "new":
            self.prepare(start_point, settings)
        elif self.phase != "settings" or self.start_point != start_point:
            raise self._started_already(start_point)
        try:
            self.phase = "plugins"
            self._start_plugins([key for key in self._plugins if only is None or key in only])
        except BaseException:
            self.stop()
            raise

    def _started_already(self, start_point: str) -> PluginError:
        problem = f"cannot start as {start_point!r}: it is {self.phase!r}, started as {self.start_point!r}"
        return PluginError(f"application {type(self).__name__!r} {problem}", hint="an application starts once; make another one")

    def _start_plugins(self, keys: list[str]) -> None:
        for key in keys:
            self._values[key] = self._plugins[key].start(self)

    def _settings_module(self) -> str:
        return getattr(self.MetaConfig, "settings_module", None) or type(self).__module__.partition(".")[0] + ".settings"


def _caller() -> str:
    """Return ``file:line`` of the nearest caller outside the framework."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("qapla."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
