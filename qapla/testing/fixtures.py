"""``WebFixture``: tests of a whole application through WebTest, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qapla.database.testing import BaseApplicationFixture

if TYPE_CHECKING:
    from webtest import TestApp

    from qapla.database.stage import Lent


class WebFixture(BaseApplicationFixture):
    """Fixtures for requests to an application.

    ``application`` is the one behind ``web``: what a test changes in it, the next request sees. What one test commits in a request is gone
    for the next, see ``BaseApplicationFixture``.
    """

    @pytest.fixture
    def web(self, lent_application: Lent) -> TestApp:
        """Give the test a client of the started web application, without cookies; ``web.application`` is the application."""
        from webtest import TestApp  # not needed by those whose application has no web

        client = TestApp(lent_application.wsgi, extra_environ={"HTTP_HOST": "localhost:80"})
        client.application = lent_application.application
        return client
