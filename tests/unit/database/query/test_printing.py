"""Rows as they are sent."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qapla.database.query.printing import parse, print_array, print_csv, print_json, print_lines
from qapla.errors import DatabaseError

text = st.text(st.characters(codec="utf-8"))


def test_json_in_chunks_is_one_array():
    """The pieces together are one array, also of nothing."""
    assert b"".join(print_json([[b"{}", b"{}"], [b"{}"]])) == b"[{},{},{}]"
    assert b"".join(print_json([])) == b"[]"


def test_lines_have_no_breaks_inside():
    """White space of a JSON column becomes a blank."""
    assert b"".join(print_lines([[b'{"a":{\n"b":1}}', "{}"]])) == b'{"a":{ "b":1}}\n{}\n'


def test_text_that_is_no_utf8_is_marked():
    """Bytes that are no character are shown as U+FFFD, and the quotes stay in place."""
    assert json.loads(print_array([b'{"a":"x\xff"}'])) == [{"a": "x\ufffd"}]


def test_a_row_that_was_not_printed_is_an_error():
    """NULL for a row is never taken for an empty answer."""
    with pytest.raises(DatabaseError, match="larger"):
        print_array([b"{}", None])


def test_numbers_stay_exact():
    """No digit is lost on the way into Python, nor on the way into CSV."""
    body = b'{"a":1.10,"b":123456789012345678901234567890,"c":{"d":[2.50]},"e":1e400}'

    row = parse(body)

    assert row["a"] == Decimal("1.10")
    assert str(row["a"]) == "1.10"
    assert row["b"] == 123456789012345678901234567890
    assert row["e"] == Decimal("1e400")
    lines = b"".join(print_csv([[body]], ("a", "b", "c", "e"))).decode().splitlines()
    assert lines == ["a,b,c,e", '1.10,123456789012345678901234567890,"{""d"":[2.50]}",1e400']


def test_an_integer_of_any_length_is_read():
    """5,000 digits are no reason to fail."""
    assert parse(b"[" + b"9" * 5000 + b"]") == [Decimal("9" * 5000)]


@given(st.lists(st.lists(text | st.none(), min_size=2, max_size=2), max_size=3))
def test_csv_is_read_back_by_others(rows):
    """Commas, quotes and line breaks survive; NULL and the empty text differ in the bytes."""
    bodies = [json.dumps({"a": first, "b": second}).encode() for first, second in rows]

    printed = b"".join(print_csv([bodies], ("a", "b"))).decode()

    read = list(csv.reader(io.StringIO(printed, newline="")))
    assert read == [["a", "b"], *([first or "", second or ""] for first, second in rows)]
