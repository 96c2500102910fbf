"""The request of an application, and what ends with it.

The request's properties sit on a subclass of Pyramid's Request, one per application: ``add_request_method`` with a property would make
a new class for every single request (30 µs). The scope is opened by the first who asks. It is closed when the request has really ended:
after an exception view, after the last chunk of a streamed answer, when the client goes away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.decorator import reify
from pyramid.request import Request as PyramidRequest

from qapla.errors import InputError, NotFound
from qapla.ports import ANONYMOUS, NO_RIGHTS
from qapla.scope import current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyramid.response import Response

    from qapla.application import Application
    from qapla.ports import Identity, Rights
    from qapla.scope import Scope

IN_MEMORY = (list, tuple)  # a body of one of these types is made already: nobody will ask for a session while it is sent
DONE = object()
SET_BY_PYRAMID = {"context", "exc_info", "exception", "matchdict", "matched_route", "registry", "request_iface", "root", "subpath", "tm"}
SET_BY_PYRAMID |= {"traversed", "view_name", "virtual_root", "virtual_root_path"}  # on each request, when it is known


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
        scope = self.app.scope(self).enter()
        if "qapla.policy" not in self.__dict__:  # made by pyramid.scripting, or a test: nobody but Pyramid sees its end
            self.add_finished_callback(lambda request: scope.close(getattr(request, "exception", None)))
        return scope

    @reify
    def identity(self) -> Identity:
        """Return who is asking.

        Raises:
            NotAuthenticated: there are credentials, and they are not valid.
        """
        return find_identity(self.app, self)

    def rights(self, name: str) -> Rights:
        """Return what the caller may do in the database called *name*; nothing where the application has no policy."""
        return find_rights(self.app, self, name)

    def _check_charset(self) -> None:
        # WebOb raises a DeprecationWarning here, which nobody would take for the caller's mistake.
        if self.charset != "UTF-8":
            raise InputError(f"the body is in {self.charset[:50]!r}", status=415, code="PGRST102", hint="send UTF-8")


def is_taken(name: str) -> bool:
    """Tell whether every request has something called *name* already."""
    return name in SET_BY_PYRAMID or name in Request.__annotations__ or hasattr(Request, name)


def find_identity(app: Application, request: Any) -> Identity:
    """Return who is asking; nobody in particular where the application has no identifier."""
    identifier = app.find("identifier")
    return identifier.identify(request) if identifier is not None else ANONYMOUS


def find_rights(app: Application, request: Any, name: str) -> Rights:
    """Return what the caller may do in the database called *name*; nothing where the application has no policy."""
    policy = app.find("policy")
    return policy.rights(request.identity, name) if policy is not None else NO_RIGHTS


def run_subrequest(request_class: type[Request], invoke: Callable[..., Response], request: Any, use_tweens: bool = False) -> Response:
    """Answer *request* by *invoke*, and close its scope when it has really ended."""
    if not isinstance(request, request_class):  # Request.blank() of Pyramid's own class, which its manual shows, lacks request.scope
        kind = type(request)
        request.__class__ = request_class if kind is PyramidRequest else type(kind.__name__, (request_class, kind), {})
    request.__dict__["qapla.policy"] = True
    with current(None):
        try:
            response = invoke(request, use_tweens=use_tweens)
        except BaseException as error:
            close_scope(request, error)
            raise
    return end_with_body(request, response)


def end_with_body(request: Any, response: Response) -> Response:
    """Close the scope of *request* now, or after the body of *response* where that is made while it is sent."""
    body = response.app_iter
    if type(body) in IN_MEMORY:
        close_scope(request, request.__dict__.get("exception"))
    else:  # perhaps with a scope that is not open yet
        response.app_iter = ClosingBody(body, request, request.__dict__.get("exception"))
    return response


def close_scope(request: Any, error: BaseException | None) -> None:
    """Close the scope of *request*, if somebody has used it."""
    scope = request.__dict__.get("scope")
    if scope is not None:
        scope.close(error)


class ClosingBody:
    """The body of a streamed answer that closes the request's scope at its end, or when the server drops it."""

    def __init__(self, body: Any, request: Any, error: BaseException | None) -> None:
        self._body, self._request, self._error = body, request, error

    def __iter__(self) -> Iterator[bytes]:
        try:
            chunks = iter(self._body)
            while True:
                # Between two chunks this thread may do something else: only while one is made, the scope is the current one.
                with current(self._request.__dict__.get("scope")):
                    chunk = next(chunks, DONE)
                if chunk is DONE:
                    return
                yield chunk  # type: ignore[misc]
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
            close_scope(self._request, self._error)
