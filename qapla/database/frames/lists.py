"""Rows of PostgreSQL with arrays, or with types of one's own: read by psycopg, all other columns as COPY would print them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from qapla.database.frames.arrays import build, chunked, convert
from qapla.database.frames.copy import printed_type, read_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from qapla.database.frames.fields import Field

BATCH_ROWS = 10_000


def read(connection: Connection, sql: str, fields: Sequence[Field], types: Sequence[int | None], database: str) -> pa.Table:
    """Return the rows of *sql*.

    Args:
        types: the numbers that PostgreSQL has for the types of the columns before they were cast to text; None: it is text.

    Raises:
        NotOffered: a value is none of its column's type.
    """
    driver: Any = connection.connection.driver_connection
    name = None if driver.autocommit else "qapla_frame"  # a cursor in the server lives in a transaction
    batches: list[list[pa.Array | pa.ChunkedArray]] = []
    with driver.cursor(name=name) if name else driver.cursor() as cursor:
        cursor.execute(sql.encode())
        while rows := cursor.fetchmany(BATCH_ROWS):
            columns = zip(*rows, strict=True)
            batches.append([_build(values, field, type, database) for values, field, type in zip(columns, fields, types, strict=True)])
    found = [chunked([batch[place] for batch in batches], field, database) for place, field in enumerate(fields)]
    return pa.table(found, names=[field.name for field in fields])


def _build(values: Sequence[Any], field: Field, type: int | None, database: str) -> pa.Array:
    if field.process is not None or pa.types.is_list(field.arrow):
        return build(values, field, database)
    found = pa.chunked_array([pa.array(values, printed_type(type))])
    return convert(read_bytes(found, type), field, database).combine_chunks()
