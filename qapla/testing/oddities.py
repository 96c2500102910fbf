"""A database with every oddity that an inspection has to get right, on each engine: for tests of anything that reads a schema.

The SQL is in ``tests/integration/database/schema/oddities/{postgresql,mariadb,sqlite}.sql``.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import NullPool, create_engine

from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection

FOLDER = Path(__file__).parents[2] / "tests" / "integration" / "database" / "schema" / "oddities"


@contextmanager
def make_oddities(engine_name: str) -> Iterator[URL]:
    """Make a database full of oddities ("sqlite", "postgresql", "mariadb"), yield its URL, drop it afterwards."""
    with make_database(engine_name) as url:
        run_script(url, (FOLDER / f"{engine_name}.sql").read_text(encoding="utf-8"))
        yield url


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    """Open one connection to *url*; nothing of it stays open."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def run_script(url: URL, script: str) -> None:
    """Run statements that end with a semicolon at the end of a line, each in its own transaction."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        cursor = raw.cursor()
        for statement in re.split(r";\s*\n", re.sub(r"(?m)^--.*\n", "", script)):
            if statement.strip():
                cursor.execute(statement)
        cursor.close()
