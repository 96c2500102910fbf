"""qapla.application"""

from __future__ import annotations

import subprocess
import sys

import pytest

from qapla.application import Application
from qapla.errors import PluginError
from qapla.plugin import Plugin


class Part(Plugin):
    """A plugin that notes its start and stop."""

    def __init__(self, key, log=None, requires=(), fails=False):
        self.key, self.requires, self.log, self.fails = key, requires, [] if log is None else log, fails

    def start(self, app):
        """Note it."""
        if self.fails:
            raise RuntimeError(self.key)
        self.log.append(f"start {self.key}")
        return self.key * 2

    def stop(self, app):
        """Note it."""
        self.log.append(f"stop {self.key}")


def make(*parts):
    """Make an application of *parts*."""

    class Made(Application):
        class MetaConfig:
            settings_module = "lazydb.settings"

        def append_app_plugins(self):
            for part in parts:
                self.add_app_plugin(part)

    return Made()


class TestPhases:
    """new → settings → plugins → web → ready → stopped"""

    def test_starts_in_order_and_stops_in_reverse(self):
        """Plugins start as listed."""
        log = []
        app = make(Part("a", log), Part("b", log)).run_tests()

        app.stop()
        app.stop()

        assert log == ["start a", "start b", "stop b", "stop a"]

    def test_keeps_values_under_their_keys(self):
        """What ``start`` returns is ``app[key]``."""
        app = make(Part("a")).run_command()

        assert app["a"] == "aa"
        assert "a" in app
        assert app.find("b") is None

    def test_starts_once(self):
        """The second start says how the first one was."""
        app = make().run_tests()

        with pytest.raises(PluginError, match=r"'Made' cannot start as 'command': it is 'ready', started as 'tests'"):
            app.run_command()

    def test_use_before_start(self):
        """A value asked too early, or after the end, is told so."""
        app = make(Part("a"))

        with pytest.raises(PluginError, match="the application is 'new'"):
            app.scope()
        app.run_tests().stop()
        with pytest.raises(PluginError, match=r"'a', declared at .*test_application\.py:\d+, is not started: the application is 'stopped'"):
            app["a"]

    def test_failed_start_stops_what_was_started(self):
        """Nothing stays open when a plugin cannot start."""
        log = []
        app = make(Part("a", log), Part("b", log, fails=True))

        with pytest.raises(RuntimeError, match="b"):
            app.run_tests()

        assert log == ["start a", "stop a"]
        assert app.phase == "stopped"


class TestDeclaring:
    """add_app_plugin"""

    def test_twice(self):
        """Both lines are named."""
        place = r".*test_application\.py:\d+"

        with pytest.raises(PluginError, match=rf"plugin 'a' at {place} is declared a second time \(the first time was at {place}\)"):
            make(Part("a"), Part("a")).run_tests()

    def test_wrong_order(self):
        """What a plugin needs comes before it."""
        with pytest.raises(PluginError, match=r"'b' at .* needs 'a', which is declared later, at .*:\d+ \(declare 'a' before 'b'\)"):
            make(Part("b", requires=("a",)), Part("a")).run_tests()

    def test_missing(self):
        """An unknown key gets the nearest one as a hint."""
        app = make(Part("metrics")).run_tests()

        with pytest.raises(PluginError, match=r"no plugin is called 'metric' \(did you mean 'metrics'\?\)"):
            app["metric"]

    def test_too_late(self):
        """A running application takes no more plugins."""
        app = make().run_tests()

        with pytest.raises(PluginError, match="wrong time"):
            app.add_app_plugin(Part("late"))


def test_app_phase_imports_no_pyramid():
    """A worker or a command has no web framework in memory, and no Celery without a broker."""
    code = (
        "import sys, os\n"
        "from lazydb.application import LazydbApplication\n"
        "app = LazydbApplication().run_tests({'db:main:url': 'sqlite://'}, )\n"
        "loaded = {'pyramid', 'celery', 'pandas', 'dask', 'deform', 'cornice'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
