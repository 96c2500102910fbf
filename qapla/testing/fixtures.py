"""``WebFixture``: tests of a whole application through WebTest, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from webtest import TestApp

from qapla.database.testing import BaseApplicationFixture

if TYPE_CHECKING:
    from collections.abc import Iterator


class WebFixture(BaseApplicationFixture):
    """Fixtures for requests to an application.

    ``application`` is the one behind ``web``: what a test changes in it, the next request sees.
    """

    @pytest.fixture
    def web(self, overrides: dict[str, Any]) -> Iterator[TestApp]:
        """Give the test a client of the started web application; ``web.application`` is the application."""
        application = self.APP_CLASS()
        client = TestApp(application.run_web_tests(overrides), extra_environ={"HTTP_HOST": "localhost:80"})
        client.application = application
        yield client
        application.stop()

    @pytest.fixture
    def application(self, web: TestApp) -> Any:
        """Give the test the application behind ``web``."""
        return web.application
