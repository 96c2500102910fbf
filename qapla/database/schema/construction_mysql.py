"""What only the catalog of MariaDB says about how tables are built: checks, of which SQLAlchemy reads those of tables only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qapla.database.schema.construction import Check
from qapla.database.schema.description import TableName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from qapla.database.schema.construction import Built

# The check of a column has that column's name, which is none of its own.
CHECKS = """
SELECT CONSTRAINT_SCHEMA, TABLE_NAME, IF(LEVEL = 'Column', NULL, CONSTRAINT_NAME), CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA IN %s
"""


def add_checks(connection: Connection, built: Mapping[TableName, Built]) -> dict[TableName, Built]:
    """Return *built* with all checks."""
    schemas = tuple({name.schema for name in built})
    found: dict[TableName, list[Check]] = {}
    for schema, table, name, sql in connection.exec_driver_sql(CHECKS, (schemas,)).fetchall() if schemas else ():
        found.setdefault(TableName(schema, table), []).append(Check(name, sql))
    return {name: replace(one, checks=tuple(found.get(name, ()))) for name, one in built.items()}
