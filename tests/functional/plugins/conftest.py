"""A plain Pyramid program with plugins of the framework in it."""

from __future__ import annotations

import pytest
from pyramid.config import Configurator
from webtest import TestApp


@pytest.fixture
def make_web():
    """Give a function that makes a client of a Pyramid program; its views are functions, each at its own name."""
    made = []  # a program that nobody has any more stops its plugins

    def make(*includes, views=(), options=None, **settings):
        config = Configurator(settings={f"qapla.{name.replace('__', '.')}": value for name, value in settings.items()})
        for include in includes:
            config.include(include)
        for view in views:
            config.add_route(view.__name__, f"/{view.__name__}/{{id}}" if view.__name__ == "item" else f"/{view.__name__}")
            config.add_view(view, route_name=view.__name__, **(options or {}).get(view.__name__, {}))
        wsgi = config.make_wsgi_app()
        web = TestApp(wsgi, extra_environ={"REMOTE_ADDR": "127.0.0.1"})
        web.application = config.registry["qapla.app"]
        made.append((config.registry, web))
        return web

    yield make
    for _, web in made:
        web.application.stop()
