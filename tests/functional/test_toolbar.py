"""What pyramid_debugtoolbar shows of an application: all settings, everything that is configured, the request - and no secret"""

from __future__ import annotations

import re

import pytest
from pyramid.config import Configurator
from pyramid.response import Response
from sqlalchemy import text
from webtest import TestApp

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database

URL = "postgresql://u:geheim1@127.0.0.1:1/d?password=geheim2"
OURS = {
    "db:main:url": "sqlite://",
    "db:other:url": URL,
    "db:other:replicas": ["postgresql://u:geheim3@127.0.0.1:1/d"],
    "db:other:options": {"connect_args": {"password": "geheim4"}},
    "redis:default:url": "redis://:geheim5@127.0.0.1:1/0",
    "celery:broker_url": "amqp://u:geheim6@127.0.0.1:1//",
    "session:secret": "geheim7",
}
PANELS = ("Introspection", "Settings", "Request Vars", "Performance", "Tweens")


def home(request):
    """Use a session, and show nothing of it."""
    request.main.scalar(text("SELECT 1"))
    return Response("<html><body>home</body></html>")


class Shown(DatabaseApplication):
    """An application with the toolbar."""

    class MetaConfig:
        """Any settings."""

        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        """Two databases, one of them with a password."""
        self.add_database_app([Database("main"), Database("other")])

    def append_web_plugins(self):
        """The toolbar comes by Pyramid's own setting."""
        self.add_database_web()
        self.config.add_view(home, name="home")


@pytest.fixture
def application():
    """Give an Application with the toolbar."""
    toolbar = {"includes": "pyramid_debugtoolbar", "mail": {"smtp_password": "geheim8"}, "cache.url": "redis://:geheim9@h"}
    app = Shown()
    yield app.run_web_tests(OURS | {"pyramid": toolbar})
    app.stop()


@pytest.fixture
def program():
    """Give a Pyramid program with the toolbar and our databases."""
    given = {f"qapla.{key.replace(':', '.')}": value for key, value in OURS.items()}
    config = Configurator(settings={**given, "pyramid.includes": "pyramid_debugtoolbar qapla.database.web"})
    config.add_view(home, name="home")
    yield config.make_wsgi_app()
    config.registry["qapla.app"].stop()


@pytest.mark.parametrize("fixture", ["application", "program"])
def test_no_secret_is_shown(fixture, request):
    """Every panel is made, and none has a secret; the settings are there, masked."""
    web = TestApp(request.getfixturevalue(fixture), extra_environ={"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:80"})
    address = re.search(r"/_debug_toolbar/\d+", web.get("/home").text)

    page = web.get(address[0]).text

    assert all(panel in page for panel in PANELS)
    assert ("***" in page, "u:***@127.0.0.1" in page) == (True, True)
    assert re.findall(r"geheim\d", page) == []
