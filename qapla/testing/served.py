"""A database as the catalog would serve it: for tests of anything that reads or writes rows."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qapla.database.bulkhead import make_bulkhead_from_url
from qapla.database.catalog import Options, Served
from qapla.database.schema.inspect import inspect
from qapla.testing.oddities import run_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

    from qapla.database.schema.description import TableName


@contextmanager
def serve(url: URL, script: str = "", **options: Any) -> Iterator[Served]:
    """Run *script* in the database at *url*, look at it and serve it with these options; everything is closed afterwards."""
    if script:
        run_script(url, script)
    bulkhead = make_bulkhead_from_url(url, "test", Options(**options))
    try:
        with bulkhead.connection() as connection:
            schema = inspect(connection)
        yield Served("test", schema, bulkhead.options, bulkhead)
    finally:
        bulkhead.close()


def table_name(served: Served, name: str) -> TableName:
    """Return the full name of the table called *name*."""
    return next(table.name for table in served.schema.tables if table.name.name == name)
