"""Do a transaction again that lost against another one, where nothing of it was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from qapla.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.database.catalog import Served

    T = TypeVar("T")

TRIES = 5
LOST = frozenset({"40P01", "40001"})  # two who want to make the same row both hold the place where it would be
MADE = LOST | {"23505"}  # somebody made the row since it was looked for


def run_again(served: Served, codes: frozenset[str], run: Callable[[], T]) -> T:
    """Return what *run*, a whole transaction, returns; begin anew when it ends with one of *codes*, a few times.

    What is a part of another transaction has only one try.
    """
    for _try in range(0 if served.bulkhead.is_joint else TRIES - 1):
        try:
            return run()
        except DatabaseError as error:
            if error.code not in codes:
                raise
    return run()
