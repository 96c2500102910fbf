"""Where an application meets Pyramid: the Configurator, how one request begins and ends, and plugins that are included by themselves.

A plugin is included in any Pyramid program by ``config.include("qapla.plugins.metrics")``, also where nobody has heard of ``Application``:
one is made then, behind the scenes (see ``qapla.guest``).

Settings  ``web:hosts``: the names by which the application may be called, a list; any other ``Host`` is refused. Every one by default.
          ``pyramid:<name>``: settings of Pyramid and of its add-ons; ``pyramid:debugtoolbar:hosts`` is their ``debugtoolbar.hosts``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.response import Response as PyramidResponse

from qapla.gate import refuse
from qapla.masking import shield
from qapla.proxies import read_proxies
from qapla.request import Databases, Request, close_scope, end_with_body, run_subrequest
from qapla.scope import innermost
from qapla.settings import flat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyramid.response import Response

    from qapla.application import Application
    from qapla.plugin import Plugin

builtin_property = property
HOSTS_REMEMBERED = 1000


class AppConfigurator(Configurator):
    """Pyramid's Configurator, but a property added to the request goes on the request class of the application.

    Whatever is included (Cornice adds one) then costs nothing per request.
    """

    def make_wsgi_app(self) -> Callable[..., Any]:
        """Return the router; what it answers to a subrequest ends with the scope of that."""
        router = super().make_wsgi_app()
        router.invoke_subrequest = partial(run_subrequest, self.registry["qapla.request_class"], router.invoke_subrequest)
        return router

    def add_request_method(self, callable: Any = None, name: str | None = None, property: bool = False, reify: bool = False) -> None:
        """Let ``request.<name>`` be a method or a property; declaring a name twice is a conflict that shows both source lines."""
        make = self.maybe_dotted(callable)
        if make is None or not (property or reify or isinstance(make, builtin_property)):
            super().add_request_method(make, name, property, reify)
            return
        name = name or getattr(make, "__name__", None) or make.fget.__name__
        if isinstance(make, builtin_property):
            made: Any = make
        else:
            made = Reified(make, name) if reify else builtin_property(make)
        request_class = self.registry["qapla.request_class"]
        self.action(("request extensions", name), lambda: setattr(request_class, name, made))


def find_locale(request: Any) -> str | None:
    """Return the language that the reader has chosen. Pyramid's own negotiator would read the body of every request to find out."""
    locale: str | None = request.cookies.get("_LOCALE_")
    return locale


class Reified:
    """A property that is made once per request, when somebody asks for it."""

    def __init__(self, make: Callable[[Any], Any], name: str) -> None:
        self._make, self._name = make, name

    def __get__(self, request: Any, owner: type | None = None) -> Any:
        if request is None:
            return self
        value = request.__dict__[self._name] = self._make(request)
        return value


def make_configurator(app: Application) -> AppConfigurator:
    """Make the Configurator of *app*, with a request class of its own."""
    factory = type("Request", (Request,), {"app": app, "databases": Databases(app), "__module__": __name__})
    registry = Registry("qapla")
    registry["qapla.request_class"] = factory
    registry["qapla.app"] = app
    config = AppConfigurator(registry)
    config.setup_registry(settings=pyramid_settings(app), request_factory=factory, locale_negotiator=find_locale)
    hosts = None if app.settings.get("web:hosts") is None else app.settings.names("web:hosts")
    config.registry["qapla.hosts"] = known = None if hosts is None else frozenset(host.lower() for host in hosts)
    config.set_execution_policy(read_proxies(app.settings).around(make_policy(known)))
    return config


def pyramid_settings(app: Application) -> dict[str, Any]:
    """Return what Pyramid and its add-ons are told: everything below the setting ``pyramid``, by its name with dots.

    ``pyramid:debugtoolbar:hosts`` is their ``debugtoolbar.hosts``; ``pyramid:debug_all`` is both ``debug_all`` and ``pyramid.debug_all``.
    """
    own: Mapping[str, Any] = app.settings.get("pyramid") or {}
    found = {key.replace(":", "."): shield(key, value) for key, value in flat(own)}
    return {f"pyramid.{key}": value for key, value in found.items() if "." not in key} | found


def make_policy(hosts: frozenset[str] | None) -> Callable[[dict[str, Any], Any], Response]:
    """Return Pyramid's execution policy: it looks at the request's address, runs it, and closes its scope when it has really ended."""
    welcome: set[str | None] = {None}  # Host headers that were looked at; what is plain and known costs one look here

    def run_request(environ: dict[str, Any], router: Any) -> Response:
        host, path, query = environ.get("HTTP_HOST"), environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
        if host not in welcome or "%" in query or not (query.isascii() and path.isascii()):
            refusal = refuse(environ, hosts)
            if refusal is not None:
                return PyramidResponse(json_body=refusal.as_json(), status=refusal.status)
            if len(welcome) < HOSTS_REMEMBERED:
                welcome.add(host)
        outer = innermost.get()
        if outer is not None:
            innermost.set(None)  # a request is a unit of work of its own, whoever sends it
        context = router.request_context(environ)
        request = context.begin()  # a with statement would be two calls more
        try:
            attributes = request.__dict__
            attributes["qapla.policy"] = True
            response = router.invoke_request(request)
            if type(response.app_iter) is not list or "scope" in attributes:
                response = end_with_body(request, response)
        except BaseException as error:
            close_scope(request, error)
            raise
        finally:
            context.end()
            if innermost.get() is not outer:
                innermost.set(outer)
        return response

    return run_request


def include_plugin(config: Configurator, plugin: Plugin) -> Any:
    """Declare, start and include *plugin* in the application behind *config*, and before it the installed plugins that it requires.

    This is what the ``includeme`` of a package with a plugin does. Where there is no application, in a Pyramid program that has never heard
    of one, one is made from Pyramid's own settings: ``qapla.db.main.url`` is our ``db:main:url``.

    Returns:
        The plugin's value, ``app[plugin.key]``. A plugin of this class that is declared already is left as it is.

    Raises:
        PluginError: another plugin has its key, or one that it requires is missing.
    """
    return find_application(config).include(config, plugin)


def find_application(config: Configurator) -> Application:
    """Return the application behind *config*; it is made where there is none."""
    app: Application | None = config.registry.get("qapla.app")
    if app is None:
        from qapla.guest import make_guest

        app = make_guest(config)
    return app


def make_includeme(plugin: Plugin, place: str) -> Callable[[Configurator], None]:
    """Return what ``config.include`` takes. It knows by module and name what was included, and a module can have several plugins.

    Args:
        place: where the plugin was declared, for whoever looks at Pyramid's introspection.
    """

    def includeme(config: Configurator) -> None:
        entry = config.introspectable("plugins", plugin.key, f"plugin {plugin.key!r}", "plugin")
        entry.update({"class": config.object_description(type(plugin)), "declared at": place})
        config.action(("qapla.plugin", plugin.key), introspectables=(entry,))
        plugin.includeme(config)

    includeme.__module__ = type(plugin).__module__
    includeme.__name__ = f"includeme of {plugin.key}"
    return includeme
