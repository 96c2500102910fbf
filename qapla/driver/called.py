"""What a call of a stored function gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qapla.database.query.printing import clean, parse, print_array

if TYPE_CHECKING:
    from qapla.database.query.printing import Body
    from qapla.database.schema.description import Function


@dataclass(frozen=True, slots=True)
class Called:
    """What a call gave.

    ``bodies`` are the JSON of its rows, or of its plain values; ``is_list`` tells whether there may be several. ``names`` are the columns
    of rows, empty for plain values. ``raw`` is a value as it was asked for, neither of these for a function that gives nothing.
    """

    function: Function
    bodies: tuple[Body, ...] = ()
    is_list: bool = False
    names: tuple[str, ...] = ()
    total: int | None = None
    more: bool = False
    raw: bytes | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether the function gives nothing at all."""
        return not self.is_list and not self.bodies and self.raw is None

    @property
    def body(self) -> bytes:
        """Return the JSON of all of it: an array, or what a function that gives one thing gave."""
        if self.is_list:
            return print_array(self.bodies)
        return clean(self.bodies[0]) if self.bodies else b"null"

    def value(self) -> Any:
        """Return what the function gave, decoded, numbers exact (int, Decimal)."""
        return None if self.is_empty else parse(self.body)
