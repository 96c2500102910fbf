"""qapla database recreate"""

from __future__ import annotations

import secrets

import pytest
from sqlalchemy import NullPool, create_engine, inspect, make_url, text

from qapla.errors import AccessError, ConfigurationError
from qapla.testing.servers import make_database

from .conftest import look


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
