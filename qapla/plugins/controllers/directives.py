"""What the plugin adds to Pyramid's Configurator: ``add_controller``, ``add_controllers``, ``add_controllers_from``.

All three end in Pyramid's own ``add_route`` and ``add_view``: predicates, factories and conflicts are Pyramid's, ``proutes`` shows the
routes, and the introspector has the category ``controllers``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.csrf import LegacySessionCSRFStoragePolicy
from pyramid.interfaces import PHASE3_CONFIG, ICSRFStoragePolicy, ISessionFactory
from pyramid.path import AssetResolver

from qapla.errors import ConfigurationError
from qapla.plugins.controllers.declaration import Declared, declare, in_order, place_of
from qapla.plugins.controllers.discovery import scan
from qapla.plugins.controllers.file import read

if TYPE_CHECKING:
    from types import ModuleType

    from pyramid.config import Configurator

    from qapla.plugins.controllers.controller import Controller

CATEGORY = "controllers"
REGISTRY_KEY = "qapla.controllers"


def add_controller(config: Configurator, controller: type[Controller] | str, **options: Any) -> None:
    """Answer an address by *controller*, a class or its dotted name.

    Args:
        options: ``route route_name methods renderer permission factory route_options view_options``, instead of the attributes of
            the class; everything else goes to ``config.add_view``.

    Declaring a name twice is a conflict: Pyramid then shows both source lines.

    Raises:
        ConfigurationError: it is no controller, or has no route.
    """
    add_declared(config, declare(config.maybe_dotted(controller), options))


def add_controllers(config: Configurator, package: str | ModuleType) -> None:
    """Answer the addresses of all controllers in *package* and the modules below it that have ``route`` or ``route_name``.

    The order of modules and lines does not matter: ``/choices/new`` is asked before ``/choices/{id}``.

    Raises:
        ConfigurationError: there is no such package, or a controller is declared wrongly.
    """
    try:
        root = config.maybe_dotted(package)
    except ModuleNotFoundError as error:
        if not f"{package}.".startswith(f"{error.name}."):
            raise  # the package is there, and imports something that is not
        raise ConfigurationError(f"controllers are looked for in {package!r}, and there is no such package") from None
    found = [declare(controller, {}, place_of(controller)) for controller in scan(root)]
    for one in in_order(found):
        config.add_declared_controller(one, _info=one.place)


def add_controllers_from(config: Configurator, file: str) -> None:
    """Answer the addresses of a routing file, in its order.

    Args:
        file: a path; ``package:routing.yaml``; or relative to the package that says this.

    Raises:
        ConfigurationError: something in it is wrong; file and line are named.
    """
    for one in read(AssetResolver(config.package).resolve(file).abspath()):
        config.add_declared_controller(one, _info=one.place)


def add_declared(config: Configurator, declared: Declared) -> None:
    """Add route and view of *declared*."""
    entry = config.introspectable(CATEGORY, (declared.route_name, declared.title), declared.title, "controller")
    entry.update(controller=declared.controller, route_name=declared.route_name, pattern=declared.route, methods=declared.methods)

    def register() -> None:
        config.registry.setdefault(REGISTRY_KEY, {}).setdefault(declared.route_name, []).append(declared)

    config.action((REGISTRY_KEY, declared.route_name, declared.title), register, introspectables=(entry,))
    if declared.route is not None:
        config.add_route(declared.route_name, declared.route, **declared.route_options)
    view = dict(declared.view_options)
    if declared.methods:
        view.setdefault("request_method", declared.methods)
    config.add_view(declared.controller, route_name=declared.route_name, **view)
    if view.get("require_csrf"):
        config.action(None, lambda: _check_csrf(config, declared), order=PHASE3_CONFIG)


def _check_csrf(config: Configurator, declared: Declared) -> None:
    """Say at the start, and not to the first reader of a form, that there is nothing to keep its token in."""
    policy = config.registry.queryUtility(ICSRFStoragePolicy)
    if isinstance(policy, LegacySessionCSRFStoragePolicy) and config.registry.queryUtility(ISessionFactory) is None:
        hint = "declare the plugin 'session', or config.set_csrf_storage_policy(CookieCSRFStoragePolicy())"
        raise ConfigurationError(f"controller {declared.title!r} checks CSRF tokens, and there is no session to keep them in", hint=hint)
