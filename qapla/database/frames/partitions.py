"""Partitions: values that say which rows of which database one worker reads.

A partition holds a reference to its database, a question in SQL and a range of keys. It can be pickled, compared and printed, knows
nothing of models, and is turned into a statement by whoever reads it::

    partitions = cut(("id",), [(1000,), (2000,)])     # id < 1000;  1000 ≤ id < 2000;  2000 ≤ id

Ranges touch, the first is open below and the last above: a row that is written meanwhile falls into exactly one of them, wherever its
key is. They are compared by the database alone, in its own order, so that a collation can neither lose a row nor give it twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qapla.database.frames.question import Question

ROWS_PER_PARTITION = 250_000
MOST_PARTITIONS = 10_000  # of one database; more would cost the scheduler more than they save

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The rows whose key is at least ``lower`` and less than ``upper``; None is no limit.

    A limit may have fewer values than there are columns: the rest is not looked at. Where keys may be NULL, NULLs come before all other
    values, so that they are in the first range.
    """

    columns: tuple[str, ...]
    lower: Values | None = None
    upper: Values | None = None
    has_nulls: bool = False

    @property
    def is_everything(self) -> bool:
        """Tell whether no row is left out."""
        return self.lower is None and self.upper is None

    def __str__(self) -> str:
        if self.is_everything:
            return "all rows"
        names = _listed(self.columns[: len(self.lower or self.upper or ())])
        lower = f"{_shown(self.lower)} <= " if self.lower is not None else ""
        upper = f" < {_shown(self.upper)}" if self.upper is not None else ""
        return f"{lower}{names}{upper}"


@dataclass(frozen=True, slots=True)
class Partition:
    """What one worker reads: the rows of ``question`` in ``range``, from the database behind ``reference``.

    ``database`` is what messages and the column of that name call it; ``table`` is for messages only.
    """

    database: str
    reference: Any  # of qapla.database.models.binding: opens the database wherever this is unpickled
    table: str
    question: Question
    range: KeyRange

    def __str__(self) -> str:
        return f"partition of {self.table!r} in database {self.database!r} ({self.range})"


def cut(columns: Sequence[str], bounds: Sequence[Values], *, has_nulls: bool = False) -> tuple[KeyRange, ...]:
    """Return the ranges between *bounds*, which are in the database's order; those that repeat count once.

    Returns:
        One range more than there are bounds. They touch, do not overlap, and together are everything.

    Example: keys of one column and the bounds (10,) and (20,) give ``k < 10``, ``10 <= k < 20`` and ``20 <= k``.
    """
    kept = [bound for place, bound in enumerate(bounds) if place == 0 or bound != bounds[place - 1]]
    names = tuple(columns)
    return tuple(KeyRange(names, lower, upper, has_nulls) for lower, upper in pairwise([None, *kept, None]))


def count_parts(rows: float, rows_per_partition: int) -> int:
    """Return into how many partitions about *rows* rows are cut; at least one, at most ``MOST_PARTITIONS``."""
    return min(max(ceil(rows / rows_per_partition), 1), MOST_PARTITIONS)


def choose(values: Sequence[Any], parts: int) -> list[Any]:
    """Return ``parts - 1`` of *values*, which are evenly spread, so that each part holds about as many of them.

    Example: of the eleven values 0, 10, … 100 four parts take 30, 50 and 80.
    """
    gaps = len(values) - 1
    if gaps < 1:
        return []
    places = sorted({round(number * gaps / parts) for number in range(1, parts)} - {0, gaps})
    return [values[place] for place in places]


def spread(smallest: int, largest: int, parts: int) -> list[Values]:
    """Return the bounds of *parts* ranges of about one width between two integers."""
    width = largest - smallest + 1
    return [(smallest + number * width // parts,) for number in range(1, parts)]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _shown(values: Values | None) -> str:
    shown = [repr(value) if isinstance(value, str) else str(value) for value in values or ()]
    return _listed([text if len(text) <= 60 else text[:59] + "…" for text in shown])
