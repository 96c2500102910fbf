"""The applications that run in this process: which one is meant, and that each is stopped when the process ends, last started first.

Only in the process that started them: what a forked child would stop (a file, a lock, a thread) is its parent's.
"""

from __future__ import annotations

import atexit
import logging
import os
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qapla.scope import find_current

if TYPE_CHECKING:
    from qapla.application import Application

log = logging.getLogger(__name__)

_running: WeakKeyDictionary[Application, int] = WeakKeyDictionary()


def remember(app: Application) -> None:
    """Stop *app* when this process ends, unless it is stopped before."""
    _running.setdefault(app, os.getpid())


def forget(app: Application) -> None:
    """Leave *app* alone: it is stopped."""
    _running.pop(app, None)


def list_running() -> list[Application]:
    """Return the applications that this process started and has not stopped, the last one first."""
    found = [app for known in _running.keyrefs() if (app := known()) is not None]  # a list at once: other threads stop theirs meanwhile
    return [app for app in reversed(found) if _running.get(app) == os.getpid()]


def find_running(main: Application) -> Application | None:
    """Return the application that is meant by *main* and runs in this process: that of the current scope, itself, or one of its class.

    A test starts an application of its own; a task or ``env.py`` called there must not go to the database of the module's ``main``.
    """
    scope = find_current()
    if scope is not None and isinstance(scope.app, type(main)):
        return scope.app
    if main.is_running:
        return main
    return next((app for app in list_running() if isinstance(app, type(main)) and app.is_running), None)


@atexit.register
def stop_all() -> None:
    """Stop what still runs; an error is logged and keeps nobody else running."""
    for app in list_running():
        try:
            app.stop()
        except Exception as error:
            log.error("application %r cannot stop", type(app).__name__, exc_info=error)
