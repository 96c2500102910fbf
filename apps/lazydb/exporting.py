"""Write the file of an export: the rows that its owner may see now, within what the disk and the settings allow."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

from qapla.driver.table_read import TableReadDriver
from qapla.errors import NotFound, TooLarge, Unavailable
from qapla.plugins.admin.cells import print_size
from qapla.plugins.admin.csvs import disarm_counted
from qapla.plugins.admin.listing import make_query, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from lazydb.exports import Exported
    from qapla.database.catalog import Served
    from qapla.database.query.description import Query
    from qapla.database.schema.description import Table
    from qapla.driver.table_read import Format
    from qapla.ports import Work

MAX_BYTES = 10 * 10**9  # of all exports of this machine together
FREE_BYTES = 500 * 10**6  # that stay on the disk for everybody else
LOOK_EVERY_S = 1.0


def write_export(work: Work, export: Exported) -> str:
    """Write the file and return what became of it, in words. A second run writes it anew; a file is whole or not there.

    Raises:
        NotFound: the table is gone, or the export was deleted meanwhile.
        TooLarge, Unavailable: exports take up too much, or the disk is full.
    """
    exports = work.app["exports"]
    served: Served = work.app["catalog"].get(export.database)
    table, query = find_rows(served, export)
    rights = work.app["policy"].rights(export.user, export.database)
    exports.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A name of this run's own: a broker may have given the same work to somebody else, too.
    fresh: Path = exports.folder / f"{export.id}.{uuid.uuid4().hex[:8]}.part"
    expected = table.row_estimate if query.where is None else None
    try:
        stream = TableReadDriver(served, rights).stream(query, cast("Format", export.format))
        with closing(cast("Any", stream)), open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            rows, size = _write(work, export, count(stream, export.format), file, expected)
        fresh.replace(exports.path(export))
    except OSError as error:
        raise Unavailable(f"the file cannot be written: {error.strerror}", hint="is the disk full?") from error
    finally:
        fresh.unlink(missing_ok=True)
    exports.finish(export.id, rows, size)
    most = served.options.db_max_rows
    return told(rows, size) + (f"; cut at {most:,} rows, the db_max_rows of this database" if most is not None and rows >= most else "")


def find_rows(served: Served, export: Exported) -> tuple[Table, Query]:
    """Return the table, and the question for every row of the list.

    Raises:
        NotFound: the table is not there any more.
        QueryError: a filter or a sort names what is not there.
    """
    name = next((each for each in served.schema.tables if (each.name.schema, each.name.name) == (export.schema, export.table)), None)
    if name is None:
        raise NotFound(f"table {export.table!r} is not there any more")
    query = make_query(parse(parse_qsl(export.listing, keep_blank_values=True)).first(), name)
    return name, replace(query, window=replace(query.window, limit=None))


def count(pieces: Iterable[bytes], format: str) -> Iterator[tuple[bytes, int]]:
    """Yield what goes into the file, each piece with the number of rows up to its end; CSV is made safe for spreadsheets."""
    if format == "csv":
        yield from disarm_counted(pieces)
        return
    rows = 0
    for piece in pieces:
        rows += piece.count(b"\n")
        yield piece, rows


def told(rows: int, size: int) -> str:
    """Return how much there is, in words."""
    return f"{rows:,} row{'' if rows == 1 else 's'}, {print_size(size)}"


def _write(work: Work, export: Exported, pieces: Iterator[tuple[bytes, int]], file: Any, expected: int | None) -> tuple[int, int]:
    rows, size, looked_at = 0, 0, float("-inf")
    for piece, rows in pieces:
        if time.monotonic() - looked_at > LOOK_EVERY_S:
            looked_at = time.monotonic()
            look(work, export)
        file.write(piece)
        size += len(piece)
        work.progress(min(rows / expected, 0.99) if expected else 0.0, told(rows, size))
    return rows, size


def look(work: Work, export: Exported) -> None:
    """Find out whether to go on.

    Raises:
        NotFound: nobody wants it any more.
        TooLarge: all exports together have become too large.
        Unavailable: the disk is nearly full.
    """
    exports = work.app["exports"]
    try:
        is_wanted = exports.find(export.id) is not None
    except Unavailable:  # the registry is away for a moment: rows that were read already are not given up for that
        is_wanted = True
    if not is_wanted:
        raise NotFound("the export was deleted")
    most = work.app.settings.read("lazydb:exports_max_bytes", int, MAX_BYTES, "a number of bytes")
    if sum(entry.stat().st_size for entry in exports.folder.iterdir()) > most:
        raise TooLarge(f"all exports together are larger than {print_size(most)}", hint="delete some, or narrow the list by filters")
    free = shutil.disk_usage(exports.folder).free
    if free < FREE_BYTES:
        hint = f"{print_size(FREE_BYTES)} are kept free; delete some exports, or narrow the list"
        raise Unavailable(f"only {print_size(free)} are left on the disk", hint=hint)
