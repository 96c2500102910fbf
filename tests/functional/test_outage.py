"""A declared database is killed and comes back, while requests, functions and transactions over two databases use it."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter

import pytest
from pyramid.response import Response
from sqlalchemy import text
from webtest import TestApp

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.database.decorators import WithDatabase
from qapla.errors import QaplaError
from qapla.scope import find_current
from qapla.testing import processes

NORMAL_WITHIN_S = 10
STARTS = {
    "postgresql": lambda folder: processes.start_postgresql(folder, os.getpid(), settings={"synchronous_commit": "on"}),
    "mariadb": lambda folder: processes.start_mariadb(folder, os.getpid()) + "mysql",
}


class Words(DatabaseApplication):
    """A request writes two rows, which belong together."""

    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        """Declare the databases; both are on the server that is killed."""
        self.add_database_app([Database("main"), Database("music")])

    def append_web_plugins(self):
        """Declare the view."""
        self.add_database_web()
        self.config.add_route("write", "/write")
        self.config.add_view(write, route_name="write")


def write(request):
    """Write both halves, a moment apart."""
    request.main.execute(text("INSERT INTO half VALUES ('request')"))
    time.sleep(0.005)
    request.main.execute(text("INSERT INTO half VALUES ('request')"))
    request.main.commit()
    return Response("written")


@pytest.fixture(params=STARTS, scope="module")
def server(request):
    """Give the folder and the URL of a server that may be killed."""
    with processes.server_folder() as folder:
        yield folder / "server", STARTS[request.param](folder / "server")


@pytest.fixture
def web(server):
    """Give a client of the application; an empty table in each database."""
    _, url = server
    app = Words()
    # Both names are one database: a commit over two is about connections, and here each of them breaks.
    client = TestApp(app.run_web_tests({"db:main:url": url, "db:music:url": url}), extra_environ={"HTTP_HOST": "localhost:80"})
    client.application = app
    with app["database"]["main"].transaction() as session:
        session.execute(text("DROP TABLE IF EXISTS half"))
        session.execute(text("CREATE TABLE half (who VARCHAR(20))"))
    yield client
    app.stop()


def rows(app, who):
    """Return how many halves there are, once the database answers."""
    deadline = time.monotonic() + NORMAL_WITHIN_S
    while True:
        try:
            with app["database"]["main"].session() as session:
                return session.scalar(text("SELECT count(*) FROM half WHERE who = :who"), {"who": who})
        except Exception:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def lent(app):
    """Return how many connections are lent out."""
    return sum(engine.pool.checkedout() for database in app["database"] for engine in database.opened_engines)


def run_through_a_kill(folder, work):
    """Call *work* in threads again and again while the server is killed and started; return how the calls ended, and when all was well."""
    over, ended, well_at = threading.Event(), [], []

    def go_on():
        while not over.is_set():
            end = work()
            ended.append(end)
            if end != "written":
                time.sleep(0.02)
            elif back_at and not well_at:
                well_at.append(time.monotonic() - back_at[0])

    back_at = []
    threads = [threading.Thread(target=go_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    processes.kill(folder)
    time.sleep(0.5)
    processes.start_again(folder)
    back_at.append(time.monotonic())
    deadline = time.monotonic() + NORMAL_WITHIN_S
    while not well_at and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    over.set()
    for thread in threads:
        thread.join()
    assert well_at, "not normal again in time"
    return Counter(ended), ended


class TestRequests:
    """GET /write while the server is killed"""

    def test_503_meanwhile_and_no_half_work(self, web, server):
        """Every request writes both halves or none; those that fail say which database is away; soon after its return all is normal."""

        def work():
            client = TestApp(web.app, extra_environ={"HTTP_HOST": "localhost:80"})
            answer = client.get("/write", expect_errors=True)
            if answer.status_int != 200:
                assert answer.headers["Retry-After"] == "5"
                messages.add(answer.text.strip())
            return "written" if answer.status_int == 200 else answer.status_int

        messages = set()

        ended, sequence = run_through_a_kill(server[0], work)

        assert set(ended) == {"written", 503}
        assert ended["written"] > 2
        assert messages <= {
            "database 'main' cannot be used now: it cannot be reached",
            "database 'main' cannot be used now: it is shutting down",
        }
        assert sequence[-1] == "written"
        # A commit whose answer was lost may have been done or not; it was never half of one.
        assert rows(web.application, "request") in range(2 * ended["written"], 2 * ended["written"] + 2 * 3 + 1, 2)
        assert lent(web.application) == 0

    def test_json_for_who_asks(self, web, server):
        """The same four parts as every error of ours."""
        processes.kill(server[0])

        answer = web.get("/write", headers={"Accept": "application/json"}, status=503)

        processes.start_again(server[0])
        assert answer.json["code"] == "PGRST000"
        assert "'main'" in answer.json["message"]


class TestFunctions:
    """WithDatabase and transactions while the server is killed"""

    def test_with_database(self, web, server):
        """The driver's error reaches the caller; nothing is half done, no scope stays open."""
        app = web.application

        @WithDatabase(app, "main")
        def write(main):
            main.execute(text("INSERT INTO half VALUES ('function')"))
            main.execute(text("INSERT INTO half VALUES ('function')"))
            main.commit()

        def work():
            try:
                write()
            except Exception as error:
                assert find_current() is None
                return type(error).__name__
            return "written"

        ended, _ = run_through_a_kill(server[0], work)

        assert set(ended) - {"written"} <= {"OperationalError", "InterfaceError", "AdminShutdown"}
        assert rows(app, "function") in range(2 * ended["written"], 2 * ended["written"] + 2 * 3 + 1, 2)
        assert lent(app) == 0

    def test_transaction_over_two_databases(self, web, server):
        """Both parts or none, or an error that says it is in doubt."""
        app = web.application

        def work():
            try:
                with app["database"].transaction("main", "music") as sessions:
                    for name in ("main", "music"):
                        sessions[name].execute(text("INSERT INTO half VALUES ('together')"))
            except QaplaError as error:
                return "in doubt" if "doubt" in str(error) else type(error).__name__
            except Exception as error:
                return type(error).__name__
            return "written"

        ended, _ = run_through_a_kill(server[0], work)

        assert ended["written"] > 2
        assert lent(app) == 0
        if not ended["in doubt"]:
            assert rows(app, "together") in range(2 * ended["written"], 2 * ended["written"] + 2 * 3 + 1, 2)
