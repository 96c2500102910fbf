"""The same question has the same answer on every engine, and it is the right one: random queries against a few lines of Python."""

from __future__ import annotations

from contextlib import ExitStack
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cmp_to_key

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qapla.database.query.description import And, Compare, Field, Not, Or, Order, Path, Query, Selection, Window
from qapla.driver.table_read import TableReadDriver
from qapla.ports import READ_RIGHTS
from qapla.testing.served import serve, table_name
from qapla.testing.servers import make_database

ENGINES = ("sqlite", "postgresql", "mariadb")
# Texts whose order is the same in every collation; equality is the collation's own business.
ROWS = [
    {
        "id": index,
        "n": None if index % 7 == 0 else index % 5 - 2,
        "d": None if index % 6 == 0 else Decimal(index % 9) / 4,
        "f": None if index % 11 == 0 else index % 4 / 8,
        "t": None if index % 5 == 0 else ("ant", "bee", "cow", "dog", "a*b", "")[index % 6],
        "b": (True, False, None)[index % 3],
    }
    for index in range(1, 41)
]
TABLE = "CREATE TABLE odd (id integer PRIMARY KEY, n integer, d numeric(10,2), f {real}, t varchar(20), b {boolean});\n"
TYPES = {
    "sqlite": {"real": "real", "boolean": "boolean"},
    "postgresql": {"real": "double precision", "boolean": "boolean"},
    "mariadb": {"real": "double", "boolean": "tinyint(1)"},
}
VALUES = {
    "id": st.integers(0, 41).map(str),
    "n": st.integers(-3, 3).map(str),
    "d": st.sampled_from(["0", "0.25", "0.50", "1.75", "2", "-1"]),
    "f": st.sampled_from(["0", "0.125", "0.375", "1"]),
    "t": st.sampled_from(["ant", "bee", "cow", "zebra", "a*b", ""]),
}


def sql_literal(value):
    if isinstance(value, str):
        return f"'{value}'"
    return "NULL" if value is None else str(value).upper()


@pytest.fixture(scope="module")
def readers():
    """The same forty rows on every engine."""
    values = ", ".join("(" + ", ".join(map(sql_literal, row.values())) + ")" for row in ROWS)
    with ExitStack() as stack:
        found = []
        for engine in ENGINES:
            url = stack.enter_context(make_database(engine))
            script = TABLE.format(**TYPES[engine]) + f"INSERT INTO odd VALUES {values};\n"
            served = stack.enter_context(serve(url, script))
            found.append((TableReadDriver(served, READ_RIGHTS), table_name(served, "odd")))
        yield found


@st.composite
def comparisons(draw):
    column = draw(st.sampled_from([*VALUES, "b"]))
    if column == "b":
        return Compare(Path("b"), "is", draw(st.sampled_from(["true", "false", "null", "not_null", "unknown"])))
    if draw(st.booleans()) and column == "t":
        return Compare(Path("t"), "like", draw(st.sampled_from(["a*", "*b*", "c%w", "_og", "*", "A*", r"a\**"])))
    operator = draw(st.sampled_from(["eq", "neq", "gt", "gte", "lt", "lte", "in", "isdistinct", "is"]))
    if operator == "in":
        return Compare(Path(column), "in", tuple(draw(st.lists(VALUES[column], max_size=3))))
    if operator == "is":
        return Compare(Path(column), "is", draw(st.sampled_from(["null", "not_null"])))
    return Compare(Path(column), operator, draw(VALUES[column]))


conditions = st.recursive(
    comparisons(),
    lambda inner: st.builds(Not, inner)
    | st.builds(lambda parts: And(tuple(parts)), st.lists(inner, max_size=3))
    | st.builds(lambda parts: Or(tuple(parts)), st.lists(inner, max_size=3)),
    max_leaves=6,
)
orders = st.lists(
    st.builds(Order, st.sampled_from([*VALUES, "b"]).map(Path), st.booleans(), st.sampled_from([None, "first", "last"])),
    max_size=3,
    unique_by=lambda order: order.path.column,
).map(tuple)


def holds(condition, row):
    """Return True, False or None, as SQL has it."""
    if isinstance(condition, Not):
        inner = holds(condition.part, row)
        return None if inner is None else not inner
    if isinstance(condition, And | Or):
        found = {holds(part, row) for part in condition.parts}
        decisive = isinstance(condition, Or)
        return decisive if decisive in found else None if None in found else not decisive
    value, operand = row[condition.path.column], condition.operand
    if condition.operator == "is":
        wanted = {"null": {None}, "unknown": {None}, "true": {True}, "false": {False}}
        return value in wanted[operand] if operand in wanted else value is not None
    read = str if condition.path.column == "t" else Decimal
    if condition.operator == "isdistinct":
        return value is None or value != read(operand)
    if value is None:
        return False if operand == () else None
    if condition.operator == "in":
        return value in [read(each) for each in operand]
    if condition.operator == "like":
        return fnmatchcase(value, {r"a\**": "a[%]*"}.get(operand, operand.replace("%", "*").replace("_", "?")))
    operand = read(operand)
    return {
        "eq": value == operand,
        "neq": value != operand,
        "gt": value > operand,
        "gte": value >= operand,
        "lt": value < operand,
        "lte": value <= operand,
    }[condition.operator]


def sort(rows, order):
    """Return *rows* in *order*, completed by the key in the last term's direction."""
    terms = [(term.path.column, term.descending, (term.descending if term.nulls is None else term.nulls == "first")) for term in order]
    if all(column != "id" for column, _, _ in terms):
        terms.append(("id", bool(terms) and terms[-1][1], False))

    def compare(left, right):
        for column, descending, nulls_first in terms:
            a, b = left[column], right[column]
            if a == b:
                continue
            if a is None or b is None:
                return -1 if (a is None) == nulls_first else 1
            return (-1 if a < b else 1) * (-1 if descending else 1)
        return 0

    return sorted(rows, key=cmp_to_key(compare))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=conditions, order=orders, limit=st.integers(1, 50), offset=st.integers(0, 5))
def test_a_list_is_right_everywhere(readers, where, order, limit, offset):
    """Filters, order and window: the rows, their order and the total are what Python says, on each engine."""
    expected = sort([row for row in ROWS if holds(where, row)], order)

    for reader, table in readers:
        page = reader.page(Query(table, where=where, order=order, window=Window(limit, offset), count="exact"))

        assert page.rows() == expected[offset : offset + limit]
        assert page.total == len(expected)
        assert page.more == (len(expected) > offset + limit)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=conditions, order=orders, limit=st.integers(3, 15))
def test_cursors_walk_the_list_everywhere(readers, where, order, limit):
    """Page by page, forward to the end and back again: every row once, in order, on each engine."""
    expected = [row["id"] for row in sort([row for row in ROWS if holds(where, row)], order)]
    select = Selection((Field(Path("id")),))

    for reader, table in readers:
        page = reader.page(Query(table, select, where, order, Window(limit)))
        forward = [row["id"] for row in page.rows()]
        while page.more:
            page = reader.page(Query(table, select, where, order, Window(limit, after=page.last)))
            forward += [row["id"] for row in page.rows()]
        back = [row["id"] for row in page.rows()]
        while page.first is not None:
            page = reader.page(Query(table, select, where, order, Window(limit, after=page.first)))
            back = [row["id"] for row in page.rows()] + back

        assert forward == expected
        assert back == expected
