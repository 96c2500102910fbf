"""Answers that are made while they are sent."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qapla.plugins.rest.answers import Chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qapla.plugins.rest.formats import Format


def breaking(*chunks: bytes) -> Iterator[bytes]:
    """Yield the chunks, then fail."""
    yield from chunks
    raise ConnectionError("gone")


def get(chunks: Chunks) -> bytes:
    """Return what a client gets before the error, which must come."""
    got: list[bytes] = []
    with pytest.raises(ConnectionError):
        got.extend(chunks)
    return b"".join(got)


def read(chunks: Chunks) -> str:
    """Return the text that a client gets."""
    return get(chunks).decode()


class TestChunks:
    """Chunks"""

    @pytest.mark.parametrize(("kind", "chunk"), [("json", b'[{"a":1}'), ("ndjson", b'{"a":1}\n')])
    def test_never_ends_as_a_complete_answer(self, kind: Format, chunk: bytes) -> None:
        """After an error the body cannot be read to its end."""
        body = read(Chunks(chunk, breaking(), kind))

        with pytest.raises(ValueError):
            [json.loads(line) for line in ([body] if kind == "json" else body.splitlines()) if line]

    def test_leaves_csv_open(self) -> None:
        """A quote that does not end."""
        body = read(Chunks(b"a,b\r\n1,2\r\n", breaking(b"3,4\r\n"), "csv"))

        with pytest.raises(csv.Error):
            list(csv.reader([body.splitlines()[-1]], strict=True))

    @pytest.mark.parametrize("kind", ["stripped", "geojson"])
    def test_leaves_other_json_open(self, kind: Format) -> None:
        """What was an array so far is none."""
        with pytest.raises(ValueError):
            json.loads(read(Chunks(b'[{"a":1}', breaking(), kind)))

    def test_leaves_arrow_without_its_end(self) -> None:
        """A stream that just ended would be complete: it breaks in the middle of a message."""
        sink = io.BytesIO()
        writer = pa.ipc.new_stream(sink, pa.schema([("a", pa.int64())]))
        writer.write_batch(pa.record_batch({"a": [1]}))
        body = get(Chunks(sink.getvalue(), breaking(), "arrow"))

        with pytest.raises(pa.ArrowInvalid):
            pa.ipc.open_stream(body).read_all()

    def test_leaves_parquet_without_its_end(self) -> None:
        """A file without a footer is none."""
        body = get(Chunks(b"PAR1...", breaking(), "parquet"))

        with pytest.raises(pa.ArrowInvalid):
            pq.read_table(io.BytesIO(body))

    def test_closes_the_cursor(self) -> None:
        """Also when nobody reads on."""
        closed = []

        class Rows:
            def __iter__(self) -> Rows:
                return self

            def __next__(self) -> bytes:
                return b"x"

            def close(self) -> None:
                closed.append(True)

        chunks = Chunks(b"", Rows(), "csv")
        next(iter(chunks))
        chunks.close()

        assert closed == [True]
