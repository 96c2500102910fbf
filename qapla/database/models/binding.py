"""Which databases are open here: those of this thread and this asyncio task, and of no other.

::

    with Sqlite("a.db") as a, Sqlite("b.db") as b:
        bound()       # (a, b): outermost first
        innermost()   # b: where a new row goes

A task or thread that is started inside sees none of them: a session is not made for two at once. What works in several threads on
purpose, as a query over many databases does, takes the ``Bound`` along by itself.
"""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from qapla.errors import NotBound

if TYPE_CHECKING:
    from qapla.database.models.bound import Bound

HINT = "open one: with Sqlite(path): …"

# Whose the databases are, and which. A child inherits the value of its parent, and sees by the owner that it is not meant.
_open: ContextVar[tuple[Any, tuple[Bound, ...]]] = ContextVar("qapla_bound", default=(None, ()))


def bound() -> tuple[Bound, ...]:
    """Return the databases that are open in this thread or task, outermost first; none is no error."""
    owner, found = _open.get()
    return tuple(each for each in found if each.is_open) if found and owner is _whoever_runs() else ()


def innermost() -> Bound:
    """Return the database that was opened last.

    Raises:
        NotBound: none is open.
    """
    return require_bound()[-1]


def require_bound() -> tuple[Bound, ...]:
    """Return the databases that are open, at least one.

    Raises:
        NotBound: none is open.
    """
    found = bound()
    if not found:
        raise NotBound("no database is bound in this thread or task", hint=HINT)
    return found


def bind(database: Bound) -> None:
    """Make *database* the innermost one of this thread or task."""
    _open.set((_whoever_runs(), (*bound(), database)))


def unbind(database: Bound) -> None:
    """Take *database* away, in whatever order; one that is not there is no error, since it may have been bound elsewhere."""
    left = tuple(each for each in bound() if each is not database)
    _open.set((_whoever_runs(), left) if left else (None, ()))


def _whoever_runs() -> Any:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop
        task = None
    return task or threading.current_thread()
