"""The first migration of a database that exists already: what it makes where there is nothing, and leaves alone where all is there.

::

    def upgrade() -> None:
        if not is_there(op.get_bind(), TABLES):
            run(STATEMENTS)

``TABLES`` is what ``qapla database check`` takes for made by the migrations, as if each had been in an ``op.create_table``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import DDL, inspect

from qapla.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Connection


def run(statements: Iterable[str]) -> None:
    """Run statements as they are, or print them where Alembic writes SQL: no sign in them means anything but itself."""
    from alembic import op

    for statement in statements:
        op.execute(DDL(statement.replace("%", "%%")))


def is_there(connection: Connection | None, tables: Collection[tuple[str | None, str]]) -> bool:
    """Tell whether the database has all of *tables*: it was there before its migrations, and nothing needs to be made.

    Args:
        connection: None where there is none, as with ``--sql``.
        tables: schema and name of each; None is the default schema.

    Raises:
        ConfigurationError: some are there and some are not, which is neither the old database nor a new one.
    """
    if connection is None:  # SQL is printed, for an empty database
        return False
    inspector = inspect(connection)
    missing = [name for schema, name in tables if not inspector.has_table(name, schema=schema)]
    if not missing:
        return True
    if len(missing) < len(tables):
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ConfigurationError(
            f"the database has some of the tables of its first migration, and not {missing[0]!r}{more}",
            hint="let it make them in an empty database, or make what is missing by hand",
        )
    return False
