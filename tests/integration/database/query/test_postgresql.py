"""What only PostgreSQL has."""

from __future__ import annotations

import pytest

from qapla.database.query.description import Compare, Field, Order, Path, Query, Selection
from qapla.driver.table_read import TableReadDriver
from qapla.ports import READ_RIGHTS
from qapla.testing.served import serve, table_name
from qapla.testing.servers import make_database

SCRIPT = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE thing (id integer PRIMARY KEY, tags text[], span int4range, data jsonb, words tsvector, body text, mood mood);
INSERT INTO thing VALUES (1, '{a,b}', '[1,5)', '{"a": {"b": [1, 2.50]}, "c": null}',
    to_tsvector('english', 'fat cats'), 'fat cats ran', 'happy');
INSERT INTO thing VALUES (2, '{b,c}', '[5,9)', '{"a": 5}',
    to_tsvector('english', 'thin dogs'), 'thin dogs sat', 'sad');
"""


@pytest.fixture(scope="module")
def reader():
    """Two things with columns of PostgreSQL's own types."""
    with make_database("postgresql") as url, serve(url, SCRIPT) as served:
        yield TableReadDriver(served, READ_RIGHTS)


@pytest.mark.parametrize(
    ("compare", "expected"),
    [
        (Compare(Path("tags"), "cs", "{a}"), [1]),
        (Compare(Path("tags"), "cd", "{b,c,d}"), [2]),
        (Compare(Path("tags"), "ov", "{a,c}"), [1, 2]),
        (Compare(Path("data"), "cs", '{"a": 5}'), [2]),
        (Compare(Path("span"), "cs", "[2,3)"), [1]),
        (Compare(Path("span"), "sl", "[5,6)"), [1]),
        (Compare(Path("span"), "sr", "[1,5)"), [2]),
        (Compare(Path("span"), "nxr", "[1,6)"), [1]),
        (Compare(Path("span"), "nxl", "[2,3)"), [2]),
        (Compare(Path("span"), "adj", "[5,9)"), [1]),
        (Compare(Path("words"), "fts", "cat", argument="english"), [1]),
        (Compare(Path("body"), "plfts", "dog sit", argument="english"), []),
        (Compare(Path("body"), "phfts", "fat cats"), [1]),
        (Compare(Path("body"), "wfts", "cats or dogs", argument="english"), [1, 2]),
        (Compare(Path("data", ("a",)), "eq", "5"), [2]),
        (Compare(Path("data", ("a", "b", 1), as_text=True), "eq", "2.50"), [1]),
        (Compare(Path("data", ("a", "b", -1)), "gt", "2"), [1]),
        (Compare(Path("mood"), "gt", "sad"), [1]),
        (Compare(Path("mood"), "eq", "ok"), []),
    ],
)
def test_operators(reader, compare, expected):
    """Arrays, ranges, JSON, text search and enums compare by their own operators."""
    table = table_name(reader.served, "thing")

    page = reader.page(Query(table, Selection((Field(Path("id")),)), compare, (Order(Path("id")),)))

    assert [row["id"] for row in page.rows()] == expected


def test_casts(reader):
    """A cast of the closed list is the database's own."""
    select = Selection((Field(Path("id"), cast="text"), Field(Path("data", ("a", "b", 0), as_text=True), cast="int", alias="n")))

    page = reader.page(Query(table_name(reader.served, "thing"), select, Compare(Path("id"), "eq", "1")))

    assert page.rows() == [{"id": "1", "n": 1}]
