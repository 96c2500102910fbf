"""One value as a page shows it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from qapla.database.schema.description import Column, ColumnType, Kind
from qapla.plugins.admin.cells import make_cell, print_size
from qapla.plugins.admin.csvs import disarm, disarm_stream


def column(kind: Kind) -> Column:
    """Return a column of *kind*."""
    return Column("c", ColumnType(kind, kind))


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("integer", 2**70, "1180591620717411303424"),
        ("decimal", Decimal("12.50"), "12.50"),
        ("decimal", "NaN", "NaN"),
        ("boolean", True, "true"),
        ("text", "<b>", "<b>"),
        ("timestamp", "2024-01-01T10:00:00", "2024-01-01 10:00:00"),
        ("json", {"a": [Decimal("0.10"), None, "ü"]}, '{"a":[0.10,null,"ü"]}'),
        ("array", [1, 2], "[1,2]"),
        ("binary", "\\x00ff10", "3 bytes"),
    ],
)
def test_shows_values(kind: Kind, value: object, text: str) -> None:
    """Each kind has its own look, and no digit is lost."""
    assert make_cell(value, column(kind)).text == text


def test_tells_null_empty_and_cut_texts_apart() -> None:
    """NULL, the empty text and a text that goes on are marked as such."""
    assert make_cell(None, column("text")).is_null
    assert make_cell("", column("text")).is_empty
    assert make_cell("x" * 500, column("text")).is_cut


@pytest.mark.parametrize(
    ("kind", "value"), [("boolean", 2), ("integer", "abc"), ("integer", Decimal("1.5")), ("date", 17), ("decimal", "oops")]
)
def test_marks_what_does_not_fit_its_column(kind: Kind, value: object) -> None:
    """A value that its column does not promise is shown and marked."""
    assert make_cell(value, column(kind)).note


@pytest.mark.parametrize(
    ("size", "text"), [(1, "1 byte"), (999, "999 bytes"), (1400, "1.4 kB"), (999_600, "1 MB"), (3_000_000_000, "3 GB")]
)
def test_says_sizes_for_people(size: int, text: str) -> None:
    """Sizes have three digits and a unit."""
    assert print_size(size) == text


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("-1+cmd|x", "'-1+cmd|x"),
        ("-12.5", "-12.5"),
        ("+4e3", "+4e3"),
        ("\tx", "'\tx"),
        ("plain", "plain"),
    ],
)
def test_disarms_formulas_but_not_numbers(cell: str, safe: str) -> None:
    """What a spreadsheet would run begins with a quote; a number stays a number."""
    assert disarm(cell) == safe


def test_disarms_wherever_a_stream_is_cut() -> None:
    """Cells with line ends and letters of several bytes survive any cut of the stream."""
    whole = 'a,b\r\n"=x\ny",ü\r\n'.encode()

    chunks = [bytes([byte]) for byte in whole]

    assert b"".join(disarm_stream(chunks)).decode() == 'a,b\r\n"\'=x\ny",ü\r\n'
