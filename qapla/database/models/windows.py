"""Slices of querysets: ``[a:b]`` rows of each database, ``[a:b, c:d]`` rows and databases, ``[n]`` one row.

Half-open, counted from 0, as Python's are. What Python allows and SQL cannot, counting from the end and steps, is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import index as as_index
from typing import Any

from qapla.errors import QueryError

MOST = 2**63 - 1  # what LIMIT and OFFSET take


@dataclass(frozen=True, slots=True)
class Window:
    """The places from ``start`` to before ``stop``; without ``stop`` to the end."""

    start: int = 0
    stop: int | None = None

    @property
    def is_all(self) -> bool:
        """Tell whether nothing is cut off."""
        return self.start == 0 and self.stop is None

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing can be in it, whatever there is."""
        return self.stop is not None and self.stop <= self.start

    @property
    def size(self) -> int | None:
        """Return how many places there are in it; None when there is no end."""
        return None if self.stop is None else max(0, self.stop - self.start)

    def within(self, inner: Window) -> Window:
        """Return the places of *inner*, which counts inside of this one: ``[10:20]`` and in it ``[2:5]`` is ``[12:15]``."""
        stops = [stop for stop in (self.stop, None if inner.stop is None else self.start + inner.stop) if stop is not None]
        start = self.start + inner.start
        stop = min(stops) if stops else None
        return Window(start if stop is None else min(start, stop), stop)


ALL = Window()


def read_subscript(key: Any) -> tuple[Window | int, Window | int]:
    """Return what stands in brackets: rows, and databases (``ALL`` where there is no second part).

    Raises:
        QueryError: it is no slice, or one that SQL cannot do.
    """
    if isinstance(key, tuple):
        if len(key) != 2:
            raise QueryError(f"a slice has one or two parts, rows and databases, and this one has {len(key)}", hint="write [0:5, 0:3]")
        return _read_part(key[0], "rows"), _read_part(key[1], "databases")
    return _read_part(key, "rows"), ALL


def _read_part(key: Any, what: str) -> Window | int:
    if not isinstance(key, slice):
        return _read_place(key, what, "a place")
    if key.step is not None and _read_number(key.step, what, "a step") != 1:
        raise QueryError(f"{what} cannot be taken in steps of {key.step!r}", hint="take all of it, and steps of the list: .all()[::2]")
    start = 0 if key.start is None else _read_place(key.start, what, "the start of a slice")
    stop = None if key.stop is None else _read_place(key.stop, what, "the end of a slice")
    if stop is not None and stop < start:
        raise QueryError(f"the slice [{start}:{stop}] of {what} ends before it starts", hint="slices run forwards: [a:b] with a <= b")
    return Window(start, stop)


def _read_place(value: Any, what: str, thing: str) -> int:
    number = _read_number(value, what, thing)
    if number < 0:
        hint = "order the other way round: orderby('-id')[:5]" if what == "rows" else "name the databases: using('a', 'b')"
        raise QueryError(f"{thing} of {what} cannot be counted from the end, as '{number}' is", hint=hint)
    if number > MOST:
        raise QueryError(f"{thing} of {what} is at most {MOST}, and '{str(number)[:40]}' is more")
    return number


def _read_number(value: Any, what: str, thing: str) -> int:
    if not isinstance(value, bool):
        try:
            return as_index(value)
        except TypeError:
            pass
    raise QueryError(f"{thing} of {what} is a whole number, and '{str(value)[:40]}' is a {type(value).__name__}", hint="write [0:5]")
