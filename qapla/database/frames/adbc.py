"""Rows of PostgreSQL by ADBC: COPY in binary, read by a library of Arrow on libpq, with a connection of its own.

It connects as psycopg does, TLS, sockets and several hosts included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from qapla.database.frames.postgresql import Question


def can_read(question: Question) -> bool:
    """Tell whether ADBC's driver for PostgreSQL is there."""
    from importlib.util import find_spec

    return find_spec("adbc_driver_postgresql") is not None


def read(question: Question) -> pa.Table:
    """Return the rows of *question*.

    Raises:
        Exception: whatever ADBC raises, of no use to anybody: it may quote the statement.
    """
    from adbc_driver_postgresql import dbapi
    from psycopg.conninfo import make_conninfo

    with dbapi.connect(make_conninfo(**question.parameters), autocommit=True) as connection, connection.cursor() as cursor:
        if question.settings:
            cursor.execute(question.settings)
            cursor.fetchall()
        cursor.execute(question.sql)
        found: pa.Table = cursor.fetch_arrow_table()
    return found.replace_schema_metadata(None)
