"""BaseApplicationFixture, WebFixture and the pytest plugin, shown by the test run of a small project"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from qapla.testing.servers import make_database

FILES = {
    "{package}/__init__.py": """
from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.database.decorators import WithDatabase
from qapla.errors import ConfigurationError
from qapla.plugin import Plugin
from sqlalchemy import text


class CounterPlugin(Plugin):
    key = "counter"

    def start(self, app):
        return [0]


class Shop(DatabaseApplication):
    def append_app_plugins(self):
        self.add_database_app([Database("main", "migrations"), Database("log", "log_migrations")])
        self.add_app_plugin(CounterPlugin())

    def append_web_plugins(self):
        self.add_database_web(commit="tm")
        self.config.add_route("words", "/words/{{word}}")
        self.config.add_view(add_word, route_name="words", renderer="string")


class OtherShop(Shop):
    def append_web_plugins(self):
        self.add_database_web()


main = Shop()


def add_word(request):
    word = request.matchdict["word"]
    request.main.execute(text("INSERT INTO word (id, name) VALUES (:id, :name)"), {{"id": len(word), "name": word}})
    if word == "both":
        request.log.execute(text("INSERT INTO line (id, name) VALUES (1, 'both')"))
    if word == "wrong":
        raise ConfigurationError("it went wrong")
    return "done"


@WithDatabase(main, "main")
def add_by_task(number, *, main):
    main.execute(text("INSERT INTO word (id, name) VALUES (:id, 'task')"), {{"id": number}})
    main.commit()
""",
    "{package}/settings/__init__.py": "",
    "{package}/settings/default.py": """
def make_settings(settings, paths):
    paths.set("migrations", {folder!r} + "/migrations/main")
    paths.set("log_migrations", {folder!r} + "/migrations/log")
    settings["db:main:url"] = "sqlite:///{folder}/production.sqlite"
    settings["db:log:url"] = "sqlite:///{folder}/production_log.sqlite"
""",
    "{package}/settings/tests.py": """
def make_settings(settings, paths):
    settings["db:main:url"] = {main!r}
    settings["db:log:url"] = {log!r}
""",
    "pytest.ini": """
[pytest]
filterwarnings =
    error
    ignore:'cgi' is deprecated:DeprecationWarning
    ignore:pkg_resources is deprecated:UserWarning
    ignore:Deprecated call to .pkg_resources:DeprecationWarning
""",
    "migrations/main/env.py": """
from sqlalchemy.orm import DeclarativeBase
from qapla.database.env import AlembicEnv
from {package} import main
class Model(DeclarativeBase): pass
AlembicEnv(main, Model, "main").run()
""",
    "migrations/log/env.py": """
from sqlalchemy.orm import DeclarativeBase
from qapla.database.env import AlembicEnv
from {package} import main
class Model(DeclarativeBase): pass
AlembicEnv(main, Model, "log").run()
""",
    "migrations/main/versions/0001.py": """
import pathlib, sqlalchemy as sa
from alembic import op
revision, down_revision = "0001", None
def upgrade():
    op.create_table("word", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("name", sa.String(20)))
    with pathlib.Path({folder!r}, "migrated").open("a") as file:
        file.write("x")
""",
    "migrations/log/versions/0001.py": """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0001", None
def upgrade():
    op.create_table("line", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("name", sa.String(20)))
""",
}
COMMON = """
import os
import threading
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from qapla.testing import BaseApplicationFixture, WebFixture, at_most
import {package}
from {package} import OtherShop, Shop, add_by_task

def words(session):
    return session.scalars(text("SELECT name FROM word ORDER BY id")).all()

def add(session, number, name="x"):
    session.execute(text("INSERT INTO word (id, name) VALUES (:id, :name)"), {{"id": number, "name": name}})

class Fixture(BaseApplicationFixture):
    APP_CLASS = Shop
"""


class Project:
    """A project with two databases, and the run of its tests."""

    def __init__(self, folder, urls):
        self.folder = folder
        self.urls = urls
        texts = {name: url.render_as_string(hide_password=False) for name, url in urls.items()}
        self.names = {"package": f"shop_{secrets.token_hex(4)}", "folder": str(folder), **texts}
        for name, content in FILES.items():
            path = folder / name.format(**self.names)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content.format(**self.names))

    def run(self, *arguments, code=0, **files):
        """Write tests and run them; return what pytest says."""
        for name, content in files.items():
            (self.folder / f"test_{name}.py").write_text(COMMON.format(**self.names) + content)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST_")}
        environment["PYTHONPATH"] = str(self.folder)
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def count_migrated(self):
        return len((self.folder / "migrated").read_text())

    def databases(self):
        """Return the names of all databases that the runs have left."""
        url = self.urls["main"]
        if url.get_backend_name() == "sqlite":
            return sorted(path.name for path in self.folder.glob("*.sqlite"))
        sql = "SELECT datname FROM pg_database" if url.get_backend_name() == "postgresql" else "SHOW DATABASES"
        with create_engine(url.set(database="postgres" if "pg_" in sql else ""), poolclass=NullPool).connect() as connection:
            return sorted(name for name in connection.scalars(text(sql)) if name.startswith((url.database, self.urls["log"].database)))


@pytest.fixture
def project(tmp_path, engine_name):
    """Give the test a project whose test databases are on each engine."""
    if engine_name == "sqlite":
        yield Project(tmp_path, {name: make_url(f"sqlite:///{tmp_path}/{name}_test.sqlite") for name in ("main", "log")})
        return
    with make_database(engine_name) as main, make_database(engine_name) as log:
        yield Project(tmp_path, {"main": main, "log": log})


@pytest.fixture
def sqlite_project(tmp_path):
    """Give the test a project on SQLite, where the engine does not matter."""
    return Project(tmp_path, {name: make_url(f"sqlite:///{tmp_path}/{name}_test.sqlite") for name in ("main", "log")})


EVERYTHING = """
class TestOwnWork(Fixture):
    @pytest.mark.parametrize("round", [1, 2])
    def test_commits(self, dbsession, round):
        assert words(dbsession) == []
        add(dbsession, 1)
        dbsession.commit()
        add(dbsession, 2)
        dbsession.rollback()
        add(dbsession, 3)
        dbsession.commit()
        assert words(dbsession) == ["x", "x"]

    @pytest.mark.parametrize("round", [1, 2])
    def test_with_database(self, application, dbsession, round):
        assert words(dbsession) == []
        add_by_task(5)
        dbsession.rollback()
        assert words(dbsession) == ["task"]
        assert {package}.main["database"]["main"] is application["database"]["main"]

    @pytest.mark.parametrize("round", [1, 2])
    def test_broken_statement(self, dbsession, dbplugin, round):
        add(dbsession, 1)
        dbsession.commit()
        with pytest.raises(Exception, match="word"):
            add(dbsession, 1)
        dbsession.rollback()
        with dbplugin["main"].transaction() as other:
            assert words(other) == ["x"]
            other.begin_nested().rollback()
            add(other, 2)
        with dbplugin["main"].engine.begin() as connection:
            connection.execute(text("INSERT INTO word (id, name) VALUES (3, 'core')"))
        with dbplugin["main"].engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("INSERT INTO word (id, name) VALUES (4, 'auto')"))
        assert words(dbsession) == ["x", "x", "core", "auto"]

    @pytest.mark.parametrize("round", [1, 2])
    def test_two_phases_of_sqlalchemy(self, dbplugin, round):
        engines = [dbplugin[name].engine for name in ("main", "log")]
        if engines[0].dialect.name == "sqlite":
            with Session(engines[0], twophase=True) as session, pytest.raises(NotImplementedError):
                words(session)
            return
        for number, end in enumerate([Session.commit, Session.rollback]):
            with Session(engines[0], twophase=True) as session:
                add(session, number)
                session.connection(bind_arguments={"bind": engines[1]}).execute(text(f"INSERT INTO line VALUES ({number}, 'a')"))
                end(session)
        with dbplugin["main"].session() as main, dbplugin["log"].session() as log:
            assert (words(main), log.scalars(text("SELECT id FROM line")).all()) == (["x"], [0])

    @pytest.mark.parametrize("round", [1, 2])
    def test_left_open(self, dbplugin, round):
        session = dbplugin["main"].make_session()
        assert words(session) == []
        add(session, 1)

    @pytest.mark.parametrize("round", [1, 2])
    def test_threads(self, dbsession, round):
        assert words(dbsession) == []
        threads = [threading.Thread(target=add_by_task, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            words(dbsession)
            dbsession.rollback()
        assert words(dbsession) == ["task"] * 8

    @pytest.mark.parametrize("round", [1, 2])
    def test_counts(self, dbsession, dbplugin, round):
        with at_most(2, dbplugin["main"], dbplugin["log"]):
            add(dbsession, 1)
            dbsession.commit()
            words(dbsession)


class TestLog(Fixture):
    DATABASE_KEY = "log"

    def test_another_database(self, dbsession, settings, paths):
        assert dbsession.scalars(text("SELECT name FROM line")).all() == []
        assert "migrations/log" in paths.get("log_migrations")
        assert settings["db:log:url"]


class TestWeb(WebFixture):
    APP_CLASS = Shop

    @pytest.mark.parametrize("round", [1, 2])
    def test_requests(self, web, dbsession, application, round):
        assert words(dbsession) == []
        add(dbsession, 1)
        dbsession.commit()
        web.get("/words/abc")
        with pytest.raises(Exception, match="it went wrong"):
            web.get("/words/wrong")
        assert words(dbsession) == ["x", "abc"]
        assert web.application is application

    @pytest.mark.parametrize("round", [1, 2])
    def test_two_phases(self, web, dbsession, dbplugin, round):
        if dbplugin["main"].engine.dialect.name == "sqlite":
            with pytest.raises(Exception, match="cannot commit in two phases"):
                web.get("/words/both")
            assert words(dbsession) == []
        else:
            web.get("/words/both")
            assert words(dbsession) == ["both"]
            with dbplugin["log"].session() as session:
                assert session.scalars(text("SELECT name FROM line")).all() == ["both"]


class TestOther(WebFixture):
    APP_CLASS = OtherShop

    def test_is_another_application(self, web, dbsession):
        assert type(web.application) is OtherShop
        assert words(dbsession) == []
"""


class TestEverything:
    """A project's own run"""

    def test_workers(self, project, engine_name):
        """Whatever commits, by whatever way, is gone; each worker has its databases, which are migrated once and dropped at the end."""
        before = project.databases()

        project.run("-n", "2", it=EVERYTHING.replace("{package}", project.names["package"]))

        assert project.count_migrated() == (2 if engine_name == "mariadb" else 1)
        assert project.databases() == before
        assert not list(project.folder.glob("production*"))

    def test_one_process(self, sqlite_project):
        """Without workers the databases have the names that the settings say, and stay after the run."""
        sqlite_project.run(it=EVERYTHING.replace("{package}", sqlite_project.names["package"]))

        assert (sqlite_project.count_migrated(), sqlite_project.databases()) == (1, ["log_test.sqlite", "main_test.sqlite"])

    def test_copy(self, project):
        """A test with ISOLATION = "copy" has real connections; two of them do not see what is not committed."""
        tests = """
class TestCopy(Fixture):
    ISOLATION = "copy"

    @pytest.mark.parametrize("round", [1, 2])
    def test_two_connections(self, dbsession, dbplugin, round):
        assert words(dbsession) == []
        dbsession.commit()
        with dbplugin["main"].session() as other:
            add(other, 1)
            assert words(dbsession) == []
            dbsession.commit()
            other.commit()
        assert words(dbsession) == ["x"]

class TestAfter(Fixture):
    def test_is_gone(self, dbsession):
        assert words(dbsession) == []
"""

        project.run(it=tests)

    def test_statement_that_commits(self, project):
        """DDL, which MariaDB commits by itself, a child process, and a commit past SQLAlchemy cost a new database, and are gone as well."""
        tests = """
class TestDdl(Fixture):
    @pytest.mark.parametrize("round", [1, 2])
    def test_fork(self, application, round):
        child = os.fork()
        if child == 0:
            try:
                add_by_task(1)
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0

    @pytest.mark.parametrize("round", [1, 2])
    def test_ddl(self, dbsession, round):
        add(dbsession, 1)
        dbsession.execute(text("CREATE TABLE more (id INTEGER)"))
        dbsession.commit()
        add(dbsession, 2)
        dbsession.commit()
        assert words(dbsession) == ["x", "x"]

    @pytest.mark.parametrize("round", [1, 2])
    def test_raw(self, dbplugin, dbsession, round):
        assert words(dbsession) == []
        raw = dbplugin["main"].engine.raw_connection()
        cursor = raw.cursor()
        cursor.execute("INSERT INTO word (id, name) VALUES (1, 'raw')")
        cursor.close()
        raw.commit()
        raw.close()

    def test_after(self, dbsession):
        assert words(dbsession) == []
"""

        project.run(it=tests)


class TestSafety:
    """What must not happen"""

    def test_database_that_is_not_of_tests(self, sqlite_project):
        """The run stops before anything is dropped, and says why."""
        (sqlite_project.folder / sqlite_project.names["package"] / "settings" / "tests.py").unlink()
        with create_engine(f"sqlite:///{sqlite_project.folder}/production.sqlite", poolclass=NullPool).begin() as connection:
            connection.execute(text("CREATE TABLE dear (id INTEGER)"))

        said = sqlite_project.run(code=1, it="class TestIt(Fixture):\n    def test_it(self, dbsession): pass\n")

        assert "database 'main' at 'sqlite:///" in said
        assert "is not dropped: the settings of 'command' mean the same one by 'db:main:url'" in said
        with create_engine(f"sqlite:///{sqlite_project.folder}/production.sqlite", poolclass=NullPool).connect() as connection:
            assert connection.scalars(text("SELECT name FROM sqlite_schema")).all() == ["dear"]

    def test_application_that_a_test_breaks(self, sqlite_project):
        """Stopped, with another setting, with another value of a plugin: the next test has a new one; else it is the same."""
        tests = """
seen = []

class TestIt(Fixture):
    @pytest.mark.parametrize("breaks", ["nothing", "stop", "setting", "value", "nothing", "nothing"])
    def test_it(self, application, dbsession, settings, breaks):
        assert application.phase == "ready"
        assert "new" not in settings
        seen.append(application)
        words(dbsession)
        if breaks == "stop":
            application.stop()
        elif breaks == "setting":
            settings["new"] = 1
        elif breaks == "value":
            application._values["counter"] = None

    def test_how_many(self):
        assert [seen.index(one) for one in seen] == [0, 0, 2, 3, 4, 4]
"""

        sqlite_project.run(it=tests)

    def test_what_one_connection_cannot_show(self, sqlite_project):
        """To roll back what somebody else has committed into is refused, and so is awaiting; the hint names the way out."""
        tests = """
class TestIt(Fixture):
    def test_lost(self, dbsession, dbplugin):
        add(dbsession, 1)
        with dbplugin["main"].transaction() as other:
            add(other, 2)
        with pytest.raises(Exception, match=r"would be lost with it: a test has one connection .*ISOLATION = 'copy'"):
            dbsession.rollback()

    def test_await(self, dbplugin):
        with pytest.raises(Exception, match=r"the one connection of a test to 'main' cannot be awaited .*ISOLATION = 'copy'"):
            dbplugin["main"].async_engine

    def test_next(self, dbsession):
        assert words(dbsession) == []

class TestTypo(Fixture):
    ISOLATION = "cpoy"

    def test_isolation(self, request):
        with pytest.raises(Exception, match="isolation 'cpoy' is not known"):
            request.getfixturevalue("application")
"""

        sqlite_project.run(it=tests)

    def test_memory(self, sqlite_project):
        """A database in memory is migrated, too."""
        tests = """
class TestIt(Fixture):
    SETTINGS = {"db:main:url": "sqlite://"}

    @pytest.mark.parametrize("round", [1, 2])
    def test_it(self, dbsession, round):
        assert words(dbsession) == []
        add(dbsession, 1)
        dbsession.commit()
"""

        sqlite_project.run(it=tests)


class TestPlugin:
    """The pytest plugin"""

    def test_fixtures_by_configuration(self, sqlite_project, monkeypatch):
        """With ``qapla_app`` the fixtures are there without an import, for functions and for classes of any kind."""
        tests = """
@pytest.mark.parametrize("round", [1, 2])
def test_session(dbsession, application, round):
    assert words(dbsession) == []
    add(dbsession, 1)
    dbsession.commit()
    assert not hasattr(application, "config")

class TestWeb:
    def test_web(self, web, dbsession, dbplugin, settings, paths, application):
        web.get("/words/abc")
        assert words(dbsession) == ["abc"]
        assert (type(application), application.settings) == (Shop, settings)

class TestOwn(Fixture):
    APP_CLASS = OtherShop

    def test_own(self, application):
        assert type(application) is OtherShop
"""
        ini = sqlite_project.folder / "pytest.ini"
        ini.write_text(ini.read_text() + f"qapla_app = {sqlite_project.names['package']}:main\n")
        monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")  # it is found because it is installed
        monkeypatch.delenv("PYTEST_PLUGINS")

        sqlite_project.run(it=tests)

    def test_nothing_without_configuration(self, sqlite_project):
        """A project that names no application has none of the fixtures, and nothing of qapla is imported but the plugin itself."""
        (sqlite_project.folder / "test_it.py").write_text("""
import sys, pytest

def test_it(request):
    for name in ("application", "web", "settings"):
        with pytest.raises(pytest.FixtureLookupError):
            request.getfixturevalue(name)
    assert sorted(name for name in sys.modules if name.startswith("qapla")) == ["qapla", "qapla.testing", "qapla.testing.plugin"]
    assert not {"sqlalchemy", "pyramid", "alembic"} & set(sys.modules)
""")

        sqlite_project.run("test_it.py")

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("qapla_app = nowhere:main", "application 'nowhere:main' cannot be found"),
            ("qapla_isolation = cpoy", "qapla_isolation is 'cpoy'"),
        ],
    )
    def test_wrong_configuration(self, sqlite_project, line, said):
        """What is wrong is said in a sentence."""
        ini = sqlite_project.folder / "pytest.ini"
        app = "" if "app" in line else f"qapla_app = {sqlite_project.names['package']}:main\n"
        ini.write_text(f"{ini.read_text()}{app}{line}\n")
        (sqlite_project.folder / "test_it.py").write_text("def test_it(application): pass")

        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_it.py"],
            cwd=sqlite_project.folder, capture_output=True, text=True, env={**os.environ, "PYTEST_ADDOPTS": ""}, check=False,
        )  # fmt: skip

        assert done.returncode != 0
        assert said in done.stdout + done.stderr
