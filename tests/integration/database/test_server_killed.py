"""qapla.database.work, doubt: a server is killed between the two phases of a commit, and comes back"""

from __future__ import annotations

import os
import time

import pytest
from sqlalchemy import make_url, text

from qapla.database import branch, doubt, order
from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.errors import InDoubt, NotOffered, Unavailable
from qapla.testing import processes
from qapla.testing.servers import make_database

START = {
    "postgresql": lambda folder: processes.start_postgresql(folder, os.getpid(), settings={"synchronous_commit": "on"}),
    "mariadb": lambda folder: processes.start_mariadb(folder, os.getpid()),
}


class Words(DatabaseApplication):
    """An application with two databases."""

    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        """Declare them."""
        self.add_database_app([Database("main"), Database("music")])


@pytest.fixture
def make_app(monkeypatch):
    """Give a function that starts an application: one database on a server that can be killed, one on another."""
    monkeypatch.setattr(branch, "PATIENCE_S", 0.5)
    monkeypatch.setattr(doubt, "SETTLED_S", 0.0)
    with processes.server_folder() as folder:
        closers = []

        def make(killed, engine, other):
            own = make_url(START[engine](folder / "own"))
            own = own if engine == "postgresql" else own.set(database="mysql")
            context = make_database(other)
            closers.append(lambda: context.__exit__(None, None, None))
            names = {killed: own, "music" if killed == "main" else "main": context.__enter__()}
            app = Words().run_command({f"db:{name}:url": url.render_as_string(hide_password=False) for name, url in names.items()})
            closers.append(app.stop)
            for database in app["database"]:
                with database.transaction() as session:
                    session.execute(text("CREATE TABLE word (value VARCHAR(20))"))
            app.folder = folder / "own"
            return app

        yield make
        for close in reversed(closers):
            close()


def write(app):
    """Write on both databases."""
    with app["database"].transaction() as sessions:
        for name in ("main", "music"):
            sessions[name].execute(text("INSERT INTO word VALUES ('x')"))


def words(app):
    """Return how often each database has it."""
    found = []
    for database in app["database"]:
        with database.session() as session:
            found.append(session.scalar(text("SELECT count(*) FROM word")))
    return found


def settle(app):
    """Look as soon as no server believes that the connection is still there."""
    deadline = time.monotonic() + 10
    while any(one.is_under_way for one in doubt.look(app["database"]).doubts) and time.monotonic() < deadline:
        time.sleep(0.05)
    return doubt.look(app["database"])


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_after_the_decision(make_app, monkeypatch, engine):
    """The server that missed its commit is asked for it when it is back."""
    app = make_app("music", engine, "postgresql")
    commit = order.commit

    def kill_in_between(branches):
        commit(branches[:1])
        processes.kill(app.folder)
        try:
            commit(branches[1:])
        except order.Left as left:
            raise order.Left(range(1, 2)) from left.__cause__

    monkeypatch.setattr(order, "commit", kill_in_between)
    with pytest.raises(InDoubt, match="the work is committed, except on 'music'"):
        write(app)
    away = doubt.look(app["database"])
    processes.start_again(app.folder)
    back = settle(app)
    for one in back.doubts:
        list(doubt.resolve(app["database"], one))

    assert (away.doubts, list(away.unreachable)) == ([], ["music"])
    assert [one.advice for one in back.doubts] == ["commit"]
    assert words(app) == [1, 1]
    assert doubt.look(app["database"]).doubts == []


def test_before_the_decision(make_app, monkeypatch):
    """As long as it is away nobody knows; when it is back it still has the decision, and everything is rolled back."""
    app = make_app("main", "postgresql", "mariadb")
    commit = order.commit

    def kill_before(branches):
        processes.kill(app.folder)
        commit(branches)

    monkeypatch.setattr(order, "commit", kill_before)
    with pytest.raises(InDoubt, match="it is not known whether the work on 'main', 'music' was committed"):
        write(app)
    away = settle(app)
    processes.start_again(app.folder)
    back = settle(app)
    for one in back.doubts:
        list(doubt.resolve(app["database"], one))

    assert [(one.advice, one.why) for one in away.doubts] == [("wait", "until 'main' can be asked whether the decision is there")]
    assert [one.advice for one in back.doubts] == ["roll back"]
    assert words(app) == [0, 0]
    assert doubt.look(app["database"]).doubts == []


def test_in_the_first_phase(make_app, monkeypatch):
    """Nothing was committed, and nothing is: what the other one had prepared is rolled back."""
    app = make_app("music", "postgresql", "postgresql")
    prepare = branch.Branch.prepare

    def kill_before(one):
        if one.database == "music":
            processes.kill(app.folder)
        prepare(one)

    monkeypatch.setattr(branch.Branch, "prepare", kill_before)

    with pytest.raises(Unavailable, match="nothing was committed on 'main', 'music': one of them does not answer"):
        write(app)
    processes.start_again(app.folder)
    for one in settle(app).doubts:
        assert one.advice == "roll back"
        list(doubt.resolve(app["database"], one))

    assert words(app) == [0, 0]


def test_server_that_keeps_nothing():
    """A PostgreSQL with max_prepared_transactions = 0 can commit alone, and is refused as one of several."""
    with processes.server_folder() as folder, make_database("postgresql") as other:
        own = make_url(processes.start_postgresql(folder / "own", os.getpid(), settings={"max_prepared_transactions": "0"}))
        urls = {"main": other, "music": own}
        app = Words().run_command({f"db:{name}:url": url.render_as_string(hide_password=False) for name, url in urls.items()})
        for database in app["database"]:
            with database.transaction() as session:
                session.execute(text("CREATE TABLE word (value VARCHAR(20))"))

        message = "one commit over 'main', 'music' cannot be prepared on 'music': prepared transactions are disabled .*see max_prepared"
        with pytest.raises(NotOffered, match=message):
            write(app)
        with app["database"].transaction() as sessions:
            sessions["main"].scalar(text("SELECT 1"))
            sessions["music"].execute(text("INSERT INTO word VALUES ('y')"))

        assert words(app) == [0, 1]
        app.stop()
