"""examples/plugin: a plugin of one's own, installed as a distribution and found by its name"""

from __future__ import annotations

import os

import pytest

SHOP = """
from pyramid.response import Response
from qapla.application import Application

class Shop(Application):
    def append_app_plugins(self):
        self.add_app_plugin("maintenance")

    def append_web_plugins(self):
        self.config.add_route("home", "/")
        self.config.add_view(lambda request: Response("open"), route_name="home")

main = Shop()
"""

ASK = """
from webtest import TestApp
from shop import main

print(TestApp(main.run_uwsgi()).get("/", status="*").status)
"""


@pytest.fixture
def shop(make_example, tmp_path):
    """Install the example where only this test sees it, beside an application that names it."""
    example = make_example("plugin")
    target = tmp_path / "installed"
    example.run("pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target), ".")
    home = tmp_path / "elsewhere"
    (home / "shop" / "settings").mkdir(parents=True)
    (home / "shop" / "__init__.py").write_text(SHOP)
    (home / "shop" / "settings" / "__init__.py").touch()
    (home / "shop" / "settings" / "default.py").write_text("def make_settings(settings, paths): pass\n")
    (home / "pyproject.toml").write_text('[tool.qapla]\napp = "shop:main"\n')
    (home / "ask.py").write_text(ASK)
    example.environment["PYTHONPATH"] = os.pathsep.join([str(target), str(home)])
    example.tests, example.folder = example.folder / "tests", home
    return example


def test_is_found(shop):
    """Whoever has installed it sees it, and can name it."""
    assert "qapla_maintenance.plugin:MaintenancePlugin" in shop.run("qapla", "plugins", "--installed")
    assert shop.run("qapla", "plugins").split() == ["maintenance", "qapla_maintenance.plugin.MaintenancePlugin"]


def test_works(shop):
    """Its command closes an application that names it, and opens it again."""
    before = shop.run("ask")
    shop.run("qapla", "maintenance", "on", "back at noon")
    closed = shop.run("ask")
    shop.run("qapla", "maintenance", "off")
    after = shop.run("ask")

    assert [said.strip() for said in (before, closed, after)] == ["200 OK", "503 Service Unavailable", "200 OK"]


def test_own_tests(shop):
    """Its own tests are green."""
    assert " passed" in shop.run("pytest", "-q", "-p", "no:cacheprovider", str(shop.tests))
