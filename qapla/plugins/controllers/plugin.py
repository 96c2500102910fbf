"""Controllers over Pyramid's views, routed from class attributes and YAML.

Adds      ``config.add_controller(controller, …)``, ``config.add_controllers(package)``, ``config.add_controllers_from(file)``;
          the renderer ``.pt`` (Chameleon) where nobody else has one; answers to errors of controllers.
Settings  ``controllers:packages``, ``controllers:files``: lists of what is routed, besides what the plugin is made with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qapla.errors import SettingsError
from qapla.plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyramid.config import Configurator

    from qapla.application import Application


class ControllersPlugin(Plugin):
    """Route addresses to controllers.

    Args:
        packages: packages whose controllers have ``route``: ``rotarran.controllers``.
        files: routing files: a path, or ``rotarran:routing.yaml``.
    """

    key = "controllers"

    def __init__(self, packages: Sequence[str] = (), files: Sequence[str] = ()) -> None:
        self._packages = tuple(packages)
        self._files = tuple(files)

    def start(self, app: Application) -> ControllersPlugin:
        """Add what the settings name.

        Raises:
            SettingsError: a setting is no list of names.
        """
        self._packages += _names(app.settings, "controllers:packages")
        self._files += _names(app.settings, "controllers:files")
        return self

    def includeme(self, config: Configurator) -> None:
        """Add the directives and the routes."""
        from qapla.plugins.controllers import directives

        config.add_directive("add_controller", directives.add_controller)
        config.add_directive("add_declared_controller", directives.add_declared)
        # Without a place of their own in Pyramid's list: a conflict shows the line of the class, or of the file.
        config.add_directive("add_controllers", directives.add_controllers, action_wrap=False)
        config.add_directive("add_controllers_from", directives.add_controllers_from, action_wrap=False)
        config.include("qapla.plugins.controllers.errors")
        config.include("qapla.plugins.controllers.templates")
        self.make_routes(config)

    def make_routes(self, config: Configurator) -> None:
        """Route the packages and files; override it to choose them by a program: ``config.add_controllers_from(paths.get("routing"))``."""
        for package in self._packages:
            config.add_controllers(package)
        for file in self._files:
            config.add_controllers_from(file)


def _names(settings: Any, key: str) -> tuple[str, ...]:
    value = settings.get(key) or ()
    names = value.split() if isinstance(value, str) else value
    if not (isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)):
        wrong: SettingsError = settings.wrong(key, "a list of names")
        raise wrong
    return tuple(names)
