"""Models of qapla.database.models where SQLAlchemy's own are used: sessions, Alembic, drivers, requests, tasks"""

from __future__ import annotations

import os
import pickle
import re
import secrets
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.config import Config
from click.testing import CliRunner
from sqlalchemy import MetaData, create_engine, select
from sqlalchemy.orm import Session, selectinload
from webtest import TestApp

from qapla.cli import cli
from qapla.database import models
from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.database.decorators import WithDatabase
from qapla.database.drivers import Postgresql, Sqlite, open_url
from qapla.database.models.binding import bound
from qapla.driver.read import ReadDriver
from qapla.driver.write import WriteDriver
from qapla.errors import TargetRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import URL


class Base(models.Model):
    """The models of this module."""

    __abstract__ = True
    metadata = MetaData()


class Poll(Base):
    """What is asked."""

    text = models.Char(max_length=200)
    made = models.Timestamp(auto_now_add=True)


class Answer(Base):
    """What can be answered."""

    poll = models.ForeignKey(Poll)
    votes = models.Integer(default=0)


class PollReadDriver(ReadDriver[Poll]):
    """Questions about polls."""

    model = Poll


class AnswerWriteDriver(WriteDriver[Answer]):
    """Changes of answers."""

    model = Answer


class Polls(DatabaseApplication):
    """An application with one database."""

    class MetaConfig:
        """Any settings do."""

        settings_module = "lazydb.settings"

    def append_app_plugins(self) -> None:
        """Declare the database."""
        self.add_database_app([Database("main")])

    def append_web_plugins(self) -> None:
        """Ask for polls in a view."""
        self.add_database_web()
        self.config.add_route("polls", "/polls")
        self.config.add_view(
            lambda request: [poll.text for poll in PollReadDriver(request.main).filter()], route_name="polls", renderer="json"
        )


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Polls]:
    """Give an application that runs, with a poll in its database."""
    app = Polls()
    app.client = TestApp(app.run_web_tests({"db:main:url": f"sqlite:///{tmp_path}/polls.sqlite"}))  # type: ignore[attr-defined]
    with app["database"]["main"].transaction() as session:
        Base.metadata.create_all(session.connection())
        session.add(Poll(text="Which?"))
    yield app
    app.stop()


class TestSession:
    """Any session of SQLAlchemy"""

    def test_select(self, fresh_database: URL) -> None:
        """A model is a mapped class: ``add``, ``select``, loader options and conditions on relations work, and no block is needed."""
        engine = create_engine(fresh_database)
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Answer(poll=Poll(text="Which?"), votes=3))
            session.commit()

            (poll,) = session.scalars(select(Poll).where(Poll.answers.any(Answer.votes > 2)).options(selectinload(Poll.answers)))
            found = [answer.votes for answer in poll.answers]
            of_poll = session.scalars(select(Answer).where(Answer.poll == poll)).one()

        engine.dispose()
        assert found == [3]
        assert of_poll.poll_id == poll.id

    def test_drivers_and_requests(self, app: Polls) -> None:
        """Drivers, ``request.main`` and ``WithDatabase`` take models; what is open by a block is something else."""

        @WithDatabase(app, "main")
        def work(main: Any) -> tuple[Any, ...]:
            poll = PollReadDriver(main).get_by(text="Which?")
            answer = AnswerWriteDriver(main).create(poll=poll, votes=7)
            with Sqlite(":memory:") as db:
                db.create_table(Poll)
                Poll(text="elsewhere").save()
                inside = (models.bound_of(poll), len(bound()))
            return answer.poll_id == poll.id, PollReadDriver(main).count(), *inside

        assert work() == (True, 1, None, 1)
        assert app.client.get("/polls").json == ["Which?"]  # type: ignore[attr-defined]


class TestDatabase:
    """A declared database, in a block"""

    def test_engine_is_lent(self, app: Polls) -> None:
        """``Sqlite(app["database"]["main"])`` asks the application's own engine, under its name, and leaves it open."""
        main = app["database"]["main"]
        with Sqlite(main) as db:
            Poll(text="Another?").save()
            seen = (db.name, db.engine is main.engine, db.reference.kind, db.reference.text)

        with main.session() as session:
            assert session.scalars(select(Poll.text).order_by(Poll.id)).all() == ["Which?", "Another?"]
        assert seen == ("main", True, "settings", "main")
        assert db.reference.open() is main.engine

    def test_in_another_process(self, app: Polls) -> None:
        """A reference to a declared database is its name: a process without its application says what it needs."""
        with Sqlite(app["database"]["main"]) as db:
            text = pickle.dumps(db.reference)
        program = "import pickle, sys; pickle.load(sys.stdin.buffer).open()"
        environment = {name: value for name, value in os.environ.items() if name != "QAPLA_APP"}

        done = subprocess.run([sys.executable, "-c", program], input=text, capture_output=True, cwd="/", env=environment, check=False)

        assert re.search(rb"NotBound: no application that declares database 'main' runs .*QAPLA_APP", done.stderr)
        assert b"polls.sqlite" not in text

    def test_of_another_engine(self, app: Polls) -> None:
        """The class says the engine; one for another engine is refused with the right one."""
        with pytest.raises(TargetRefused, match=r"Postgresql cannot open a database of SQLite \(with Sqlite\(…\)\)"):
            Postgresql(app["database"]["main"])


MODELS = '''
from sqlalchemy import MetaData
from qapla.database import models


class Base(models.Model):
    __abstract__ = True
    metadata = MetaData()


class Song(Base):
    title = models.Char(max_length=50, unique=True)
    length = models.Decimal(8, 2, null=True)
    at = models.Timestamp()
    wall = models.DateTime(null=True)
    token = models.GUID()
    data = models.JSON(null=True)
    address = models.IP(null=True)
    mood = models.Enum("slow", "it's fast", server_default="'slow'")
    is_live = models.Boolean(default=False)
    cover_of = models.ForeignKey("self", null=True, index=True)
    singers = models.ManyToMany("Singer")


class Singer(Base):
    code = models.Char(max_length=5, primary_key=True)
    password = models.Password(null=True)
'''


class TestAlembic:
    """AlembicEnv(main, Model, "main")"""

    @pytest.fixture
    def package(self, tmp_path: Path, fresh_database: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        """Write an application with models and a folder of migrations."""
        name = f"songs_{secrets.token_hex(4)}"
        folder = tmp_path / name
        (folder / "settings").mkdir(parents=True)
        (folder / "__init__.py").write_text(
            "from qapla.database.application import DatabaseApplication\nfrom qapla.database.database import Database\n\n"
            "class Songs(DatabaseApplication):\n    def append_app_plugins(self):\n"
            "        self.add_database_app([Database('main', 'migrations')])\n\nmain = Songs()\n"
        )
        (folder / "models.py").write_text(MODELS)
        (folder / "settings" / "__init__.py").write_text("")
        (folder / "settings" / "default.py").write_text(
            f"def make_settings(settings, paths):\n    paths.set('migrations', {str(tmp_path / 'migrations')!r})\n"
            f"    settings['db:main:url'] = {fresh_database.render_as_string(hide_password=False)!r}\n"
        )
        (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
        command.init(Config(tmp_path / "alembic.ini"), str(tmp_path / "migrations"))
        (tmp_path / "migrations" / "env.py").write_text(
            f"from qapla.database.env import AlembicEnv\nfrom {name} import main\nfrom {name}.models import Base\n"
            "AlembicEnv(main, Base, 'main').run()\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        yield name
        if name in sys.modules:
            sys.modules[name].main.stop()
        for each in [each for each in sys.modules if each.startswith(name)]:
            del sys.modules[each]

    def test_autogenerate(self, package: str, tmp_path: Path, fresh_database: URL) -> None:
        """Alembic writes a migration that makes the tables of the models, and then finds nothing to change."""
        command.revision(Config(tmp_path / "alembic.ini"), "First things", autogenerate=True)
        made = CliRunner().invoke(cli, ["--app", f"{package}:Songs", "database", "migrate"], catch_exceptions=False)
        checked = CliRunner().invoke(cli, ["--app", f"{package}:Songs", "database", "check"], catch_exceptions=False)

        assert (made.exit_code, checked.exit_code) == (0, 0), made.output + checked.output
        with open_url(fresh_database) as db:
            song = sys.modules[f"{package}.models"].Song(title="x", at="2024-05-17T12:00:00+02:00")
            song.save()
            song.refresh()
            assert (song.mood, song.at.isoformat()) == ("slow", "2024-05-17T10:00:00+00:00")
            assert {"song", "singer", "song_singers"} <= {table.name.name for table in db.discover().tables}
