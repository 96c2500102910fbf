"""qapla.database.database, migrate, env, decorators, testing"""

from __future__ import annotations

import os
import threading

import pytest
from sqlalchemy import text

from qapla.database import migrate
from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.database.plugin import DatabasePlugin
from qapla.errors import ConfigurationError, PluginError, SettingsError, Unavailable
from qapla.testing import BaseApplicationFixture, at_most

ENV = """
from sqlalchemy.orm import DeclarativeBase
from qapla.database.env import AlembicEnv
class Model(DeclarativeBase): pass
AlembicEnv(None, Model, "main").run()
"""
VERSION = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = {revision!r}, {before!r}, None, None
def upgrade():
    {body}
"""


@pytest.fixture
def migrations(tmp_path):
    """Give a function that adds a migration to a fresh directory."""
    folder = tmp_path / "100% migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENV)
    known = []

    def add(body):
        revision = f"{len(known) + 1:04}"
        script = VERSION.format(revision=revision, before=known[-1] if known else None, body=body)
        (folder / "versions" / f"{revision}.py").write_text(script)
        known.append(revision)
        return folder / "versions" / f"{revision}.py"

    add.folder = folder
    return add


@pytest.fixture
def make_app(migrations):
    """Give a function that starts an application with one database, and stops it afterwards."""
    started = []

    def make(url, start="run_command"):
        class Words(DatabaseApplication):
            class MetaConfig:
                settings_module = "lazydb.settings"

            def append_app_plugins(self):
                self.paths.set("words", str(migrations.folder))
                self.add_database_app([Database("main", "words")])

        text_url = url if isinstance(url, str) else url.render_as_string(hide_password=False)
        app = getattr(Words(), start)({"db:main:url": text_url})
        started.append(app)
        return app

    yield make
    for app in started:
        app.stop()


class TestMigrate:
    """migrate.upgrade(database)"""

    def test_several_at_once(self, make_app, migrations, fresh_database):
        """Whoever comes later waits and finds the work done."""
        migrations("op.create_table('word', sa.Column('id', sa.Integer, primary_key=True)); import time; time.sleep(0.3)")
        databases = [make_app(fresh_database)["database"]["main"] for _ in range(3)]
        done = []
        # Alembic's `op` and `context` are global to a process: only one thread gets as far as using them, thanks to the lock.
        threads = [threading.Thread(target=lambda one=one: done.append(migrate.upgrade(one))) for one in databases]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(done) == [False, False, True]

    def test_newer_than_the_program_is_refused(self, make_app, migrations, fresh_database):
        """A database with a revision that is not known here is left alone."""
        migrations("pass")
        newest = migrations("pass")
        database = make_app(fresh_database)["database"]["main"]
        migrate.upgrade(database)
        newest.unlink()

        with pytest.raises(ConfigurationError, match=r"'main' is newer than this program: its revision '0002' is not known"):
            migrate.upgrade(database)

    def test_unreachable(self, make_app, migrations):
        """The error says which database and why, and neither password nor SQL."""
        migrations("pass")
        database = make_app("postgresql+psycopg://u:geheim@127.0.0.1:1/x")["database"]["main"]

        with pytest.raises(Unavailable, match=r"database 'main' cannot be reached: .*refused") as caught:
            migrate.upgrade(database)
        assert "geheim" not in f"{caught.value}{caught.value.details}"

    def test_half_a_migration_leaves_nothing_on_sqlite(self, make_app, migrations, tmp_path):
        """DDL is inside the transaction."""
        migrations("op.create_table('word', sa.Column('id', sa.Integer)); raise RuntimeError('stop')")
        database = make_app(f"sqlite:///{tmp_path}/half.sqlite")["database"]["main"]

        with pytest.raises(ConfigurationError, match="stop"):
            migrate.upgrade(database)

        with database.session() as session:
            assert session.scalars(text("SELECT name FROM sqlite_schema WHERE name = 'word'")).all() == []

    def test_table_made_anew_keeps_what_points_to_it(self, make_app, migrations, tmp_path):
        """SQLite's batch migrations drop a table; rows that cascade from it stay."""
        migrations(
            "op.execute('CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT)'); "
            "op.execute('CREATE TABLE b (a_id INTEGER REFERENCES a(id) ON DELETE CASCADE)'); "
            "op.execute('INSERT INTO a VALUES (1, 2)'); op.execute('INSERT INTO b VALUES (1)')"
        )
        migrations("exec('with op.batch_alter_table(\"a\") as batch:\\n    batch.alter_column(\"v\", nullable=False)')")
        database = make_app(f"sqlite:///{tmp_path}/batch.sqlite")["database"]["main"]

        migrate.upgrade(database)

        with database.session() as session:
            assert session.scalar(text("SELECT count(*) FROM b")) == 1
            assert session.scalar(text("PRAGMA foreign_keys")) == 1


class TestDatabase:
    """Database(name, migrations_key)"""

    def test_encoded_password_survives(self, make_app):
        """``%40`` in a URL is an ``@`` of the password; shown, it is masked."""
        database = make_app("postgresql+psycopg://u:p%40s%25@127.0.0.1:1/x")["database"]["main"]

        assert database.url.password == "p@s%"
        assert database.safe_url == "postgresql+psycopg://u:***@127.0.0.1:1/x"

    def test_wrong_url_is_told_at_the_start(self, make_app):
        """The value, which may hold a password, is not shown."""
        with pytest.raises(SettingsError, match="setting 'db:main:url' in the start call is wrong") as caught:
            make_app("geheim@nowhere")
        assert "geheim" not in str(caught.value)

    @pytest.mark.parametrize(
        ("url", "hint"),
        [("postgresql://me:ge@heim@127.0.0.1/x", "'@' in user or password is written %40"), ("mysql://me:geheim/x", "expected")],
    )
    def test_what_may_be_half_of_a_password_is_not_repeated(self, make_app, url, hint):
        """A host with an ``@`` in it, a port that is no number: told at the start, before a driver shows it."""
        with pytest.raises(SettingsError, match="setting 'db:main:url' in the start call is wrong") as caught:
            make_app(url)

        assert "heim" not in str(caught.value)
        assert hint in str(caught.value)

    def test_server_without_database_is_not_migrated(self, make_app, migrations, mariadb_url):
        """MariaDB lets a program connect to no database at all."""
        migrations("pass")
        app = make_app(mariadb_url)

        with pytest.raises(ConfigurationError, match="'main' cannot be migrated: its URL names a server, and no database on it"):
            migrate.plan(app["database"]["main"])

    @pytest.mark.parametrize("name", ["a-b", "class", "None", "", 5])
    def test_name_that_cannot_be_used(self, name):
        """It has to be written behind ``request.`` and as a keyword."""
        with pytest.raises(ConfigurationError, match=f"database name {name!r} cannot be an attribute of a request"):
            Database(name)

    @pytest.mark.parametrize(
        ("databases", "told"),
        [
            (["main"], "'main' is no database"),
            ("main", "'main' is no list of databases"),
            (Database("main"), r"Database\('main', None\) is no list of databases"),
            ([Database("main"), Database("main")], "two databases are declared as 'main'"),
        ],
    )
    def test_declared_wrongly(self, databases, told):
        """What should stand there is shown."""
        with pytest.raises(PluginError, match=f"^{told} "):
            DatabasePlugin(databases)

    def test_sqlite_is_opened_safely(self, make_app, tmp_path):
        """WAL, foreign keys, waiting for locks; a file for nobody else."""
        database = make_app(f"sqlite:///{tmp_path}/deep/er/registry.sqlite")["database"]["main"]

        with database.session() as session:
            found = [session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys", "busy_timeout")]

        assert found == ["wal", 1, 10_000]
        assert (tmp_path / "deep/er/registry.sqlite").stat().st_mode & 0o777 == 0o600

    def test_transactions_that_read_first_wait_for_each_other(self, make_app, tmp_path):
        """Two threads that read and then write both succeed on SQLite."""
        database = make_app(f"sqlite:///{tmp_path}/count.sqlite")["database"]["main"]
        with database.transaction() as session:
            session.execute(text("CREATE TABLE counter AS SELECT 0 AS value"))

        def count():
            for _ in range(20):
                with database.transaction() as session:
                    value = session.scalar(text("SELECT value FROM counter"))
                    session.execute(text("UPDATE counter SET value = :value"), {"value": value + 1})

        threads = [threading.Thread(target=count) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        with database.session() as session:
            assert session.scalar(text("SELECT value FROM counter")) == 60

    def test_engine_is_made_anew_after_fork(self, make_app, postgresql_url):
        """A child does not talk on its parent's connection."""
        database = make_app(postgresql_url.replace("postgresql://", "postgresql+psycopg://"))["database"]["main"]
        with database.session() as session:
            mine = session.scalar(text("SELECT pg_backend_pid()"))
        read, write = os.pipe()

        child = os.fork()
        if child == 0:
            with database.session() as session:
                os.write(write, str(session.scalar(text("SELECT pg_backend_pid()"))).encode())
            os._exit(0)
        os.waitpid(child, 0)

        assert int(os.read(read, 100)) != mine
        with database.session() as session:
            assert session.scalar(text("SELECT pg_backend_pid()")) == mine

    def test_driver_is_not_installed(self, make_app):
        """The error names it."""
        database = make_app("postgresql+nodriver://127.0.0.1/x")["database"]["main"]

        with pytest.raises(ConfigurationError, match=r"'postgresql\+nodriver' is not installed \(pip install 'qapla\[postgresql\]'\)"):
            database.engine  # noqa: B018

    def test_url_without_driver_gets_ours(self, make_app, mariadb_url):
        """``mysql://`` means PyMySQL, not what SQLAlchemy would take."""
        with make_app(mariadb_url)["database"]["main"].session() as session:
            assert session.scalar(text("SELECT 1")) == 1

    def test_file_cannot_be_made(self, make_app):
        """The error says which file, and why."""
        with pytest.raises(ConfigurationError, match=r"the database file '/proc/no/such.sqlite' cannot be made"):
            make_app("sqlite:////proc/no/such.sqlite")["database"]["main"].engine  # noqa: B018

    def test_unknown_name(self, make_app):
        """The nearest name is the hint."""
        with pytest.raises(PluginError, match=r"'mian' \(did you mean 'main'\?\)"):
            make_app("sqlite://")["database"]["mian"]


class Lexicon(DatabaseApplication):
    """An application for the fixture below."""

    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        """Declare one database without migrations."""
        self.add_database_app([Database("main")])


class TestBaseApplicationFixture(BaseApplicationFixture):
    """BaseApplicationFixture"""

    APP_CLASS = Lexicon

    @pytest.fixture
    def overrides(self, tmp_path_factory):
        """Keep one file for all tests of this class."""
        return {"db:main:url": f"sqlite:///{tmp_path_factory.getbasetemp()}/lexicon.sqlite"}

    @pytest.mark.parametrize("run", [1, 2])
    def test_even_commits_are_gone(self, dbsession, dbplugin, run):
        """Each test finds the database as it was before."""
        with at_most(2, dbplugin["main"]):
            dbsession.execute(text("CREATE TABLE word (id INTEGER)"))
            dbsession.commit()
            dbsession.execute(text("INSERT INTO word VALUES (1)"))
            dbsession.commit()

    def test_settings_of_tests(self, application):
        """The application is started with the settings of tests."""
        assert application.start_point == "tests"

    def test_at_most_lists_what_was_too_much(self, dbsession, dbplugin):
        """The failure shows the statements."""

        def ask():
            with at_most(1, dbplugin["main"]):
                dbsession.execute(text("SELECT 1"))
                dbsession.execute(text("SELECT 2"))

        with pytest.raises(AssertionError, match=r"2 statements instead of at most 1:\n  SELECT 1\n  SELECT 2"):
            ask()
