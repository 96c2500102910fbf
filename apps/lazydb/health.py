"""What makes lazydb ready: its registry. A served database that is down makes nobody less ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qapla.database.database import Database


def check_registry(database: Database) -> None:
    """Ask the registry for what every request needs of it."""
    from sqlalchemy import text

    with database.engine.connect() as connection:
        connection.execute(text("SELECT number FROM revision"))
