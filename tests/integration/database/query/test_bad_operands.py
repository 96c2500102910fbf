"""No operand makes more of an error than 4xx, whatever the column's type and the operator."""

from __future__ import annotations

import pytest

from qapla.database.query.description import Compare, Field, Path, Query, Selection, Window
from qapla.driver.table_read import TableReadDriver
from qapla.errors import QaplaError
from qapla.ports import READ_RIGHTS
from qapla.testing.oddities import make_oddities
from qapla.testing.served import serve, table_name

OPERATORS = ("eq", "gt", "like", "match", "in", "isdistinct", "cs", "fts", "wfts")
OPERANDS = (
    *("", "-1", "9223372036854775808", str(2**70), "1e400", "NaN", "-Infinity", "null", "é😀", "'", "\\", "\\x", "\\xzz", "\x01", "a\nb"),
    *("2024-13-45", "0000-00-00", "10000-01-01", "24:00", "{", "{1,2}", "[1,2)", "(a", "a{99999}", "9" * 5000, "1_000", "\u0661", "'&"),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def odd(request):
    """The table with a column of every type."""
    with make_oddities(request.param) as url, serve(url) as served:
        yield served


def test_no_operand_is_our_fault(odd):
    """An answer or a refusal below 500 for every operator, type and text."""
    reader = TableReadDriver(odd, READ_RIGHTS)
    table = table_name(odd, "kinds")
    found = []

    for column in odd.schema.by_name[table].columns:
        for operator in OPERATORS:
            for text in OPERANDS:
                where = Compare(Path(column.name), operator, (text,) if operator == "in" else text)
                try:
                    reader.page(Query(table, Selection((Field(Path(column.name)),)), where, window=Window(limit=1)))
                except QaplaError as error:
                    if error.status >= 500:
                        found.append((column.type.name, operator, text, str(error)))

    assert found == []


@pytest.mark.parametrize("window", [Window(limit=10**30), Window(limit=1, offset=10**30)])
def test_no_window_is_too_large(odd, window):
    """A limit of any size is a limit."""
    assert TableReadDriver(odd, READ_RIGHTS).page(Query(table_name(odd, "kinds"), window=window)).count_rows >= 0
