"""What an application needs to test itself: fixtures, servers, statement counters, contract suites.

``BaseApplicationFixture``, ``WebFixture``, ``at_most``, ``fake_of`` and the contracts can be imported from here; they are loaded when asked
for, because the pytest plugin ``qapla.testing.servers`` is in this package and has to start fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PLACES = {
    "EngineContract": "qapla.testing.contracts",
    "FakeReadDriver": "qapla.testing.fakes",
    "FakeWriteDriver": "qapla.testing.fakes",
    "ReadDriverContract": "qapla.testing.contracts",
    "WriteDriverContract": "qapla.testing.contracts",
    "fake_of": "qapla.testing.fakes",
    "BaseApplicationFixture": "qapla.database.testing",
    "WebFixture": "qapla.testing.fixtures",
    "at_most": "qapla.testing.statements",
}

__all__ = [
    "BaseApplicationFixture",
    "EngineContract",
    "FakeReadDriver",
    "FakeWriteDriver",
    "ReadDriverContract",
    "WebFixture",
    "WriteDriverContract",
    "at_most",
    "fake_of",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
