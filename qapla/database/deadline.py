"""Cut off what takes too long, whatever the driver is doing.

An engine ends its own long statements; but a server that was stopped, or lost its network, says nothing, and SQLite has no limit
at all. One thread for the whole process looks at what is running and cancels what is late. It ends when nothing has run for a while.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TICK_S = 0.1
LINGER_S = 10.0

_running: dict[int, tuple[float, Callable[[], None]]] = {}
_numbers = itertools.count()
_lock = threading.RLock()  # a transaction that is collected while it is held is rolled back, and watched
_thread: threading.Thread | None = None


def watch(until: float, cancel: Callable[[], None]) -> int:
    """Call *cancel*, from another thread, at *until* (monotonic seconds), unless ``unwatch`` comes first. Returns its number."""
    number = next(_numbers)
    _running[number] = (until, cancel)
    if _thread is None:
        _start()
    return number


def unwatch(number: int) -> bool:
    """End the watch; tell whether it had been cancelled by then."""
    return _running.pop(number, None) is None


def _start() -> None:
    global _thread
    made = threading.Thread(target=_look, name="qapla-deadline", daemon=True)
    with _lock:
        if _thread is None:
            _thread = made
            made.start()


def _look() -> None:
    global _thread
    idle_since = time.monotonic()
    while True:
        time.sleep(TICK_S)
        now = time.monotonic()
        late = [number for number, (until, _) in list(_running.items()) if until <= now]
        for number in late:
            entry = _running.pop(number, None)  # whoever pops it owns it: a statement that ends now is not cut off
            if entry is not None:
                entry[1]()
        if _running:
            idle_since = now
        elif now - idle_since > LINGER_S:
            with _lock:
                if not _running:
                    _thread = None
                    return


def _after_fork() -> None:
    global _thread, _lock
    _lock, _thread = threading.RLock(), None
    _running.clear()


os.register_at_fork(after_in_child=_after_fork)
