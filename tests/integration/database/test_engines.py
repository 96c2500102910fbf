"""qapla.database.engines: the engines of a declared database"""

from __future__ import annotations

import os
import threading
import warnings

import pytest
from sqlalchemy import text

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.errors import SettingsError


class Words(DatabaseApplication):
    """One database."""

    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        """Declare it."""
        self.add_database_app([Database("main")])


@pytest.fixture
def make_database():
    """Give a function that starts an application and returns its database."""
    started = []

    def make(url, **options):
        url = url if isinstance(url, str) else url.render_as_string(hide_password=False)
        app = Words().run_command({"db:main:url": url, **({"db:main:options": options} if options else {})})
        started.append(app)
        return app["database"]["main"]

    yield make
    for app in started:
        app.stop()


class TestOptions:
    """db:<name>:options"""

    def test_are_those_of_create_engine(self, make_database, fresh_database):
        """Numbers may be text, as the environment has them."""
        database = make_database(fresh_database, pool_size="3", max_overflow=1, echo="false", connect_args={})

        assert (database.engine.pool.size(), database.engine.echo) == (3, False)

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            ({"pool_sise": 3}, r"options of create_engine, and 'pool_sise' is none"),
            ({"pool_size": "many"}, r"invalid literal for int\(\) with base 10: 'many'"),
        ],
    )
    def test_wrong(self, make_database, fresh_database, options, problem):
        """The error has the key and what is wrong, and no password."""
        database = make_database(fresh_database.set(password="geheim") if fresh_database.host else fresh_database, **options)

        with pytest.raises(SettingsError, match=rf"setting 'db:main:options' in the start call.* is wrong .*{problem}") as caught:
            database.engine.connect()
        assert "geheim" not in str(caught.value)

    def test_no_mapping(self):
        """It is told at the start."""
        with pytest.raises(SettingsError, match=r"setting 'db:main:options' .*a mapping of options"):
            Words().run_command({"db:main:url": "sqlite://", "db:main:options": "pool_size=3"})

    def test_wrong_for_the_driver(self, make_database, fresh_database):
        """What the driver does not take is told with the key, too, when it connects."""
        database = make_database(fresh_database, connect_args={"conect_timeout": 3})

        with pytest.raises(SettingsError, match=r"setting 'db:main:options' .*conect_timeout"), database.session() as session:
            session.execute(text("SELECT 1"))


class TestEngine:
    """Database.engine"""

    def test_many_threads_at_once_make_one(self, make_database, fresh_database):
        """Whoever is first makes it for all; whoever wants to know of it is told."""
        database, seen, told = make_database(fresh_database), set(), []
        database.on_engine.append(told.append)
        start = threading.Barrier(8)

        def use():
            start.wait()
            seen.add(database.engine)

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert told == list(seen) == database.opened_engines

    def test_disposed_and_used_again(self, make_database, fresh_database):
        """The next use opens new connections."""
        database = make_database(fresh_database)
        first = database.engine
        with database.session() as session:
            session.execute(text("SELECT 1"))
        assert first.pool.checkedin() == 1

        database.dispose()

        assert (first.pool.checkedin(), database.opened_engines) == (0, [])
        with database.session() as session:
            assert session.scalar(text("SELECT 1")) == 1

    def test_fork_while_a_thread_makes_it(self, make_database, fresh_database):
        """A child waits for no lock that a thread of its parent had."""
        database = make_database(fresh_database)
        database._engines._lock.acquire()

        child = os.fork()
        if child == 0:
            with database.session() as session:
                os._exit(session.scalar(text("SELECT 41 + 1")))
        database._engines._lock.release()

        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42

    def test_children_leave_the_connections_of_their_parent_alone(self, make_database, fresh_database):
        """Whatever a child does, and however it ends, its parent's connections work on, open transactions included."""
        database = make_database(fresh_database, pool_size=3)
        with database.transaction() as session:
            session.execute(text("CREATE TABLE word (id INTEGER)"))

        with database.session() as mine:
            mine.execute(text("INSERT INTO word VALUES (1)"))
            for _ in range(3):
                child = os.fork()
                if child == 0:
                    with warnings.catch_warnings():
                        warnings.simplefilter("error")
                        with database.session() as session:
                            found = session.scalar(text("SELECT count(*) FROM word"))
                        database.dispose()
                        os._exit(found)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            mine.commit()

        with database.session() as session:
            assert session.scalar(text("SELECT count(*) FROM word")) == 1
