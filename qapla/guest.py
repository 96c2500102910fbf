"""The application behind a Pyramid program that has never heard of one, and includes one of our plugins.

It has no settings files: each of Pyramid's own settings that begins with ``qapla.`` is one of ours, dots for colons
(``qapla.db.main.url`` is ``db:main:url``, ``qapla.paths.migrations`` a path), and the environment wins over them as always. All plugins
of a program share it. It stops with the process, or by ``config.registry["qapla.app"].stop()``.

Adds      ``request.app scope databases identity rights``; request class and execution policy stay those of the program.
Settings  ``plugins``: names of installed plugins to include, too.
"""

from __future__ import annotations

import logging
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from pyramid.events import ApplicationCreated, NewResponse
from pyramid.interfaces import IRequestExtensions
from pyramid.security import SecurityAPIMixin

from qapla import settings as settings_loader
from qapla.application import Application
from qapla.errors import ConfigurationError, SettingsError
from qapla.installed import make_plugin
from qapla.masking import shield
from qapla.ports import ANONYMOUS, NO_RIGHTS
from qapla.request import IN_MEMORY, ClosingBody, Databases, close_scope, find_identity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyramid.config import Configurator
    from pyramid.request import Request

    from qapla.ports import Rights
    from qapla.scope import Scope

log = logging.getLogger(__name__)

PREFIX = "qapla."
ORIGIN = "the settings of the Pyramid program"


class Guest(Application):
    """An application that lives in somebody else's Configurator: its plugins are declared, started and included one by one."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__()
        self.settings, self.paths = settings_loader.load_dotted(given, PREFIX, ORIGIN)
        if "web" in self.settings:
            hint = "hosts and proxies are up to the program itself; an Application has them"
            raise SettingsError(f"setting 'web' in {self.settings.origin('web')} is not offered here", hint=hint)
        self.start_point, self.phase = "uwsgi", "web"
        self._stopper: threading.Thread | None = None

    def stop(self) -> None:
        """Stop every plugin that was started; whoever asks while ``stop_soon`` is at it waits for that."""
        stopper = self._stopper
        if stopper is None or stopper is threading.current_thread() or not stopper.is_alive():
            super().stop()
        else:
            stopper.join()

    def stop_soon(self) -> None:
        """Stop in a thread of its own: garbage is collected in the middle of anything, by a thread that holds locks or runs an event loop.

        It is a daemon, since ``exits`` waits for it anyway, and since starting any other thread takes a lock of ``threading``.
        """
        self._stopper = threading.Thread(target=self._stop_logged, name="qapla-guest", daemon=True)
        self._stopper.start()

    def _stop_logged(self) -> None:
        try:
            self.stop()
        except Exception:
            log.exception("the application of a Pyramid program cannot stop")


def make_guest(config: Configurator) -> Guest:
    """Make the application of the program behind *config*, which has none, and let requests know it."""
    app = Guest(config.registry.settings or {})
    config.registry["qapla.app"] = app
    for key, value in list(config.registry.settings.items()):
        if key.startswith(PREFIX):
            config.registry.settings[key] = shield(key, value)  # its debug toolbar shows them all
    ending = weakref.finalize(config.registry, app.stop_soon)
    ending.atexit = False  # at the end of the process, ``exits`` stops it, but not in a forked child
    for name, made in PROPERTIES.items():
        config.add_request_method(made, name, property=True)
    config.add_request_method(identity, property=True)
    config.add_request_method(rights)
    config.add_subscriber(watch_body, NewResponse)
    config.add_subscriber(finish, ApplicationCreated)
    for name in app.settings.names("plugins"):
        app.include(config, make_plugin(name, app.settings.origin("plugins")))
    log.debug("made an application for the Pyramid program %r", config.root_package.__name__)
    return app


def finish(event: ApplicationCreated) -> None:
    """Take no more plugins.

    Raises:
        ConfigurationError: the program has put something else where requests of ours have their scope.
    """
    registry = event.app.registry
    registry["qapla.app"].phase = "ready"
    found = registry.getUtility(IRequestExtensions)
    for name, ours in PROPERTIES.items():
        if found.descriptors.get(name) is not ours or name in found.methods:
            raise ConfigurationError(f"request method {name!r} of the program is taken", hint="plugins of qapla have one of that name")


def kept(make: Callable[[Request], Any], name: str) -> property:
    """Return a property that is made once per request. Unlike what Pyramid makes, it can be told from others of its name."""

    def get(request: Request) -> Any:
        attributes = request.__dict__
        if name not in attributes:
            attributes[name] = make(request)
        return attributes[name]

    return property(get, doc=make.__doc__)


def find_app(request: Request) -> Application:
    """Return the application that this request belongs to."""
    app: Application = request.registry["qapla.app"]
    return app


def find_databases(request: Request) -> Databases:
    """Return the served databases by name."""
    return Databases(find_app(request))


def open_scope(request: Request) -> Scope:
    """Return the unit of work that this request is; it is closed when the request has really ended."""
    before = sys.exc_info()[1]  # the whole request may be run by somebody who handles an error
    scope = find_app(request).scope(request).enter()

    def end(request: Request) -> None:
        error = sys.exc_info()[1]
        error = None if error is before else error
        if error is not None or "qapla.streams" not in request.__dict__:
            close_scope(request, error or getattr(request, "exception", None))

    request.add_finished_callback(end)
    return scope


def identity(request: Request) -> Any:
    """Return who is asking: by our identifier where there is one, else by the program's own security policy."""
    app = find_app(request)
    if "identifier" not in app:
        return SecurityAPIMixin.identity.fget(request)
    request.__dict__["identity"] = found = find_identity(app, request)
    return found


def rights(request: Request, name: str) -> Rights:
    """Return what the caller may do in the database called *name*; nothing where the application has no policy."""
    app = find_app(request)
    policy = app.find("policy")
    if policy is None:
        return NO_RIGHTS
    found: Rights = policy.rights(request.identity if "identifier" in app else ANONYMOUS, name)
    return found


def watch_body(event: NewResponse) -> None:
    """Let a body that is made while it is sent close the scope of its request at its end. This is the last that happens to a response."""
    request, response = event.request, event.response
    if request is None or type(response.app_iter) in IN_MEMORY:
        return
    request.__dict__["qapla.streams"] = True
    response.app_iter = ClosingBody(response.app_iter, request, getattr(request, "exception", None))
    scope = request.__dict__.get("scope")
    if scope is not None:
        scope.leave()


PROPERTIES = {"app": kept(find_app, "app"), "databases": kept(find_databases, "databases"), "scope": kept(open_scope, "scope")}
