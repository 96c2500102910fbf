"""The controllers: ``Controller`` (a page), ``JsonController``, ``RestfulController`` (a method per HTTP method).

A controller is a Pyramid view; one is made per request. The flow::

    before() ──> make() ──> after() ──> widgets() ──> renderer
                   │           └── a response was made: it is the answer
                   ├── FinalizeController: make() ends here, the rest goes on
                   └── QuitController(response): the answer, at once

What ``make`` returns is put into ``self.context``, which the renderer gets; a response is the answer. Whatever is raised goes through
``on_error`` first. Without an application: ``ChoiceController(DummyRequest(main=session))()``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn, TypeVar

from pyramid.httpexceptions import HTTPMethodNotAllowed, HTTPSeeOther
from webob import Response

from qapla.errors import InputError, NotFound

NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})
_NOTHING = object()
Read = TypeVar("Read")


class QuitController(Exception):
    """End the controller at once, with this response."""

    def __init__(self, response: Any) -> None:
        super().__init__(response)
        self.response = response


class FinalizeController(Exception):
    """End ``make`` here; *context* is added to the controller's, and the rest of the flow goes on."""

    def __init__(self, context: Mapping[str, Any] | None = None) -> None:
        super().__init__(context)
        self.context = dict(context or {})


class Controller:
    """Answer one address.

    Attributes:
        route: pattern of the address, as Pyramid has it: ``/choices/{id}``; None when ``route_name`` is a route that is declared elsewhere.
        route_name: name of the route; by default made of the class: ``ChoiceListController`` is ``choice_list``.
        methods: HTTP methods that are answered, others get a 405; empty: every one.
        renderer: what makes a response of the context: ``json``, ``rotarran:templates/choice.pt``.
        permission: what Pyramid's security policy is asked for.
        route_options: further arguments of ``config.add_route``: ``factory``, predicates.
        view_options: further arguments of ``config.add_view``: ``http_cache``, ``require_csrf``, ``accept``, ``decorator``, predicates.
    """

    route: ClassVar[str | None] = None
    route_name: ClassVar[str | None] = None
    methods: ClassVar[tuple[str, ...]] = ()
    renderer: ClassVar[str | None] = None
    permission: ClassVar[str | None] = None
    route_options: ClassVar[Mapping[str, Any]] = NO_OPTIONS
    view_options: ClassVar[Mapping[str, Any]] = NO_OPTIONS

    def __init__(self, request: Any) -> None:
        self.request = request
        self.context: dict[str, Any] = {}
        self.response: Any = None
        self._data: Any = _NOTHING

    # -- what a subclass fills in

    def before(self) -> None:
        """Do what comes before ``make``; base classes of one's own load and check things here."""

    def make(self) -> Any:
        """Answer the request: fill ``self.context``, or return a mapping, data for the renderer, or a response."""

    def after(self) -> None:
        """Do what comes after ``make``, also after ``FinalizeController``."""

    def widgets(self) -> None:
        """Put into the context what every page has; only called when the context is rendered, so never for a redirect."""

    def on_error(self, error: Exception) -> Any:
        """Answer *error*, which ended the flow; the default is to raise it again."""
        raise error

    @classmethod
    def allowed_methods(cls) -> tuple[str, ...]:
        """Return the HTTP methods that are answered; none means every one."""
        return tuple(method.upper() for method in cls.methods)

    @classmethod
    def make_view_options(cls) -> dict[str, Any]:
        """Return the arguments of ``config.add_view`` that the class says."""
        said = {"renderer": cls.renderer, "permission": cls.permission}
        return {**{name: value for name, value in said.items() if value is not None}, **cls.view_options}

    # -- what a controller works with

    @property
    def app(self) -> Any:
        """Return the application."""
        return self.request.app

    @property
    def settings(self) -> Any:
        """Return the settings of the application; without one those of Pyramid."""
        app = getattr(self.request, "app", None)
        return self.request.registry.settings if app is None else app.settings

    @property
    def paths(self) -> Any:
        """Return the paths of the application."""
        return self.app.paths

    @property
    def resource(self) -> Any:
        """Return what Pyramid calls the context: what the route's factory made."""
        return self.request.context

    @property
    def matchdict(self) -> dict[str, Any]:
        """Return the parts of the address by the names in the route's pattern."""
        return self.request.matchdict

    def get_match(self, name: str, kind: Callable[[Any], Read] = str) -> Read:  # type: ignore[assignment]
        """Return a part of the address as *kind*: ``self.get_match("id", int)``.

        Raises:
            NotFound: it cannot be read so; there is nothing at such an address.
        """
        text = self.matchdict[name]
        try:
            return kind(text)
        except (ValueError, TypeError, ArithmeticError):
            raise NotFound(f"there is no {name} {str(text)[:100]!r}") from None

    @property
    def json_body(self) -> Any:
        """Return the body of the request, which is JSON.

        Raises:
            InputError: it is not.
        """
        try:
            return json.loads(self.request.body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise InputError("the body is not JSON", hint="send one JSON value in UTF-8") from None

    def redirect(self, route_name: str, *elements: str, quit: bool = False, **values: Any) -> Any:
        """Send the browser to another route (303: it asks for it by GET); cookies that were set go with it.

        Args:
            quit: end the controller here; else the response is returned, and is the answer.
            values: those of ``request.route_url``: parts of the address, ``_query``, ``_anchor``.
        """
        response = HTTPSeeOther(location=self.request.route_url(route_name, *elements, **values))
        for name, value in self.request.response.headerlist:
            if name.lower() not in ("content-type", "content-length"):
                response.headers.add(name, value)
        self.response = response
        if quit:
            raise QuitController(response)
        return response

    def not_found(self, message: str = "there is nothing at this address") -> NoReturn:
        """End with 404.

        Raises:
            NotFound: always.
        """
        raise NotFound(message)

    # -- the flow

    def __call__(self) -> Any:
        """Answer the request: a response, or what the renderer makes one of."""
        try:
            return self._run()
        except QuitController as ended:
            return ended.response
        except Exception as error:
            return self.on_error(error)

    def _run(self) -> Any:
        self.before()
        try:
            self._take(self.make())
        except FinalizeController as ended:
            self.context.update(ended.context)
        self.after()
        if self.response is not None:
            return self.response
        self.widgets()
        return self.context if self._data is _NOTHING else self._data

    def _take(self, made: Any) -> None:
        if isinstance(made, Response):
            self.response = made
        elif isinstance(made, Mapping):
            self.context.update(made)
        elif made is not None:
            self._data = made


class JsonController(Controller):
    """Answer with JSON: the context, or whatever ``make`` returns."""

    renderer = "json"


class RestfulController(JsonController):
    """Answer with JSON, each HTTP method by the Python method of its name: ``get`` (also for HEAD), ``post put patch delete``.

    Those that a class does not have are answered with 405.
    """

    def get(self) -> Any:
        """Answer GET and HEAD."""
        self._refuse()

    def post(self) -> Any:
        """Answer POST."""
        self._refuse()

    def put(self) -> Any:
        """Answer PUT."""
        self._refuse()

    def patch(self) -> Any:
        """Answer PATCH."""
        self._refuse()

    def delete(self) -> Any:
        """Answer DELETE."""
        self._refuse()

    @classmethod
    def allowed_methods(cls) -> tuple[str, ...]:
        """Return the methods that the class has."""
        return super().allowed_methods() or tuple(
            name.upper() for name in REST_METHODS if getattr(cls, name) is not getattr(RestfulController, name)
        )

    def make(self) -> Any:
        """Run the method of the request's method."""
        method = self.request.method.lower()
        name = "get" if method == "head" else method
        if name not in REST_METHODS:
            self._refuse()
        return getattr(self, name)()

    def _refuse(self) -> NoReturn:
        raise HTTPMethodNotAllowed(headers={"Allow": ", ".join(self.allowed_methods())})


REST_METHODS = ("get", "post", "put", "patch", "delete")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
