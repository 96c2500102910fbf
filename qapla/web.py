"""Where an application meets Pyramid: the Configurator, the request, and how one request begins and ends.

The request's properties sit on a subclass of Pyramid's Request, one per application: ``add_request_method`` with a property would make
a new class for every single request (30 µs). The scope is opened by the first who asks, closed by the execution policy: after an exception
view, after the last chunk of a streamed answer, when the client goes away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.config import Configurator
from pyramid.decorator import reify
from pyramid.request import Request as PyramidRequest
from pyramid.response import Response as PyramidResponse

from qapla.errors import InputError, NotFound
from qapla.gate import refuse
from qapla.ports import ANONYMOUS, NO_RIGHTS
from qapla.proxies import read_proxies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyramid.response import Response

    from qapla.application import Application
    from qapla.ports import Identity, Rights
    from qapla.scope import Scope

builtin_property = property
HOSTS_REMEMBERED = 1000


class Databases:
    """The served databases by name; mapping-like. Empty where the application has no catalog."""

    def __init__(self, app: Application) -> None:
        self._app = app

    def __getitem__(self, name: str) -> Any:
        """Return the ``catalog.Served`` called *name*; raises what ``Catalog.get`` raises."""
        catalog = self._app.find("catalog")
        if catalog is None:
            raise NotFound(f"no database is called {name[:100]!r}")
        return catalog.get(name)

    def __iter__(self) -> Iterator[Any]:
        """Yield every served database, by name."""
        return iter(self._app.find("catalog", ()))


class Request(PyramidRequest):
    """A request that knows its application.

    ``app`` and ``databases`` are set on the subclass that ``make_configurator`` makes for one application.
    """

    app: Application
    databases: Databases

    @reify
    def scope(self) -> Scope:
        """Return the unit of work that this request is."""
        scope = self.app.scope(self)
        if "qapla.policy" not in self.__dict__:  # a subrequest: nobody but Pyramid sees its end
            self.add_finished_callback(lambda request: scope.close(getattr(request, "exception", None)))
        return scope

    @reify
    def identity(self) -> Identity:
        """Return who is asking.

        Raises:
            NotAuthenticated: there are credentials, and they are not valid.
        """
        identifier = self.app.find("identifier")
        return identifier.identify(self) if identifier is not None else ANONYMOUS

    def _check_charset(self) -> None:
        # WebOb raises a DeprecationWarning here, which nobody would take for the caller's mistake.
        if self.charset != "UTF-8":
            raise InputError(f"the body is in {self.charset[:50]!r}", status=415, code="PGRST102", hint="send UTF-8")

    def rights(self, name: str) -> Rights:
        """Return what the caller may do in the database called *name*; nothing where the application has no policy."""
        policy = self.app.find("policy")
        return policy.rights(self.identity, name) if policy is not None else NO_RIGHTS


class AppConfigurator(Configurator):
    """Pyramid's Configurator, but a property added to the request goes on the request class of the application.

    Whatever is included (Cornice adds one) then costs nothing per request.
    """

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
    config = AppConfigurator(settings=dict(app.settings.get("pyramid") or {}), request_factory=factory, locale_negotiator=find_locale)
    config.registry["qapla.request_class"] = factory
    config.registry["qapla.app"] = app
    hosts = app.settings.get("web:hosts")
    config.registry["qapla.hosts"] = known = None if hosts is None else frozenset(host.lower() for host in hosts)
    config.set_execution_policy(read_proxies(app.settings).around(make_policy(known)))
    return config


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
        with router.request_context(environ) as request:
            attributes = request.__dict__
            attributes["qapla.policy"] = True
            try:
                response = router.invoke_request(request)
            except BaseException as error:
                _close(request, error)
                raise
            body = response.app_iter
            if type(body) is not list:  # made while it is sent, perhaps with a scope that is not open yet
                response.app_iter = ClosingBody(body, request, attributes.get("exception"))
            elif "scope" in attributes:
                _close(request, attributes.get("exception"))
            return response

    return run_request


def _close(request: Any, error: BaseException | None) -> None:
    scope = request.__dict__.get("scope")
    if scope is not None:
        scope.close(error)


class ClosingBody:
    """The body of a streamed answer that closes the request's scope at its end, or when the server drops it."""

    def __init__(self, body: Any, request: Any, error: BaseException | None) -> None:
        self._body, self._request, self._error = body, request, error

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except BaseException as error:
            self._error = error
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Close the body, then the scope; WSGI servers call this in every ending."""
        close_body = getattr(self._body, "close", None)
        try:
            if close_body is not None:
                close_body()
        finally:
            _close(self._request, self._error)
