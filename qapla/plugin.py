"""A plugin: one class that adds one thing to an application.

Up to six methods, all optional: ``start`` and ``stop`` once per process, ``enter`` and ``exit`` once per scope (a request, a task, a
command, a test), ``includeme`` for the web only, ``commands`` for the command line. The framework's own features use no other door.

An application declares a plugin by an instance, ``add_app_plugin(MetricsPlugin())``, or by the name under which it is installed,
``add_app_plugin("metrics")``. Its package has an ``includeme``, too, so that any Pyramid program can ``config.include`` it::

    def includeme(config):
        include_plugin(config, MetricsPlugin())     # from qapla.web
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click
    from pyramid.config import Configurator

    from qapla.application import Application
    from qapla.scope import Scope


class Plugin:
    """Add one thing to an application.

    Attributes:
        key: what the application keeps the plugin's value under: ``app["metrics"]``.
        requires: keys of the plugins that must be declared before this one.
    """

    key: str = ""
    requires: tuple[str, ...] = ()

    def start(self, app: Application) -> Any:
        """Prepare the plugin, once per process; return the value of ``app[key]``."""
        return self

    def stop(self, app: Application) -> None:
        """Let go of everything that ``start`` took. Called in reverse order of the starts."""

    def enter(self, scope: Scope) -> Any:
        """Return the value of ``scope[key]``. Called when a scope is first asked for it, so an unused plugin costs nothing."""
        raise LookupError(f"plugin {self.key!r} has nothing to offer to a scope")

    def exit(self, scope: Scope, value: Any, error: BaseException | None) -> Any:
        """Close what ``enter`` returned; *error* is what ended the scope, if it failed.

        Where ``scope.is_asynchronous``, something to be awaited may be returned.
        """

    def includeme(self, config: Configurator) -> None:
        """Add routes, views and directives. Called for web applications only."""

    def commands(self, group: click.Group) -> None:
        """Add sub-commands to the command line."""
