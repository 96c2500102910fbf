"""The express way to tables, rows and functions: what Pyramid's router would do for their one route, without looking for it.

A route, a factory, traversal, a look-up of views and Cornice's wrapper cost as much as the database's own answer to a small read. All
that they find out is in ``views.VIEWS``. This stands where the router would begin, below every tween, with the same events, and
leaves to the router whatever is out of the ordinary. It stays away altogether where an application hangs something of its own between
router and views (a default permission, a view deriver, a route before ours that could be meant): then the router does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.csrf import check_csrf_origin, check_csrf_token
from pyramid.events import BeforeTraversal, ContextFound, NewRequest
from pyramid.interfaces import IDefaultCSRFOptions, IDefaultPermission, IRoutesMapper, IViewDerivers

from qapla.plugins.rest import contexts
from qapla.plugins.rest.pages import refuse_method
from qapla.plugins.rest.views import VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.config import Configurator
    from pyramid.registry import Registry
    from pyramid.request import Request
    from pyramid.response import Response

    Handler = Callable[[Request], Response]

ROUTE = "rest.resource"
OWN = frozenset({"rest.databases", "rest.database", "__api/-/static/"})
START = "/api/"
DERIVERS = {"secured_view", "csrf_view", "owrapped_view", "http_cached_view", "decorated_view", "rendered_view", "mapped_view"}
SAFE = frozenset({"GET", "HEAD"})
METHODS = SAFE | {"POST", "PATCH", "PUT", "DELETE"}


def includeme(config: Configurator) -> None:
    """Put the tween between all others and the router."""
    from pyramid.tweens import EXCVIEW, MAIN

    config.add_tween("qapla.plugins.rest.express.express", under=EXCVIEW, over=MAIN)


def express(handler: Handler, registry: Registry) -> Handler:
    """Return *handler*, the router, with the express way before it (a tween factory)."""
    route = _find_route(registry)
    return handler if route is None else Express(handler, registry, route)


class Express:
    """The tween."""

    def __init__(self, handler: Handler, registry: Registry, route: Any) -> None:
        self._handler = handler
        self._registry = registry
        self._route = route
        self._csrf = registry.queryUtility(IDefaultCSRFOptions)
        self._views = {kind: {"HEAD": views["GET"], **views} for kind, views in VIEWS.items()}

    def __call__(self, request: Request) -> Response:
        """Answer *request*."""
        environ = request.environ
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if not path.startswith(START) or not path.isascii():
            return self._handler(request)
        database, _, rest = path[5:].partition("/")
        if not rest or not database or rest[0] == "-" or database == "-" or method not in METHODS:
            return self._handler(request)
        attributes = request.__dict__
        registry = self._registry
        if registry.has_listeners:
            registry.notify(NewRequest(request))
        attributes["matchdict"] = {"database": database, "rest": rest}
        attributes["matched_route"] = self._route
        if registry.has_listeners:
            registry.notify(BeforeTraversal(request))
        context = contexts.make_resource(request)
        attributes["root"] = attributes["context"] = context
        attributes["view_name"] = ""
        if registry.has_listeners:
            registry.notify(ContextFound(request))
        if method not in SAFE and self._csrf is not None and self._csrf.require_csrf:
            self._check(request)
        response: Response = self._views[type(context)].get(method, refuse_method)(request)
        return response

    def _check(self, request: Request) -> None:
        """Do what Pyramid's ``csrf_view`` does by default before a view.

        Raises:
            BadCSRFOrigin, BadCSRFToken, or what the callback raises.
        """
        csrf = self._csrf
        if csrf.callback is None or csrf.callback(request):
            if csrf.check_origin:
                check_csrf_origin(request, raises=True, allow_no_origin=csrf.allow_no_origin)
            check_csrf_token(request, csrf.token, csrf.header, raises=True)


def _find_route(registry: Registry) -> Any:
    """Return the route of tables, rows and functions, or None where the router has to do its work."""
    mapper = registry.queryUtility(IRoutesMapper)
    route = mapper.get_route(ROUTE) if mapper is not None else None
    derivers = registry.queryUtility(IViewDerivers)
    if route is None or not route.pattern.startswith(START) or registry.queryUtility(IDefaultPermission) is not None:
        return None
    if derivers is not None and {name for name, _ in derivers.sorted()} - DERIVERS:
        return None
    for other in mapper.get_routes():
        if other is route:
            return route
        pattern = "/" + other.pattern.lstrip("/")
        literal = pattern.partition("{")[0].partition("*")[0].partition(":")[0]  # the last is an older way to write the first
        if other.name not in OWN and (literal.startswith(START) or (literal != pattern and START.startswith(literal))):
            return None
    return None
