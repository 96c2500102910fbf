"""qapla.settings"""

from __future__ import annotations

import textwrap

import pytest

from qapla.errors import SettingsError
from qapla.settings import Settings, load


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Give a function that writes settings modules of a fresh package; returns the package's dotted name."""
    name = f"shop_{tmp_path.name.replace('-', '_')}"
    monkeypatch.syspath_prepend(tmp_path)

    def write(**modules):
        folder = tmp_path / name / "settings"
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "__init__.py").touch()
        (folder / "__init__.py").touch()
        for module, body in modules.items():
            (folder / f"{module}.py").write_text(f"def make_settings(settings, paths):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n")
        return f"{name}.settings"

    return write


class TestLoad:
    """load(package, start_point)"""

    def test_default_then_start_point_then_local(self, package):
        """A later module wins over an earlier one."""
        name = package(
            default="settings['a'] = settings['b'] = settings['c'] = 1",
            uwsgi="settings['b'] = settings['c'] = 2",
            local="settings['c'] = 3",
        )

        settings, _ = load(name, "uwsgi")

        assert [settings[key] for key in "abc"] == [1, 2, 3]

    def test_local_is_never_over_tests(self, package):
        """A test does not depend on the machine that it runs on."""
        name = package(default="settings['a'] = 1", tests="settings['a'] = 2", local="settings['a'] = 3")

        settings, _ = load(name, "tests")

        assert settings["a"] == 2

    def test_start_points_module_may_be_missing(self, package):
        """Only ``default`` must exist."""
        settings, paths = load(package(default="settings['a'] = 1; paths.set('data', 'files', parent='module_root')"), "celery")

        assert settings["a"] == 1
        assert paths.get("data").endswith("/files")

    def test_default_is_missing(self, package):
        """A package without ``default`` is told by name."""
        name = package()

        with pytest.raises(SettingsError, match=r"has no module 'default'"):
            load(name, "uwsgi")

    def test_broken_import_is_loud(self, package):
        """A settings file that exists and cannot be imported stops the start."""
        name = package(default="pass", local="import there_is_no_such_module")

        with pytest.raises(ModuleNotFoundError, match="there_is_no_such_module"):
            load(name, "uwsgi")

    def test_environment_wins_over_files(self, package, monkeypatch):
        """``QAPLA__DB__MAIN__URL`` sets ``db:main:url``."""
        monkeypatch.setenv("QAPLA__DB__MAIN__URL", "sqlite:///other")

        settings, _ = load(package(default="settings['db'] = {'main': {'url': 'sqlite://'}}"), "uwsgi")

        assert settings["db:main:url"] == "sqlite:///other"
        assert settings.origin("db:main:url") == "environment variable QAPLA__DB__MAIN__URL"


class TestSettings:
    """Settings"""

    @pytest.mark.parametrize("url", ["postgresql://u:p%40s%25s@h/d", "mysql://u:{x}@h/%(home)s", "sqlite:///100%"])
    def test_values_survive_unchanged(self, url):
        """``%`` and ``{}`` in a value mean nothing."""
        settings = Settings({"db": {"main": {"url": url}}})

        assert settings["db"]["main"]["url"] == settings["db:main:url"] == url

    def test_both_spellings_are_one_setting(self):
        """``settings["db:main:url"] = …`` is found as ``settings["db"]["main"]["url"]``."""
        settings = Settings()

        settings["db:main:url"] = "sqlite://"

        assert settings["db"]["main"]["url"] == "sqlite://"
        assert "db:main" in settings
        assert "db:main:nothing" not in settings

    def test_a_nested_key_is_not_looked_for_above(self):
        """A missing setting is missing, even where the level above has one of that name."""
        settings = Settings({"url": "x", "db": {"main": {}}})

        assert settings.get("db:main:url") is None

    def test_secrets_are_masked(self):
        """``repr`` shows neither secrets by name nor passwords in URLs."""
        settings = Settings({"secret_key": "abc", "db": {"main": {"url": "postgresql://u:p/a@ss@h:1/d", "password": "geheim"}}})

        assert repr(settings) == (
            "<Settings {'secret_key': '***', 'db:main:url': 'postgresql://u:***@h:1/d', 'db:main:password': '***'}>"
        )

    def test_missing_says_key_file_and_what_was_expected(self, package):
        """Whoever reads the error knows where to write what."""
        settings, _ = load(package(default="settings['a'] = 1"), "uwsgi")

        with pytest.raises(SettingsError, match=r"setting 'db:main:url' is missing from .*default\.py \(expected a database URL\)"):
            settings.require("db:main:url", "a database URL")

    def test_wrong_kind_says_where_it_was_set(self, package):
        """A value that cannot be read names its file and is not shown."""
        settings, _ = load(package(default="settings['tasks:threads'] = 'hunter2'"), "uwsgi")

        with pytest.raises(SettingsError, match=r"setting 'tasks:threads' in .*default\.py is wrong \(expected a number\)") as caught:
            settings.read("tasks:threads", int, 2, "a number")
        assert "hunter2" not in str(caught.value)

    def test_resolve_imports_by_dotted_name(self):
        """A setting can name a class."""
        settings = Settings({"backend": "qapla.ports.NullMetrics", "wrong": "qapla.ports.Nothing"})

        assert settings.resolve("backend").__name__ == "NullMetrics"
        with pytest.raises(SettingsError, match="'wrong'"):
            settings.resolve("wrong")
