"""The formats that rows can be sent as: one entry each, with the form of a body that it wants and how bodies become bytes.

Everything is made chunk by chunk, so that a format costs the same memory for any number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qapla.database.query.printing import list_names, print_csv, print_json, print_lines
from qapla.errors import NotOffered, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from qapla.database.query.printing import Body
    from qapla.database.query.shape import Form, Read
    from qapla.database.schema.description import DatabaseSchema

    Chunks = Iterable[Sequence[Body]]
    Print = Callable[[Chunks, Read, DatabaseSchema], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Printer:
    """One format."""

    print: Print
    form: Form = "row"


def _json(chunks: Chunks, _read: Read, _schema: DatabaseSchema) -> Iterator[bytes]:
    return print_json(chunks)


def _lines(chunks: Chunks, _read: Read, _schema: DatabaseSchema) -> Iterator[bytes]:
    return print_lines(chunks)


def _csv(chunks: Chunks, read: Read, _schema: DatabaseSchema) -> Iterator[bytes]:
    return print_csv(chunks, list_names(read))


def _features(chunks: Chunks, _read: Read, _schema: DatabaseSchema) -> Iterator[bytes]:
    opening = b'{"type":"FeatureCollection","features":'
    for piece in print_json(chunks):
        yield opening + piece
        opening = b""
    yield b"}"


def _arrow(chunks: Chunks, read: Read, schema: DatabaseSchema) -> Iterator[bytes]:
    from qapla.database.query.arrow import print_arrow

    return print_arrow(chunks, read, schema)


def _parquet(chunks: Chunks, read: Read, schema: DatabaseSchema) -> Iterator[bytes]:
    from qapla.database.query.arrow import print_parquet

    return print_parquet(chunks, read, schema)


PRINTERS: Mapping[str, Printer] = {
    "json": Printer(_json),
    "stripped": Printer(_json, "stripped"),
    "ndjson": Printer(_lines),
    "csv": Printer(_csv),
    "geojson": Printer(_features, "feature"),
    "arrow": Printer(_arrow),
    "parquet": Printer(_parquet),
}


def get_printer(format: str) -> Printer:
    """Return the printer of *format*.

    Raises:
        NotOffered: there is no such format.
    """
    try:
        return PRINTERS[format]
    except KeyError:
        raise NotOffered(f"format {format[:100]!r} is not offered", hint=nearest(format, PRINTERS)) from None
