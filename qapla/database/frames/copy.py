"""Rows of PostgreSQL by COPY on the connection that is there, as CSV that Arrow reads.

For what another connection would not see (rows that are not committed, temporary tables), for few rows, and where neither ConnectorX nor
ADBC is installed.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pv

from qapla.database.frames.postgresql import BYTEA, DATE, TIMESTAMP, TIMESTAMPTZ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

BLOCK_BYTES = 2**20
# Types of the CSV's columns by the type of PostgreSQL: days and microseconds for moments, text for what is read later.
_TYPES = {16: pa.bool_(), 21: pa.int16(), 23: pa.int32(), 20: pa.int64(), 26: pa.int64(), 700: pa.float32(), 701: pa.float64(),
          DATE: pa.int32(), TIMESTAMP: pa.int64(), TIMESTAMPTZ: pa.int64()}  # fmt: skip


def read(connection: Connection, sql: str, names: Sequence[str], types: Sequence[int | None]) -> pa.Table:
    """Return the rows of *sql*.

    Args:
        names: of its columns.
        types: the numbers that PostgreSQL has for the types of the columns before they were cast to text; None: it is text.
    """
    driver: Any = connection.connection.driver_connection
    schema = pa.schema([(name, printed_type(type)) for name, type in zip(names, types, strict=True)])
    with driver.cursor() as cursor, cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT csv)".encode()) as rows:
        found = _read(Pieces(rows), schema)
    columns = [read_bytes(column, type) for column, type in zip(found.columns, types, strict=True)]
    return pa.table(columns, names=found.column_names)


def printed_type(type: int | None) -> pa.DataType:
    """Return the type of Arrow in which a type of PostgreSQL is printed; None: it is cast to text."""
    return _TYPES.get(type or 0, pa.string())


def _read(file: Pieces, schema: pa.Schema) -> pa.Table:
    if not file.peek():
        return schema.empty_table()
    convert = pv.ConvertOptions(
        column_types=schema,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,  # an empty text is quoted, NULL is not
        true_values=["t"],
        false_values=["f"],
    )
    parse = pv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)  # an empty line is a row of one NULL
    how = pv.ReadOptions(column_names=schema.names, block_size=BLOCK_BYTES, use_threads=False)
    return pv.read_csv(file, read_options=how, parse_options=parse, convert_options=convert)


def read_bytes(texts: pa.ChunkedArray, type: int | None) -> pa.ChunkedArray:
    """Return bytes of those in hex, if *type* is that of bytes; else what is given."""
    if type != BYTEA:
        return texts
    chunks = [[None if text is None else bytes.fromhex(text) for text in chunk.to_pylist()] for chunk in texts.chunks]
    return pa.chunked_array(chunks, pa.binary())


class Pieces(io.RawIOBase):
    """The pieces of a COPY as a file for reading."""

    def __init__(self, pieces: Any) -> None:
        super().__init__()
        self._pieces = iter(pieces)
        self._rest = bytearray()
        self._ended = False

    def readable(self) -> bool:
        """Tell that it is for reading."""
        return True

    def peek(self) -> bool:
        """Tell whether there is anything to read."""
        self._fill(1)
        return bool(self._rest)

    def readinto(self, buffer: Any) -> int:
        """Put the next bytes into *buffer*; return how many, 0 at the end."""
        self._fill(len(buffer))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        del self._rest[:size]
        return size

    def _fill(self, size: int) -> None:
        while len(self._rest) < size and not self._ended:
            piece = next(self._pieces, None)
            if piece is None:
                self._ended = True
            else:
                self._rest += piece
