"""Do something when the work under way is committed, and never when it is rolled back.

The work under way is that of the innermost scope, or of the block of ``app["database"].transaction(…)`` that is open in it.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from qapla.scope import find_current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qapla.database.session import Sessions
    from qapla.scope import Scope

_block: ContextVar[tuple[Sessions, Scope | None] | None] = ContextVar("qapla.database.block", default=None)


def after_commit(call: Callable[[], object], name: str | None = None) -> None:
    """Call *call* after the commit of the work under way; at once where nothing is open that could be committed.

    Args:
        name: the database whose commit counts, where several have sessions that commit one by one.
    """
    sessions = find_sessions()
    if sessions is None:
        call()
    else:
        sessions.after_commit(call, name)


def find_sessions() -> Any:
    """Return the ``Sessions`` of the work under way, or None; in a scope of asyncio they are ``AsyncSessions``."""
    scope, block = find_current(), _block.get()
    if block is not None and block[1] is scope:
        return block[0]
    # Asked for also where nobody has used one yet: a transaction manager may commit something else, or nothing at all.
    return scope["database"] if scope is not None and "database" in scope.app else None


@contextmanager
def work_on(sessions: Sessions) -> Iterator[None]:
    """Let *sessions* be those of the work under way, for the length of a block."""
    token = _block.set((sessions, find_current()))
    try:
        yield
    finally:
        _block.reset(token)
