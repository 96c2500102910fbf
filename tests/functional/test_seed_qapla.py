"""The page that qapla's database part was promised on: every block of code on it, run as it is written, on every engine.

The blocks are kept to the letter; where one ends in a comment in place of a body, the body stands beneath it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent

import pytest
from sqlalchemy import create_engine, text

APPLICATION = '''
from qapla.database.application import DatabaseApplication
from qapla.database.database import Database

class RotarranApplication(DatabaseApplication):

    def append_app_plugins(self):
        self.add_database_app([Database('main', 'migrations')])

    def append_web_plugins(self):
        self.add_database_web()
'''

ALEMBIC_INI = '''
[alembic]
script_location = /code/migrations
'''

ENV = '''
from qapla.database.env import AlembicEnv

from rotarran import main
from rotarran.application.db import Model

AlembicEnv(main, Model, 'main').run()
'''

TASK = '''
from qapla.database.decorators import WithDatabase
from rotarran import main

@WithDatabase(main, 'main')
def mytask(main):
    #main object will be sqlalchemy session
'''

FIXTURE = '''
from qapla.testing import BaseApplicationFixture

from rotarran.application.app import RotarranApplication


class ApplicationFixture(BaseApplicationFixture):
    APP_CLASS = RotarranApplication
    DATABASE_KEY = 'main'

class TestSomething(ApplicationFixture):

    def test_session(self, dbsession):
        # dbsession is sqlalchemy database session
'''

DRIVERS = '''
class ModelReadDriver(ReadDriver):
    model = Model


class ModelWriteDriver(WriteDriver):
    model = Model
'''

CONTROLLER = '''
read_driver = ModelReadDriver(self.request.database)

obj = read_driver.get_by_id(1)
'''

MODELS = '''
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Model(DeclarativeBase):
    """The base of every model."""

class Warrior(Model):
    __tablename__ = "warrior"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
'''

SETTINGS = '''
def make_settings(settings, paths):
    settings["db:main:url"] = "{url}"
    paths.set("migrations", "{migrations}")
'''


class Project:
    """The folder that the page leads to, with its commands run as processes of their own."""

    def __init__(self, folder: Path, url: str, tests_url: str, generated: Path) -> None:
        self.folder = folder
        self.generated = generated
        self.url = url
        self.migrations = folder / "code" / "migrations"
        self.write("rotarran/__init__.py", "from rotarran.application.app import RotarranApplication\n\nmain = RotarranApplication()\n")
        self.write("rotarran/application/__init__.py", "")
        self.write("rotarran/application/app.py", APPLICATION)
        self.write("rotarran/application/db.py", MODELS)
        self.write("rotarran/settings/__init__.py", "")
        self.write("rotarran/settings/default.py", SETTINGS.format(url=url, migrations=self.migrations))
        self.write("rotarran/settings/tests.py", SETTINGS.format(url=tests_url, migrations=self.migrations))
        self.write("alembic.ini", ALEMBIC_INI.replace("/code/migrations", str(self.migrations)))

    def write(self, name: str, content: str) -> None:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def run(self, *command: str) -> str:
        """Run a command in the project; what it printed, on both streams."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST_")}
        environment["PYTHONPATH"] = str(self.folder)
        found = subprocess.run(
            [sys.executable, *command], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout + found.stderr

    def migrate(self) -> None:
        """Do what the page says about Alembic, with Alembic's own command line; what is generated is so once per engine."""
        if self.generated.exists():
            shutil.copytree(self.generated, self.migrations)
        else:
            self.run("-m", "alembic", "init", str(self.migrations))
            self.write(str(self.migrations / "env.py"), ENV)
            self.run("-m", "alembic", "revision", "--autogenerate", "-m", "warriors")
            shutil.copytree(self.migrations, self.generated)
        self.run("-m", "alembic", "upgrade", "head")

    def fill(self) -> None:
        """Put one warrior into the database."""
        engine = create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO warrior (name) VALUES ('Martok')"))
        engine.dispose()


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """Give the folder where migrations are kept by engine."""
    return tmp_path_factory.mktemp("generated")


@pytest.fixture
def project(tmp_path, engine_name, fresh_database, generated):
    """Give the test the project of the page, on one engine, its tests on a database beside the one that is served."""
    tests = tmp_path / "tests.sqlite"
    tests_url = f"sqlite:///{tests}" if engine_name == "sqlite" else str_of(fresh_database.set(database=fresh_database.database + "_tests"))
    return Project(tmp_path, str_of(fresh_database), tests_url, generated / engine_name)


def str_of(url):
    """Return a URL as a settings file has it."""
    return url.render_as_string(hide_password=False)


def test_application(project):
    """*Configuration, Application*: the class of the page starts at every start point, its database called main."""
    script = "import rotarran, sys; app = getattr(rotarran.main, sys.argv[1])(); print(rotarran.main['database']['main'].safe_url)"

    for start_point in ("run_uwsgi", "run_shell", "run_command"):
        assert "://" in project.run("-c", script, start_point)


def test_migration(project):
    """*Migration - Alembic*: alembic init, the three lines of env.py, and Alembic's own commands: generate, upgrade, check, on paper."""
    project.migrate()

    project.run("-m", "alembic", "check")
    project.fill()
    assert "CREATE TABLE warrior" in project.run("-m", "alembic", "upgrade", "head", "--sql")
    project.run("-m", "alembic", "downgrade", "base")


def test_request(project):
    """*Web server - request*: the session is a property of the request, closed after it, and you commit by yourself."""
    project.migrate()
    project.fill()
    script = """
        from pyramid.response import Response
        from rotarran.application.app import RotarranApplication
        from rotarran.application.db import Warrior
        from webtest import TestApp

        seen = []

        def view(request):
            seen.append(request.main)
            request.main.add(Warrior(name=request.params.get("name", "Worf")))
            if "commit" in request.params:
                request.main.commit()
            return Response(" ".join(warrior.name for warrior in request.main.query(Warrior).all()))

        class Application(RotarranApplication):
            class MetaConfig:
                settings_module = "rotarran.settings"

            def append_web_plugins(self):
                super().append_web_plugins()
                self.config.add_route("all", "/")
                self.config.add_view(view, route_name="all")

        application = Application()
        web = TestApp(application.run_uwsgi())
        print(web.get("/?commit=1").text)
        print(web.get("/?name=Gowron").text)
        print(web.get("/?name=Kurn").text)
        assert not any(session.in_transaction() for session in seen)
        assert application["database"]["main"].engine.pool.checkedout() == 0
        application.stop()
    """

    printed = project.run("-W", "ignore", "-c", dedent(script)).splitlines()

    assert printed[-3:] == ["Martok Worf", "Martok Worf Gowron", "Martok Worf Kurn"]


def test_celery(project):
    """*Celery*: the decorated task gets a session by the name of its database, closed when the task ends."""
    project.migrate()
    project.fill()
    body = "from rotarran.application.db import Warrior\nreturn main, main.get(Warrior, 1).name\n"
    project.write("rotarran/tasks.py", TASK + indent(body, " " * 4))
    script = """
        import rotarran
        rotarran.main.run_command()
        from rotarran.tasks import mytask
        session, name = mytask()
        print(name, session.in_transaction())
    """

    assert project.run("-c", dedent(script)).strip() == "Martok False"


def test_tests(project):
    """*Tests*: the class of the page is collected by pytest and works on the database of the tests, recreated and migrated."""
    project.migrate()
    project.fill()
    body = """
        from rotarran.application.db import Warrior
        assert dbsession.query(Warrior).count() == 0
        dbsession.add(Warrior(name="Kurn"))
        dbsession.commit()

    def test_again(self, dbsession, application, dbplugin):
        from rotarran.application.db import Warrior
        assert dbsession.query(Warrior).count() == 0
        assert application["database"] is dbplugin
        assert application.start_point == "tests"
    """
    project.write("test_something.py", FIXTURE + body)

    printed = project.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(project.folder))

    assert "2 passed" in printed


def test_cqrs(project):
    """*CQRS*: two drivers per model, made in a controller on the session of a database, here called database."""
    project.migrate()
    project.fill()
    imports = "from qapla.driver import ReadDriver, WriteDriver\nfrom rotarran.application.db import Warrior as Model\n"
    page = "class Page:\n    def __init__(self, request):\n        self.request = request\n\n    def make(self):\n"
    project.write("rotarran/page.py", imports + DRIVERS + page + indent(CONTROLLER, " " * 8) + "        return obj\n")
    script = """
        from types import SimpleNamespace
        import rotarran
        rotarran.main.run_command()
        from rotarran.page import ModelReadDriver, ModelWriteDriver, Page
        with rotarran.main.scope() as scope:
            session = scope["database"]["main"]
            print(Page(SimpleNamespace(database=session)).make().name, ModelWriteDriver(session).create(name="Worf").name)
            print(ModelReadDriver(session).count())
    """

    assert project.run("-c", dedent(script)).split() == ["Martok", "Worf", "2"]
