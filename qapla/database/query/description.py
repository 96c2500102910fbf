"""What someone asks of a database, as one frozen value.

A ``Query`` is made by a parser (``qapla.plugins.rest.language``, the admin's lists, a model's ``select()``) that needs no schema: all
names and operands are text as they came. ``resolve`` looks them up, ``compile`` makes one statement of it. Everything here is
hashable, so that a compiled statement can be cached by the shape of its query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qapla.database.schema.description import TableName

CountMode = Literal["none", "exact", "planned", "estimated"]
Quantifier = Literal["any", "all"]


@dataclass(frozen=True, slots=True)
class Path:
    """A column, and the steps into its JSON: ``data->a->>0`` is ``Path("data", ("a", 0), as_text=True)``."""

    column: str
    steps: tuple[str | int, ...] = ()
    as_text: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One column of the answer. ``Path("*")`` stands for all columns. ``cast`` is a type's name as the caller wrote it.

    ``preview`` is for lists that people look at: a text (or JSON, array, …) longer than that many characters comes cut, with ``…``
    behind it, and a binary value as its number of bytes, so that one page with large values stays small.
    """

    path: Path
    cast: str | None = None
    alias: str | None = None
    preview: int | None = None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """``amount.sum()``, ``count()`` (without a path), each with a cast and an alias; what stands beside it groups."""

    function: Literal["count", "sum", "avg", "max", "min"]
    path: Path | None = None
    path_cast: str | None = None
    cast: str | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in an order: the values of its columns in one row, as the JSON of the answer wrote them.

    ``backward`` reads the rows before it instead of after it; they still come in the query's own order.
    """

    order: tuple[Order, ...]  # the order it was made for; another one is refused
    values: tuple[str | int | float | bool | None, ...]
    backward: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """Which of the rows: at most ``limit`` (None: all), after ``offset`` of them or after the row that a cursor names."""

    limit: int | None = None
    offset: int = 0
    after: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One term of an order. ``embed`` names the to-one relation whose column it is; ``nulls`` None means as PostgreSQL has it
    (last when ascending, first when descending), on every engine."""

    path: Path
    descending: bool = False
    nulls: Literal["first", "last"] | None = None
    embed: str | None = None


@dataclass(frozen=True, slots=True)
class Compare:
    """``path operator operand``. The operand is text as it came, a tuple for ``in`` and for quantified operators."""

    path: Path
    operator: str  # a row of ``lookups.OPERATORS``
    operand: str | tuple[str, ...] | None
    quantifier: Quantifier | None = None
    argument: str | None = None  # the language of fts(language)
    cast: str | None = None


@dataclass(frozen=True, slots=True)
class And:
    """All of them; of none: true."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them; of none: false."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite, with NULL staying NULL as in SQL."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Exists:
    """The embed of this name (or alias) has rows; ``Not(Exists(…))`` is ``client=is.null``."""

    embed: str


@dataclass(frozen=True, slots=True)
class Search:
    """Any text of the table contains these words, case ignored: the quick search of a list.

    Columns are chosen when it is resolved; every word must be found in one of them.
    """

    words: tuple[str, ...]


Condition = Compare | And | Or | Not | Exists | Search


@dataclass(frozen=True, slots=True)
class Embed:
    """Related rows inside each row. ``relation`` is a table, constraint or column name as the caller wrote it."""

    relation: str
    hint: str | None = None
    alias: str | None = None
    join: Literal["left", "inner"] = "left"
    spread: bool = False
    select: Selection | None = None  # None: all columns
    where: Condition | None = None
    order: tuple[Order, ...] = ()
    window: Window = Window()


@dataclass(frozen=True, slots=True)
class Selection:
    """What comes back, in this order. Empty means no column at all, ``select()`` of an embed used only to filter."""

    items: tuple[Field | Aggregate | Embed, ...]

    @property
    def embeds(self) -> tuple[Embed, ...]:
        """Return the embeds among the items."""
        return tuple(item for item in self.items if isinstance(item, Embed))


ALL_COLUMNS = Selection((Field(Path("*")),))


@dataclass(frozen=True, slots=True)
class Query:
    """A read: rows of one table, chosen, ordered, cut out, with what belongs to them."""

    table: TableName
    select: Selection = ALL_COLUMNS
    where: Condition | None = None
    order: tuple[Order, ...] = ()
    window: Window = Window()
    count: CountMode = "none"


@dataclass(frozen=True, slots=True)
class OnConflict:
    """What an insert does with a row that is there already: ``columns`` None means the primary key."""

    action: Literal["merge", "ignore"]
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Insert:
    """New rows, all or none. ``rows`` has one tuple per row in the order of ``columns``; a ``MISSING`` takes the default or NULL."""

    table: TableName
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    returning: Selection | None = None
    missing_default: bool = False
    on_conflict: OnConflict | None = None
    order: tuple[Order, ...] = ()  # of what comes back


@dataclass(frozen=True, slots=True)
class Update:
    """Change columns of the rows that *where* names; ``max_affected`` more rows than that are an error and change nothing."""

    table: TableName
    values: tuple[tuple[str, object], ...]
    where: Condition | None = None
    returning: Selection | None = None
    max_affected: int | None = None
    order: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the rows that *where* names."""

    table: TableName
    where: Condition | None = None
    returning: Selection | None = None
    max_affected: int | None = None
    order: tuple[Order, ...] = ()


Write = Insert | Update | Delete


@dataclass(frozen=True, slots=True)
class Raw:
    """A whole body, for a function whose single parameter has no name and is of this type.

    ``alone`` tells that nothing else is in the body: no arguments, not even none.
    """

    type: Literal["json", "text", "xml", "bytea"]
    value: str | bytes
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a stored function, and what is asked of the rows that it gives.

    ``arguments`` are values as JSON has them, or ``TextValue``; a name may be there several times: all of them go to a variadic
    parameter, the last one to any other. ``raw`` is for a function with a single parameter without a name, where none takes the
    arguments. The table of ``query`` is not looked at.
    """

    function: TableName
    arguments: tuple[tuple[str, object], ...] = ()
    query: Query | None = None  # None: everything
    raw: Raw | None = None


class Missing:
    """The type of ``MISSING``: a ragged row says nothing about a column."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing()


class TextValue(str):
    """A value of a new row that came as text (a cell of a CSV, a field of a form): its column reads it, as the operand of a filter.

    A plain ``str`` is a JSON string: ``"[1]"`` is a text where a JSON column gets it, ``TextValue("[1]")`` an array.
    """

    __slots__ = ()
