"""Cutting keys into ranges, and ranges as values and as SQL."""

from __future__ import annotations

import pickle
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Integer, String, column, select, table
from sqlalchemy.dialects import sqlite

from qapla.database.frames.partitions import MOST_PARTITIONS, KeyRange, choose, count_parts, cut, spread
from qapla.database.frames.ranges import is_in

CELLS = st.none() | st.integers(-3, 3)
KEYS = st.tuples(CELLS, CELLS)


class TestCut:
    """cut(columns, bounds)"""

    def test_touches(self):
        """Ranges touch; the first is open below, the last above."""
        assert [str(each) for each in cut(("id",), [(10,), (20,)])] == ["id < 10", "10 <= id < 20", "20 <= id"]

    def test_nothing_to_cut_by(self):
        """Without bounds there is one range, which is everything."""
        (only,) = cut(("id",), [])

        assert only.is_everything
        assert str(only) == "all rows"

    def test_repeated_bound(self):
        """A bound that is there twice cuts once: no range is empty by itself."""
        assert cut(("id",), [(1,), (1,), (2,)]) == cut(("id",), [(1,), (2,)])

    def test_composite(self):
        """A range of a composite key names the columns that it has values for; long texts are shortened."""
        whole = KeyRange(("order", "product"), lower=(7, "x" * 200))
        prefix = KeyRange(("order", "product"), lower=(7,), upper=(9,))

        assert str(whole) == f"(7, '{'x' * 58}…) <= (order, product)"
        assert str(prefix) == "7 <= order < 9"

    def test_value(self):
        """Ranges can be pickled, compared and kept in sets."""
        ranges = cut(("id",), [(10,), (20,)])

        assert pickle.loads(pickle.dumps(ranges)) == ranges
        assert len({*ranges, *cut(("id",), [(10,)])}) == 4


@pytest.mark.parametrize(
    ("rows", "size", "parts"), [(0, 10, 1), (10, 10, 1), (11, 10, 2), (1e18, 1, MOST_PARTITIONS)], ids=["none", "one", "two", "no end"]
)
def test_count_parts(rows, size, parts):
    """There is at least one partition, and a bound to how many."""
    assert count_parts(rows, size) == parts


def test_choose():
    """Bounds out of a histogram are evenly spread, and never its ends."""
    assert choose(list(range(0, 101, 10)), 4) == [20, 50, 80]
    assert choose([1, 2], 4) == []
    assert choose([5], 4) == []


def test_spread():
    """Integers without gaps are cut by width, also those below zero and beyond what a double holds."""
    assert spread(1, 10, 2) == [(6,)]
    assert spread(-10, 9, 4) == [(-5,), (0,), (5,)]
    assert spread(2**62, 2**62 + 9, 2) == [(2**62 + 5,)]


@given(st.lists(KEYS, max_size=12), st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), max_size=4), st.booleans())
def test_every_row_is_in_one_range(rows, bounds, by_first):
    """Whatever keys there are, NULLs among them, and wherever it is cut, each row is in exactly one range."""
    cuts = [bound[:1] if by_first else bound for bound in sorted(bounds)]
    keyed = table("t", column("a", Integer), column("b", Integer))
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a INTEGER, b INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)

        found = [row for each in cut(("a", "b"), cuts, has_nulls=True) for row in connection.execute(compiled(keyed, each))]

    assert sorted(found, key=repr) == sorted(rows, key=repr)


def test_index_is_used():
    """A range of a composite key says something of the first column alone, by which an index is entered."""
    keyed = table("t", column("a", Integer), column("b", String))
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a INTEGER NOT NULL, b TEXT NOT NULL, PRIMARY KEY (a, b))")
        conditions = is_in([keyed.c.a, keyed.c.b], KeyRange(("a", "b"), (1, "x"), (5, "y")))
        sql = select(keyed).where(*conditions).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})

        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()

    assert "(a>? AND a<?)" in plan[0][3]


def compiled(keyed, range):
    conditions = is_in([keyed.c.a, keyed.c.b], range)
    return str(select(keyed).where(*conditions).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
