"""add_database_web(commit="tm") over several databases: requests with errors, retries, subrequests, savepoints"""

from __future__ import annotations

from contextlib import ExitStack, suppress

import pytest
from pyramid.httpexceptions import HTTPConflict
from pyramid.response import Response
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from webtest import TestApp

from qapla.database import doubt
from qapla.database.application import DatabaseApplication
from qapla.database.branch import Branch, UnknownOutcome
from qapla.database.database import Database
from qapla.errors import ConfigurationError
from qapla.testing.servers import make_database

NAMES = ("main", "music")


def both(request):
    """Write on both databases, by Core and in the order that the caller names; then end as he says."""
    for name in request.params.get("order", "main music").split():
        getattr(request, name).execute(text("INSERT INTO word VALUES ('x')"))
    end = request.params.get("end")
    if end == "fail":
        raise ValueError("on purpose")
    if end == "refuse":
        raise HTTPConflict("on purpose")
    if end == "veto":
        request.response.status = 422
    if end == "doom":
        request.tm.doom()
    if end == "savepoint":
        point = request.tm.savepoint()
        request.main.execute(text("INSERT INTO word VALUES ('y')"))
        request.music.execute(text("INSERT INTO word VALUES ('y')"))
        point.rollback()
    if end == "later":
        request.scope["database"].after_commit(lambda: request.registry["done"].append(words(request.app)))
    return request.response


def fragile(request):
    """Write, and be the victim of a deadlock the first time."""
    both(request)
    if request.environ.get("retry.attempt", 1) == 0:
        request.main.execute(text("DO $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$"))
    return request.response


def outer(request):
    """Write, and ask a subrequest to write, too."""
    request.main.execute(text("INSERT INTO word VALUES ('outer')"))
    inner = type(request).blank("/both")
    return request.invoke_subrequest(inner, use_tweens="tweens" in request.params)


def sorry(error, request):
    """Answer an error, after having looked at the database."""
    with suppress(Exception):
        request.main.scalar(text("SELECT 1"))
    return Response("sorry", status=500)


def words(app):
    """Return what each database has, sorted."""
    found = []
    for database in app["database"]:
        with database.session() as session:
            found.append(sorted(session.scalars(text("SELECT value FROM word"))))
    return found


@pytest.fixture(scope="module")
def find_url():
    """Give a function that returns the URL of the *n*-th database on an engine; made once, for all tests of this module."""
    with ExitStack() as stack:
        made = {}

        def find(engine, number):
            if (engine, number) not in made:
                made[engine, number] = stack.enter_context(make_database(engine))
            return made[engine, number]

        yield find


@pytest.fixture
def make_web(find_url):
    """Give a function that starts an application with two databases on the engines named."""
    with ExitStack() as stack:

        def make(*engines, has_retry=False):
            class Words(DatabaseApplication):
                class MetaConfig:
                    settings_module = "lazydb.settings"

                def append_app_plugins(self):
                    self.add_database_app([Database(name) for name in NAMES])

                def append_web_plugins(self):
                    self.add_database_web(commit="tm")
                    if has_retry:
                        self.config.include("pyramid_retry")
                    for view in (both, fragile, outer):
                        self.config.add_route(view.__name__, f"/{view.__name__}")
                        self.config.add_view(view, route_name=view.__name__)
                    self.config.add_exception_view(sorry, context=ValueError)
                    self.config.registry["done"] = []

            urls = [find_url(engine, number) for number, engine in enumerate(engines)]
            app = Words()
            settings = {f"db:{name}:url": url.render_as_string(hide_password=False) for name, url in zip(NAMES, urls, strict=True)}
            web = TestApp(app.run_web_tests(settings))
            stack.callback(app.stop)
            web.application = app
            for database in app["database"]:
                with database.transaction() as session:
                    session.execute(text("DROP TABLE IF EXISTS word"))
                    session.execute(text("CREATE TABLE word (value VARCHAR(20) PRIMARY KEY)"))
            return web

        yield make


@pytest.fixture(params=[("postgresql", "postgresql"), ("postgresql", "mariadb"), ("mariadb", "mariadb")], ids="+".join)
def web(request, make_web):
    """Run the test on each pair of engines."""
    return make_web(*request.param)


def lent(web):
    """Return how many connections are lent out."""
    return sum(database.engine.pool.checkedout() for database in web.application["database"])


@pytest.mark.parametrize(
    ("end", "status", "rows"),
    [
        ("", 200, ["x"]),
        ("savepoint", 200, ["x"]),
        ("fail", 500, []),
        ("refuse", 409, []),
        ("veto", 422, []),
        ("doom", 200, []),
    ],
)
def test_every_ending(web, end, status, rows):
    """Both are committed or none, whatever ends the request; no connection is kept."""
    web.get(f"/both?end={end}", status=status)

    assert words(web.application) == [rows, rows]
    assert lent(web) == 0


def test_constraint(web):
    """An error of the database rolls back both."""
    web.get("/both?order=music")

    with pytest.raises(IntegrityError):
        web.get("/both?order=main music")

    assert words(web.application) == [[], ["x"]]
    assert lent(web) == 0


def test_after_commit(web):
    """What is to be done afterwards finds both committed."""
    web.get("/both?end=later")

    assert web.application.config.registry["done"] == [[["x"], ["x"]]]


def test_retry(make_web):
    """A deadlock is tried again, as pyramid_retry does it, and the first attempt leaves nothing."""
    web = make_web("postgresql", "postgresql", has_retry=True)

    web.get("/fragile")

    assert words(web.application) == [["x"], ["x"]]
    assert lent(web) == 0


def test_no_retry(make_web):
    """Without it the error ends the request."""
    web = make_web("postgresql", "postgresql")

    with pytest.raises(OperationalError, match="deadlock"):
        web.get("/fragile", extra_environ={"retry.attempt": 0})

    assert words(web.application) == [[], []]


def test_subrequest_with_tweens(make_web):
    """It has a transaction of its own."""
    web = make_web("postgresql", "postgresql")

    web.get("/outer?tweens=1")

    assert words(web.application) == [["outer", "x"], ["x"]]
    assert lent(web) == 0


def test_subrequest_without_tweens(make_web):
    """Nobody would commit what it does: that is told, and everything is rolled back."""
    web = make_web("postgresql", "postgresql")

    with pytest.raises(ConfigurationError, match="a session is used outside of the transaction of its request"):
        web.get("/outer")

    assert words(web.application) == [[], []]
    assert lent(web) == 0


def test_in_doubt(make_web, monkeypatch):
    """The answer says that the work is not to be repeated; it is not taken for a failure."""
    web = make_web("postgresql", "postgresql")
    commit = Branch.commit

    def fail(branch):
        if branch.name.number > 1:
            raise UnknownOutcome("the cable was cut")
        commit(branch)

    with monkeypatch.context() as patch:
        patch.setattr(Branch, "commit", fail)
        answer = web.get("/both", status=503, headers={"Accept": "application/json"})

    assert answer.json["code"] == "40003"
    assert "do not repeat it" in answer.json["hint"]
    assert "Retry-After" not in answer.headers
    monkeypatch.setattr(doubt, "SETTLED_S", 0.0)
    for one in doubt.look(web.application["database"]).doubts:
        list(doubt.resolve(web.application["database"], one))
    assert words(web.application) == [["x"], ["x"]]
