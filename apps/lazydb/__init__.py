"""lazydb: point it at a database and there is a REST API and an admin for it.

``lazydb.frame("shop", "orders?total=gt.100")`` is any list of them as a data frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lazydb.frames import frame

__all__ = ["frame"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # imported when it is wanted: commands do without
        from lazydb.frames import frame

        return frame
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
