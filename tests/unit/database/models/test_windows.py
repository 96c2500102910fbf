"""Slices of querysets"""

from __future__ import annotations

import pytest

from qapla.database.models.windows import ALL, Window, read_subscript
from qapla.errors import QueryError


class Subscript:
    """Gives what stands in its brackets."""

    def __getitem__(self, key):
        return key


S = Subscript()


class Five:
    """A whole number of somebody else's, as numpy has them."""

    def __index__(self):
        return 5


@pytest.mark.parametrize(
    ("key", "rows", "databases"),
    [
        (S[:], ALL, ALL),
        (S[:5], Window(0, 5), ALL),
        (S[2:], Window(2, None), ALL),
        (S[2:5], Window(2, 5), ALL),
        (S[5:5], Window(5, 5), ALL),
        (S[:5, :3], Window(0, 5), Window(0, 3)),
        (S[:, 1], ALL, 1),
        (S[7], 7, ALL),
        (S[7, 1:], 7, Window(1, None)),
        (S[0 : Five()], Window(0, 5), ALL),
        (S[0:5:1], Window(0, 5), ALL),
    ],
)
def test_reads(key, rows, databases):
    """The first part is of rows, the second of databases; both are half-open and count from 0."""
    assert read_subscript(key) == (rows, databases)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (S[-1], "a place of rows cannot be counted from the end, as '-1' is (order the other way round: orderby('-id')[:5])"),
        (S[-3:], "the start of a slice of rows cannot be counted from the end, as '-3' is (order the other way round"),
        (S[:-1], "the end of a slice of rows cannot be counted from the end, as '-1' is (order the other way round"),
        (S[:5, -1:], "the start of a slice of databases cannot be counted from the end, as '-1' is (name the databases: using('a', 'b'))"),
        (S[::2], "rows cannot be taken in steps of 2 (take all of it, and steps of the list: .all()[::2])"),
        (S[::-1], "rows cannot be taken in steps of -1"),
        (S[5:2], "the slice [5:2] of rows ends before it starts (slices run forwards: [a:b] with a <= b)"),
        (S[1.5], "a place of rows is a whole number, and '1.5' is a float"),
        (S["a":], "the start of a slice of rows is a whole number, and 'a' is a str"),
        (S[True], "a place of rows is a whole number, and 'True' is a bool"),
        (S[...], "a place of rows is a whole number, and 'Ellipsis' is a ellipsis"),
        (S[()], "a slice has one or two parts, rows and databases, and this one has 0 (write [0:5, 0:3])"),
        (S[1:2, 3:4, 5:6], "a slice has one or two parts, rows and databases, and this one has 3"),
        (S[: 2**63], "the end of a slice of rows is at most 9223372036854775807, and '9223372036854775808' is more"),
    ],
)
def test_refuses(key, said):
    """What SQL cannot do is refused with a sentence."""
    with pytest.raises(QueryError) as error:
        read_subscript(key)

    assert str(error.value).startswith(said)


@pytest.mark.parametrize("outer", [ALL, Window(0, 5), Window(3), Window(2, 9), Window(4, 4), Window(8, 20)])
@pytest.mark.parametrize("inner", [ALL, Window(0, 3), Window(2), Window(1, 5), Window(3, 3), Window(50, 60)])
def test_nests(outer, inner):
    """A slice of a slice has the rows that Python's would have."""
    rows = list(range(12))

    found = outer.within(inner)

    assert rows[found.start : found.stop] == rows[outer.start : outer.stop][inner.start : inner.stop]
    assert found.is_empty == (found.size == 0)
