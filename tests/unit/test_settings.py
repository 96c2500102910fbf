"""qapla.settings"""

from __future__ import annotations

import importlib
import textwrap

import pytest

from qapla.errors import SettingsError
from qapla.settings import Settings, find_package, load


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

        with pytest.raises(SettingsError, match=r"/local\.py' cannot be used: line \d+: ModuleNotFoundError: .*there_is_no_such_module"):
            load(name, "uwsgi")

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [("def x(:", "SyntaxError: invalid syntax"), ("settings['nope']", "KeyError: 'nope'"), ("1/0", "ZeroDivisionError")],
    )
    def test_mistakes_are_told_with_their_line(self, package, wrong, told):
        """File, line and what Python says are one sentence; the traceback is there for who wants it."""
        name = package(default=wrong)

        with pytest.raises(SettingsError, match=rf"^settings file '.*/default\.py' cannot be used: line \d+: {told}[^\n]*$") as caught:
            load(name, "uwsgi")

        assert caught.value.__cause__ is not None

    def test_errors_of_ours_stay_as_they_are(self, package):
        """A settings file may ask for what it needs."""
        name = package(default="settings.require('a:b', 'a number')")

        with pytest.raises(SettingsError, match=r"^setting 'a:b' is missing"):
            load(name, "uwsgi")

    def test_none_is_missing(self, package):
        """A setting that is None is missing, and is no hint for itself."""
        settings, _ = load(package(default="settings['a:broker'] = None"), "uwsgi")

        with pytest.raises(SettingsError, match=r"setting 'a:broker' is missing from .* \(expected a URL\)"):
            settings.require("a:broker", "a URL")

    def test_close_name(self, package):
        """What may have been meant is told beside what is expected; another setting of the same plugin was not meant."""
        settings, _ = load(package(default="settings['celery:outbox'] = 'x'; settings['db:mian:url'] = 'x'"), "uwsgi")

        with pytest.raises(SettingsError, match=r"\(expected a database URL; did you mean 'db:mian:url'\?\)"):
            settings.require("db:main:url", "a database URL")
        with pytest.raises(SettingsError, match=r"\(expected the URL of a broker\)"):
            settings.require("celery:broker_url", "the URL of a broker")

    def test_package_is_missing(self, package):
        """The error names the package, and how to name another one."""
        with pytest.raises(SettingsError, match=r"'nowhere\.settings' cannot be imported: .*\(settings_module in MetaConfig"):
            load("nowhere.settings", "uwsgi")

    def test_module_without_make_settings(self, package, tmp_path):
        """The error names the file and what it should have."""
        name = package(default="pass", uwsgi="pass")
        (tmp_path / name.partition(".")[0] / "settings" / "uwsgi.py").write_text("settings = {}")

        with pytest.raises(SettingsError, match=r"/settings/uwsgi\.py' is incomplete \(expected a function make_settings"):
            load(name, "uwsgi")

    def test_program_wins_over_the_environment(self, package, monkeypatch):
        """What is passed to the start comes last, and says so."""
        monkeypatch.setenv("QAPLA__A", "2")

        settings, _ = load(package(default="settings['a'] = 1"), "uwsgi", {"a": 3})

        assert (settings["a"], settings.origin("a")) == (3, "the start call")

    @pytest.mark.parametrize("value", ["p%40s%25s", "100%", "%(home)s", "{x}", "a:b@c", "$HOME"])
    def test_values_survive_from_every_source(self, package, monkeypatch, value):
        """File, environment and program: ``%``, ``{}`` and encoded passwords mean nothing to any of them."""
        monkeypatch.setenv("QAPLA__ENVIRONMENT", value)

        settings, _ = load(package(default=f"settings['file'] = {value!r}"), "uwsgi", {"start:call": value})

        assert settings["file"] == settings["environment"] == settings["start:call"] == value

    def test_paths_from_outside(self, package, monkeypatch):
        """The environment and the program can set a path by its key; it is no setting."""
        monkeypatch.setenv("QAPLA__PATHS__DATA", "/data")
        name = package(default="paths.set('data', 'files', parent='module_root'); paths.set('words', 'words', parent='data')")

        settings, paths = load(name, "uwsgi", {"paths:more": "/more"})

        assert [paths.get(key) for key in ("data", "words", "more")] == ["/data", "/data/words", "/more"]
        assert "paths" not in settings

    def test_path_that_is_not_set(self, package):
        """The error has the nearest key."""
        _, paths = load(package(default="paths.set('migrations', '/m')"), "uwsgi")

        with pytest.raises(SettingsError, match=r"path 'migration' is not set \(did you mean 'migrations'\?\)"):
            paths.get("migration")

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

    @pytest.mark.parametrize("value", [["a", "b"], ("a", "b"), "a b", "a, b", "a,b"])
    def test_names(self, value):
        """A list, or text as the environment and .ini files have it."""
        assert Settings({"plugins": value}).names("plugins") == ("a", "b")

    @pytest.mark.parametrize("value", [5, {"a": 1}, [1]])
    def test_names_that_are_none(self, value):
        """Anything else is wrong."""
        with pytest.raises(SettingsError, match=r"'plugins' in .* is wrong \(expected a list of names\)"):
            Settings({"plugins": value}).names("plugins")

    def test_morf(self):
        """A value can be made when it is asked for, as morfdict has it."""
        settings = Settings({"url": "x", "home": "/h"})
        settings.set_morf("url", lambda settings, value: f"{settings['home']}/{value}")

        assert settings["url"] == settings.get("url") == "/h/x"


class TestFindPackage:
    """Which settings an application class has that names none"""

    @pytest.fixture
    def make_class(self, tmp_path, monkeypatch):
        """Give a function that makes modules and returns the class ``App`` of one of them."""
        monkeypatch.syspath_prepend(tmp_path)
        top = f"shop_{tmp_path.name.replace('-', '_')}"

        def make(module, *settings, base="qapla.application:Application"):
            for name in settings:
                folder = tmp_path.joinpath(*f"{top}.{name}".split("."))
                folder.mkdir(parents=True)
                (folder / "__init__.py").touch()
            file = tmp_path.joinpath(*f"{top}.{module}".split(".")).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            source, _, name = base.partition(":")
            file.write_text(f"from {source.format(top)} import {name}\nclass App({name}): pass\n")
            return importlib.import_module(f"{top}.{module}").App

        make.top = top
        return make

    @pytest.mark.parametrize("where", ["settings", "web.settings"])
    def test_own_package_or_one_around_it(self, make_class, where):
        """The nearest one is taken."""
        application = make_class("web.app", *{"settings", where})

        assert find_package(application) == f"{make_class.top}.{where}"

    def test_there_is_none(self, make_class):
        """The outermost is told to be missing."""
        application = make_class("web.app")

        with pytest.raises(SettingsError, match=rf"'{make_class.top}\.settings'"):
            load(find_package(application), "uwsgi")

    def test_derived_elsewhere(self, make_class):
        """A class made in a test has the settings of the application that it is derived from."""
        class Derived(make_class("web.app", "settings")):
            pass

        assert find_package(Derived) == f"{make_class.top}.settings"
