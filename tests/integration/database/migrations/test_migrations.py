"""qapla database migrate, check, status; AlembicEnv; Alembic's own command line"""

from __future__ import annotations

import re

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect

from qapla.errors import ConfigurationError, Unavailable
from qapla.testing.servers import make_database

from .conftest import look


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

    def test_failed_migration(self, project):
        """It is named with its database and what that says, and so is each database that was not begun."""
        project.write("main", "0001", 'op.execute("ALTER TABLE nothere ADD COLUMN a INTEGER")')
        project.write("music", "0001", "pass")

        found = project.run("migrate")

        assert isinstance(found.exception, ConfigurationError)
        assert re.match(r"migration '0001' of database 'main' failed: .*nothere", str(found.exception))
        assert "ALTER" not in str(found.exception)
        assert found.exception.__notes__ == ["database 'music' was not begun"]
        assert "1 migration is missing" in project.run("status", "--database", "main").stdout

    @pytest.mark.parametrize(
        ("file", "body", "message"),
        [
            ("0001.py", "None.nothing()", r"migration '0001' of database 'main' failed: .*0001\.py: line 6: AttributeError: "),
            ("../env.py", None, r"the migrations of database 'main' failed: .*env\.py: line 1: ModuleNotFoundError: "),
        ],
        ids=["a migration", "env.py"],
    )
    def test_mistakes_of_a_programmer(self, sqlite_project, file, body, message):
        """They are told with the line they are in."""
        path = sqlite_project.write("main", "0001", body or "pass").parent / file
        if body is None:
            path.write_text("import nope\n")

        found = sqlite_project.run("migrate", "--database", "main")

        assert isinstance(found.exception, ConfigurationError)
        assert re.match(message, str(found.exception))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("revision, down_revision = '0002', 'zzzz'\n", "one of them comes after revision 'zzzz', which is not there"),
            ("def (\n", "line 1 of .*: SyntaxError: "),
            ("import nope\n", r"broken\.py: line 1: ModuleNotFoundError: "),
        ],
        ids=["no such revision", "syntax", "import"],
    )
    @pytest.mark.filterwarnings("ignore:Revision zzzz referenced")
    def test_broken_file(self, sqlite_project, text, message):
        """A file of migrations that cannot be read is told of its database; the others are shown."""
        (sqlite_project.write("main", "0001", "pass").parent / "broken.py").write_text(text)
        sqlite_project.write("music", "0001", "pass")

        found = sqlite_project.run("status")

        assert (found.exit_code, found.stdout.count("\n"), "1 migration is missing" in found.stdout) == (1, 2, True)
        assert re.search(rf"the migrations of database 'main' cannot be read: .*{message}", found.stdout)

    def test_declared_without_migrations(self, sqlite_project):
        """Naming such a database tells how it would be declared."""
        sqlite_project.change("__init__.py", 'Database("music", "music_migrations")', 'Database("music")')

        found = sqlite_project.run("migrate", "--database", "music")

        assert isinstance(found.exception, ConfigurationError)
        assert str(found.exception).startswith("database 'music' is declared without migrations (Database('music', 'migrations'), ")

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
