"""A list read straight from its database, as the registry on this machine describes it, without a server."""

from __future__ import annotations

import io
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from lazydb.remote import encoded
from qapla.database.query.description import TableName
from qapla.driver.table_read import TableReadDriver
from qapla.errors import NotFound, NotOffered, QueryError, nearest
from qapla.exits import list_running
from qapla.plugins.rest.language import Limits, parse_query
from qapla.ports import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from qapla.application import Application
    from qapla.database.catalog import Served

NEEDED = ("registry", "sealing", "catalog", "policy")


def read_table(database: str, path: str, query: str, *, schema: str | None, **others: Any) -> pa.Table:
    """Return the rows that ``{path}?{query}`` of REST has in *database*.

    Raises:
        NotFound: there is no such database or table. QueryError: the query is malformed.
    """
    import pyarrow as pa

    with _running() as app:
        served = app["catalog"].find(database)
        if served is None:
            names = [each.name for each in app["catalog"]]
            raise NotFound(f"no database is registered as {database!r}", hint=nearest(database, names) or "`lazydb list` shows them all")
        served = app["catalog"].get(database)
        rights = app["policy"].rights(SYSTEM, database)
        limits = Limits(served.options.max_filter_depth, served.options.max_embed_depth)
        asked = parse_query(encoded(query), find_table(served, path, schema), limits)
        whole = replace(served, options=replace(served.options, db_max_rows=None))  # that is about answers of REST, which go on in pages
        stream = TableReadDriver(whole, rights).stream(asked, "arrow")
        with closing(cast("Any", stream)), pa.ipc.open_stream(io.BufferedReader(Pieces(stream))) as reader:
            table: pa.Table = reader.read_all()
    return table


def find_table(served: Served, path: str, schema: str | None) -> TableName:
    """Return which table *path* names.

    Raises:
        NotFound: there is no such table or schema. NotOffered: it is a function. QueryError: it is the path of one row.
    """
    name = unquote(path)
    where = schema or served.schema.default_schema
    if schema is not None and schema not in served.schema.schemas:
        raise NotFound(f"database {served.name!r} serves no schema {schema!r}", hint=nearest(schema, served.schema.schemas))
    found = served.schema.by_name.get(TableName(where, name))
    if found is not None:
        return found.name
    if name.startswith("rpc/"):
        raise NotOffered("functions are not called straight", hint="a lazydb that serves calls them: url='http://127.0.0.1:8000'")
    known = [table.name.name for table in served.schema.tables if table.name.schema == where]
    if name.partition("/")[0] in known:
        raise QueryError(f"{name[:100]!r} is no list", hint=f"one row is a list, too: {name.partition('/')[0]}?id=eq.1")
    raise NotFound(f"database {served.name!r} has no table {name[:100]!r}", hint=nearest(name, known))


@contextmanager
def _running() -> Iterator[Application]:
    """Lend the lazydb of this process, or one that runs for so long."""
    from lazydb.application import LazydbApplication

    running = next((app for app in list_running() if isinstance(app, LazydbApplication) and app.is_running and "catalog" in app), None)
    if running is not None:
        yield running
        return
    app = LazydbApplication()
    app.run_command(only=NEEDED)
    try:
        yield app
    finally:
        app.stop()


class Pieces(io.RawIOBase):
    """An iterator of bytes as a file that is read once."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = iter(pieces), memoryview(b"")

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill *buffer* with what comes next; 0 at the end."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count
