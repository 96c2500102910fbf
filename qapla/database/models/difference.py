"""A database whose table is not what the model says: which columns it lacks, and which it has besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError

from qapla.errors import DatabaseError, QaplaError, closest

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapper

    from qapla.database.models.bound import Bound

MISSING = ("42703", "PGRST205", "42P01")  # a column, a table


def explain(bound: Bound, mapper: Mapper[Any], error: QaplaError) -> QaplaError:
    """Return *error* with what is different in the database, where something is missing there; else as it is.

    It costs a look into the catalog, on a connection of its own: the session's may be in a transaction that has failed.
    """
    if error.code not in MISSING:
        return error
    try:
        with bound.engine.connect() as connection:
            found = _compare(sa.inspect(connection), mapper)
    except SQLAlchemyError:
        return error
    if found is None:
        return error
    what, hint = found
    return DatabaseError(f"database {bound.name!r} {what}", code=error.code, status=error.status, hint=hint)


def _compare(inspector: sa.Inspector, mapper: Mapper[Any]) -> tuple[str, str] | None:
    for table in mapper.tables:
        if not isinstance(table, sa.Table):
            continue
        model, name = mapper.class_.__name__, table.name
        try:
            there = [column["name"] for column in inspector.get_columns(name, table.schema)]
        except NoSuchTableError:
            return f"has no table {name!r} for model {model!r}", "db.create_table makes it, or choose the databases: using(…)"
        missing = [column.name for column in table.columns if column.name not in there]
        besides = [column for column in there if column not in table.columns]
        if missing:
            said = f"has other columns in table {name!r} than model {model!r}: without {_listed(missing)}"
            near = closest(missing[0], besides)
            hint = f"is {missing[0]!r} called {near!r} there?" if near else "alter the table, or select the columns that all have"
            return said + (f", and with {_listed(besides)}" if besides else ""), hint
    return None


def _listed(columns: list[str]) -> str:
    return ", ".join(repr(column) for column in columns[:8]) + (", …" if len(columns) > 8 else "")
