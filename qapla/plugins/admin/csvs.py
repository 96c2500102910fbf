"""CSV for spreadsheets: what a spreadsheet would run as a formula is made text by a ``'`` in front.

The CSV of the REST API is exact; this one is for people who open it with a double click (OWASP: CSV injection).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from typing import TYPE_CHECKING

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
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    for row in csv.reader(_lines(chunks)):
        writer.writerow([disarm(cell) for cell in row])
        if buffer.tell() > CHUNK:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def csv_response(chunks: Iterable[bytes], table: Table) -> Response:
    """Return the download of a table's rows."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", table.name.name).strip("._") or "rows"
    response = Response(content_type="text/csv", charset="utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
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
