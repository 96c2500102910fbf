"""The registry's tables, as models and as migrations make them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from alembic.script import ScriptDirectory
from morfdict import Paths
from sqlalchemy import select, text

from lazydb.models import HEAD, Revision, bump
from lazydb.settings.default import make_settings
from qapla.database import migrate
from qapla.database.database import Database
from qapla.database.drift import find_drift
from qapla.settings import Settings
from qapla.testing import servers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["sqlite", "postgresql"])
def registry(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Give the test a registry that migrations have just made."""
    with servers.make_database(request.param) as url:
        settings, paths = Settings(), Paths()
        make_settings(settings, paths)
        settings["db:main:url"] = url.render_as_string(hide_password=False).replace("postgresql://", "postgresql+psycopg://")
        database = Database("main", "migrations")
        database.configure(settings, paths)
        migrate.upgrade(database)
        yield database
        database.dispose()


def test_models_and_migrations_agree(registry: Database) -> None:
    """What the migrations make is exactly what the models say."""
    assert find_drift(registry) == []


def test_the_program_knows_its_last_migration(registry: Database) -> None:
    """An empty registry is not at the head, a migrated one is, without Alembic being asked."""
    script = ScriptDirectory.from_config(migrate.make_config(registry))

    assert script.get_heads() == [HEAD]
    assert migrate.is_at(registry, HEAD)
    with registry.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not migrate.is_at(registry, HEAD)
    with registry.engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    assert not migrate.is_at(registry, HEAD)


def test_every_bump_counts_up(registry: Database) -> None:
    """A change counts the revision up by one; one that is rolled back does not."""
    with registry.transaction() as session:
        first = bump(session)
    with suppress(ZeroDivisionError), registry.transaction() as session:
        bump(session)
        raise ZeroDivisionError
    with registry.transaction() as session:
        second = bump(session)

    assert second == first + 1
    with registry.session() as session:
        assert session.scalars(select(Revision.number)).all() == [second]


def test_ids_are_never_used_again(registry: Database) -> None:
    """A removed connection's id is not given to the next one: sealed passwords are bound to it."""
    insert = text(
        "INSERT INTO connection (name, engine, target, target_key, options, paused, revision, created_at, updated_at)"
        " VALUES ('a', 'sqlite', '{}', 'x', '{}', :no, 1, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP) RETURNING id"
    )
    with registry.transaction() as session:
        first = session.scalar(insert, {"no": False})
        session.execute(text("DELETE FROM connection"))
        second = session.scalar(insert, {"no": False})

    assert second > first
