"""Rows in the format that a caller likes best: what each format asks of a read, and what its answers have in their headers."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from qapla.database.query.nulls import strip_nulls
from qapla.database.query.printing import split_array
from qapla.plugins.rest.errors import NotAcceptable
from qapla.plugins.rest.formats import OBJECTS, ROWS, choose_format

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qapla.database.query.description import Query
    from qapla.database.query.shape import Form
    from qapla.driver.table_read import Format as Streamed
    from qapla.driver.table_read import Page, TableReadDriver
    from qapla.plugins.rest.answers import Headers
    from qapla.plugins.rest.formats import Format

FORMS: Mapping[Format, Form] = {"json": "row", "stripped": "stripped", "stripped_object": "stripped", "geojson": "feature"}
WRITTEN = frozenset({"json", "stripped", *OBJECTS, "csv", "ndjson"})  # that print any cell: once rows are written it is too late to refuse
FILES: Mapping[Format, str] = {"arrow": "arrows", "parquet": "parquet"}  # what a browser can only save, and as what
PLAIN = frozenset({"json", "stripped", *OBJECTS})  # what a page's body is already
WHOLE_ROWS: Mapping[Format, int] = {"json": 100_000, "stripped": 100_000}  # most rows of an answer that is made in one piece
FIRST_ROWS = 1000  # of what is longer, to know whether it is; and the most of every other format


def choose_rows(accept: str | None, offered: tuple[Format, ...] = ROWS) -> Format:
    """Return the format for rows, among those *offered*, that the header *accept* likes best.

    Raises:
        NotAcceptable: there is none (PGRST107), or it takes a library that is not installed (QAPLA100).
    """
    kind = choose_format(accept, offered)
    if kind in FILES and find_spec("pyarrow") is None:
        hint = "install it: pip install 'qapla[arrow]'"
        raise NotAcceptable(f"answers as {kind} need pyarrow, which is not installed here", code="QAPLA100", hint=hint)
    return kind


def is_long(kind: Format, limit: int | None, most: int | None) -> bool:
    """Tell whether an answer may have more rows than are made in one piece.

    Args:
        most: the ``db_max_rows`` of the connection.
    """
    if limit is None or (most is not None and most < limit):
        limit = most
    return limit is None or limit > WHOLE_ROWS.get(kind, FIRST_ROWS)


def print_page(page: Page, kind: Format) -> bytes:
    """Return the rows of a page as one of the formats for any number of them."""
    return page.body if kind in PLAIN else page.print(cast("Streamed", kind))


def print_written(body: bytes, kind: Format, driver: TableReadDriver, query: Query) -> bytes:
    """Return the JSON array of rows that were written, and read back as *query* shows them, as one of the formats."""
    if kind == "json":
        return body
    return strip_nulls(body) if kind == "stripped" else driver.print(query, cast("Streamed", kind), split_array(body))


def print_object(body: bytes, kind: Format) -> bytes:
    """Return the JSON of one whole row as a format for one row."""
    return strip_nulls(body) if FORMS.get(kind) == "stripped" else body


def file_headers(kind: Format, name: str) -> Headers:
    """Return the header that gives a file its name, where an answer is one."""
    if kind not in FILES:
        return []
    plain = "".join(letter if (letter.isalnum() and letter.isascii()) or letter in "-_." else "_" for letter in name)
    ending = FILES[kind]
    return [("Content-Disposition", f"attachment; filename=\"{plain}.{ending}\"; filename*=UTF-8''{quote(name, safe='')}.{ending}")]
