"""A query whose names are looked up: the *shape* that is compiled once, and the operands that are bound each time.

A shape holds everything that makes a difference to the SQL and nothing else; values are indexes into the operands. All of it is
frozen and hashable: the shape is the key of the cache of statements. It belongs to one ``DatabaseSchema``, so tables and columns are
plain names here, which are there for sure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from qapla.database.query.description import CountMode, Order
    from qapla.database.schema.description import Function, Relation, TableName


Form = Literal["row", "stripped", "feature"]  # of a body: the row, the row without its nulls, a Feature of GeoJSON


@dataclass(frozen=True, slots=True)
class Ref:
    """A value in a row: a column, the steps into its JSON, a cast."""

    column: str
    steps: tuple[str | int, ...] = ()
    as_text: bool = False
    cast: str | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Plain columns under their own names; ``preview`` cuts long ones to that many characters."""

    names: tuple[str, ...]
    preview: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One value under a name."""

    key: str
    ref: Ref
    preview: int | None = None


@dataclass(frozen=True, slots=True)
class AggregateCell:
    """An aggregate under a name; ``ref`` None counts rows."""

    key: str
    function: Literal["count", "sum", "avg", "max", "min"]
    ref: Ref | None = None
    cast: str | None = None


@dataclass(frozen=True, slots=True)
class EmbedCell:
    """Related rows under a name: an object, null or an array, by the kind of the relation."""

    key: str
    relation: Relation
    read: Read


@dataclass(frozen=True, slots=True)
class SpreadCells:
    """The cells of the one related row among the cells of the row itself; of many related rows, an array for each cell."""

    relation: Relation
    read: Read


AnyCell = Columns | Cell | AggregateCell | EmbedCell | SpreadCells


@dataclass(frozen=True, slots=True)
class JsonPattern:
    """A JSON operand: the slot of a scalar, the slots of an array of scalars, or an object of patterns."""

    form: Literal["scalar", "array", "object"]
    slots: tuple[int, ...] = ()
    members: tuple[tuple[str, JsonPattern], ...] = ()


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison. ``slots`` are its operands; ``argument`` is the slot of a text search language.

    ``helpers`` are slots of what else the renderer wants to know of each operand; ``is_folded`` has it fold the case of an ``ilike``;
    ``pattern`` is a JSON operand that it has taken apart.
    """

    ref: Ref
    operator: str
    slots: tuple[int, ...] = ()
    argument: int | None = None
    helpers: tuple[int, ...] = ()
    is_folded: bool = False
    pattern: JsonPattern | None = None


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[AnyTest, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """One of the parts holds."""

    parts: tuple[AnyTest, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """The part does not hold."""

    part: AnyTest


@dataclass(frozen=True, slots=True)
class HasRows:
    """There are related rows that pass the filters of *read*."""

    relation: Relation
    read: Read


@dataclass(frozen=True, slots=True)
class Contains:
    """The word in this slot is in one of the columns, case ignored."""

    columns: tuple[str, ...]
    slot: int
    is_folded: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """One term of an order; ``relation`` is the to-one relation whose column it is. ``nulls_first`` is never left open."""

    ref: Ref
    descending: bool
    nulls_first: bool
    nullable: bool
    relation: Relation | None = None


@dataclass(frozen=True, slots=True)
class After:
    """Only the rows after the place whose values are in these slots, term by term; None stands for NULL."""

    terms: tuple[Term, ...]
    slots: tuple[int | None, ...]


AnyTest = Test | All | Some | Negation | HasRows | Contains | After


@dataclass(frozen=True, slots=True)
class Read:
    """Rows of one table. ``limit`` and ``offset`` are slots; ``keys`` adds the values of the order's terms to each row.

    ``guards`` of the outermost one say, by table, which rows there are for this caller at all, wherever the table is read.
    """

    table: TableName
    cells: tuple[AnyCell, ...]
    where: AnyTest | None = None
    order: tuple[Term, ...] = ()
    after: After | None = None
    limit: int | None = None
    offset: int | None = None
    keys: bool = False
    total: bool = False
    form: Form = "row"
    guards: tuple[tuple[TableName, AnyTest], ...] = ()

    @property
    def is_grouped(self) -> bool:
        """Tell whether there is an aggregate among the cells; what stands beside it groups."""
        return is_grouped(self.cells)


def is_grouped(cells: tuple[AnyCell, ...]) -> bool:
    """Tell whether there is an aggregate among *cells*; one in a related row that is spread is as good as one of the row itself."""
    for cell in cells:
        if isinstance(cell, AggregateCell):
            return True
        if isinstance(cell, SpreadCells) and cell.relation.kind == "to_one" and is_grouped(cell.read.cells):
            return True
    return False


@dataclass(frozen=True, slots=True)
class Resolved:
    """A shape with its operands, and what is needed to make a page of what comes back.

    ``limit`` is the number of rows of the page (one more is read, to know whether there are more); ``place`` says where in each row's
    JSON the values of the order's terms are, None when they come beside it.
    """

    shape: Read
    operands: tuple[object, ...] = ()
    limit: int | None = None
    offset: int = 0
    backward: bool = False
    started: bool = False  # a cursor says where it starts
    count: CountMode = "none"
    order: tuple[Order, ...] = ()
    place: tuple[str, ...] | None = None
    volatile: tuple[Function, ...] = ()  # functions of a row that it calls and that may write
