"""Rows as Arrow: a stream of record batches, or a Parquet file, made of the JSON that the database printed.

Types come from the schema (``arrowtypes.py``), so that every answer to one question has the same. A cell that its type cannot hold
(infinity in a timestamp, a text in a number of SQLite) is never changed or left out: it is an error that names the column.
"""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq

from qapla.database.query.arrowtypes import list_columns
from qapla.database.query.printing import clean, join_lines, parse, parse_plain
from qapla.errors import NotOffered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from qapla.database.query.arrowtypes import ArrowColumn
    from qapla.database.query.printing import Body
    from qapla.database.query.shape import Read
    from qapla.database.schema.description import DatabaseSchema

GROUP_ROWS = 100_000  # of a row group of Parquet, unless it is larger than
GROUP_BYTES = 32 * 2**20
CANNOT_HOLD = (pa.ArrowException, TypeError, ValueError, AttributeError)


def print_arrow(chunks: Iterable[Sequence[Body]], read: Read, schema: DatabaseSchema) -> Iterator[bytes]:
    """Yield the stream of the IPC format, a batch per chunk.

    Raises:
        NotOffered: a cell is no value of its column's type.
    """
    columns = list_columns(read, schema)
    sink = Sink()
    writer = pa.ipc.new_stream(sink, _make_schema(columns))
    for bodies in chunks:
        writer.write_batch(make_batch(bodies, columns))
        yield sink.take()
    writer.close()
    yield sink.take()


def print_parquet(chunks: Iterable[Sequence[Body]], read: Read, schema: DatabaseSchema) -> Iterator[bytes]:
    """Yield a Parquet file, row group by row group.

    Raises:
        NotOffered: a cell is no value of its column's type.
    """
    columns = list_columns(read, schema)
    sink = Sink()
    writer = pq.ParquetWriter(sink, _make_schema(columns))
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for bodies in chunks:
        batch = make_batch(bodies, columns)
        group.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            writer.write_table(pa.Table.from_batches(group))
            group, rows, size = [], 0, 0
            yield sink.take()
    if group:
        writer.write_table(pa.Table.from_batches(group))
    writer.close()
    yield sink.take()


def make_batch(bodies: Sequence[Body], columns: Sequence[ArrowColumn]) -> pa.RecordBatch:
    """Return the record batch of some rows."""
    found = _read_at_once(bodies, columns) if all(column.raw is not None for column in columns) else None
    return found if found is not None else _read_row_by_row(bodies, columns)


def _read_at_once(bodies: Sequence[Body], columns: Sequence[ArrowColumn]) -> pa.RecordBatch | None:
    """Return the batch as Arrow reads it; None where it does not understand a cell."""
    text = join_lines(bodies)
    how = pj.ParseOptions(explicit_schema=pa.schema([(column.name, column.raw) for column in columns]), unexpected_field_behavior="ignore")
    try:
        # One block: a row that is larger than a block is an error.
        whole = pj.ReadOptions(use_threads=False, block_size=len(text) + 1)
        table = pj.read_json(pa.BufferReader(text), read_options=whole, parse_options=how)
        arrays = [table.column(column.name).cast(column.type).combine_chunks() for column in columns]
    except CANNOT_HOLD:
        return None
    return pa.RecordBatch.from_arrays(arrays, schema=_make_schema(columns))


def _read_row_by_row(bodies: Sequence[Body], columns: Sequence[ArrowColumn]) -> pa.RecordBatch:
    """Return the batch, or say which column holds what it should not."""
    decode = partial(parse, digits=True) if any(column.is_nested for column in columns) else parse_plain
    rows = [decode(clean(body)) for body in bodies]
    return pa.RecordBatch.from_arrays([_make_array(column, rows) for column in columns], schema=_make_schema(columns))


def _make_array(column: ArrowColumn, rows: list[dict[str, Any]]) -> pa.Array:
    name = column.name
    try:
        return column.build([row.get(name) for row in rows])
    except CANNOT_HOLD as error:
        hint = "ask for it as text, with ::text behind it in select, or for another format"
        raise NotOffered(f"column {name!r} has a value that {column.type} cannot hold", hint=hint) from error


def _make_schema(columns: Sequence[ArrowColumn]) -> pa.Schema:
    return pa.schema([pa.field(column.name, column.type, metadata={"sql_type": column.sql_type}) for column in columns])


class Sink(io.RawIOBase):
    """A file that hands on what was written since it was last asked."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """Tell that it is for writing."""
        return True

    def write(self, piece: Any) -> int:
        """Keep a piece."""
        self._pieces.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        """Return what there is, and forget it."""
        found = b"".join(self._pieces)
        self._pieces.clear()
        return found
