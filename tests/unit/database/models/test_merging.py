"""One answer of several databases' answers"""

from __future__ import annotations

from decimal import Decimal
from functools import cmp_to_key
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qapla.database.models.merging import merge_averages, merge_lists, merge_streams, merge_sums
from qapla.database.models.ordering import Direction, make_key

VALUES = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([0.5, float("inf"), Decimal("1.5")]))
TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "B", "é", "\U0001f600", "a\x01"]))
DIRECTIONS = st.builds(Direction, st.booleans(), st.booleans())


def compare(ways):
    """Return a comparison as the manual says it, value by value."""

    def level(one, other, way):
        if one is None or other is None:
            sign = -1 if way.nulls_first else 1
            return sign * ((one is None) - (other is None))
        return ((one > other) - (one < other)) * (-1 if way.descending else 1)

    def rows(one, other):
        return next((found for pair in zip(one[0], other[0], ways, strict=True) if (found := level(*pair))), 0)

    return rows


@given(ways=st.tuples(DIRECTIONS, DIRECTIONS), answers=st.lists(st.lists(st.tuples(VALUES, TEXTS), max_size=8), max_size=4))
def test_order_is_global(ways, answers):
    """What each database has sorted comes out as if one had sorted all; level rows keep the order of their databases."""
    sort = cmp_to_key(compare(ways))
    keyed = [
        sorted((((values), (place, index)) for index, values in enumerate(answer)), key=sort) for place, answer in enumerate(answers)
    ]

    found = merge_lists(keyed, ways)

    assert found == [row for _, row in sorted(chain.from_iterable(keyed), key=sort)]
    assert found == list(merge_streams(map(iter, keyed), ways))


def test_streams_are_not_read_ahead():
    """Merging takes from each stream no more than it needs for the next row."""
    taken = []

    def numbers(start):
        for number in range(start, 100, 2):
            taken.append(number)
            yield (number,), number

    merged = merge_streams([numbers(0), numbers(1)], (Direction(False, False),))
    found = [next(merged) for _ in range(4)]

    assert found == [0, 1, 2, 3]
    assert len(taken) <= 6


def test_values_of_several_types():
    """SQLite may have numbers, texts and bytes in one column: they sort as it sorts them; NaN is behind all numbers."""
    ways = (Direction(False, False),)
    values = [b"x", "a", float("nan"), 3, None, True]

    assert [str(value) for value in sorted(values, key=lambda value: make_key((value,), ways))] == ["True", "3", "nan", "a", "b'x'", "None"]


@pytest.mark.parametrize(
    ("sums", "total"),
    [([], None), ([None, None], None), ([None, 3], 3), ([1, 2, 3], 6), ([Decimal("0.1"), Decimal("0.2")], Decimal("0.3"))],
)
def test_sums(sums, total):
    """Sums are added up exactly; of nothing there is none."""
    assert merge_sums(sums) == total


@pytest.mark.parametrize(
    ("parts", "average"),
    [
        ([], None),
        ([(0, None)], None),
        ([(1, 10), (9, 0), (0, None)], 1.0),
        ([(2, 5)], 2.5),
        ([(1, Decimal("0.1")), (2, Decimal("0.5"))], Decimal("0.2")),
        ([(3, Decimal(1))], Decimal("0.3333333333333333333333333333")),
    ],
)
def test_averages_are_weighted(parts, average):
    """A database with more rows weighs more."""
    found = merge_averages(parts)

    assert (type(found), found) == (type(average), average)
