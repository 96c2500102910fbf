"""qapla.plugins.controllers: whole packages and routing files"""

from __future__ import annotations

import sys

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationConflictError
from webtest import TestApp

from qapla.database.application import DatabaseApplication
from qapla.errors import ConfigurationError, SettingsError
from qapla.plugins.controllers import ControllersPlugin


class TestRouting:
    """Whole packages and routing files"""

    @pytest.fixture(autouse=True)
    def package(self, tmp_path, monkeypatch):
        """Make a package with controllers and a routing file."""
        home = tmp_path / "rotarran"
        home.mkdir()
        (home / "__init__.py").write_text(
            "from qapla.plugins.controllers import JsonController\n"
            "class Show(JsonController):\n    route = '/choices/{id}'\n    make = lambda self: ['show']\n"
            "class New(JsonController):\n    route = '/choices/new'\n    make = lambda self: ['new']\n"
        )
        (home / "routing.yaml").write_text("rotarran:\n- controller: New\n- controller: Show\n")
        monkeypatch.syspath_prepend(tmp_path)
        yield home
        sys.modules.pop("rotarran", None)

    @pytest.mark.parametrize("arguments", [{"packages": ["rotarran"]}, {"files": ["rotarran:routing.yaml"]}])
    def test_declared(self, arguments):
        """An application names packages or files; every address in them is reached."""

        class Application(DatabaseApplication):
            class MetaConfig:
                settings_module = "lazydb.settings"

            def append_web_plugins(self):
                self.add_web_plugin(ControllersPlugin(**arguments))

        web = TestApp(Application().run_web_tests(), extra_environ={"HTTP_HOST": "localhost:80"})

        assert web.get("/choices/new").json == ["new"]
        assert web.get("/choices/5").json == ["show"]

    @pytest.mark.parametrize("setting", ["controllers.packages", "controllers.files"])
    def test_settings(self, setting):
        """A Pyramid program names them in its settings."""
        value = "rotarran" if setting.endswith("packages") else "rotarran:routing.yaml"
        config = Configurator(settings={f"qapla.{setting}": value})
        config.include("qapla.plugins.controllers")

        assert TestApp(config.make_wsgi_app()).get("/choices/new").json == ["new"]

    def test_wrong_setting(self):
        """A setting that is no list of names is an error."""

        class Application(DatabaseApplication):
            class MetaConfig:
                settings_module = "lazydb.settings"

            def append_app_plugins(self):
                self.add_app_plugin("controllers")

        with pytest.raises(SettingsError, match="controllers:files"):
            Application().run_tests({"controllers:files": 5})

    def test_no_such_package(self, package):
        """It is told by its name."""
        config = Configurator()
        config.include("qapla.plugins.controllers")

        with pytest.raises(ConfigurationError, match=r"looked for in 'rotarran\.nope', and there is no such package"):
            config.add_controllers("rotarran.nope")

    def test_conflict_shows_class_and_file(self, package):
        """A clash between a class and a file shows the line of each."""
        config = Configurator()
        config.include("qapla.plugins.controllers")
        config.add_controllers("rotarran")
        config.add_controllers_from("rotarran:routing.yaml")

        with pytest.raises(ConfigurationConflictError) as conflict:
            config.commit()

        assert f"Line 2 of file {package}/__init__.py" in str(conflict.value)
        assert f"Line 3 of file {package}/routing.yaml" in str(conflict.value)
