"""Lines of CSV straight from the text of flat rows."""

from __future__ import annotations

from itertools import product

import pytest

from qapla.database.query.flatcsv import make_flat
from qapla.database.query.printing import print_csv

NAMES = ("id", 'a "b" \\', "c")
CELLS = [
    "null", "true", "-1.50", "1e400", '""', '"a"', '"null"', '" x "', '"a,b"', '",,"', '","', '"{"', '"}"', '"[x]"', "\"'\"", '"é😀"',
    '"q\\"r"', '"\\n"', "[1,2.50]", '{"a":null}', "[]",
]  # fmt: skip


def test_says_what_taking_rows_apart_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell before and behind each other one, in one row and in two."""
    chunks = [[f'{{"x":{one},"y":{two}}}'.encode(), f'{{"x":{two},"y":{one}}}'.encode()] for one, two in product(CELLS, CELLS)]
    fast = [b"".join(print_csv([chunk], ("x", "y"))) for chunk in chunks]

    monkeypatch.setattr("qapla.database.query.printing.make_flat", lambda names: lambda text, count: None)

    assert fast == [b"".join(print_csv([chunk], ("x", "y"))) for chunk in chunks]


def test_is_for_flat_rows() -> None:
    """What has a backslash, or anything nested, is taken apart; so are rows with other keys."""
    print_flat = make_flat(("x", "y"))

    assert print_flat('{"x":1,"y":"a,b"}{"x":null,"y":""}', 2) == '1,"a,b"\n,""\n'
    assert print_flat('{"x":1,"y":"\\n"}', 1) is None
    assert print_flat('{"x":1,"y":[]}', 1) is None
    assert print_flat('{"y":1,"x":2}', 1) is None
    assert make_flat(("x", "x"))('{"x":1,"x":2}', 1) is None


def test_names_may_be_anything() -> None:
    """A name with a quote or a backslash in it is a key like any other."""
    body = b'{"id":1,"a \\"b\\" \\\\":"x","c":null}'

    assert b"".join(print_csv([[body]], NAMES)) == b'id,"a ""b"" \\",c\n1,x,\n'
