"""Repositories and services for who cannot await: views of Pyramid, tasks of Celery, notebooks.

::

    people = sync(service)
    people.get_one("john_doe")

All calls of a process run on one event loop in a thread of its own, made on first use and anew after a fork; any thread may call. A call
from a coroutine is refused: it would hold up the coroutine's own loop.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import os
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from qapla.errors import ConfigurationError

Answer = TypeVar("Answer")
STOP_WAIT_S = 5.0


class Loop:
    """The event loop of this process, in a thread."""

    def __init__(self) -> None:
        self._running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None
        self._inherited: Any = None
        self._begin_anew()

    def run(self, asked: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a coroutine there, and wait for its answer.

        Raises:
            ConfigurationError: an event loop runs here.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run_coroutine_threadsafe(asked, self._get()).result()
        asked.close()
        raise ConfigurationError("a synchronous repository is used in a coroutine", hint="await the repository itself")

    def stop(self) -> None:
        """Close what hangs on the loop, and the loop; the next call makes another one."""
        with self._lock:
            running, self._running = self._running, None
        if running is None or self._pid != os.getpid():
            return
        loop, thread = running
        with suppress(Exception):
            asyncio.run_coroutine_threadsafe(loop.shutdown_asyncgens(), loop).result(STOP_WAIT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_WAIT_S)
        if not thread.is_alive():
            loop.close()

    def _begin_anew(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._running = None

    def _get(self) -> asyncio.AbstractEventLoop:
        if self._pid != os.getpid():
            self._inherited = self._running  # the parent's: neither used nor closed here
            self._begin_anew()
        with self._lock:
            if self._running is None:
                loop = asyncio.new_event_loop()
                self._running = loop, threading.Thread(target=loop.run_forever, name="qapla-repositories", daemon=True)
                self._running[1].start()
            return self._running[0]


LOOP = Loop()
atexit.register(LOOP.stop)


class Sync:
    """Something whose methods are coroutines, called like functions.

    ``repository.query(…)`` answers with a question whose ``entity``, ``entities``, ``exists`` and ``delete`` are the answers themselves.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __repr__(self) -> str:
        return f"sync({self._inner!r})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._inner, name)
        if inspect.iscoroutine(found):
            return LOOP.run(found)
        return self._waiting(found) if callable(found) else found

    def _waiting(self, method: Any) -> Any:
        @functools.wraps(method)
        def call(*values: Any, **named: Any) -> Any:
            answer = method(*(_bare(value) for value in values), **named)
            if inspect.iscoroutine(answer):
                return LOOP.run(answer)
            return Sync(answer) if hasattr(answer, "only_key") else answer

        return call


def sync(inner: Any) -> Any:
    """Return a repository or a service whose calls wait for their answers."""
    return Sync(inner)


def _bare(value: Any) -> Any:
    return value._inner if isinstance(value, Sync) else value
