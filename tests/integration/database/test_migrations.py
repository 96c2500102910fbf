"""qapla database migrate, check, status, recreate; AlembicEnv; Alembic's own command line"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from contextlib import closing

import pytest
from alembic import command
from alembic.config import Config
from click.testing import CliRunner
from sqlalchemy import NullPool, create_engine, inspect, make_url, text

from qapla.cli import cli
from qapla.errors import AccessError, ConfigurationError, Unavailable
from qapla.testing.servers import make_database

APPLICATION = """
from qapla.database.application import DatabaseApplication
from qapla.database.database import Database


class Band(DatabaseApplication):
    def append_app_plugins(self):
        self.add_database_app([Database("main", "migrations"), Database("music", "music_migrations")])


main = Band()
"""
MODELS = """
import datetime, decimal
from sqlalchemy import Boolean, Column, ForeignKey, Integer, MetaData, Numeric, String, Table, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Model(DeclarativeBase):
    metadata = MetaData(naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s", "ix": "ix_%(column_0_label)s"})


class Member(Model):
    __tablename__ = "member"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True, index=False)
    is_active: Mapped[bool] = mapped_column(Boolean, server_default=text("TRUE"))
    rank: Mapped[int] = mapped_column(server_default="7")
    word: Mapped[str] = mapped_column(String(20), server_default="it's", index=True)
    joined: Mapped[datetime.datetime] = mapped_column(server_default=func.current_timestamp())
    fee: Mapped[decimal.Decimal | None] = mapped_column(Numeric(8, 2))


class Music(Model):
    __abstract__ = True
    __database__ = "music"


class Song(Music):
    __tablename__ = "song"
    __table_args__ = {"comment": "what is sung"} if False else {}
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))


Table(
    "song_tag", Model.metadata, Column("song_id", ForeignKey("song.id"), primary_key=True), Column("tag", String(20), primary_key=True),
    info={"database": "music"},
)
"""
SETTINGS = """
def make_settings(settings, paths):
    paths.set("migrations", {folder!r} + "/migrations/main")
    paths.set("music_migrations", {folder!r} + "/migrations/music")
    settings["db:main:url"] = {main!r}
    settings["db:music:url"] = {music!r}
"""
TESTS = """
def make_settings(settings, paths):
    settings["db:main:url"] = {main!r}
    settings["db:music:url"] = {music!r}
"""
ENV = """from qapla.database.env import AlembicEnv

from {package} import main
from {package}.models import Model

AlembicEnv(main, Model, {name!r}).run()
"""
INI = """
[alembic]
script_location = %(here)s/migrations/main
[music]
script_location = %(here)s/migrations/music
"""


class Project:
    """A package with an application of two databases, as a person would write it."""

    def __init__(self, folder, urls):
        self.folder = folder
        self.package = f"band_{secrets.token_hex(4)}"
        self.urls = {name: url.render_as_string(hide_password=False) for name, url in urls.items()}
        package = folder / self.package
        (package / "settings").mkdir(parents=True)
        (package / "__init__.py").write_text(APPLICATION)
        (package / "models.py").write_text(MODELS)
        (package / "settings" / "__init__.py").write_text("")
        (package / "settings" / "default.py").write_text(SETTINGS.format(folder=str(folder), **self.urls))
        (folder / "alembic.ini").write_text(INI)
        for name in ("main", "music"):
            command.init(Config(folder / "alembic.ini"), str(folder / "migrations" / name))
            (folder / "migrations" / name / "env.py").write_text(ENV.format(package=self.package, name=name))

    def run(self, *arguments):
        """Run ``qapla database …`` here."""
        return CliRunner().invoke(cli, ["--app", f"{self.package}:Band", "database", *arguments])

    def alembic(self, *arguments):
        """Run Alembic's own command in a process of its own."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        command = [sys.executable, "-m", "alembic", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def write(self, database, revision, body, before=None, message="A step"):
        """Add a migration by hand."""
        head = f'"""{message}"""\nimport sqlalchemy as sa\nfrom alembic import op\n'
        script = f"{head}revision, down_revision = {revision!r}, {before!r}\ndef upgrade():\n    {body}\ndef downgrade():\n    pass\n"
        path = self.folder / "migrations" / database / "versions" / f"{revision}.py"
        path.write_text(script)
        return path

    def revise(self):
        """Let Alembic write the first migration of both databases; return their texts by database."""
        for section in ("alembic", "music"):
            config = Config(self.folder / "alembic.ini", ini_section=section)
            command.revision(config, "First things", autogenerate=True)
        self.forget()
        return {name: next((self.folder / "migrations" / name / "versions").glob("*.py")).read_text() for name in ("main", "music")}

    def change(self, file, old, new):
        """Change a file of the package; what was imported of it is forgotten."""
        path = self.folder / self.package / file
        path.write_text(path.read_text().replace(old, new))
        self.forget()

    def forget(self):
        """Have the package imported again."""
        if self.package in sys.modules:
            sys.modules[self.package].main.stop()
        for name in [name for name in sys.modules if name.startswith(self.package)]:
            del sys.modules[name]

    def tables(self, name):
        return look(self.urls[name], lambda connection: set(inspect(connection).get_table_names()))

    def execute(self, name, *statements):
        look(self.urls[name], lambda connection: [connection.execute(text(statement)) for statement in statements])

    def set_tests(self, **urls):
        (self.folder / self.package / "settings" / "tests.py").write_text(TESTS.format(**urls))


def look(url, ask):
    engine = create_engine(make_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with closing(engine.connect()) as connection:
        return ask(connection)


@pytest.fixture
def project(tmp_path, monkeypatch, engine_name):
    """Give the test a project with two databases of each engine."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    with make_database(engine_name) as main, make_database(engine_name) as music:
        yield Project(tmp_path, {"main": main, "music": music})


@pytest.fixture
def sqlite_project(tmp_path, monkeypatch):
    """Give the test a project on SQLite, where the engine does not matter."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return Project(tmp_path, {name: make_url(f"sqlite:///{tmp_path}/data/{name}.sqlite") for name in ("main", "music")})


class TestWholeWay:
    """From models to databases that are as the models say"""

    def test_models_of_one_metadata_in_two_databases(self, project):
        """Each gets its own tables, in one go, with the plan shown first; then nothing differs."""
        texts = project.revise()
        behind, dry = project.run("status"), project.run("migrate", "--dry-run")
        assert "member" not in project.tables("main")
        done, again, differences, status = [project.run(*words) for words in (["migrate"], ["migrate", "--all"], ["check"], ["status"])]

        assert ("song" in texts["main"], "member" in texts["music"]) == (False, False)
        assert (behind.exit_code, behind.stdout.count("1 migration is missing")) == (1, 2)
        assert (dry.exit_code, dry.stdout.count("First things")) == (0, 2)
        assert project.tables("main") == {"member", "alembic_version"}
        assert project.tables("music") == {"song", "song_tag", "alembic_version"}
        assert done.stdout.index("First things") < done.stdout.index("main                 migrated")
        assert again.stdout.count("up to date") == 2
        assert differences.exit_code == 0, differences.stdout
        assert (status.exit_code, status.stdout.count("up to date")) == (0, 2)

    def test_drift_is_named(self, project):
        """Every difference is a sentence, the exit code is 1, and nothing is written."""
        project.revise()
        project.run("migrate")
        project.change("models.py", "fee: Mapped[decimal.Decimal | None]", "age: Mapped[int | None]")
        project.change("models.py", 'server_default="7"', 'server_default="8"')
        project.change("models.py", "word: Mapped[str] = mapped_column(String(20)", "word: Mapped[str | None] = mapped_column(String(30)")
        project.change("models.py", "Numeric(8, 2)", "")

        found = project.run("check", "--database", "main")

        assert found.exit_code == 1
        lines = sorted(line.strip() for line in found.stdout.splitlines()[1:])
        assert lines[0] == "column 'age' of table 'member' is in the models, not in the database"
        assert lines[1] == "column 'fee' of table 'member' is in the database, not in the models"
        assert lines[2].startswith("column 'rank' of table 'member' has another default: ")
        assert "'8' in the models" in lines[2]
        assert lines[3:] == [
            "column 'word' of table 'member' differs in whether it may be NULL: it may not in the database, it may in the models",
            "column 'word' of table 'member' has another type: VARCHAR(20) in the database, VARCHAR(30) in the models",
        ]

    def test_missing_migrations_are_said_first(self, sqlite_project):
        """A database that lacks migrations is not compared."""
        sqlite_project.revise()

        found = sqlite_project.run("check")

        assert (found.exit_code, found.stdout.count("1 migration is missing: migrate first")) == (1, 2)

    def test_sql_on_paper(self, project):
        """``--sql`` prints what would run, for all databases, and runs nothing; so does Alembic's own."""
        project.revise()

        ours = project.run("migrate", "--sql").stdout
        theirs = project.alembic("-n", "music", "upgrade", "head", "--sql")

        assert ours.index("CREATE TABLE member") < ours.index("CREATE TABLE song")
        assert ("-- main: 1 migration is missing" in ours, "CREATE TABLE song" in theirs, "member" in theirs) == (True, True, False)
        assert {"member", "song"}.isdisjoint(project.tables("main") | project.tables("music"))

    def test_alembic_alone(self, project):
        """Alembic's commands work on the URL of the settings, one section per database."""
        project.revise()

        project.alembic("upgrade", "head")
        project.alembic("-n", "music", "upgrade", "head")

        assert (project.tables("main"), "song" in project.tables("music")) == ({"member", "alembic_version"}, True)
        project.alembic("-n", "music", "downgrade", "base")
        assert project.tables("music") == {"alembic_version"}


class TestOwnership:
    """Which tables are whose"""

    def test_tables_of_others_are_left_alone(self, project):
        """Autogenerate drops a table that a migration has made, and none that it knows nothing of."""
        project.write("main", "0001", 'op.create_table("old", sa.Column("id", sa.Integer, primary_key=True))')
        project.run("migrate", "--database", "main")
        project.execute("main", "CREATE TABLE foreign_one (id INTEGER)")

        found = project.run("check", "--database", "main").stdout

        assert ("'old' is in the database, not in the models" in found, "foreign_one" in found) == (True, False)

    @pytest.mark.parametrize(("setting", "shown"), [("all", ["old", "foreign_one"]), ("none", [])])
    def test_unknown_tables(self, sqlite_project, setting, shown):
        """A setting says otherwise."""
        sqlite_project.write("main", "0001", 'op.create_table("old", sa.Column("id", sa.Integer, primary_key=True))')
        sqlite_project.run("migrate", "--database", "main")
        sqlite_project.execute("main", "CREATE TABLE foreign_one (id INTEGER)")
        sqlite_project.change("settings/default.py", "settings[", f'settings["db:main:unknown_tables"] = {setting!r}\n    settings[')

        found = sqlite_project.run("check", "--database", "main").stdout

        assert [name for name in ("old", "foreign_one") if f"'{name}' is in the database" in found] == shown

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ('__database__ = "music"', '__database__ = "musci"', r"'song' is marked with the database 'musci', .*did you mean 'music'"),
            ("class Member(Model)", "class Main(Model):\n    __abstract__, __database__ = True, 'main'\nclass Other(Main):\n"
             "    __tablename__ = 'other'\n    id: Mapped[int] = mapped_column(primary_key=True)\nclass Member(Model)",
             "'member' belongs to no database"),
            ('title: Mapped[str] = mapped_column(String(50)', 'title = mapped_column(ForeignKey("member.name")', "foreign key to 'member'"),
        ],
        ids=["typo", "nobody's", "between two"],
    )  # fmt: skip
    def test_wrong_marks(self, sqlite_project, old, new, message):
        """What cannot be meant is refused, with the table's name."""
        sqlite_project.change("models.py", old, new)

        found = sqlite_project.run("check", "--database", "music")

        assert isinstance(found.exception, ConfigurationError)
        assert re.search(message, str(found.exception))

    def test_schemas(self, sqlite_project, monkeypatch, tmp_path):
        """Models with a schema are compared there, and Alembic's own table may be in one; other schemas are not looked at."""
        with make_database("postgresql") as url:
            project = sqlite_project
            project.urls["main"] = url.render_as_string(hide_password=False)
            text_url = f'settings["db:main:url"] = {project.urls["main"]!r}\n    settings["db:main:version_schema"] = "steps"\n    '
            project.change("settings/default.py", 'settings["db:main:url"] =', f'{text_url}_ =')
            project.change("models.py", '__tablename__ = "member"', '__tablename__ = "member"\n    __table_args__ = {"schema": "crew"}')
            project.execute("main", "CREATE SCHEMA crew", "CREATE SCHEMA elsewhere", "CREATE TABLE elsewhere.member (id int)")
            command.revision(Config(project.folder / "alembic.ini"), "First things", autogenerate=True)
            project.forget()

            project.run("migrate", "--database", "main")

            assert project.run("check", "--database", "main").exit_code == 0
            names = look(url, lambda connection: [inspect(connection).get_table_names(schema) for schema in ("crew", "steps", None)])
            assert names == [["member"], ["alembic_version"], []]


class TestPlan:
    """All at once"""

    def test_nothing_runs_before_all_have_answered(self, sqlite_project):
        """A database that is away, or too new, stops the others, too."""
        sqlite_project.revise()
        sqlite_project.change("settings/default.py", sqlite_project.urls["music"], "postgresql+psycopg://u:geheim@127.0.0.1:1/x")

        found = sqlite_project.run("migrate")

        assert isinstance(found.exception, Unavailable)
        assert "member" not in sqlite_project.tables("main")
        status = sqlite_project.run("status")
        assert (status.exit_code, "1 migration is missing" in status.stdout) == (1, True)
        assert "database 'music' cannot be reached" in status.stdout
        assert "geheim" not in status.stdout

    def test_database_and_all(self, sqlite_project):
        """Naming one and wanting all is a mistake."""
        found = sqlite_project.run("status", "--database", "main", "--all")

        assert (found.exit_code, "exclude each other" in found.output) == (2, True)

    def test_follows_the_running_application(self, sqlite_project):
        """Alembic, called inside of a process where the application runs as a test, works on the test's database."""
        sqlite_project.revise()
        test_url = f"sqlite:///{sqlite_project.folder}/test.sqlite"
        sqlite_project.set_tests(main=test_url, music=sqlite_project.urls["music"] + ".test")
        package = __import__(sqlite_project.package)

        running = package.Band().run_tests()
        try:
            command.upgrade(Config(sqlite_project.folder / "alembic.ini"), "head")
        finally:
            running.stop()

        assert "member" in look(test_url, lambda connection: inspect(connection).get_table_names())
        assert "member" not in sqlite_project.tables("main")


class TestRecreate:
    """qapla database recreate"""

    def test_test_database_with_others_connected(self, project, engine_name):
        """It is dropped, created and migrated, whoever is connected."""
        project.revise()
        with make_database(engine_name) as main, make_database(engine_name) as music:
            project.set_tests(main=main.render_as_string(hide_password=False), music=music.render_as_string(hide_password=False))
            other = create_engine(main, poolclass=NullPool)
            with other.connect() as connection:
                connection.execute(text("CREATE TABLE rubbish (id INTEGER)"))
                connection.commit()
                connection.execute(text("SELECT * FROM rubbish")).all()

                done = project.run("recreate", "--all")

                connection.invalidate()
            assert done.exit_code == 0, done.exception
            assert done.stdout.count("recreated") == 2
            assert look(main, lambda connection: set(inspect(connection).get_table_names())) == {"member", "alembic_version"}
            assert {"member", "song"}.isdisjoint(project.tables("main") | project.tables("music"))

    def test_refuses_what_is_no_test_database(self, project):
        """With the same URL as without the settings of tests nothing is dropped, not even the other database."""
        project.revise()
        project.run("migrate")
        project.execute("music", "INSERT INTO song (id, title) VALUES (1, 'Ode')")

        found = project.run("recreate")

        assert isinstance(found.exception, AccessError)
        assert "database 'main' at '" in found.exception.message
        assert "is not dropped: the settings of 'command' mean the same one by 'db:main:url'" in found.exception.message
        assert "song" in project.tables("music")

    def test_refuses_what_it_could_not_fill(self, sqlite_project):
        """Without a migrations directory nothing is dropped."""
        sqlite_project.set_tests(**{name: url + ".test" for name, url in sqlite_project.urls.items()})
        sqlite_project.change("__init__.py", '"music_migrations"', '"elsewhere"')
        (sqlite_project.folder / "data").mkdir()
        look(sqlite_project.urls["main"] + ".test", lambda connection: connection.execute(text("CREATE TABLE dear (id INTEGER)")))

        found = sqlite_project.run("recreate")

        assert isinstance(found.exception, ConfigurationError)
        assert "database 'music' has no migrations directory (set the path 'elsewhere' in the settings)" in str(found.exception)
        assert look(sqlite_project.urls["main"] + ".test", lambda connection: inspect(connection).get_table_names()) == ["dear"]

    def test_refuses_the_same_in_other_words(self, sqlite_project):
        """A path or a name that leads to the same database is the same."""
        link = sqlite_project.folder / "link"
        link.symlink_to(sqlite_project.folder / "data")
        sqlite_project.set_tests(main=f"sqlite+pysqlite:///{link}/../data/main.sqlite", music=f"sqlite:///{link}/main.sqlite")

        for name in ("main", "music"):
            found = sqlite_project.run("recreate", "--database", name)
            assert isinstance(found.exception, AccessError), name

    @pytest.mark.parametrize(
        ("host", "said"),
        [
            ("live.invalid", "'db:main:default_url' leads to another server"),
            ("test.invalid", "the settings of 'command' mean the same one by 'db:main:url'"),
        ],
    )
    def test_refuses_to_drop_by_way_of_another_server(self, sqlite_project, host, said):
        """``default_url`` of other settings, left in place, would drop the database of that name on their server."""
        sqlite_project.write("main", "0001", "pass")
        live = f'settings["db:main:url"] = "postgresql://u@{host}:6432/shop"; settings["db:main:default_url"] = '
        live += f'"postgresql://admin:geheim@{host}:6432/postgres"\n'
        default = sqlite_project.folder / sqlite_project.package / "settings" / "default.py"
        default.write_text(default.read_text() + f"    {live}")
        sqlite_project.set_tests(main="postgresql://u@test.invalid:5432/shop", music=sqlite_project.urls["music"])

        found = sqlite_project.run("recreate", "--database", "main")

        assert isinstance(found.exception, AccessError)
        assert said in found.exception.message
        assert "geheim" not in str(found.exception)

    def test_refuses_a_url_that_names_two(self, sqlite_project):
        """The driver takes ``?dbname=``; nobody shall wonder which of the two is dropped."""
        sqlite_project.write("main", "0001", "pass")
        sqlite_project.set_tests(main="postgresql://u@127.0.0.1:1/live?dbname=test&password=geheim", music=sqlite_project.urls["music"])

        found = sqlite_project.run("recreate", "--database", "main")

        assert isinstance(found.exception, ConfigurationError)
        assert "names two databases" in found.exception.message
        assert "geheim" not in found.exception.message

    def test_marked_as_test(self, sqlite_project):
        """A database that every setting calls a test database may be dropped; the mark in the settings of tests alone is not enough."""
        sqlite_project.revise()
        mark = 'def make_settings(settings, paths):\n    settings["db:main:test"] = True\n'
        (sqlite_project.folder / sqlite_project.package / "settings" / "tests.py").write_text(mark)
        refused = sqlite_project.run("recreate", "--database", "main")
        sqlite_project.change("settings/default.py", "settings[", 'settings["db:main:test"] = True\n    settings[')

        done = sqlite_project.run("recreate", "--database", "main")

        assert isinstance(refused.exception, AccessError)
        assert done.exit_code == 0
        assert "member" in sqlite_project.tables("main")

    def test_user_without_the_right(self, sqlite_project, postgresql_url):
        """The server's words are passed on, with what to do, and no password."""
        name, project = f"qapla_{secrets.token_hex(6)}", sqlite_project
        project.write("main", "0001", "pass")
        server = make_url(postgresql_url).set(drivername="postgresql+psycopg")
        url = server.set(username=name, password="geheim", database=name).render_as_string(hide_password=False)
        project.set_tests(main=url, music=project.urls["music"])
        look(server, lambda connection: connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'geheim'")))

        try:
            found = project.run("recreate", "--database", "main")
        finally:
            look(server, lambda connection: connection.execute(text(f"DROP ROLE {name}")))

        assert isinstance(found.exception, ConfigurationError)
        assert str(found.exception).startswith("database 'main' cannot be created: permission denied to create database (the user needs")
        assert "geheim" not in str(found.exception)

    @pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
    def test_left_between_two_phases(self, project):
        """What a test prepared and never ended does not keep its database from being dropped, as PostgreSQL would have it."""
        project.revise()
        with make_database("postgresql") as main:
            project.set_tests(main=main.render_as_string(hide_password=False), music=project.urls["music"])
            engine = create_engine(main, poolclass=NullPool)
            with engine.connect() as connection:
                connection.begin_twophase(f"left-{secrets.token_hex(4)}%")
                connection.execute(text("CREATE TABLE rubbish (id INTEGER)"))
                connection.get_transaction().prepare()
                connection.detach()

            done = project.run("recreate", "--database", "main")

            assert done.exit_code == 0, done.exception
