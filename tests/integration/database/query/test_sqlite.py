"""What our own functions do on SQLite, where its own cannot."""

from __future__ import annotations

import sqlite3

import pytest

from qapla.database.casting import cast
from qapla.database.functions import install
from qapla.database.query.description import Compare, Field, Path, Query, Selection
from qapla.driver.table_read import TableReadDriver
from qapla.errors import ValueRefused
from qapla.ports import READ_RIGHTS
from qapla.testing.served import serve, table_name
from qapla.testing.servers import make_database

SCRIPT = f"""
CREATE TABLE thing (id integer PRIMARY KEY, t TEXT, j JSON);
INSERT INTO thing VALUES (1, '{"a" * 60}!', '{{"k\\u00e9y": 1}}');
"""


@pytest.fixture(scope="module")
def reader():
    """One row with a text that some expressions never end with, and a key of JSON that is spelled with an escape."""
    with make_database("sqlite") as url, serve(url, SCRIPT) as served:
        yield TableReadDriver(served, READ_RIGHTS)


def test_a_regular_expression_has_a_deadline(reader):
    """One that would take for ever is refused after a second, and the next one works."""
    query = Query(table_name(reader.served, "thing"), Selection((Field(Path("id")),)), Compare(Path("t"), "match", "^(a|a|aa)+$"))

    with pytest.raises(ValueRefused, match="too complex") as caught:
        reader.page(query)

    assert (caught.value.code, caught.value.status) == ("2201B", 400)
    assert reader.page(Query(query.table, query.select, Compare(Path("t"), "match", "^a+!$"))).rows() == [{"id": 1}]


def test_a_key_is_found_however_it_is_spelled(reader):
    r"""``{"k\u00e9y": 1}`` has the key ``kéy``."""
    page = reader.page(Query(table_name(reader.served, "thing"), Selection((Field(Path("j", ("kéy",))),))))

    assert page.rows() == [{"kéy": 1}]


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        (["10", "9", '"9"', "null", "true", "[]", "[1]", "{}", "1.0", "[0, 0]", '{"b": 1}', '{"aa": 0}'],
         ["[]", "null", '"9"', "1.0", "9", "10", "true", "[1]", "[0, 0]", "{}", '{"b": 1}', '{"aa": 0}']),
        (["x", "1", '"x"'], ["\"x\"", "1", "x"]),
    ],
)  # fmt: skip
def test_documents_are_sorted_as_postgresql_does(documents, expected):
    """By type, then by value; what is no JSON comes last."""
    connection = sqlite3.connect(":memory:")
    install(connection)
    connection.execute("CREATE TABLE t (j TEXT)")
    connection.executemany("INSERT INTO t VALUES (?)", [(each,) for each in documents])

    found = [row[0] for row in connection.execute("SELECT j FROM t ORDER BY j COLLATE qapla_json")]

    connection.close()
    assert found == expected


@pytest.mark.parametrize(
    ("value", "target", "expected"),
    [
        ("12", "integer", 12), (2.5, "integer", 2), (3.5, "integer", 4), (" -7 ", "bigint", -7), (None, "integer", None),
        ("1.5", "numeric", 1.5), ("7", "numeric", 7), ("yes", "boolean", 1), (0, "boolean", 0), ("2024-01-02T03:04", "date", "2024-01-02"),
        ("2024-01-02", "timestamp", "2024-01-02 00:00:00"), ("3", "double precision", 3.0),
    ],
)  # fmt: skip
def test_casts_give_what_postgresql_gives(value, target, expected):
    """Reals are rounded to even, texts have to be what they are cast to."""
    assert cast(value, target) == expected
