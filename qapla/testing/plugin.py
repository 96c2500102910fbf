"""The pytest plugin of qapla: it is there wherever qapla is installed, and does nothing until the configuration names an application.

::

    [pytest]
    qapla_app = rotarran:main

Then the fixtures ``application``, ``dbplugin``, ``dbsession``, ``settings``, ``paths``, ``overrides`` and ``web`` are there without an
import; they are those of ``WebFixture``. What a class inherits, or ``conftest.py`` overrides, wins as usual.

Settings  ``qapla_app``: the application, ``package.module:attribute``; an ``Application`` or a class of one.
          ``qapla_database``: the database of ``dbsession``; default ``main``.
          ``qapla_isolation``: ``transaction`` (default) or ``copy``.

The servers of ``qapla.testing.servers`` are another plugin, for those who want them: ``-p qapla.testing.servers``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

OPTIONS = {
    "qapla_app": ("The application that the fixtures start: package.module:attribute.", ""),
    "qapla_database": ("The database that the fixture dbsession works on.", "main"),
    "qapla_isolation": ("How tests are kept apart: transaction or copy.", "transaction"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what the configuration may say."""
    for name, (text, default) in OPTIONS.items():
        parser.addini(name, text, default=default)


def pytest_configure(config: pytest.Config) -> None:
    """Offer the fixtures, if an application is named. The asserts of contracts tell what they saw, as those of tests do."""
    import pytest

    pytest.register_assert_rewrite("qapla.testing.contracts")
    if config.getini("qapla_app"):
        from qapla.testing.configured import ConfiguredFixtures

        config.pluginmanager.register(ConfiguredFixtures(config), "qapla-fixtures")
