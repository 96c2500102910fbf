"""How many rows of a stream are fetched at once."""

from __future__ import annotations

from qapla.database.pace import MOST_ROWS, PIECE_BYTES, Pace


def test_small_rows_come_faster() -> None:
    """Four times as many each time, up to a bound."""
    pace = Pace(1000)

    pace.saw([(b"x" * 10,)] * 1000)
    second = pace.size
    for _ in range(5):
        pace.saw([(b"x",)] * 1000)

    assert second == 4000
    assert pace.size == MOST_ROWS


def test_large_rows_come_one_by_one() -> None:
    """A piece is never much larger than it should be, and never empty."""
    pace = Pace(1000)

    for _ in range(4):
        pace.saw([("x" * PIECE_BYTES, None, 7)] * pace.size)

    assert pace.size == 1


def test_a_good_pace_is_kept() -> None:
    """As many rows as make a piece."""
    pace = Pace(1000)

    pace.saw([(b"x" * (PIECE_BYTES // 1000),)] * 1000)

    assert 1000 <= pace.size <= 1001
