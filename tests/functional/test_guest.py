"""qapla.guest: our plugins in a Pyramid program that has never heard of Application"""

from __future__ import annotations

import gc
import logging
import queue
import subprocess
import sys
import textwrap
import threading
from logging.handlers import QueueHandler

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationConflictError, ConfigurationExecutionError
from pyramid.request import Request
from pyramid.response import Response
from pyramid.router import default_execution_policy
from pyramid.scripting import prepare
from sqlalchemy import text
from webtest import TestApp

from qapla.database.database import Database
from qapla.errors import ConfigurationError, PluginError, SettingsError
from qapla.installed import list_plugins
from qapla.plugin import Plugin
from qapla.scope import find_current
from qapla.web import include_plugin


class Shared(Plugin):
    """A plugin that keeps the application that it was started in."""

    key = "shared"

    def start(self, app):
        """Return the application."""
        return app


class Needy(Plugin):
    """Needs databases, and something that is nowhere to be found."""

    key = "needy"
    requires = ("database", "moon")


def count(request):
    """Answer the number of rows."""
    assert find_current() is None or hasattr(request, "tm")  # a transaction manager begins it with the request
    answer = str(request.main.scalar(text("SELECT count(*) FROM word")))
    assert find_current() is request.scope
    return Response(answer)


def stream(request):
    """Answer rows while they are read; ``?early=1`` uses the session before, too."""
    if request.params.get("early"):
        request.main.connection()

    def body():
        for number in range(3):
            yield str(request.main.scalar(text("SELECT count(*) FROM word")) + number).encode()
            assert find_current() in {None, request.scope}

    return Response(app_iter=body())


def fail(request):
    """Fail with a session in use."""
    request.main.execute(text("INSERT INTO word VALUES ('x')"))
    raise KeyError("handled") if request.params.get("handled") else ValueError("not handled")


def fail_late(request):
    """Stream, but fail when the response is there."""
    request.main.connection()
    request.add_response_callback(lambda request, response: response.headers["no such \r\n thing"])
    return stream(request)


def nested(request):
    """Answer what a subrequest streams."""
    return request.invoke_subrequest(Request.blank("/stream"))


@pytest.fixture
def settings(tmp_path):
    """Give the settings of a program with two databases."""
    return {f"qapla.db.{name}.url": f"sqlite:///{tmp_path / name}.sqlite" for name in ("main", "other")}


@pytest.fixture
def config(settings):
    """Give the Configurator of a program with our databases and a few views."""
    config = Configurator(settings=settings)
    config.include("qapla.database.web")
    for view in (count, stream, fail, fail_late, nested):
        config.add_route(view.__name__, f"/{view.__name__}")
        config.add_view(view, route_name=view.__name__)
    config.add_exception_view(lambda error, request: Response("sorry", status=500), context=KeyError)
    with config.registry["qapla.app"]["database"]["main"].transaction() as session:
        session.execute(text("CREATE TABLE word (value TEXT)"))
    yield config
    config.registry["qapla.app"].stop()


@pytest.fixture
def web(config):
    """Give a client of the program."""
    return TestApp(config.make_wsgi_app())


def lent(config):
    """Return how many connections are lent out."""
    return config.registry["qapla.app"]["database"]["main"].engine.pool.checkedout()


class TestScope:
    """The life of request.scope without an execution policy of ours"""

    @pytest.mark.parametrize(("path", "answer"), [("/count", "0"), ("/stream", "012"), ("/stream?early=1", "012"), ("/nested", "012")])
    def test_closes_when_the_answer_has_ended(self, config, web, path, answer):
        """A view, a streamed body and a subrequest have their session, and give it back."""
        assert web.get(path).text == answer

        assert lent(config) == 0
        assert find_current() is None

    def test_exception_view(self, config, web):
        """What was written before the error is rolled back."""
        web.get("/fail?handled=1", status=500)

        assert lent(config) == 0
        assert web.get("/count").text == "0"

    @pytest.mark.parametrize(("path", "error"), [("/fail", ValueError), ("/fail_late", KeyError)])
    def test_unhandled_error(self, config, web, path, error):
        """Also one that is raised when there is a streaming response already."""
        with pytest.raises(error):
            web.get(path)

        assert lent(config) == 0

    @pytest.mark.parametrize("path", ["/stream", "/stream?early=1", "/nested"])
    def test_client_goes_away(self, config, web, path):
        """A server that drops the body closes the session."""
        path, _, query = path.partition("?")
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, "SERVER_NAME": "x", "SERVER_PORT": "80"}
        body = web.app({**environ, "wsgi.url_scheme": "http"}, lambda *arguments: None)
        chunks = iter(body)
        next(chunks)
        before = lent(config)

        body.close()

        assert (before, lent(config)) == (1, 0)

    def test_an_error_that_the_caller_handles_is_not_ours(self, config):
        """A program that answers while it handles an error does not tell the scope that it failed."""
        ends = []
        config.add_view(lambda request: request.scope.on_close(ends.append) or Response(), name="ends")
        web = TestApp(config.make_wsgi_app())

        try:
            raise OSError("of somebody else")
        except OSError:
            web.get("/ends")

        assert ends == [None]

    def test_policy_of_the_program_stays(self, config):
        """An execution policy of its own is neither replaced nor needed."""
        seen = []
        config.set_execution_policy(lambda environ, router: seen.append(1) or default_execution_policy(environ, router))

        assert TestApp(config.make_wsgi_app()).get("/count").text == "0"
        assert (seen, lent(config)) == ([1], 0)

    def test_scripts(self, config, web):
        """A request of ``pyramid.scripting`` ends with its closer."""
        with prepare(registry=config.registry) as env:
            env["request"].main.connection()
            before = lent(config)

        assert (before, lent(config)) == (1, 0)


class TestDatabases:
    """config.include("qapla.database.web")"""

    def test_all_in_the_settings_are_declared(self, config, web):
        """No line of code per database."""
        app = config.registry["qapla.app"]

        assert [database.name for database in app["database"]] == ["main", "other"]

    def test_a_declared_one_comes_before_one_that_was_found(self, config, settings, tmp_path):
        """``add_database`` can say where the migrations are."""
        config.add_database(Database("main", "migrations"))
        TestApp(config.make_wsgi_app()).get("/count")

        assert config.registry["qapla.app"]["database"]["main"].migrations_key == "migrations"

    @pytest.mark.parametrize(
        ("given", "rows"),
        [({}, "0"), ({"qapla.database.commit": "tm"}, "1"), ({"pyramid.includes": "pyramid_tm"}, "0")],
    )
    def test_commit_mode(self, settings, given, rows):
        """The setting ``qapla.database.commit`` says who commits; a transaction manager of the program's own is none of our business."""
        config = Configurator(settings=settings | given)
        config.include("qapla.database.web")
        config.add_view(lambda request: Response(str(request.main.execute(text("INSERT INTO word VALUES ('x')")).rowcount)), name="write")
        config.add_view(count, name="count")
        database = config.registry["qapla.app"]["database"]["main"]
        with database.transaction() as session:
            session.execute(text("CREATE TABLE word (value TEXT)"))
        web = TestApp(config.make_wsgi_app())

        assert (web.get("/write").text, web.get("/count").text) == ("1", rows)
        config.registry["qapla.app"].stop()

    def test_wrong_commit_mode(self, settings):
        """It is told with its key."""
        with pytest.raises(SettingsError, match=r"'database:commit' in .* is wrong \(expected 'manual' or 'tm'\)"):
            Configurator(settings=settings | {"qapla.database.commit": "maybe"}).include("qapla.database.web")

    def test_declared_twice(self, config):
        """Pyramid shows both lines."""
        config.add_database(Database("main"))
        config.add_database(Database("main"))

        with pytest.raises(ConfigurationConflictError, match="database"):
            config.commit()

    def test_without_a_url(self, config):
        """The setting is named as ours; where it can be set is said."""
        config.add_database(Database("moon"))

        with pytest.raises(ConfigurationExecutionError, match=r"'db:moon:url' is missing from the settings of the Pyramid program"):
            config.commit()


ALONE = {
    "qapla.session.secret": "s3cret" * 8,
    "qapla.redis.default.url": "redis://127.0.0.1:1/0",
    "qapla.celery.broker_url": "redis://127.0.0.1:1/0",
}


@pytest.mark.parametrize("name", sorted(set(list_plugins()) - {"auth"}))
def test_every_plugin_can_be_used_alone(name, settings):
    """``config.include`` with the package of a shipped plugin is all that it takes."""
    package = list_plugins()[name].module.removesuffix(".plugin")
    config = Configurator(settings=settings | ALONE)

    config.include(package)
    web = TestApp(config.make_wsgi_app())

    assert web.get("/nowhere", status=404)
    assert name in config.registry["qapla.app"]
    config.registry["qapla.app"].stop()


def test_auth_needs_accounts():
    """Who may log in is the program's own affair: it includes a plugin that knows, and is told so."""
    with pytest.raises(PluginError, match=r"'identifier' at .*test_guest\.py:\d+ needs 'accounts'"):
        Configurator(settings=ALONE).include("qapla.plugins.auth")


def test_missing_setting_says_where_it_belongs():
    """A program that has none of our settings is told which, and where."""
    with pytest.raises(SettingsError, match=r"'session:secret' is missing from the settings of the Pyramid program"):
        Configurator().include("qapla.plugins.session")


class TestGuest:
    """include_plugin"""

    def test_one_application_for_all(self, config):
        """Several plugins of a program share it, and with it their scope."""
        value = include_plugin(config, Shared())

        assert value is config.registry["qapla.app"]
        assert "database" in value

    def test_included_twice(self, config):
        """The second time does nothing."""
        first = include_plugin(config, Shared())

        assert include_plugin(config, Shared()) is first

    def test_another_plugin_of_the_same_key(self, config):
        """It is told with the lines of both, which are the program's."""

        class Other(Shared):
            pass

        include_plugin(config, Shared())

        with pytest.raises(PluginError, match=r"'shared' at .*test_guest\.py:\d+ is declared a second time .* at .*test_guest\.py:\d+"):
            include_plugin(config, Other())

    def test_requirements_come_with_it(self):
        """Installed ones are included first; one that is not is told."""
        config = Configurator()

        with pytest.raises(PluginError, match=r"'needy' at .*test_guest.py:\d+ needs 'moon', and no plugin of that key is declared"):
            include_plugin(config, Needy())
        assert "database" in config.registry["qapla.app"]

    def test_names_in_the_settings(self, settings):
        """``qapla.plugins`` lists more of them."""
        config = Configurator(settings={**settings, "qapla.plugins": "database database.web"})
        include_plugin(config, Shared())

        assert {"database", "database.web", "shared"} == {plugin.key for plugin in config.registry["qapla.app"].plugins}

    def test_too_late(self, config, web):
        """A program that answers already takes no more plugins."""
        with pytest.raises(PluginError, match=r"'shared' at .*test_guest.py.* wrong time"):
            include_plugin(config, Shared())

    def test_environment_wins(self, config, monkeypatch, settings):
        """As in every application."""
        monkeypatch.setenv("QAPLA__SOME__THING", "x")
        app = include_plugin(Configurator(settings={**settings, "qapla.some.thing": "y"}), Shared())

        assert app.settings["some:thing"] == "x"

    def test_what_only_an_application_has_is_refused(self):
        """Hosts and proxies belong to the program."""
        with pytest.raises(SettingsError, match=r"'web' in the settings of the Pyramid program is not offered"):
            include_plugin(Configurator(settings={"qapla.web.hosts": "x"}), Shared())

    def test_a_request_method_of_the_program_with_our_name(self, config):
        """It is told, in place of failing somewhere far away."""
        config.add_request_method(lambda request: "mine", "scope", property=True)

        with pytest.raises(ConfigurationError, match="'scope' of the program is taken"):
            config.make_wsgi_app()

    def test_identity_is_the_programs(self, config):
        """Without an identifier of ours, its security policy says who is asking; nobody has rights."""

        class Everybody:
            def identity(self, request):
                return "ada"

        config.set_security_policy(Everybody())
        config.add_view(lambda request: Response(f"{request.identity} {request.rights('shop').allows('select', None, 'x')}"), name="who")

        assert TestApp(config.make_wsgi_app()).get("/who").text == "ada False"

    def test_stops_with_the_process(self, tmp_path):
        """What was started is stopped when the interpreter ends."""
        code = """
            from pyramid.config import Configurator
            from qapla.plugin import Plugin
            from qapla.web import include_plugin
            class Told(Plugin):
                key = "told"
                def stop(self, app):
                    print("stopped")
            config = Configurator()
            include_plugin(config, Told())
            config.make_wsgi_app()
            print("running")
        """

        done = subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)

        assert done.stdout.split() == ["running", "stopped"]

    def test_stops_with_its_program(self):
        """Where a Configurator is thrown away, so is what was started for it: not by the thread that collects it, which may hold locks."""
        lock, stopped = threading.Lock(), queue.SimpleQueue()

        class Told(Plugin):
            key = "told"

            def stop(self, app):
                with lock:
                    stopped.put(self.key)

        include_plugin(Configurator(), Told())
        with lock:
            gc.collect()

        assert stopped.get(timeout=30) == "told"

    def test_is_stopped_before_the_process_ends(self):
        """What is thrown away at the very end is stopped nevertheless, once."""
        code = """
            import gc, threading
            from pyramid.config import Configurator
            from qapla.plugin import Plugin
            from qapla.web import include_plugin
            begun, ending = threading.Event(), threading.Event()
            class Told(Plugin):
                key = "told"
                def stop(self, app):
                    begun.set()
                    ending.wait(30)
                    threading.Event().wait(0.3)  # the process is ending by then
                    print("stopped")
            include_plugin(Configurator(), Told())
            gc.collect()
            begun.wait()
            print("ending", flush=True)
            ending.set()
        """

        done = subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)

        assert done.stdout.split() == ["ending", "stopped"]

    def test_tells_the_log_what_cannot_stop(self):
        """Nobody waits for what is thrown away, so an error of it is in the log."""
        told = queue.SimpleQueue()

        class Stuck(Plugin):
            key = "stuck"

            def stop(self, app):
                raise OSError("jammed")

        log, handler = logging.getLogger("qapla.guest"), QueueHandler(told)
        log.addHandler(handler)
        try:
            include_plugin(Configurator(), Stuck())
            gc.collect()

            assert "jammed" in told.get(timeout=30).getMessage()
        finally:
            log.removeHandler(handler)
