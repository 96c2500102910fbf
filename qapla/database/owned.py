"""Things that each thread and each asyncio task has for itself: made when asked for, closed when it ends.

What a forked child finds of its parent's is neither used nor closed: it shares sockets with it.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Thing = TypeVar("Thing")

_inherited: list[Any] = []  # kept, since garbage would be closed
_known: weakref.WeakSet[Owned[Any]] = weakref.WeakSet()


class Owned(Generic[Thing]):
    """One *Thing* per thread and per task; a thread or task that is started inside of another has its own.

    Args:
        make: makes one for whoever asks first.
        close: called with it when its thread or task ends, in that thread where it can be.
    """

    def __init__(self, make: Callable[[], Thing], close: Callable[[Thing], None]) -> None:
        self._make, self._close = make, close
        self._reset()
        _known.add(self)

    def _reset(self) -> None:
        self._threads = threading.local()
        self._tasks: weakref.WeakKeyDictionary[Any, Kept[Thing]] = weakref.WeakKeyDictionary()

    def get(self) -> Thing:
        """Return that of this thread or task."""
        task = find_task()
        if task is None:
            kept: Kept[Thing] | None = getattr(self._threads, "kept", None)
            if kept is None:
                kept = self._threads.kept = Kept(self._make(), self._close)
            return kept.thing
        if task not in self._tasks:
            kept = self._tasks[task] = Kept(self._make(), self._close)
            task.add_done_callback(kept.end)
        return self._tasks[task].thing

    def _leave_to_parent(self) -> None:
        _inherited.append((self._threads, self._tasks))
        self._reset()


class Kept(Generic[Thing]):
    """A thing that is closed when nobody has it any more: when its thread's locals go, or when its task is done."""

    def __init__(self, thing: Thing, close: Callable[[Thing], None]) -> None:
        self.thing = thing
        self._close: Callable[[Thing], None] | None = close
        self._process = os.getpid()

    def end(self, task: Any = None) -> None:
        """Close it, once."""
        close, self._close = self._close, None
        if close is not None and self._process == os.getpid():
            close(self.thing)

    def __del__(self) -> None:
        if not sys.is_finalizing():  # what it needs may be gone
            self.end()


def find_task() -> Any:
    """Return the asyncio task that runs here, or None."""
    asyncio = sys.modules.get("asyncio")  # where nobody has imported it there is no task
    try:
        return asyncio.current_task() if asyncio is not None else None
    except RuntimeError:  # no loop runs in this thread
        return None


def _after_fork() -> None:
    for owned in list(_known):
        owned._leave_to_parent()


os.register_at_fork(after_in_child=_after_fork)
