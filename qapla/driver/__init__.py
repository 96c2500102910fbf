"""Drivers: every question and every change that an application puts to a database, behind methods with names.

``ReadDriver`` and ``WriteDriver`` can be imported from here (CQRS: reading and changing are two classes), and so can repositories
(``qapla.driver.repositories``): entities in Redis with a store behind it. All are loaded when asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qapla.errors import ConfigurationError

if TYPE_CHECKING:
    from qapla.driver.read import Page, ReadDriver
    from qapla.driver.repositories.collection import SortedSetEntity
    from qapla.driver.repositories.dictfallback import DictFallbackDataSource
    from qapla.driver.repositories.dictmemory import DictMemoryDataSource
    from qapla.driver.repositories.hash import HashRepository
    from qapla.driver.repositories.sorted_set import SortedSetRepository
    from qapla.driver.repositories.source import FallbackDataSource, MemoryDataSource
    from qapla.driver.write import WriteDriver
    from qapla.errors import EntityDamaged, EntityNotFound, EntityRefused, StoreTimedOut, StoreUnavailable, WrongKeyType

_ERRORS = ("EntityDamaged", "EntityNotFound", "EntityRefused", "StoreTimedOut", "StoreUnavailable", "WrongKeyType")
_PLACES = {
    "DictFallbackDataSource": "qapla.driver.repositories.dictfallback",
    "DictMemoryDataSource": "qapla.driver.repositories.dictmemory",
    "FallbackDataSource": "qapla.driver.repositories.source",
    "HashRepository": "qapla.driver.repositories.hash",
    "MemoryDataSource": "qapla.driver.repositories.source",
    "Page": "qapla.driver.read",
    "ReadDriver": "qapla.driver.read",
    "SortedSetEntity": "qapla.driver.repositories.collection",
    "SortedSetRepository": "qapla.driver.repositories.sorted_set",
    "WriteDriver": "qapla.driver.write",
    **dict.fromkeys(_ERRORS, "qapla.errors"),
}

__all__ = [  # noqa: RUF022 - by what they are for
    "Page",
    "ReadDriver",
    "WriteDriver",
    "DictFallbackDataSource",
    "DictMemoryDataSource",
    "EntityDamaged",
    "EntityNotFound",
    "EntityRefused",
    "FallbackDataSource",
    "HashRepository",
    "MemoryDataSource",
    "SortedSetEntity",
    "SortedSetRepository",
    "StoreTimedOut",
    "StoreUnavailable",
    "WrongKeyType",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_PLACES[name]), name)
    except ModuleNotFoundError as error:
        if error.name not in ("msgspec", "redis", "cachetools"):
            raise
        hint = "pip install 'qapla[repositories]'"
        raise ConfigurationError(f"{name!r} needs {error.name!r}, which is not installed", hint=hint) from error
