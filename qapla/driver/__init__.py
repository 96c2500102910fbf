"""Drivers: every question and every change that an application puts to a database, behind methods with names.

``ReadDriver`` and ``WriteDriver`` can be imported from here (CQRS: reading and changing are two classes); they are loaded when asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qapla.driver.read import Page, ReadDriver
    from qapla.driver.write import WriteDriver

_PLACES = {"Page": "qapla.driver.read", "ReadDriver": "qapla.driver.read", "WriteDriver": "qapla.driver.write"}

__all__ = ["Page", "ReadDriver", "WriteDriver"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
