"""Moments in a file of SQLite, which has no type for them, compare as what they mean."""

from __future__ import annotations

import pytest

from qapla.database.query.description import Compare, Order, Path, Query
from qapla.driver.table_read import TableReadDriver
from qapla.ports import READ_RIGHTS
from qapla.testing.served import serve, table_name
from qapla.testing.servers import make_database

FORMS = {
    1: "2024-01-02 03:04:05",
    2: "2024-01-02T03:04:05Z",
    3: "2024-01-02 03:04:05.000000",
    4: "2024-01-02T03:04",
    5: "2024-01-02",
    6: "2024-01-01T23:59:59.999",
    7: "2024-01-03 00:00:00",
    8: None,
}


@pytest.fixture(scope="module")
def find():
    """Return a function that gives the ids of the rows that ``made operator operand`` finds."""
    rows = ", ".join(f"({key}, {'NULL' if text is None else repr(text)})" for key, text in FORMS.items())
    script = f"CREATE TABLE log (id integer PRIMARY KEY, made timestamp);\nINSERT INTO log VALUES {rows};\n"
    with make_database("sqlite") as url, serve(url, script) as served:
        reader = TableReadDriver(served, READ_RIGHTS)

        def ids(operator, operand):
            where = Compare(Path("made"), operator, operand)
            return [row["id"] for row in reader.page(Query(table_name(served, "log"), where=where, order=(Order(Path("id")),))).rows()]

        yield ids


@pytest.mark.parametrize(
    ("operator", "operand", "expected"),
    [
        ("eq", "2024-01-02T03:04:05", [1, 2, 3]),
        ("eq", "2024-01-02 03:04:05.000", [1, 2, 3]),
        ("eq", "2024-01-02T00:00:00", [5]),
        ("eq", "2024-01-02", [5]),
        ("neq", "2024-01-02T03:04:05", [4, 5, 6, 7]),
        ("isdistinct", "2024-01-02T03:04:05", [4, 5, 6, 7, 8]),
        ("gt", "2024-01-02T03:04:00", [1, 2, 3, 7]),
        ("gte", "2024-01-02T03:04:00", [1, 2, 3, 4, 7]),
        ("lt", "2024-01-02T03:04:05", [4, 5, 6]),
        ("lte", "2024-01-02T03:04:05", [1, 2, 3, 4, 5, 6]),
        ("in", ("2024-01-03T00:00:00", "2024-01-01T23:59:59.999"), [6, 7]),
    ],
)
def test_moments_compare_in_any_form(find, operator, operand, expected):
    """A space or a ``T``, a fraction of zeros, a zone, a day alone: the same moment is equal, and the order is that of time."""
    assert find(operator, operand) == expected
