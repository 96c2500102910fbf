"""The event loop of this process for who cannot await: it runs in a thread, made on first use and anew after a fork.

Calls come from any thread, and their context variables come with them: a line of the log has the id of its request. A fork waits until
the loop is between two steps, so that no lock of it is copied while it is held; the child leaves the parent's loop and connections alone.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import selectors
import sys
import threading
import weakref
from collections.abc import Coroutine
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, TypeVar

from qapla.errors import ConfigurationError, StoreUnavailable

Answer = TypeVar("Answer")
STOP_WAIT_S = 5.0
FORK_WAIT_S = 1.0


class Selector(selectors.DefaultSelector):
    """Watches sockets, of one process only: in a forked child, closing what was inherited does not end the watch of the parent."""

    def __init__(self) -> None:
        super().__init__()
        self._pid = os.getpid()

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Stop watching."""
        return super().unregister(fileobj) if self._pid == os.getpid() else self.get_key(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch for something else."""
        return super().modify(fileobj, events, data) if self._pid == os.getpid() else self.get_key(fileobj)


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None
        self._inherited: Any = None
        self._calls: set[Future[Any]] = set()  # for whose answers somebody waits
        self._forking: threading.Event | None = None
        self._begin_anew()
        known = weakref.ref(self)
        os.register_at_fork(
            before=lambda: _call(known, "_park"),
            after_in_parent=lambda: _call(known, "_unpark"),
            after_in_child=lambda: _call(known, "_leave_to_parent"),
        )

    @property
    def is_running(self) -> bool:
        """Tell whether there is something to stop."""
        return self._running is not None

    def run(self, asked: Coroutine[Any, Any, Answer], *, anywhere: bool = False) -> Answer:
        """Run a coroutine there, and wait for its answer. An exception that a signal raises meanwhile, as Ctrl-C does, cancels it.

        Args:
            anywhere: whether another event loop may be held up.

        Raises:
            ConfigurationError: an event loop runs here, and would be held up; a notebook's own may be.
            StoreUnavailable: the loop was stopped meanwhile.
        """
        try:
            self._check_caller(anywhere)
        except BaseException:
            asked.close()
            raise
        future: Future[Answer] = Future()  # ours, not asyncio's: it is known before the coroutine begins, whenever a signal comes
        try:
            with self._lock:
                self._calls.add(future)
                asyncio.run_coroutine_threadsafe(_fulfil(future, asked), self._get())
            return future.result()
        finally:
            future.cancel()  # does nothing to one that has answered
            self._calls.discard(future)

    def hold(self) -> None:
        """Keep the loop until ``release``."""
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        """Stop the loop if nobody holds it any more, and nobody waits for an answer."""
        with self._lock:
            self._holders -= 1
            is_last = self._holders <= 0 and not self._calls
        if is_last:
            self.stop()

    def stop(self) -> None:
        """Give up what is under way, close what hangs on the loop, and the loop; the next call makes another one."""
        with self._lock:
            running, self._running = self._running, None
            calls, self._calls = self._calls, set()
        if running is None:
            return
        loop, thread = running
        with suppress(Exception):
            asyncio.run_coroutine_threadsafe(_wind_up(loop), loop).result(STOP_WAIT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_WAIT_S)
        if not thread.is_alive():
            loop.close()
        for future in calls:
            with suppress(InvalidStateError):  # it has answered, or else never began
                future.set_exception(_closing())

    def _begin_anew(self) -> None:
        self._lock = threading.RLock()  # a signal, or garbage, may stop an application while this thread holds it
        self._running = None
        self._calls = set()
        self._holders = 0

    def _get(self) -> asyncio.AbstractEventLoop:
        if self._running is None:
            loop = asyncio.SelectorEventLoop(Selector())
            thread = threading.Thread(target=loop.run_forever, name="qapla-repositories", daemon=True)
            thread.start()
            self._running = loop, thread
        return self._running[0]

    def _check_caller(self, anywhere: bool) -> None:
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            return
        hint = "await the repository itself"
        if self._running is not None and here is self._running[0]:
            raise ConfigurationError("a synchronous repository is used by what runs on its own event loop", hint=hint)
        if not anywhere and not is_notebook():
            raise ConfigurationError("a synchronous repository is used in a coroutine", hint=hint)

    # -- around a fork

    def _park(self) -> None:
        self._lock.acquire()
        if self._running is None or self._running[1] is threading.current_thread():
            return
        parked, forked = threading.Event(), threading.Event()

        def park() -> None:
            parked.set()
            forked.wait(FORK_WAIT_S)

        self._forking = forked
        self._running[0].call_soon_threadsafe(park)
        parked.wait(FORK_WAIT_S)

    def _unpark(self) -> None:
        if self._forking is not None:
            self._forking.set()
            self._forking = None
        self._lock.release()

    def _leave_to_parent(self) -> None:
        self._inherited = (self._inherited, self._running)  # kept: neither used nor closed here
        self._forking = None
        self._begin_anew()


def is_notebook() -> bool:
    """Tell whether this is a notebook: its cells run in an event loop, which they hold up anyway."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None and hasattr(module, "get_ipython") else None
    return hasattr(shell, "kernel")


def _call(known: weakref.ref[Loop], name: str) -> None:
    loop = known()
    if loop is not None:
        getattr(loop, name)()


async def _fulfil(future: Future[Answer], asked: Coroutine[Any, Any, Answer]) -> None:
    """Await *asked* for *future*, and cancel it when that is cancelled."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def give_up(future: Future[Answer]) -> None:
        if future.cancelled() and not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)

    future.add_done_callback(give_up)
    try:
        answer = await asked
    except asyncio.CancelledError:
        with suppress(InvalidStateError):  # nobody waits any more
            future.set_exception(_closing())
    except BaseException as error:
        with suppress(InvalidStateError):
            future.set_exception(error)
    else:
        with suppress(InvalidStateError):
            future.set_result(answer)


def _closing() -> StoreUnavailable:
    return StoreUnavailable("the call was given up: repositories are being closed in this process")


async def _wind_up(loop: asyncio.AbstractEventLoop) -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


LOOP = Loop()
atexit.register(LOOP.stop)
