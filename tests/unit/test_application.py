"""qapla.application"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap

import pytest

from qapla.application import Application
from qapla.errors import PluginError
from qapla.installed import list_plugins
from qapla.plugin import Plugin


class Part(Plugin):
    """A plugin that notes its start and stop."""

    def __init__(self, key, log=None, requires=(), fails=False, fails_to_stop=False):
        self.key, self.requires, self.log, self.fails = key, requires, [] if log is None else log, fails
        self.fails_to_stop = fails_to_stop

    def start(self, app):
        """Note it."""
        if self.fails:
            raise RuntimeError(self.key)
        self.log.append(f"start {self.key}")
        return self.key * 2

    def stop(self, app):
        """Note it."""
        if self.fails_to_stop:
            raise OSError(self.key)
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


ENDINGS = ["", "sys.exit(3)", "raise ValueError('on purpose')", "import threading; threading.Thread(target=print).start()"]


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

    def test_failed_start_names_the_plugin(self):
        """The error keeps its type and says which plugin, declared where, could not start."""
        with pytest.raises(RuntimeError) as caught:
            make(Part("a"), Part("b", fails=True)).run_tests()

        assert re.fullmatch(r"plugin 'b', declared at .*test_application\.py:\d+, cannot start", caught.value.__notes__[0])

    def test_failed_start_is_told_although_stopping_fails_too(self, caplog):
        """The first problem is raised, the second is in the log."""
        with pytest.raises(RuntimeError, match=r"^b\n"):
            make(Part("a", fails_to_stop=True), Part("b", fails=True)).run_tests()

        assert "a plugin cannot stop" in caplog.text

    def test_all_stop_whatever_one_of_them_raises(self, caplog):
        """The first error is raised when the last has stopped, the others are in the log."""
        log = []
        app = make(Part("a", log), Part("b", fails_to_stop=True), Part("c", fails_to_stop=True)).run_tests()

        with pytest.raises(OSError, match="c"):
            app.stop()

        assert log == ["start a", "stop a"]
        assert "plugin 'b' cannot stop" in caplog.text
        assert app.phase == "stopped"

    def test_only(self):
        """A command starts the plugins that it names and those that they require."""
        app = make(Part("a"), Part("b", requires=("a",)), Part("c")).run_command(only=("b",))

        assert ["a" in app, "b" in app, "c" in app] == [True, True, False]
        with pytest.raises(PluginError, match=r"'c', declared at .* is not started: .* \(it starts later, or was left out of this start\)"):
            app["c"]

    def test_shell(self):
        """``run_shell`` starts everything, with the settings of a shell."""
        app = make(Part("a")).run_shell()

        assert (app["a"], app.start_point) == ("aa", "shell")

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_stops_at_the_end_of_the_process(self, ending):
        """In every ending but a kill; a child that was forked stops nothing that is its parent's."""
        code = f"""
            import os, sys
            from qapla.application import Application
            from qapla.plugin import Plugin
            class Told(Plugin):
                key = "told"
                def stop(self, app):
                    print("stopped", flush=True)
            class Main(Application):
                class MetaConfig:
                    settings_module = "lazydb.settings"
                def append_app_plugins(self):
                    self.add_app_plugin(Told())
            app = Main().run_command()
            if os.fork():
                os.wait()
                {ending}
        """

        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)

        assert done.stdout.split() == ["stopped"], done.stderr


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

    def test_required_is_not_declared(self):
        """The error says who needs it, at which line, and what is close."""
        message = r"'b' at .*test_application\.py:\d+ needs 'metric', and no plugin of that key is declared "
        hint = r"\(declare 'metric' before 'b'; did you mean 'metrics'\?\)"

        with pytest.raises(PluginError, match=message + hint):
            make(Part("metrics"), Part("b", requires=("metric",))).run_tests()

    def test_required_is_not_what_requires_it(self):
        """A plugin whose own key is close to the missing one is not taken for it."""
        with pytest.raises(PluginError, match=r"\(declare 'database' before 'database\.web'\)"):
            make(Part("database.web", requires=("database",))).run_tests()

    @pytest.mark.parametrize(("wrong", "message"), [(Part, "pass an instance"), (object(), "is no plugin"), (Part(""), "has no key")])
    def test_no_plugin(self, wrong, message):
        """What is declared is an instance of a plugin, with a key; the line is told."""
        with pytest.raises(PluginError, match=rf"at .*test_application\.py:\d+.*{message}|at .*{message}"):
            make(wrong).run_tests()

    def test_by_name(self):
        """An installed plugin needs no import."""
        app = make("database").run_tests()

        assert type(app.get_plugin("database")).__name__ == "DatabasePlugin"

    def test_by_a_name_that_is_not_installed(self):
        """The error has the line and the nearest name."""
        message = r"'databas' is installed, asked for at .*test_application\.py:\d+ \(did you mean 'database'\?\)"

        with pytest.raises(PluginError, match=message):
            make("databas").run_tests()

    def test_by_the_settings(self):
        """The setting ``plugins`` lists more of them; they come after those in the code."""
        app = make(Part("a")).run_tests({"plugins": "database"})

        assert [plugin.key for plugin in app.plugins] == ["a", "database"]

    def test_by_the_settings_and_wrong(self):
        """The error names where the setting was made."""
        with pytest.raises(PluginError, match=r"'moon' is installed, asked for at the start call"):
            make().run_tests({"plugins": ["moon"]})

    def test_several_of_one_module_are_included(self):
        """Pyramid includes a function of one name in one module only once; plugins of one module are all included."""
        seen = []

        class One(Plugin):
            key = "one"

            def includeme(self, config):
                seen.append(self.key)

        class Two(One):
            key = "two"

        app = make(One(), Two())
        app.run_web_tests()
        app.stop()

        assert seen == ["one", "two"]

    def test_includeme_that_fails_names_the_plugin(self):
        """Nothing stays started."""

        class Wrong(Part):
            def includeme(self, config):
                raise LookupError("on purpose")

        app = make(Wrong("a"))
        with pytest.raises(LookupError, match="on purpose") as caught:
            app.run_web_tests()

        assert re.fullmatch(r"plugin 'a', declared at .*, cannot be included", caught.value.__notes__[0])
        assert app.phase == "stopped"

    def test_missing(self):
        """An unknown key gets the nearest one as a hint, or all where none is close."""
        app = make(Part("metrics")).run_tests()

        with pytest.raises(PluginError, match=r"no plugin is called 'metric' \(did you mean 'metrics'\?\)"):
            app["metric"]
        with pytest.raises(PluginError, match=r"no plugin is called 'nope' \(declared are .*'metrics'\)"):
            app["nope"]

    def test_too_late(self):
        """A running application takes no more plugins."""
        app = make().run_tests()

        with pytest.raises(PluginError, match="wrong time"):
            app.add_app_plugin(Part("late"))


@pytest.mark.parametrize("name", sorted(list_plugins()))
def test_app_plugins_import_no_pyramid(name):
    """No shipped plugin brings the web framework into a worker or a command; that is done by the modules that ``includeme`` names."""
    code = (
        "import sys\n"
        "from qapla.installed import make_plugin\n"
        f"plugin = make_plugin({name!r})\n"
        "loaded = {'pyramid', 'deform', 'cornice', 'webob', 'zope.interface'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


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
