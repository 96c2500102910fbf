"""What a call of a stored function gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qapla.database.query.printers import get_printer
from qapla.database.query.printing import clean, parse, print_array, print_csv, print_lines
from qapla.errors import NotOffered

if TYPE_CHECKING:
    from qapla.database.query.printing import Body
    from qapla.database.query.shape import Read
    from qapla.database.schema.description import DatabaseSchema, Function


@dataclass(frozen=True, slots=True)
class Called:
    """What a call gave.

    ``bodies`` are the JSON of its rows, or of its plain values; ``is_list`` tells whether there may be several. ``names`` are the columns
    of rows, empty for plain values. ``raw`` is a value as it was asked for, neither of these for a function that gives nothing.
    ``read`` and ``schema`` describe rows that a statement gave; those of a procedure nobody knows before.
    """

    function: Function
    bodies: tuple[Body, ...] = ()
    is_list: bool = False
    names: tuple[str, ...] = ()
    total: int | None = None
    more: bool = False
    raw: bytes | None = None
    read: Read | None = None
    schema: DatabaseSchema | None = None

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

    def print(self, format: str) -> bytes:
        """Return the rows as one of the formats of ``printers``.

        Raises:
            NotOffered: there is no such format, or it needs to know the columns of a procedure beforehand.
        """
        chunks = [self.bodies] if self.bodies else []
        if self.read is not None and self.schema is not None:
            return b"".join(get_printer(format).print(chunks, self.read, self.schema))
        if format == "csv":
            return b"".join(print_csv(chunks, self.names))
        if format == "ndjson":
            return b"".join(print_lines(chunks))
        what = f"the rows of procedure {self.function.name!r} are not offered as {format}"
        raise NotOffered(what, hint="json, csv or ndjson", status=406)

    def value(self) -> Any:
        """Return what the function gave, decoded, numbers exact (int, Decimal)."""
        return None if self.is_empty else parse(self.body)
