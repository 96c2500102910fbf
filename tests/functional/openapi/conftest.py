"""The ugliest databases there are on each engine, one with every odd name and one with every odd cell, behind the REST plugin alone."""

from __future__ import annotations

import importlib.util
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from webtest import TestApp

from qapla.application import Application
from qapla.plugin import Plugin
from qapla.plugins.rest.plugin import RestPlugin
from qapla.ports import ANONYMOUS, Identity
from qapla.testing.catalogs import CatalogPlugin, DictSource, OptionsPolicy, serve_url
from qapla.testing.oddities import run_script
from qapla.testing.servers import ENGINE_NAMES, make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASES = tuple(f"{engine}-{kind}" for engine in ENGINE_NAMES for kind in ("names", "cells"))
UGLY = Path(__file__).parents[1] / "ugly"


class AnybodyIdentifier(Plugin):
    """Nobody has to say who is asking."""

    key = "identifier"

    def identify(self, request: Any) -> Identity:
        """Return nobody."""
        return ANONYMOUS


class World(Application):
    """The REST plugin over a catalog that a test fills."""

    class MetaConfig:
        """Any settings do."""

        settings_module = "lazydb.settings"

    def append_app_plugins(self) -> None:
        """Declare what REST needs."""
        self.source = DictSource()
        self.add_app_plugin(CatalogPlugin(self.source))
        self.add_app_plugin(OptionsPolicy())
        self.add_app_plugin(AnybodyIdentifier())

    def append_web_plugins(self) -> None:
        """Declare REST."""
        self.add_web_plugin(RestPlugin())


def load(name: str) -> Any:
    """Load a module of the tests with ugly databases."""
    spec = importlib.util.spec_from_file_location(f"ugly_{name}", UGLY / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def world() -> Iterator[TestApp]:
    """Serve ``sqlite-names``, ``sqlite-cells``, …; ``world.wsgi`` is the bare application."""
    cells, names = load("cells"), load("test_names")
    application = World()
    with ExitStack() as stack:
        stack.callback(application.stop)
        wsgi = application.run_web_tests()
        client = TestApp(wsgi, extra_environ={"HTTP_HOST": "localhost:80"})
        client.wsgi = wsgi
        client.served = {}
        for name in DATABASES:
            engine, kind = name.split("-")
            url = stack.enter_context(make_database(engine))
            if kind == "cells":
                cells.fill(engine, url)
            else:
                run_script(url, names.script(engine))
            client.served[name] = served = serve_url(url, name)
            stack.callback(served.bulkhead.close)
            application.source.put(served)
        yield client


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    """Run the test with each of the databases; this is its name."""
    return str(request.param)
