"""Open a database for a program: what lazydb does with a registered one, in one call.

    with open_database("sqlite:///shop.sqlite") as shop:
        print(shop.schema.tables)
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from qapla.database.address import find_address
from qapla.database.bulkhead import make_bulkhead
from qapla.database.catalog import Options, Served
from qapla.database.check import read_schema
from qapla.database.spec import default_name, parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def open_database(url: str, *, name: str | None = None, options: Options | None = None) -> Iterator[Served]:
    """Read what the database at *url* looks like and give it ready to be asked; its connections are closed at the end.

    Args:
        url: as on the command line: ``postgresql://user:password@host:port/database``, ``sqlite:///PATH`` of an existing file.
        name: what messages call it; by default the database's or the file's own name.
        options: schemas, tables, limits. Writing needs ``Options(writable=True)``.

    Raises:
        TargetRefused: the URL is wrong. Unavailable: the database cannot be reached; the cause in words.
    """
    spec, chosen = parse_url(url), options or Options()
    schema, _ = read_schema(spec, chosen)
    name = name or default_name(spec)
    bulkhead = make_bulkhead(spec, name, chosen, find_address=find_address)
    try:
        yield Served(name, schema, chosen, bulkhead)
    finally:
        bulkhead.close()
