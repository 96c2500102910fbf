"""The plugin in an application, in a plain Pyramid program, and by itself."""

from __future__ import annotations

import pytest
from pyramid.config import Configurator
from pyramid.response import Response
from qapla_maintenance.maintenance import Maintenance
from webtest import TestApp


@pytest.fixture
def file(tmp_path):
    """Give the test the path of the file that closes everything."""
    return tmp_path / "closed.txt"


@pytest.fixture
def web(file):
    """Give the test a plain Pyramid program with two addresses."""
    config = Configurator(settings={"qapla.maintenance.file": str(file)})
    config.include("qapla_maintenance")
    for name in ("shop", "healthz"):
        config.add_route(name, f"/{name}")
        config.add_view(lambda request: Response("open"), route_name=name)
    return TestApp(config.make_wsgi_app())


def test_open(web):
    """Nothing is in the way of an application that is open."""
    assert web.get("/shop").text == "open"


def test_closed(web, file):
    """While it is closed, everybody is told why, and when to come again; whoever watches it is answered."""
    Maintenance(file).begin("back at noon")

    told = web.get("/shop", status=503)

    assert "back at noon" in told.text
    assert told.headers["Retry-After"] == "60"
    assert web.get("/healthz").text == "open"


def test_open_again(web, file):
    """It is open again at once."""
    Maintenance(file).begin("back at noon")
    Maintenance(file).end()

    assert web.get("/shop").text == "open"


def test_end_twice(file):
    """What is open can be opened."""
    Maintenance(file).end()

    assert Maintenance(file).find_message() is None
