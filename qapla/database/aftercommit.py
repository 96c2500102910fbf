"""Do something when the work of the current scope is committed, and never when it is rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.scope import find_current

if TYPE_CHECKING:
    from collections.abc import Callable


def after_commit(call: Callable[[], object], name: str | None = None) -> None:
    """Call *call* after the commit of the current scope's work; at once where nothing is open that could be committed.

    Args:
        name: the database whose commit counts, where several have sessions; None for whatever the scope commits.
    """
    scope = find_current()
    if scope is not None and "database" in scope:
        scope["database"].after_commit(call, name)
    else:
        call()
