"""CSV for spreadsheets: what a spreadsheet would run as a formula is made text by a ``'`` in front.

The CSV of the REST API is exact; this one is for people who open it with a double click (OWASP: CSV injection).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from pyramid.response import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qapla.database.schema.description import Table

_NUMBER = re.compile(r"[-+]?[0-9][0-9.]*([eE][-+]?[0-9]+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
CHUNK = 64 * 1024

csv.field_size_limit(2**31 - 1)  # a cell may be as large as its database allows; the limit is one of the process


def disarm(cell: str) -> str:
    """Return *cell* so that no spreadsheet runs it; a negative number stays a number."""
    return f"'{cell}" if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) else cell


def disarm_stream(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the CSV in *chunks* with every cell disarmed, in constant memory."""
    return (piece for piece, _rows in disarm_counted(chunks))


def disarm_counted(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield what ``disarm_stream`` does, each piece with the number of rows up to its end; the header is none."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    rows = -1
    for row in csv.reader(_lines(chunks)):
        writer.writerow([disarm(cell) for cell in row])
        rows += 1
        if buffer.tell() > CHUNK:
            yield buffer.getvalue().encode(), rows
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode(), max(rows, 0)


def attachment(name: str, ending: str) -> str:
    """Return the ``Content-Disposition`` of a download: an ASCII name for every program, the real one for those that read RFC 8187."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._") or "rows"
    value = f'attachment; filename="{plain}.{ending}"'
    shown = "".join("_" if letter in '/\\' or not letter.isprintable() else letter for letter in name)
    return value if plain == name else f"{value}; filename*=UTF-8''{quote(f'{shown}.{ending}', safe='')}"


def csv_response(chunks: Iterable[bytes], table: Table) -> Response:
    """Return the download of a table's rows."""
    response = Response(content_type="text/csv", charset="utf-8")
    response.headers["Content-Disposition"] = attachment(table.name.name, "csv")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, no-store"
    response.app_iter = disarm_stream(chunks)
    return response


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines with their ends, wherever the chunks are cut."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    for chunk in chunks:
        *whole, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from (f"{line}\n" for line in whole)
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest
