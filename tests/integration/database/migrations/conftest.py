"""An application of two databases with migrations, as a person would write it."""

from __future__ import annotations

import os
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
