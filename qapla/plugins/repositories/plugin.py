"""The plugin: repositories for every start point, ``request.repositories`` for the web."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qapla.errors import PluginError, SettingsError
from qapla.plugin import Plugin
from qapla.plugins.repositories.declared import Declared
from qapla.plugins.repositories.made import Made
from qapla.ports import NullHealth

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click
    from pyramid.config import Configurator

    from qapla.application import Application
    from qapla.plugins.repositories.kept import Awaited, Repositories
    from qapla.scope import Scope

KEY = "repositories"


class RepositoriesPlugin(Plugin):
    """Lend services of repositories.

    Args:
        declared: ``Declared(PersonRepository, database="main")``, or a class alone whose options are in the settings; a service or a
            repository of the program's own, ``Made(lambda app: …, "person")`` or it alone. The settings may declare more.

    Raises:
        PluginError: something else is declared, or a name twice.
    """

    key = KEY

    def __init__(self, declared: Sequence[Any] = ()) -> None:
        if isinstance(declared, str | type | Declared):
            raise PluginError(f"{declared!r} is no list of repositories", hint="[Declared(PersonRepository, database='main')]")
        self._declared: dict[str, Declared] = {}
        for given in declared:
            one = given if isinstance(given, Declared) else Declared(given) if isinstance(given, type) else Made(given)
            if one.name in self._declared:
                raise PluginError(f"two repositories are declared as {one.name!r}", hint="Declared(PersonRepository, 'people', …)")
            self._declared[one.name] = one
        self.requires = tuple(dict.fromkeys(name for one in self._declared.values() for name in one.requires))

    def start(self, app: Application) -> Repositories:
        """Read the settings; no connection is opened.

        Raises:
            SettingsError: one is unknown or wrong.
            PluginError: a plugin that a repository of the settings needs is not there.
        """
        from qapla.plugins.repositories.kept import Repositories

        configured = {name: one.configured(app.settings) for name, one in self._all(app).items()}
        for name, one in configured.items():
            for needed in one.requires:
                if needed not in app:
                    raise PluginError(f"repository {name!r} needs the plugin {needed!r}", hint=f"declare it before {KEY!r}")
            one.check(app)  # whatever is wrong is told here, not by the first request
        repositories = Repositories(app, configured)
        self._add_checks(app, repositories, configured)
        self._configured = configured
        return repositories

    def stop(self, app: Application) -> None:
        """Close all connections."""
        app[self.key].close()

    def enter(self, scope: Scope) -> Repositories | Awaited:
        """Return the services: they are for all threads. In a scope of asyncio they are awaited."""
        from qapla.plugins.repositories.kept import Awaited

        repositories: Repositories = scope.app[self.key]
        return Awaited(repositories) if scope.is_asynchronous else repositories

    def exit(self, scope: Scope, value: Any, error: BaseException | None) -> None:
        """Close nothing: the services belong to the application."""

    def includeme(self, config: Configurator) -> None:
        """Add ``request.repositories``, and begin to write what waits from before."""
        from pyramid.interfaces import PHASE3_CONFIG

        app = config.registry["qapla.app"]
        config.action(None, lambda: self._add_checks(app, app[self.key], self._configured))  # when everything is included
        config.action(None, app[self.key].start_workers, order=PHASE3_CONFIG)
        config.add_request_method(lambda request: app[self.key], self.key, property=True)

    def commands(self, group: click.Group) -> None:
        """Add ``qapla repositories …``."""
        from qapla.plugins.repositories.commands import repositories

        group.add_command(repositories)

    def _all(self, app: Application) -> dict[str, Declared]:
        """Return what the program and the settings declare."""
        found = dict(self._declared)
        for name in app.settings.get(KEY) or {}:
            key = f"{KEY}:{name}:class"
            named = app.settings.resolve(key)
            if named is not None:
                found[name] = Declared(named, name)
            elif name not in found:
                origin = app.settings.origin(f"{KEY}:{name}")
                raise SettingsError(f"setting '{KEY}:{name}' in {origin} is about no repository", hint=f"set {key!r}")
        return found

    def _add_checks(self, app: Application, repositories: Repositories, configured: dict[str, Declared]) -> None:
        """Add the checks where they are asked for."""
        health = app.find("health", NullHealth())
        for name, one in configured.items():
            health.add(f"{KEY}:{name}", partial(repositories.check, name), required=one.options.required)
