"""Controllers: one class per address, with a simple flow, instead of functions and decorators.

::

    from qapla.plugins.controllers import Controller, Driver

    class ChoiceController(Controller):
        route = "/choices/{id}"
        renderer = "rotarran:templates/choice.pt"
        choices = Driver(ChoiceReadDriver)

        def make(self):
            self.context["choice"] = self.choices.get_by_id(self.get_match("id", int))

A Pyramid program that has no ``Application`` says ``config.include("qapla.plugins.controllers")`` and then ``config.add_controller(…)``.
The names below are loaded when they are asked for, because plugins are declared where there is no Pyramid.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from qapla.plugins.controllers.controller import Controller, FinalizeController, JsonController, QuitController, RestfulController
    from qapla.plugins.controllers.discovery import scan
    from qapla.plugins.controllers.driver import Driver
    from qapla.plugins.controllers.form import FormController, JsonFormController
    from qapla.plugins.controllers.plugin import ControllersPlugin

_PLACES = {
    "Controller": "controller",
    "ControllersPlugin": "plugin",
    "Driver": "driver",
    "FinalizeController": "controller",
    "FormController": "form",
    "JsonController": "controller",
    "JsonFormController": "form",
    "QuitController": "controller",
    "RestfulController": "controller",
    "scan": "discovery",
}

__all__ = [
    "Controller",
    "ControllersPlugin",
    "Driver",
    "FinalizeController",
    "FormController",
    "JsonController",
    "JsonFormController",
    "QuitController",
    "RestfulController",
    "includeme",
    "scan",
]


def includeme(config: Configurator) -> None:
    """Add the directives to a Pyramid program, with or without an ``Application``."""
    from qapla.plugins.controllers.plugin import ControllersPlugin
    from qapla.web import include_plugin

    include_plugin(config, ControllersPlugin())


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
