"""qapla.database.order, doubt: a program dies at each step of a commit over several databases, and no half work is left"""

from __future__ import annotations

import os
import time

import pytest
from click.testing import CliRunner
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from qapla.cli import cli
from qapla.database import doubt
from qapla.database.application import DatabaseApplication
from qapla.database.branch import Branch
from qapla.database.database import Database
from qapla.testing.servers import make_database

CREWS = [("postgresql", "postgresql"), ("postgresql", "mariadb"), ("mariadb", "mariadb"), ("mariadb", "postgresql", "mariadb")]
NAMES = ("main", "music", "film")
KILLED = 9


@pytest.fixture(params=CREWS, ids="+".join)
def app(request):
    """Start an application with fresh databases, each with a table."""
    yield from start(request.param)


def start(engines):
    """Start an application with one fresh database for each engine named, and drop what is left in them."""
    names = NAMES[: len(engines)]

    class Words(DatabaseApplication):
        class MetaConfig:
            settings_module = "lazydb.settings"

        def append_app_plugins(self):
            self.add_database_app([Database(name) for name in names])

    contexts = [make_database(engine) for engine in engines]
    urls = [context.__enter__() for context in contexts]
    settings = {f"db:{name}:url": url.render_as_string(hide_password=False) for name, url in zip(names, urls, strict=True)}
    app = Words().run_command(settings)
    app.given = settings
    app.kind = Words
    for database in app["database"]:
        with database.transaction() as session:
            session.execute(text("CREATE TABLE word (value VARCHAR(20))"))
    try:
        yield app
    finally:
        app.stop()
        for context in contexts:
            context.__exit__(None, None, None)


def write_and_die(app, value, steps, fail):
    """Write *value* everywhere in a child process that dies after *steps* steps of its commit; return its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        left = [steps]

        def step(*arguments):
            left[0] -= 1
            if left[0] < 0:
                os._exit(KILLED)

        if fail:
            _fail_at_the_last(len(list(app["database"])))
        with app["database"].transaction() as sessions:
            for database in app["database"]:
                sessions[database.name].execute(text("INSERT INTO word VALUES (:value)"), {"value": value})
            for database in app["database"]:
                event.listen(database.engine, "before_cursor_execute", step)
                event.listen(database.engine, "after_cursor_execute", step)
        os._exit(0)
    except IntegrityError:
        os._exit(0 if fail else 1)
    finally:
        os._exit(1)


def _fail_at_the_last(count):
    prepare, done = Branch.prepare, []

    def fail(branch):
        done.append(branch)
        prepare(branch)
        if len(done) == count:
            branch.roll_back()
            raise IntegrityError("PREPARE", {}, Exception("on purpose"))

    Branch.prepare = fail


def settle(app):
    """Wait until the server has noticed that the child is gone, and return what is in doubt."""
    deadline = time.monotonic() + 10
    while True:
        found = doubt.look(app["database"]).doubts
        if not any(one.is_under_way for one in found) or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def have(app, value):
    """Return on which databases *value* is."""
    found = []
    for database in app["database"]:
        with database.session() as session:
            if session.scalar(text("SELECT count(*) FROM word WHERE value = :value"), {"value": value}):
                found.append(database.name)
    return found


def test_dies_at_each_step(app, monkeypatch):
    """After the advice is followed, everything is there or nothing; once the decision is committed, everything."""
    outcomes, advices = die_at_each_step(app, monkeypatch, fail=False)
    everywhere = [database.name for database in app["database"]]

    assert all(outcome in ([], everywhere) for outcome in outcomes)
    assert outcomes == sorted(outcomes)  # nothing, up to the decision; everything from there on
    assert outcomes[-1] == everywhere
    assert set(advices) == {"roll back", "commit"}


@pytest.mark.parametrize("app", CREWS[1:3], ids="+".join, indirect=True)
def test_dies_at_each_step_of_a_roll_back(app, monkeypatch):
    """Nothing is there, and never is anything to be committed."""
    outcomes, advices = die_at_each_step(app, monkeypatch, fail=True)

    assert all(outcome == [] for outcome in outcomes)
    assert set(advices) == {"roll back"}


def die_at_each_step(app, monkeypatch, fail):
    """Let programs die after 0, 1, 2 … steps, follow the advice each time; return where the work is then, and what was advised."""
    monkeypatch.setattr(doubt, "SETTLED_S", 0.0)
    advices, outcomes, steps = [], [], 0

    while True:
        value = f"v{steps}"
        code = write_and_die(app, value, steps, fail)
        assert code in (0, KILLED)
        found = settle(app)
        for one in found:
            advices.append(one.advice)
            list(doubt.resolve(app["database"], one))
        outcomes.append(have(app, value))
        assert doubt.look(app["database"]).doubts == []
        if code == 0:
            break
        steps += 1

    assert steps >= 8
    return outcomes, advices


class TestCommand:
    """qapla database in-doubt"""

    @pytest.fixture
    def app(self):
        """Start an application with a database on each server."""
        yield from start(("postgresql", "mariadb"))

    @pytest.fixture
    def run(self, app, monkeypatch):
        """Give a function that runs the command for that application."""

        monkeypatch.setenv("QAPLA_APP", "words:main")

        def command(*arguments):
            program = app.kind()
            program.prepare("command", app.given)
            result = CliRunner().invoke(cli, ["database", "in-doubt", *arguments], obj=program)
            return result.exit_code, result.output

        return command

    def test_nothing(self, run):
        """It says so."""
        assert run() == (0, "nothing is in doubt\n")

    def test_under_way(self, app, run):
        """What was prepared a moment ago is shown, and nothing is done about it."""
        write_and_die(app, "a", 6, False)

        code, output = run("--resolve")

        assert code == 0
        assert "wait: under way: " in output
        _clean(app)

    def test_says_what_to_do(self, app, run, monkeypatch):
        """The statements to type are there, and the exit code is 1."""
        write_and_die(app, "a", 9, False)
        monkeypatch.setattr(doubt, "SETTLED_S", 0.0)
        settle(app)

        code, output = run()

        assert code == 1
        assert "roll it back: its decision was not committed, so nothing was" in output
        assert "on main: ROLLBACK PREPARED 'qapla-" in output
        assert output.index("on music: XA ROLLBACK 'qapla-") < output.index("on main: ")
        _clean(app)

    def test_does_it(self, app, run, monkeypatch):
        """Nothing is in doubt afterwards."""
        write_and_die(app, "a", 9, False)
        monkeypatch.setattr(doubt, "SETTLED_S", 0.0)
        settle(app)

        code, output = run("--resolve")

        assert code == 0
        assert output.count("rolled back qapla-") == 2
        assert output.endswith("nothing is in doubt\n")


def _clean(app):
    doubt.SETTLED_S, before = 0.0, doubt.SETTLED_S
    try:
        for one in settle(app):
            list(doubt.resolve(app["database"], one))
    finally:
        doubt.SETTLED_S = before
