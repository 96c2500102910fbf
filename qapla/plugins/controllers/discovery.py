"""Find the controllers of a package: every class of it, and of the modules below, that says where it is reached."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

from qapla.plugins.controllers.controller import Controller

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


def scan(package: str | ModuleType) -> tuple[type[Controller], ...]:
    """Return the controllers of *package*, in the order of modules and lines.

    A controller is a subclass of ``Controller`` that has ``route`` or ``route_name`` itself; base classes of one's own have neither.
    A module that cannot be imported is an error, as anywhere.
    """
    root = import_module(package) if isinstance(package, str) else package
    return tuple(found for module in _modules(root) for found in vars(module).values() if _is_declared(found, module))


def _modules(root: ModuleType) -> Iterator[ModuleType]:
    yield root
    if hasattr(root, "__path__"):
        for info in sorted(pkgutil.walk_packages(root.__path__, f"{root.__name__}."), key=lambda info: info.name):
            yield import_module(info.name)


def _is_declared(found: object, module: ModuleType) -> bool:
    if not (isinstance(found, type) and issubclass(found, Controller) and found.__module__ == module.__name__):
        return False
    return vars(found).get("route") is not None or vars(found).get("route_name") is not None
