"""The part of the contract of engines about a declared ``Database``: sessions, transactions, migrations, making it anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from morfdict import Paths
from sqlalchemy import URL, inspect, text
from sqlalchemy.exc import IntegrityError

from qapla.database import migrate, recreate
from qapla.database.database import Database
from qapla.errors import NotOffered
from qapla.settings import Settings
from qapla.testing.contracts.base import EngineFixtures

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

AddMigration = Callable[[str], Path]


class DeclaredContract(EngineFixtures):
    """What a ``Database`` does."""

    @pytest.fixture
    def add_migration(self, tmp_path: Path) -> AddMigration:
        """Give the test a function that adds a migration."""
        folder = tmp_path / "100% migrations"
        (folder / "versions").mkdir(parents=True)
        (folder / "env.py").write_text(ENV)
        known: list[str] = []

        def add(body: str) -> Path:
            revision = f"{len(known) + 1:04}"
            file = folder / "versions" / f"{revision}.py"
            file.write_text(VERSION.format(revision=revision, before=known[-1] if known else None, body=body))
            known.append(revision)
            return file

        return add

    @pytest.fixture
    def database(self, empty_database: URL, tmp_path: Path) -> Iterator[Database]:
        """Give the test a declared database, which is empty."""
        settings, paths = Settings(), Paths()
        settings["db:main:url"] = empty_database.render_as_string(hide_password=False)
        paths.set("migrations", str(tmp_path / "100% migrations"))
        database = Database("main", "migrations")
        database.configure(settings, paths)
        yield database
        database.dispose()

    def test_session_rolls_back(self, database: Database) -> None:
        """What is not committed is gone."""
        self._make_words(database)

        with database.session() as session:
            session.execute(text("INSERT INTO word (id) VALUES (1)"))
        with database.session() as session:
            session.execute(text("INSERT INTO word (id) VALUES (2)"))
            session.commit()

        assert self._read_words(database) == [2]

    def test_transaction_commits_or_rolls_back(self, database: Database) -> None:
        """``with database.transaction()`` keeps all or nothing."""
        self._make_words(database)
        with database.transaction() as session:
            session.execute(text("INSERT INTO word (id) VALUES (1)"))

        with pytest.raises(IntegrityError), database.transaction() as session:
            session.execute(text("INSERT INTO word (id) VALUES (:id)"), [{"id": 2}, {"id": 1}])

        assert self._read_words(database) == [1]

    def test_brings_up_to_date_once(self, database: Database, add_migration: AddMigration) -> None:
        """Migrations that are missing run; the second time none does."""
        add_migration("op.create_table('word', sa.Column('id', sa.Integer, primary_key=True))")

        assert [migrate.upgrade(database), migrate.upgrade(database)] == [True, False]
        add_migration("op.add_column('word', sa.Column('value', sa.String(20)))")
        assert migrate.upgrade(database)
        with database.session() as session:
            assert session.execute(text("SELECT id, value FROM word")).all() == []

    def test_recreates(self, database: Database) -> None:
        """A database that is made anew is empty, whoever is connected; an engine that has no such thing says so."""
        self._make_words(database)

        if not self.recreates:
            with pytest.raises(NotOffered):
                recreate.recreate(database)
            return
        with database.engine.connect() as connection:
            connection.execute(text("SELECT 1 FROM word")).all()

            recreate.recreate(database)

            connection.invalidate()
        assert inspect(database.engine).get_table_names() == []
        self._make_words(database)

    def _make_words(self, database: Database) -> None:
        with database.engine.begin() as connection:
            connection.execute(text("CREATE TABLE word (id INTEGER PRIMARY KEY)"))

    def _read_words(self, database: Database) -> list[int]:
        with database.session() as session:
            return list(session.scalars(text("SELECT id FROM word ORDER BY id")))
