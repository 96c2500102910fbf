"""qapla.database.session, work, branch: several databases are committed together, on real servers"""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager, suppress

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from qapla.database import order
from qapla.database.application import DatabaseApplication
from qapla.database.branch import Branch, UnknownOutcome
from qapla.database.database import Database
from qapla.errors import ConfigurationError, DatabaseError, InDoubt, NotOffered, PluginError, Unavailable
from qapla.testing.servers import make_database

PAIRS = [("postgresql", "postgresql"), ("mariadb", "postgresql"), ("mariadb", "mariadb")]
NAMES = ("main", "music", "film")
TABLE = "CREATE TABLE word (value VARCHAR(20) PRIMARY KEY)"


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
def make_app(find_url):
    """Give a function that starts an application with one fresh database for each engine named; each has an empty table."""
    with ExitStack() as stack:

        def make(*engines):
            names = NAMES[: len(engines)]

            class Words(DatabaseApplication):
                class MetaConfig:
                    settings_module = "lazydb.settings"

                def append_app_plugins(self):
                    self.add_database_app([Database(name) for name in names])

            urls = [find_url(engine, number) for number, engine in enumerate(engines)]
            settings = {f"db:{name}:url": url.render_as_string(hide_password=False) for name, url in zip(names, urls, strict=True)}
            app = Words().run_command(settings)
            stack.callback(app.stop)
            for database in app["database"]:
                with database.transaction() as session:
                    session.execute(text("DROP TABLE IF EXISTS word"))
                    session.execute(text(TABLE))
            return app

        yield make


@pytest.fixture(params=PAIRS, ids=["+".join(pair) for pair in PAIRS])
def app(request, make_app):
    """Run the test on each pair of engines that can commit together."""
    return make_app(*request.param)


@contextmanager
def all_statements(app, name):
    """Collect what is sent to the database called *name*."""
    engine, seen = app["database"][name].engine, []

    def note(connection, cursor, sql, *rest):
        seen.append(sql)

    event.listen(engine, "before_cursor_execute", note)
    event.listen(engine, "commit", lambda connection: seen.append("commit"))
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def add(session, value):
    session.execute(text("INSERT INTO word VALUES (:value)"), {"value": value})


def write(app, error=None, **values):
    """Add a value to each database that is named, in one transaction, and end it with *error* if there is one."""
    with app["database"].transaction() as sessions:
        for name, value in values.items():
            add(sessions[name], value)
        if error is not None:
            raise error


def words(app):
    """Return what each database has, sorted."""
    found = []
    for database in app["database"]:
        with database.session() as session:
            found.append(sorted(session.scalars(text("SELECT value FROM word"))))
    return found


def left(app):
    """Return how many transactions are prepared on the databases of *app*, and how many connections are lent."""
    names = set()
    for database in app["database"]:
        style = app["database"].plan.styles[database.name]
        if style is not None:
            with database.session() as session:
                names |= {name for name in style.find(session.connection()) if name.mark == app["database"].plan.mark}
    return len(names), sum(database.engine.pool.checkedout() for database in app["database"])


class TestTransaction:
    """app["database"].transaction("main", "music")"""

    def test_commits_all(self, app):
        """Every database has it, and nothing is left behind."""
        with app["database"].transaction("main", "music") as sessions:
            add(sessions["main"], "a")
            add(sessions["music"], "b")

        assert words(app) == [["a"], ["b"]]
        assert left(app) == (0, 0)

    def test_reads_before_it_writes(self, app):
        """The usual way of the ORM: read everything, then write."""
        with app["database"].transaction() as sessions:
            counts = [sessions[name].scalar(text("SELECT count(*) FROM word")) for name in ("main", "music")]
            add(sessions["music"], f"b{counts[1]}")
            add(sessions["main"], f"a{counts[0]}")

        assert words(app) == [["a0"], ["b0"]]

    def test_rolls_back_all_on_error(self, app):
        """An error that leaves the block leaves nothing behind."""
        with pytest.raises(KeyError):
            write(app, KeyError(), main="a", music="b")

        assert words(app) == [[], []]
        assert left(app) == (0, 0)

    def test_one_that_cannot_be_prepared_rolls_back_the_others(self, app, monkeypatch):
        """What fails in the first phase has happened nowhere."""
        prepare = Branch.prepare

        def fail(branch):
            if branch.name.number > 1:
                raise IntegrityError("PREPARE", {}, Exception("on purpose"))
            prepare(branch)

        monkeypatch.setattr(Branch, "prepare", fail)

        with pytest.raises(IntegrityError):
            write(app, main="a", music="b")

        assert words(app) == [[], []]
        assert left(app) == (0, 0)

    def test_savepoints(self, app):
        """A part can be taken back; a savepoint that is still open is kept."""
        with app["database"].transaction() as sessions:
            add(sessions["main"], "a")
            part = sessions["main"].begin_nested()
            add(sessions["main"], "x")
            part.rollback()
            sessions["music"].begin_nested()
            add(sessions["music"], "b")

        assert words(app) == [["a"], ["b"]]

    def test_can_be_used_again(self, app):
        """Connections are as good as new afterwards, however a block ended."""
        for value in ("a", "b", "c"):
            write(app, main=value, music=value)
            with pytest.raises(IntegrityError):
                write(app, main=f"{value}{value}", music=value)
            with app["database"].transaction("music") as sessions:
                sessions["music"].execute(text("DELETE FROM word WHERE value = :value"), {"value": value})

        assert words(app) == [["a", "b", "c"], []]
        assert left(app) == (0, 0)

    def test_commit_by_hand_is_refused(self, app):
        """The block commits; what was done until then is rolled back."""

        def commit():
            with app["database"].transaction() as sessions:
                add(sessions["main"], "a")
                sessions["main"].commit()

        with pytest.raises(ConfigurationError, match="committed together"):
            commit()

        assert words(app) == [[], []]

    def test_calls_after_the_whole_commit(self, app):
        """What is to be done afterwards finds everything committed; after an error it is not done."""
        seen = []
        with app["database"].transaction() as sessions:
            sessions.after_commit(lambda: seen.append(words(app)), "main")
            add(sessions["main"], "a")
            add(sessions["music"], "b")
        with suppress(KeyError), app["database"].transaction() as sessions:
            sessions.after_commit(lambda: seen.append("never"))
            add(sessions["main"], "c")
            raise KeyError

        assert seen == [[["a"], ["b"]]]

    def test_unknown_name(self, app):
        """It is told before the block begins."""
        with pytest.raises(PluginError, match="'mian'"), app["database"].transaction("mian"):
            raise AssertionError("not reached")


class TestCost:
    """What is sent to the servers"""

    def test_one_written_of_two_on_postgresql(self, make_app):
        """A plain commit: nothing is prepared, and the one that was only read is asked whether that is so."""
        app = make_app("postgresql", "postgresql")

        with all_statements(app, "main") as main, all_statements(app, "music") as music, app["database"].transaction() as sessions:
            add(sessions["main"], "a")
            sessions["music"].scalar(text("SELECT 1"))

        assert [sql.split()[0] for sql in main] == ["INSERT", "commit"]
        assert music == ["SELECT 1", "SELECT txid_current_if_assigned() IS NOT NULL", "commit"]

    def test_one_used_of_two_on_postgresql(self, make_app):
        """What uses one database pays for one."""
        app = make_app("postgresql", "postgresql")

        with all_statements(app, "main") as main, app["database"].transaction() as sessions:
            add(sessions["main"], "a")

        assert [sql.split()[0] for sql in main] == ["INSERT", "commit"]

    def test_one_database_of_mariadb(self, make_app):
        """No XA where there is nothing to commit with."""
        app = make_app("mariadb", "sqlite")

        with all_statements(app, "main") as main, app["database"].transaction("main", "music") as sessions:
            add(sessions["main"], "a")
            sessions["music"].scalar(text("SELECT 1"))

        assert [sql.split()[0] for sql in main] == ["INSERT", "commit"]

    def test_one_written_of_two_on_mariadb(self, make_app):
        """XA, whose end is one phase."""
        app = make_app("mariadb", "mariadb")

        with all_statements(app, "main") as main, app["database"].transaction() as sessions:
            add(sessions["main"], "a")
            sessions["music"].scalar(text("SELECT 1"))

        assert [" ".join(sql.split()[:2]) for sql in main] == ["XA START", "INSERT INTO", "XA END", "XA COMMIT", "commit"]
        assert main[-2].endswith("ONE PHASE")
        assert words(app) == [["a"], []]

    def test_two_written_on_postgresql(self, make_app):
        """Two statements more on each, and the last one is asked whether it was written."""
        app = make_app("postgresql", "postgresql")

        with all_statements(app, "main") as main, app["database"].transaction() as sessions:
            add(sessions["main"], "a")
            add(sessions["music"], "b")

        assert [" ".join(sql.split()[:2]) for sql in main] == [
            "INSERT INTO",
            "SELECT txid_current_if_assigned()",
            "PREPARE TRANSACTION",
            "COMMIT PREPARED",
        ]


class TestRefusal:
    """What cannot be committed together is not committed at all"""

    def test_sqlite(self, make_app):
        """A file has no prepared transactions; reading it is fine."""
        app = make_app("postgresql", "sqlite")
        with pytest.raises(NotOffered, match="'main', 'music' is not offered: 'music' cannot commit in two phases"):
            write(app, main="a", music="b")

        with app["database"].transaction() as sessions:
            add(sessions["main"], "c")
            sessions["music"].scalar(text("SELECT count(*) FROM word"))

        assert words(app) == [["c"], []]

    def test_temporary_table(self, make_app):
        """PostgreSQL prepares no transaction that has used one; the database is named."""
        app = make_app("postgresql", "postgresql")

        def write():
            with app["database"].transaction() as sessions:
                add(sessions["main"], "a")
                sessions["music"].execute(text("CREATE TEMPORARY TABLE aside (value INTEGER)"))

        with pytest.raises(NotOffered, match=r"over 'main', 'music' cannot be prepared on 'music': .*temporary objects") as caught:
            write()

        assert caught.value.hint is None
        assert words(app) == [[], []]

    def test_database_that_was_not_named(self, make_app):
        """It is told from one that is not declared."""
        app = make_app("sqlite", "sqlite")

        with app["database"].transaction("main") as sessions:
            with pytest.raises(PluginError, match=r"database 'music' is not part of this transaction \(it is over 'main'\)"):
                sessions["music"]
            with pytest.raises(PluginError, match=r"no database is declared as 'nope' \(declared are 'main', 'music'\)"):
                sessions["nope"]
        with pytest.raises(PluginError, match=r"no database is declared as 'nope' \(declared are 'main', 'music'\)"):
            app["database"]["nope"]

    def test_constraint_that_waits_for_the_commit(self, make_app):
        """It fails when the transaction is prepared, and all are rolled back."""
        app = make_app("postgresql", "postgresql")
        with app["database"]["music"].transaction() as session:
            session.execute(text("ALTER TABLE word ADD other VARCHAR(20) REFERENCES word DEFERRABLE INITIALLY DEFERRED"))


        def write():
            with app["database"].transaction() as sessions:
                add(sessions["main"], "a")
                sessions["music"].execute(text("INSERT INTO word VALUES ('b', 'none')"))

        with pytest.raises(IntegrityError):
            write()

        assert words(app) == [[], []]
        assert left(app) == (0, 0)

    def test_error_that_was_caught(self, make_app):
        """PostgreSQL would roll back in silence what comes after a failed statement."""
        app = make_app("postgresql")

        def write():
            with app["database"].transaction() as sessions:
                add(sessions["main"], "a")
                with suppress(IntegrityError):
                    add(sessions["main"], "a")

        with pytest.raises(DatabaseError, match="'main' cannot be committed: a statement failed in it"):
            write()

        assert words(app) == [[]]

    def test_first_of_three_on_mariadb_is_not_written(self, make_app):
        """The name of the decision is given to the one that was used first; it has to be there."""
        app = make_app("mariadb", "mariadb", "mariadb")

        def write():
            with app["database"].transaction() as sessions:
                sessions["main"].scalar(text("SELECT count(*) FROM word"))
                add(sessions["music"], "b")
                add(sessions["film"], "c")

        with pytest.raises(NotOffered, match="the one that was used first was not written"):
            write()

        assert words(app) == [[], [], []]
        assert left(app) == (0, 0)


class TestThree:
    """Three databases"""

    @pytest.mark.parametrize("engines", [("mariadb",) * 3, ("postgresql",) * 3, ("mariadb", "postgresql", "mariadb")], ids="+".join)
    def test_all_written(self, make_app, engines):
        """All have it."""
        app = make_app(*engines)

        with app["database"].transaction() as sessions:
            for name in NAMES:
                add(sessions[name], name)

        assert words(app) == [[name] for name in NAMES]
        assert left(app) == (0, 0)

    @pytest.mark.parametrize("is_read", [True, False])
    def test_postgresql_decides_for_two_of_mariadb(self, make_app, is_read):
        """A database that was not written, or not even used, keeps the decision, for it can be named at the end."""
        app = make_app("mariadb", "mariadb", "postgresql")

        with all_statements(app, "film") as film, app["database"].transaction() as sessions:
            if is_read:
                sessions["film"].scalar(text("SELECT 1"))
            add(sessions["main"], "a")
            add(sessions["music"], "b")

        assert [" ".join(sql.split()[:2]) for sql in film][-2:] == ["PREPARE TRANSACTION", "COMMIT PREPARED"]
        assert words(app) == [["a"], ["b"], []]
        assert left(app) == (0, 0)

    def test_decision_that_could_get_lost(self, make_app):
        """A server forgets a branch that changed nothing; with three of MariaDB the decision must not be one."""
        app = make_app("mariadb", "mariadb", "mariadb")

        def write():
            with app["database"].transaction() as sessions:
                sessions["main"].execute(text("UPDATE word SET value = 'x' WHERE value = 'none'"))
                add(sessions["music"], "b")
                add(sessions["film"], "c")

        with pytest.raises(NotOffered, match="it is not certain that 'main' was changed"):
            write()

        assert words(app) == [[], [], []]


class TestInDoubt:
    """The second phase fails"""

    def test_error_says_what_to_do(self, app, monkeypatch, caplog):
        """The first is committed, the second is not: that is neither success nor failure, and is not to be repeated."""
        commit = Branch.commit

        def fail(branch):
            if branch.name.number > 1:
                raise UnknownOutcome("the cable was cut")
            commit(branch)

        with monkeypatch.context() as patch, caplog.at_level(logging.CRITICAL):
            patch.setattr(Branch, "commit", fail)
            with pytest.raises(InDoubt, match=r"the work is committed, except on '\w+' \(do not repeat it: ") as caught:
                write(app, main="a", music="b")

        assert (caught.value.status, caught.value.code) == (503, "40003")
        assert "prepared transactions are left: qapla-" in caplog.text
        assert left(app) == (1, 0)
        assert sorted(map(len, words(app))) == [0, 1]
        _roll_back_everything(app)

    def test_connection_is_cut_between_the_phases(self, app, monkeypatch):
        """The commit goes on, on a new connection."""
        commit = order.commit

        def cut(branches):
            for branch in branches:
                with app["database"][branch.database].engine.connect() as other:
                    kill = "SELECT pg_terminate_backend({})" if branch._begun is None else "KILL {}"
                    other.exec_driver_sql(kill.format(branch._pid))
            commit(branches)

        monkeypatch.setattr(order, "commit", cut)

        write(app, main="a", music="b")

        assert words(app) == [["a"], ["b"]]
        assert left(app) == (0, 0)

    def test_process_that_stood_still_rolls_back(self, app, monkeypatch):
        """Somebody else may be about to end the branches; who comes late does not commit."""
        monkeypatch.setattr("qapla.database.work.DECIDE_WITHIN_S", -1)

        with pytest.raises(Unavailable, match="this process stood still between its two phases"):
            write(app, main="a", music="b")

        assert words(app) == [[], []]
        assert left(app) == (0, 0)


def _roll_back_everything(app):
    for database in app["database"]:
        style = app["database"].plan.styles[database.name]
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for name in style.find(connection):
                if name.mark == app["database"].plan.mark:
                    connection.exec_driver_sql(style.roll_back.format(name))
