"""qapla.testing.at_most"""

from __future__ import annotations

import pytest
from morfdict import Paths
from sqlalchemy import text

from qapla.database.database import Database
from qapla.settings import Settings
from qapla.testing import at_most


def test_engine_that_is_made_within_the_block() -> None:
    """Statements are counted from the first on, and not any more after the block."""
    database = Database("main")
    database.configure(Settings({"db": {"main": {"url": "sqlite://"}}}), Paths())

    with at_most(2, database) as seen, database.session() as session:
        session.execute(text("SELECT 1"))
        session.execute(text("SELECT 2"))
    with database.session() as session:
        session.execute(text("SELECT 3"))

    assert seen == ["SELECT 1", "SELECT 2"]
    assert database.on_engine == []
    database.dispose()


def test_nothing_to_count_on() -> None:
    """A block that could never fail is refused."""
    with pytest.raises(TypeError, match="none is named"), at_most(1):
        pass
