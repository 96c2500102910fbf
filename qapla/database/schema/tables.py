"""Tables of a description as SQLAlchemy Core tables, for statements that people write; light, without constraints.

Names are always quoted, so that they mean exactly what the engine's catalog says, on Oracle too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import quoted_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.types import TypeEngine

    from qapla.database.schema.description import ColumnType, Kind, Table

SIMPLE: Mapping[Kind, Callable[[], TypeEngine[Any]]] = {
    "boolean": sa.Boolean,
    "integer": sa.Integer,
    "float": sa.Double,
    "date": sa.Date,
    "time": sa.Time,
    "timestamp": sa.DateTime,
    "timestamp_tz": lambda: sa.DateTime(timezone=True),
    "interval": sa.Interval,
    "uuid": sa.Uuid,
    "json": sa.JSON,
}


def core_table(table: Table) -> sa.TableClause:
    """Return *table* for ``select()`` and its kin."""
    columns = [sa.column(quoted(column.name), core_type(column.type)) for column in table.columns]
    schema = table.name.schema
    return sa.table(quoted(table.name.name), *columns, **({} if schema is None else {"schema": quoted(schema)}))


def core_type(found: ColumnType) -> TypeEngine[Any]:
    """Return the nearest type of SQLAlchemy; NullType, which changes no value, where there is none on every engine."""
    if found.kind == "decimal":
        return sa.Numeric(found.precision, found.scale)
    if found.kind == "text":
        return sa.String(found.length)
    if found.kind == "enum":
        return sa.String()  # as text, so that a value that was added later is no error
    if found.kind == "binary":
        return sa.LargeBinary(found.length)
    if found.kind == "array" and found.item is not None:
        return sa.ARRAY(core_type(found.item))
    return SIMPLE.get(found.kind, sa.types.NullType)()


def quoted(name: str | None) -> Any:
    """Return a name that SQLAlchemy quotes always; None stays None."""
    return None if name is None else quoted_name(name, True)
