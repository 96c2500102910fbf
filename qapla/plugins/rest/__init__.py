"""A REST API in the PostgREST dialect for every database in the catalog; ``rest`` and ``app`` serve models of a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qapla.plugins.rest.marks import rest as rest
    from qapla.plugins.rest.program import app as app

_PLACES = {"rest": "qapla.plugins.rest.marks", "app": "qapla.plugins.rest.program"}  # imported by who asks: the plugin needs no models


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)
