"""``BaseApplicationFixture``: integration tests of an application, whose work on databases is gone after each test.

::

    class ApplicationFixture(BaseApplicationFixture):
        APP_CLASS = RotarranApplication
        DATABASE_KEY = "main"

    class TestSomething(ApplicationFixture):
        def test_session(self, dbsession): ...

What a test does on any declared database is gone for the next one, also what it commits, and what web requests, tasks and functions with
``@WithDatabase`` commit in the same process. By default all of it happens in one transaction on one connection (``shared.py`` says what
that cannot show); with ``ISOLATION = "copy"`` each test has databases of its own, which takes longer. The databases are made and migrated
once per run (``testdatabases.py``), the application is started once per class and settings (``stage.py``). Numbers from sequences go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from qapla.database.stage import Lent, Stage, make_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from morfdict import Paths
    from sqlalchemy.orm import Session

    from qapla.application import Application
    from qapla.database.plugin import DatabasePlugin
    from qapla.settings import Settings

STAGE = pytest.StashKey[Stage]()


class BaseApplicationFixture:
    """Fixtures for one application class and one of its databases.

    Attributes:
        APP_CLASS: the application; it is started with the settings of tests.
        DATABASE_KEY: the database that ``dbsession`` works on.
        SETTINGS: settings that win over those in files; override the fixture ``overrides`` where they depend on other fixtures.
        ISOLATION: ``transaction`` or ``copy``.
    """

    APP_CLASS: ClassVar[type[Application]]
    DATABASE_KEY: ClassVar[str] = "main"
    SETTINGS: ClassVar[dict[str, Any]] = {}
    ISOLATION: ClassVar[str] = "transaction"

    @pytest.fixture
    def overrides(self) -> dict[str, Any]:
        """Return settings that win over those in files."""
        return dict(self.SETTINGS)

    @pytest.fixture
    def lent_application(self, request: pytest.FixtureRequest, overrides: dict[str, Any]) -> Iterator[Lent]:
        """Give the test what stands behind ``application``; started for the web if the test has the fixture ``web``."""
        is_web = "web" in request.fixturenames
        with get_stage(request.config).lend(self.APP_CLASS, overrides, web=is_web, isolation=self.ISOLATION) as lent:
            yield lent

    @pytest.fixture
    def application(self, lent_application: Lent) -> Application:
        """Give the test the started application."""
        return lent_application.application

    @pytest.fixture
    def settings(self, application: Application) -> Settings:
        """Give the test the settings of the application."""
        return application.settings

    @pytest.fixture
    def paths(self, application: Application) -> Paths:
        """Give the test the paths of the application."""
        return application.paths

    @pytest.fixture
    def dbplugin(self, application: Application) -> DatabasePlugin:
        """Give the test the plugin with all databases."""
        plugin: DatabasePlugin = application["database"]
        return plugin

    @pytest.fixture
    def dbsession(self, lent_application: Lent) -> Iterator[Session]:
        """Give the test a session on the database DATABASE_KEY."""
        with lent_application.application.scope() as scope:
            yield scope["database"][self.DATABASE_KEY]
            lent_application.end()


def get_stage(config: pytest.Config) -> Stage:
    """Return the stage of this process, made now if nobody needed one before."""
    if STAGE not in config.stash:
        config.stash[STAGE] = stage = make_stage()
        config.pluginmanager.register(Ending(stage))
    return config.stash[STAGE]


class Ending:
    """Close a stage when the run ends; a worker of pytest-xdist may be killed any time after that."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Stop the applications and drop what was made for the run."""
        self._stage.close()
