"""``BaseApplicationFixture``: integration tests of an application, with a session whose work is gone after each test.

::

    class ApplicationFixture(BaseApplicationFixture):
        APP_CLASS = RotarranApplication
        DATABASE_KEY = "main"

    class TestSomething(ApplicationFixture):
        def test_session(self, dbsession): ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from sqlalchemy.orm import Session

from qapla.database import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qapla.database.application import DatabaseApplication
    from qapla.database.plugin import DatabasePlugin


class BaseApplicationFixture:
    """Fixtures for one application class and one of its databases.

    Attributes:
        APP_CLASS: the application; it is started with the settings of tests.
        DATABASE_KEY: the database that ``dbsession`` works on.
        SETTINGS: settings that win over those in files; override the fixture ``overrides`` where they depend on other fixtures.
    """

    APP_CLASS: ClassVar[type[DatabaseApplication]]
    DATABASE_KEY: ClassVar[str] = "main"
    SETTINGS: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def overrides(self) -> dict[str, Any]:
        """Return settings that win over those in files."""
        return dict(self.SETTINGS)

    @pytest.fixture
    def application(self, overrides: dict[str, Any]) -> Iterator[DatabaseApplication]:
        """Give the test the started application; it is stopped afterwards."""
        application = self.APP_CLASS().run_tests(overrides)
        yield application
        application.stop()

    @pytest.fixture
    def dbplugin(self, application: DatabaseApplication) -> DatabasePlugin:
        """Give the test the plugin with all databases."""
        plugin: DatabasePlugin = application["database"]
        return plugin

    @pytest.fixture
    def dbsession(self, dbplugin: DatabasePlugin) -> Iterator[Session]:
        """Give the test a session on a migrated database; what it writes, and even commits, is rolled back afterwards."""
        database = dbplugin[self.DATABASE_KEY]
        if database.migrations_key is not None:
            migrate.upgrade(database)
        with database.engine.connect() as connection, connection.begin() as outer:
            with Session(connection, join_transaction_mode="create_savepoint") as session:
                yield session
            outer.rollback()
