"""qapla.plugins.logging: a log that can be read"""

from __future__ import annotations

import json
import logging
import logging.config
import subprocess
import sys
import textwrap

import pytest
from pyramid.response import Response
from webtest import TestApp

from qapla.application import Application
from qapla.errors import SettingsError
from qapla.plugins.logging.formatters import JsonFormatter, TextFormatter
from qapla.plugins.logging.plugin import LoggingPlugin
from qapla.serving import configure_log


def hello(request):
    """Answer and log."""
    logging.getLogger("shop").warning("hello")
    return Response("hello", conditional_response=True, etag="1")


@pytest.fixture
def root():
    """Give the root logger, and put it back as it was."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.fixture
def access(caplog):
    """Give a function that returns the lines of the access log."""
    caplog.set_level(logging.INFO, logger="qapla.access")
    return lambda: [record for record in caplog.records if record.name == "qapla.access"]


class TestRequests:
    """Each request and its answer"""

    def test_answer_and_log_have_one_id(self, make_web, access):
        """What a caller is told is what the log has."""
        web = make_web("qapla.plugins.logging", views=[hello])

        answer = web.get("/hello")

        (line,) = access()
        assert line.request_id == answer.headers["X-Request-Id"]
        assert line.fields["status"] == "200"

    def test_status_is_the_one_that_was_sent(self, make_web, access):
        """An answer that became a 304 on its way is logged as one."""
        web = make_web("qapla.plugins.logging", views=[hello])

        web.get("/hello", headers={"If-None-Match": '"1"'}, status=304)

        assert access()[0].fields["status"] == "304"

    def test_what_is_refused_has_an_id(self, access):
        """Also a request that never became one: under a name that is not served."""

        class Small(Application):
            class MetaConfig:
                settings_module = "lazydb.settings"

            def append_app_plugins(self):
                self.add_app_plugin(LoggingPlugin())

        app = Small()
        answer = TestApp(app.run_web_tests({"web:hosts": ()})).get("/", headers={"Host": "evil.example"}, status=400)
        app.stop()

        assert access()[0].request_id == answer.headers["X-Request-Id"]

    def test_failure_is_logged(self, make_web, access):
        """An error that nobody handles leaves a line."""

        def broken(request):
            raise ZeroDivisionError

        web = make_web("qapla.plugins.logging", views=[broken])

        with pytest.raises(ZeroDivisionError):
            web.get("/broken")

        assert "(failed)" in access()[0].getMessage()

    def test_quiet_paths_are_for_debugging(self, make_web, access):
        """A path that is asked every second does not fill the log."""
        web = make_web("qapla.plugins.logging", views=[hello], logging__quiet="/hello, /bye")

        web.get("/hello")

        assert access() == []


class TestSettings:
    """logging:…"""

    def test_json_with_ids_and_without_secrets(self):
        """A serving process writes one object a line to standard error; what is secret in the settings is in none."""
        program = textwrap.dedent("""
            import logging, warnings
            warnings.simplefilter("ignore")
            from pyramid.config import Configurator
            from webtest import TestApp
            def view(request):
                logging.getLogger("shop").info("connect to %s", "postgresql://ada:geheim-1@h/d")
                return request.response
            secrets = {"qapla.db.main.url": "postgresql://ada:geheim-1@h/d", "qapla.mail.password": "geheim-2"}
            config = Configurator(settings=secrets)
            config.include("qapla.plugins.logging")
            config.add_route("home", "/")
            config.add_view(view, route_name="home")
            logging.getLogger("shop").warning("geheim-2")
            TestApp(config.make_wsgi_app()).get("/", headers={"X-Request-Id": "abc-1"})
        """)

        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

        lines = [json.loads(line) for line in done.stderr.splitlines()]
        assert (lines[0]["message"], lines[0].get("request_id")) == ("***", None)
        assert (lines[1]["message"], lines[1].get("request_id")) == ("connect to postgresql://ada:***@h/d", "abc-1")
        assert lines[2]["logger"] == "qapla.access"

    def test_own_handlers_stay(self, make_web, root):
        """A program that has set up its log keeps it, and its handlers may print the ids."""
        before = root.handlers[:]

        make_web("qapla.plugins.logging")

        assert root.handlers == before

    def test_log_of_the_server_makes_way(self, make_web, root):
        """What ``qapla serve`` prints until the application says what its log is ends then."""
        root.handlers.clear()
        configure_log()

        make_web("qapla.plugins.logging")

        assert [isinstance(handler.formatter, (JsonFormatter, TextFormatter)) for handler in root.handlers] == [True]

    def test_a_level_replaces_them(self, make_web, root):
        """Who sets a level wants this plugin's log."""
        make_web("qapla.plugins.logging", logging__level="error", logging__levels__shop__basket="debug")

        assert (root.level, len(root.handlers)) == (logging.ERROR, 1)
        assert logging.getLogger("shop.basket").level == logging.DEBUG

    def test_dictconfig(self, make_web, root, tmp_path):
        """What the standard library knows is offered whole, with the ids of every record."""
        path = tmp_path / "log.txt"
        config = {
            "formatters": {"short": {"format": "%(request_id)s %(message)s"}},
            "handlers": {"file": {"class": "logging.FileHandler", "filename": str(path), "formatter": "short"}},
            "root": {"level": "WARNING", "handlers": ["file"]},
        }
        web = make_web("qapla.plugins.logging", views=[hello], logging__config=config)

        web.get("/hello", headers={"X-Request-Id": "abc-1"})
        root.handlers[0].close()

        assert path.read_text() == "abc-1 hello\n"

    @pytest.mark.parametrize(
        ("name", "value", "told"),
        [
            ("logging__level", "loud", "'logging:level'.*debug, info"),
            ("logging__levels__shop", "loud", "'logging:levels:shop'"),
            ("logging__levels", "debug", "'logging:levels'.*levels by logger"),
            ("logging__json", "perhaps", "'logging:json'"),
            ("logging__levle", "info", "did you mean 'level'"),
            ("logging__config", {"handlers": {"x": {"class": "no.such.Handler"}}}, "'logging:config'.*dictConfig"),
        ],
    )
    def test_wrong_settings_are_told(self, make_web, root, name, value, told):
        """What is wrong stops the start, by its key."""
        with pytest.raises(SettingsError, match=told):
            make_web("qapla.plugins.logging", **{name: value})
