"""web:trusted_proxies and web:root_path in an application"""

from __future__ import annotations

import logging

import pytest
from pyramid.response import Response
from webtest import TestApp

from qapla.application import Application
from qapla.plugins.logging.plugin import LoggingPlugin


def where(request):
    """Answer who asks, and where the application is."""
    return Response(f"{request.remote_addr} {request.route_url('where')}")


class Small(Application):
    """One page and its log."""

    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        self.add_app_plugin(LoggingPlugin())

    def append_web_plugins(self):
        self.config.add_route("where", "/where")
        self.config.add_view(where, route_name="where")


@pytest.fixture
def make_web():
    """Give a function that makes a client of the application behind a proxy."""
    apps = []

    def make(**settings):
        apps.append(Small())
        wsgi = apps[-1].run_web_tests({"web:hosts": None, **{f"web:{name}": value for name, value in settings.items()}})
        forwarded = {"HTTP_X_FORWARDED_FOR": "192.0.2.7", "HTTP_X_FORWARDED_PROTO": "https"}
        return TestApp(wsgi, extra_environ={"REMOTE_ADDR": "10.0.0.1", "HTTP_HOST": "shop.example", **forwarded})

    yield make
    for app in apps:
        app.stop()


def test_nobody_is_believed_by_default(make_web):
    """Anybody can send such headers."""
    assert make_web().get("/where").text == "10.0.0.1 http://shop.example/where"


def test_trusted_proxy(make_web, caplog):
    """Its word counts for views and for the log."""
    caplog.set_level(logging.INFO, logger="qapla.access")

    answer = make_web(trusted_proxies=("10.0.0.0/8",), root_path="/shop").get("/shop/where")

    assert answer.text == "192.0.2.7 https://shop.example/shop/where"
    (line,) = [record.fields for record in caplog.records if record.name == "qapla.access"]
    assert (line["client"], line["path"]) == ("192.0.2.7", "/shop/where")


def test_hosts_as_text(make_web):
    """The environment has text: names, not letters."""
    web = make_web(hosts="shop.example, www.shop.example")

    assert web.get("/where").status_int == 200
    assert web.get("/where", headers={"Host": "www.shop.example"}).status_int == 200
    web.get("/where", headers={"Host": "s"}, status=400)
