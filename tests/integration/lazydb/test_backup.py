"""A registry on PostgreSQL, as several machines share it, and its backup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL, create_engine, text

from lazydb.application import LazydbApplication
from lazydb.backup import back_up
from qapla.errors import Conflict, InputError
from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgresql"])
def lazydb(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LazydbApplication]:
    """Give the test lazydb with its registry on each engine that it may be on."""
    with make_database(request.param) as url:
        app = LazydbApplication()
        app.run_tests({"db:main:url": url.render_as_string(hide_password=False), "lazydb:home": str(tmp_path / "home")})
        yield app
        app.stop()


def test_backup_has_every_row(lazydb: LazydbApplication, tmp_path: Path) -> None:
    """The copy has the users, the revision and the version of the registry."""
    lazydb["accounts"].add_user("ada")
    copy = tmp_path / "copy.sqlite"

    rows = back_up(lazydb["registry"], copy)

    engine = create_engine(URL.create("sqlite", database=str(copy)))
    with engine.connect() as connection:
        names = connection.execute(text('SELECT name FROM "user"')).scalars().all()
        versions = connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one()
    engine.dispose()
    assert (names, versions) == (["ada"], 1)
    assert rows >= 3


def test_nothing_is_overwritten(lazydb: LazydbApplication, tmp_path: Path) -> None:
    """A file that is there stays as it is, and nothing is left beside it."""
    copy = tmp_path / "copy.sqlite"
    copy.write_text("mine")

    with pytest.raises(Conflict, match="there already"):
        back_up(lazydb["registry"], copy)

    assert copy.read_text() == "mine"


def test_missing_folder_is_told(lazydb: LazydbApplication, tmp_path: Path) -> None:
    """No folder is made for a backup."""
    with pytest.raises(InputError, match="cannot be written"):
        back_up(lazydb["registry"], tmp_path / "nowhere" / "copy.sqlite")
