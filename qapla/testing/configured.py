"""The fixtures of the application that pytest's configuration names, see ``plugin.py``."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from qapla.cli import find_application
from qapla.database.stage import ISOLATIONS
from qapla.testing.fixtures import WebFixture

if TYPE_CHECKING:
    from qapla.application import Application


class ConfiguredFixtures(WebFixture):
    """The fixtures of ``WebFixture`` for whoever wants them, in a class or not. A plugin object of pytest.

    Raises:
        pytest.UsageError: there is no such isolation.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._name = str(config.getini("qapla_app"))
        self.DATABASE_KEY = str(config.getini("qapla_database"))  # type: ignore[misc]
        self.ISOLATION = str(config.getini("qapla_isolation"))  # type: ignore[misc]
        if self.ISOLATION not in ISOLATIONS:
            raise pytest.UsageError(f"qapla_isolation is {self.ISOLATION!r}, not one of {', '.join(ISOLATIONS)}")

    @cached_property
    def APP_CLASS(self) -> type[Application]:  # type: ignore[override]
        """Return the class of the application; it is looked for when the first test wants it."""
        found: Any = find_application(self._name)
        return type(found)
