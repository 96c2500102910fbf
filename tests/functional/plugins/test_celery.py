"""Tasks that a web application sends"""

from __future__ import annotations

import pytest
from celery import shared_task
from pyramid.httpexceptions import HTTPBadRequest
from sqlalchemy import text
from webtest import TestApp

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.errors import Unavailable
from qapla.plugins.celery.plugin import CeleryPlugin
from qapla.scope import find_current


@shared_task
def double(n):
    """Write twice the number in the scope of the task."""
    session = find_current()["database"]["main"]
    session.execute(text("INSERT INTO number VALUES (:n)"), {"n": 2 * n})
    session.commit()


class Sums(DatabaseApplication):
    """An application that doubles numbers in the background; *commit* is how its requests commit."""

    class MetaConfig:
        settings_module = "lazydb.settings"

    def __init__(self, commit):
        super().__init__()
        self.commit = commit

    def append_app_plugins(self):
        """Declare."""
        self.add_database_app([Database("main")])
        self.add_app_plugin(CeleryPlugin())

    def append_web_plugins(self):
        """Declare."""
        self.add_database_web(commit=self.commit)
        self.config.add_route("number", "/{n}/{ending}")
        self.config.add_view(take, route_name="number", renderer="string")
        self.config.add_route("first", "/first/{n}/{ending}")
        self.config.add_view(send_first, route_name="first", renderer="string")
        self.config.add_view(refuse, context=ValueError)


def take(request):
    """Keep a number, have it doubled, and end as asked."""
    n, ending = int(request.matchdict["n"]), request.matchdict["ending"]
    request.main.execute(text("INSERT INTO number VALUES (:n)"), {"n": n})
    double.delay_after_commit(n)
    if request.app.commit == "manual" and ending == "well":
        request.main.commit()
    if ending == "badly":
        raise ValueError(n)
    if ending == "refused":
        raise HTTPBadRequest()
    return ending


def send_first(request):
    """Have a number doubled before any session is used, and end as asked."""
    double.delay_after_commit(int(request.matchdict["n"]))
    if request.matchdict["ending"] == "badly":
        raise ValueError
    return ""


def refuse(error, request):
    """Answer an error."""
    request.response.status = 500
    return request.response


@pytest.fixture(params=["manual", "tm"])
def web(request, tmp_path):
    """Give a client of the application, by either way to commit."""
    app = Sums(request.param)
    client = TestApp(app.run_web_tests({"celery:task_always_eager": True, "db:main:url": f"sqlite:///{tmp_path}/sums.sqlite"}))
    with app["database"]["main"].transaction() as session:
        session.execute(text("CREATE TABLE number (n integer)"))
    client.numbers = lambda: numbers(app)
    client.celery = app["celery"]
    client.app_commit = request.param
    yield client
    app.stop()


def numbers(app):
    """Return what was committed."""
    with app["database"]["main"].session() as session:
        return sorted(session.scalars(text("SELECT n FROM number")))


def test_sent_with_the_commit(web):
    """A request that ends well has its task done; one that fails, or is refused, leaves neither work nor task."""
    web.get("/1/well")
    web.get("/10/badly", status=500)
    web.get("/100/refused", status=400)

    assert web.numbers() == [1, 2]


def test_sent_first(web):
    """Where the request commits, a task waits for that also when no session is used yet; else there is nothing to wait for."""
    web.get("/first/1/well")
    web.get("/first/10/badly", status=500)

    assert web.numbers() == ([2] if web.app_commit == "tm" else [2, 20])


def test_broker_is_down(web, caplog):
    """The work is committed and the answer says so; the log says what was not sent."""
    web.celery.conf.task_always_eager = False
    web.celery.conf.broker_url = "redis://127.0.0.1:1/0"

    web.get("/1/well", status=200)

    assert web.numbers() == [1]
    assert f"the broker does not answer: task '{double.name}' was not sent" in caplog.text
    with pytest.raises(Unavailable, match="the broker does not answer"):
        double.delay(1)
