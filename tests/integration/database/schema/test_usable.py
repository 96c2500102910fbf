"""What an inspection says can be used as it stands: every table be read, every relation be embedded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qapla.database.query.compile import compile
from qapla.database.query.description import Embed, Field, Path, Query, Selection, Window
from qapla.database.query.resolve import resolve
from qapla.errors import DatabaseError
from qapla.ports import ALL_RIGHTS
from qapla.testing.oddities import make_oddities
from qapla.testing.served import serve
from qapla.testing.servers import ENGINE_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qapla.database.catalog import Served
    from qapla.database.schema.description import Relation


@pytest.fixture(scope="module", params=ENGINE_NAMES)
def odd(request: pytest.FixtureRequest) -> Iterator[Served]:
    """Serve a database full of oddities, once per engine."""
    with make_oddities(request.param) as url, serve(url) as served:
        yield served


def read(served: Served, query: Query) -> None:
    served.bulkhead.fetch(compile(resolve(query, served.schema, ALL_RIGHTS), served.schema, served.statements))


def embed(relation: Relation) -> Embed:
    """Return the embed that means exactly this relation: of a table with itself, upwards is the column's name."""
    if relation.source == relation.target:
        return Embed(relation.columns[0] if relation.kind == "to_one" else relation.name, alias="related")
    return Embed(relation.name, hint=relation.hints[0], alias="related")


def test_every_table_can_be_read(odd: Served) -> None:
    """Only what the report calls unreadable cannot be read."""
    closed = set()

    for table in odd.schema.tables:
        try:
            read(odd, Query(table.name, window=Window(limit=5)))
        except DatabaseError:
            closed.add(str(table.name))

    assert closed == {finding.subject for finding in odd.schema.report if finding.what.endswith("cannot be read")}


def test_every_relation_can_be_embedded(odd: Served) -> None:
    """Name and hint of a relation lead to it and to no other."""
    for relation in odd.schema.relations:
        read(odd, Query(relation.source, select=Selection((Field(Path("*")), embed(relation))), window=Window(limit=5)))

    assert len(odd.schema.relations) >= 18
