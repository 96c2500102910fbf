"""Many databases in one application: what they look like, what is asked of them, and the sessions that ask.

``Database``, ``DatabaseApplication`` and ``WithDatabase`` can be imported from here; they are loaded when asked for, so that what needs
none of them (a catalog, a query) does not load them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyramid.config import Configurator

_PLACES = {
    "Database": "qapla.database.database",
    "DatabaseApplication": "qapla.database.application",
    "WithDatabase": "qapla.database.decorators",
}

__all__ = ["Database", "DatabaseApplication", "WithDatabase"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def includeme(config: Configurator) -> None:
    """Give the requests of a plain Pyramid program a session on every database in its settings; see ``qapla.database.web``."""
    config.include("qapla.database.web")
