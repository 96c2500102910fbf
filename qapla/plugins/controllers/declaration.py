"""``Declared``: a controller and where it is reached, whichever way that was said."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qapla.errors import ConfigurationError, closest, nearest
from qapla.plugins.controllers.controller import Controller
from qapla.plugins.controllers.overlap import is_shadowed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
WEBDAV = ("PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH")
_PLACEHOLDER = re.compile(r"\{[a-zA-Z_][^{}]*(?:\{[^{}]*\}[^{}]*)*\}")  # as Pyramid reads them
Place = tuple[str, int | None, str, str]  # file, line, function, source: what Pyramid shows of a conflict


@dataclass(frozen=True)
class Declared:
    """A controller and where it is reached.

    Attributes:
        route: pattern of the address; None when the route is declared elsewhere.
        methods: HTTP methods that it answers; empty: every one.
        place: where it is said.
    """

    controller: type[Controller]
    route: str | None
    route_name: str
    methods: tuple[str, ...] = ()
    route_options: Mapping[str, Any] = field(default_factory=dict)
    view_options: Mapping[str, Any] = field(default_factory=dict)
    place: Place | None = None

    @property
    def title(self) -> str:
        """Return the controller's dotted name."""
        return f"{self.controller.__module__}.{self.controller.__qualname__}"


def declare(controller: Any, options: Mapping[str, Any], place: Place | None = None) -> Declared:
    """Return what *options* and the attributes of *controller* say; the options win.

    Raises:
        ConfigurationError: *controller* is none, there is nothing that says where it is reached, or a method or pattern is misspelt.
    """
    if not (isinstance(controller, type) and issubclass(controller, Controller)):
        raise ConfigurationError(f"{controller!r} is no controller", hint="a subclass of qapla.plugins.controllers.Controller")
    given = dict(options)
    route, name = given.pop("route", None) or controller.route, given.pop("route_name", None) or controller.route_name
    if route is None and name is None:
        hint = "set 'route', a pattern, or 'route_name', a route that is declared elsewhere"
        raise ConfigurationError(f"controller {controller.__qualname__!r} has no route", hint=hint)
    route_options = {**controller.route_options, **given.pop("route_options", {})}
    if "factory" in given:
        route_options["factory"] = given.pop("factory")
    if route is None and route_options:
        hint = "set 'route', too"
        raise ConfigurationError(f"controller {controller.__qualname__!r} has options for a route that it does not declare", hint=hint)
    methods = tuple(method.upper() for method in given.pop("methods", ())) or controller.allowed_methods()
    _check_spelling(controller, route, methods)
    view = {**controller.make_view_options(), **given.pop("view_options", {}), **given}
    return Declared(controller, route, name or make_name(controller), methods, route_options, view, place)


def _check_spelling(controller: type[Controller], route: str | None, methods: tuple[str, ...]) -> None:
    """Refuse what Pyramid takes as it is and nobody can ever ask for. A method of one's own is called differently."""
    for method in methods:
        meant = closest(method, METHODS)
        if meant is not None and method not in METHODS + WEBDAV:
            problem = f"controller {controller.__qualname__!r} answers the HTTP method {method!r}, which is not known"
            raise ConfigurationError(problem, hint=f"did you mean {meant!r}?")
    if route is not None and re.search(r"[{}]", _PLACEHOLDER.sub("", route)):
        problem = f"route {route!r} of controller {controller.__qualname__!r} has a brace that belongs to no placeholder"
        raise ConfigurationError(problem, hint="/choices/{id}")


def make_name(controller: type[Controller]) -> str:
    """Return the name of the route of a class that says none: ``ChoiceListController`` is ``choice_list``."""
    bare = controller.__name__.removesuffix("Controller") or controller.__name__
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", bare).lower()


def place_of(controller: type[Controller]) -> Place:
    """Return the line of the class."""
    try:
        line = inspect.getsourcelines(controller)[1]
        return (inspect.getsourcefile(controller) or "", line, controller.__qualname__, f"class {controller.__qualname__}")
    except (OSError, TypeError):  # made by a program: there is no line
        return (controller.__module__, 0, controller.__qualname__, f"class {controller.__qualname__}")


def in_order(declared: Iterable[Declared]) -> list[Declared]:
    """Return them so that each can be reached: ``/choices/new`` before ``/choices/{id}``; else as they come."""
    ordered: list[Declared] = []
    for one in declared:
        at = next((index for index, other in enumerate(ordered) if hides(other, one)), len(ordered))
        ordered.insert(at, one)
    return ordered


def hides(first: Declared, second: Declared) -> bool:
    """Tell whether *second*, declared later, could never be reached. A route with options may have predicates, and let others through."""
    if first.route is None or second.route is None or set(first.route_options) - {"factory"} or first.route == second.route:
        return False
    return is_shadowed(second.route, first.route)


def refuse_unknown(name: str, known: Iterable[str], where: str) -> None:
    """Refuse *name*, which is none of *known*.

    Raises:
        ConfigurationError: always said with *where*, and the nearest of *known*.
    """
    if name not in known:
        hint = nearest(name, known) or f"known are {', '.join(known)}"
        raise ConfigurationError(f"{where}: {name!r} is not known", hint=hint)
