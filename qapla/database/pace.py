"""How many rows of a stream are fetched at once: as many as make a good piece, few of those that are large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

PIECE_BYTES = 256 * 1024
MOST_ROWS = 10_000
FASTER, SLOWER = 4, 16  # times, from one piece to the next
SIZED = frozenset({bytes, str})


class Pace:
    """``size`` is how many rows to fetch next."""

    def __init__(self, size_rows: int) -> None:
        self.size = size_rows

    def saw(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Learn from rows that have come."""
        seen = sum([len(cell) for row in rows for cell in row if cell.__class__ in SIZED]) or 1
        fitting = len(rows) * PIECE_BYTES // seen
        self.size = max(1, min(fitting, self.size * FASTER, MOST_ROWS), self.size // SLOWER)
