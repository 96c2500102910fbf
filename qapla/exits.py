"""Stop the applications that still run when the process ends, last started first.

Only in the process that started them: what a forked child would stop (a file, a lock, a thread) is its parent's.
"""

from __future__ import annotations

import atexit
import logging
import os
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

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
    return [app for app, process in reversed(list(_running.items())) if process == os.getpid()]


@atexit.register
def stop_all() -> None:
    """Stop what still runs; an error is logged and keeps nobody else running."""
    for app, process in reversed(list(_running.items())):
        if process == os.getpid():
            try:
                app.stop()
            except Exception as error:
                log.error("application %r cannot stop", type(app).__name__, exc_info=error)
