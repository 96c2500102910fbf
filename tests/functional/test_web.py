"""qapla.web and qapla.database.web: the life of a request and of its sessions"""

from __future__ import annotations

import gc
import re
from functools import partial

import pytest
from pyramid.exceptions import ConfigurationConflictError, ConfigurationExecutionError
from pyramid.request import Request as PlainRequest
from pyramid.response import Response
from sqlalchemy import text
from webtest import TestApp

from qapla.application import Application
from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.errors import ConfigurationError, NotFound
from qapla.scope import find_current


def stream(request):
    """Answer rows while they are read."""

    def body():
        for number in range(3):
            yield str(request.main.scalar(text("SELECT count(*) FROM word")) + number).encode()

    return Response(app_iter=body())


def write(request):
    """Write without committing, or with, or fail afterwards."""
    request.main.execute(text("INSERT INTO word VALUES ('x')"))
    end = request.params.get("end")
    if end == "commit":
        request.main.commit()
    if end == "fail":
        raise ValueError("on purpose")
    if end == "both":
        request.other.execute(text("CREATE TABLE word (value TEXT)"))
    if end == "rollback":
        request.main.rollback()
    if end == "twice":
        request.tm.commit()
        request.tm.begin()
        request.main.execute(text("INSERT INTO word VALUES ('z')"))
        request.tm.abort()
        request.tm.begin()
    if end == "nested":
        part = request.main.begin_nested()
        request.main.execute(text("INSERT INTO word VALUES ('y')"))
        part.rollback()
    if end == "veto":
        request.response.status = 409
    return request.response


def count(request):
    """Answer the number of rows."""
    return Response(str(request.main.scalar(text("SELECT count(*) FROM word"))))


def both(request):
    """Use two databases in one request."""
    return Response(f"{request.main.scalar(text('SELECT 1'))}{request.other.scalar(text('SELECT 2'))}")


def nested(request):
    """Make a subrequest, of Pyramid's own class as its manual shows, that uses a session of its own."""
    inner = request.invoke_subrequest(PlainRequest.blank(request.params.get("path", "/count")))
    assert "scope" not in request.__dict__
    assert find_current() is None
    return inner


def broken(error, request):
    """Show that an error was met."""
    return Response("sorry", status=500)


@pytest.fixture
def make_web(tmp_path):
    """Give a function that starts an application with two SQLite databases."""
    started = []

    def make(commit):
        class Words(DatabaseApplication):
            class MetaConfig:
                settings_module = "lazydb.settings"

            def append_app_plugins(self):
                self.add_database_app([Database("main"), Database("other")])

            def append_web_plugins(self):
                self.add_database_web(commit=commit)
                for view in (stream, write, count, both, nested):
                    self.config.add_route(view.__name__, f"/{view.__name__}")
                    self.config.add_view(view, route_name=view.__name__)
                self.config.add_exception_view(broken, context=ValueError)

        app = Words()
        urls = {f"db:{name}:url": f"sqlite:///{tmp_path / name}.sqlite" for name in ("main", "other")}
        web = TestApp(app.run_web_tests(urls))
        web.application = app
        started.append(app)
        with app["database"]["main"].transaction() as session:
            session.execute(text("CREATE TABLE word (value TEXT)"))
        return web

    yield make
    for app in started:
        app.stop()


def open_connections(web):
    """Return how many connections are lent out."""
    return web.application["database"]["main"].engine.pool.checkedout()


class TestManual:
    """add_database_web(commit="manual")"""

    @pytest.mark.parametrize(("end", "status", "rows"), [("", 200, "0"), ("commit", 200, "1"), ("fail", 500, "0")])
    def test_commit_is_yours(self, make_web, end, status, rows):
        """Only what the view commits is kept; the session is closed in every ending."""
        web = make_web("manual")

        web.get(f"/write?end={end}", status=status)

        assert web.get("/count").text == rows
        assert open_connections(web) == 0

    def test_session_lives_as_long_as_a_streamed_answer(self, make_web):
        """The body may use the session until its last chunk, and not longer."""
        web = make_web("manual")

        answer = web.get("/stream")

        assert answer.text == "012"
        assert open_connections(web) == 0

    def test_client_goes_away(self, make_web):
        """A server that drops the body closes the session."""
        web = make_web("manual")
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/stream", "SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
        body = web.app(environ, lambda *arguments: None)
        chunks = iter(body)
        next(chunks)
        before = open_connections(web)

        body.close()

        assert (before, open_connections(web)) == (1, 0)

    @pytest.mark.parametrize(("path", "text"), [("/count", "0"), ("/stream", "012")])
    def test_subrequest_closes_its_own(self, make_web, path, text):
        """A subrequest is a scope of its own and ends with itself, or with the body that it streams."""
        web = make_web("manual")

        answer = web.get(f"/nested?path={path}")

        assert answer.text == text
        assert open_connections(web) == 0

    def test_subrequest_that_fails(self, make_web):
        """Its scope ends with the error, also when the one who made it carries on."""
        web = make_web("manual")

        web.get("/nested?path=/write?end=fail", status=500)

        assert open_connections(web) == 0

    def test_leaves_no_garbage(self, make_web):
        """A request and its scope know each other only until its end: nothing is left for the garbage collector."""
        web = make_web("manual")
        environ = PlainRequest.blank("/both").environ
        ask = partial(web.app, start_response=lambda *arguments: None)
        list(ask(dict(environ)))
        while gc.collect():  # what other tests have left may take several rounds
            pass
        gc.disable()

        try:
            for _ in range(20):
                list(ask(dict(environ)))
            found = gc.collect()
        finally:
            gc.enable()

        assert found < 20

    def test_current_scope(self, make_web):
        """``find_current`` knows the scope of the request from its first use until its end, and the one around it again afterwards."""
        web = make_web("manual")
        seen = []
        config = web.application.config
        config.add_view(lambda request: seen.extend((find_current(), request.scope, find_current())) or Response(), name="now")
        config.commit()

        with web.application.scope() as outer:
            web.get("/now")
            assert find_current() is outer

        assert seen[0] is None
        assert seen[1] is seen[2]
        assert find_current() is None

    def test_a_database_declared_for_the_web(self, make_web, tmp_path):
        """``config.add_database`` declares one that the application has not; a name that it has is refused."""
        web = make_web("manual")
        app = web.application
        app.settings["db:third:url"] = f"sqlite:///{tmp_path / 'third.sqlite'}"
        app.config.add_database(Database("third"))
        app.config.add_view(lambda request: Response(str(request.third.scalar(text("SELECT 3")))), name="third")
        app.config.commit()

        assert web.get("/third").text == "3"
        app.config.add_database(Database("third"))
        with pytest.raises(ConfigurationExecutionError, match=r"two databases are declared as 'third'[^$]* Line \d+ of .*test_web\.py"):
            app.config.commit()

    @pytest.mark.parametrize("name", ["session", "registry", "matchdict", "tm", "app", "scope", "databases", "path", "exception"])
    def test_a_database_takes_nothing_from_requests(self, make_web, name):
        """A name that every request has already is refused, with another one in the hint."""
        config = make_web("manual").application.config

        with pytest.raises(ConfigurationError, match=rf"database '{name}' would take the place of request\.{name} \(call it '{name}_db'\)"):
            config.add_database(Database(name))

    def test_two_databases(self, make_web):
        """Every declared database is a property of the request."""
        assert make_web("manual").get("/both").text == "12"


class TestTransactionManager:
    """add_database_web(commit="tm")"""

    @pytest.mark.parametrize(("end", "status", "rows"), [("", 200, "1"), ("fail", 500, "0"), ("veto", 409, "0")])
    def test_commits_when_it_went_well(self, make_web, end, status, rows):
        """Core writes are kept too; an error or a status of 400 and more rolls back."""
        web = make_web("tm")

        web.get(f"/write?end={end}", status=status)

        assert web.get("/count").text == rows
        assert open_connections(web) == 0

    def test_two_databases_are_read(self, make_web):
        """Reading several databases needs no common commit."""
        assert make_web("tm").get("/both").text == "12"

    def test_two_that_cannot_commit_together_are_refused(self, make_web):
        """Two commits, one after the other, are never pretended to be one; nothing is committed."""
        web = make_web("tm")

        refusal = web.get("/write?end=both", status=400)

        assert "'main', 'other' is not offered: 'main' cannot commit in two phases" in refusal.text
        assert web.get("/count").text == "0"
        assert open_connections(web) == 0

    def test_commit_by_hand_is_refused(self, make_web):
        """The error says who commits."""
        web = make_web("tm")

        with pytest.raises(ConfigurationError, match=r"session.commit\(\) is called where all sessions are committed together"):
            web.get("/write?end=commit")

        assert web.get("/count").text == "0"

    def test_streamed_answer_has_no_session(self, make_web):
        """The transaction has ended before the body is made, which is told and not passed over."""
        web = make_web("tm")

        with pytest.raises(ConfigurationError, match="outside of the transaction of its request"):
            web.get("/stream")

        assert open_connections(web) == 0

    def test_roll_back_by_hand_ends_it(self, make_web, caplog):
        """What was written before would be missing from a commit that goes well; the log says whose mistake it is."""
        web = make_web("tm")

        refusal = web.get("/write?end=rollback", status=500)

        assert refusal.text == "internal error\n"
        assert "the work on 'main' was rolled back before its end" in caplog.text
        assert web.get("/count").text == "0"

    def test_several_transactions_in_one_request(self, make_web):
        """The session takes part in whichever is under way."""
        web = make_web("tm")

        web.get("/write?end=twice")

        assert web.get("/count").text == "1"
        assert open_connections(web) == 0

    def test_part_that_may_fail(self, make_web):
        """A savepoint takes back a part, and the rest is committed."""
        web = make_web("tm")

        web.get("/write?end=nested")

        assert web.get("/count").text == "1"


class TestRequest:
    """request.app, request.databases, request.identity, request.rights"""

    def test_nulls(self, make_web):
        """Without catalog, identifier and policy there are no databases, nobody, and no rights."""
        web = make_web("manual")
        request = web.application.config.registry["qapla.request_class"].blank("/")

        with pytest.raises(NotFound, match="no database is called 'shop'"):
            request.databases["shop"]
        assert list(request.databases) == []
        assert request.identity.kind == "anonymous"
        assert not request.rights("shop").allows("select", None, "orders")

    def test_no_class_per_request(self, make_web):
        """Declared properties sit on one class for all requests."""
        web = make_web("manual")
        config = web.application.config
        kinds = set()
        config.add_view(lambda request: kinds.add(type(request)) or Response(request.shout), name="kind")
        config.add_request_method(lambda request: "loud", "shout", reify=True)
        config.commit()

        web.get("/kind")
        web.get("/kind")

        assert kinds == {config.registry["qapla.request_class"]}

    def test_a_name_declared_twice_is_a_conflict(self, make_web):
        """Pyramid shows both lines."""
        config = make_web("manual").application.config
        config.add_request_method(lambda request: 1, "twice", reify=True)
        config.add_request_method(lambda request: 2, "twice", property=True)

        with pytest.raises(ConfigurationConflictError, match="twice"):
            config.commit()


class TestPlugins:
    """Plugins in the web phase"""

    def test_included_by_their_package(self):
        """``config.include`` declares a plugin, starts it and those that it requires, unless they are declared already."""

        class Mixed(Application):
            class MetaConfig:
                settings_module = "lazydb.settings"

            def append_app_plugins(self):
                self.add_app_plugin("session")

            def append_web_plugins(self):
                self.config.include("qapla.plugins.csrf")
                self.config.include("qapla.plugins.session")

        app = Mixed()
        app.run_web_tests({"session:secret": "s3cret" * 8})

        assert [plugin.key for plugin in app.plugins] == ["session", "csrf"]
        assert "csrf" in app
        app.stop()

    def test_are_introspected(self, make_web):
        """Pyramid's introspection, and with it the debug toolbar, shows every plugin and the line that declared it."""
        introspector = make_web("manual").application.config.registry.introspector

        found = {entry["introspectable"].discriminator: entry["introspectable"] for entry in introspector.get_category("plugins")}

        assert sorted(found) == ["database", "database.web"]
        assert re.fullmatch(r".*test_web\.py:\d+", found["database"]["declared at"])


class TestGate:
    """What is refused before there is a request"""

    @pytest.mark.parametrize("query", ["a=%ff", "a=\xff"])
    def test_address_is_not_utf8(self, make_web, query):
        """Also on a host that was welcome before."""
        web = make_web("manual")
        web.get("/count")
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/count", "QUERY_STRING": query, "HTTP_HOST": "localhost:80"}
        environ |= {"SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
        answers = []

        body = web.app(environ, lambda *answer: answers.append(answer))

        assert answers[0][0] == "400 Bad Request"
        assert b'"the address is not UTF-8"' in b"".join(body)

    def test_foreign_host(self, make_web):
        """A host that is not served is not served the second time either."""
        web = make_web("manual")

        for _ in range(2):
            assert web.get("/count", headers={"Host": "evil.example"}, status=400).json["code"] == "QAPLA400"
