"""The address of a list, read into a ``Listing`` and printed back, and the ``Query`` that it is.

    ?where=total:gt:100&where="odd:name":null:&q=smith&sort=-total&sort=id&size=50&after=…

Whatever a page of the admin links to (a header, a chip, the next page, the CSV of what is shown) is a changed ``Listing``, printed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qapla.database.query.cursor import read_cursor
from qapla.database.query.description import ALL_COLUMNS, And, Order, Path, Query, Search, Window
from qapla.errors import QueryError, nearest
from qapla.plugins.admin.filters import get_filter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qapla.database.query.description import Condition, CountMode, Cursor, Selection
    from qapla.database.schema.description import Column, Table

SIZES = (20, 50, 100, 200)
SIZE = 50
MOST_FILTERS = 30

_WHERE = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^":]*)):([a-z]+):(.*)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Filter:
    """``column operator value``, with the names of ``filters``."""

    column: str
    operator: str
    value: str = ""

    def __str__(self) -> str:
        name = f'"{_escape(self.column)}"' if re.search(r'[":]', self.column) else self.column
        return f"{name}:{self.operator}:{self.value}"


@dataclass(frozen=True, slots=True)
class Sort:
    """One column of the order."""

    column: str
    descending: bool = False

    def __str__(self) -> str:
        name = f'"{_escape(self.column)}"' if self.column.startswith(("-", '"')) else self.column
        return f"-{name}" if self.descending else name


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list shows. ``after`` is a cursor, ``start`` an offset where rows have no key; ``schema`` is not the default one."""

    filters: tuple[Filter, ...] = ()
    sorts: tuple[Sort, ...] = ()
    words: str = ""
    size: int = SIZE
    after: str = ""
    start: int = 0
    exact: bool = False
    schema: str = ""

    @property
    def is_narrowed(self) -> bool:
        """Tell whether some rows of the table are left out."""
        return bool(self.filters or self.words)

    def print(self) -> list[tuple[str, str]]:
        """Return the parameters of the address; ``parse(listing.print()) == listing``."""
        pairs = [("where", str(one)) for one in self.filters] + [("sort", str(one)) for one in self.sorts]
        pairs += [("q", self.words)] if self.words else []
        pairs += [("size", str(self.size))] if self.size != SIZE else []
        pairs += [("after", self.after)] if self.after else []
        pairs += [("start", str(self.start))] if self.start else []
        pairs += [("count", "exact")] if self.exact else []
        return pairs + ([("schema", self.schema)] if self.schema else [])

    def first(self) -> Listing:
        """Return the first page of the same rows."""
        return replace(self, after="", start=0)

    def with_filter(self, added: Filter) -> Listing:
        """Return the list narrowed by one more filter, from its first page."""
        filters = self.filters if added in self.filters else (*self.filters, added)
        return replace(self.first(), filters=filters, exact=False)

    def without_filter(self, gone: Filter) -> Listing:
        """Return the list without one of its filters, from its first page."""
        return replace(self.first(), filters=tuple(each for each in self.filters if each != gone), exact=False)

    def sorted_by(self, column: str) -> Listing:
        """Return the list ordered by *column*: upwards, then downwards, then as it was."""
        now = next((each for each in self.sorts[:1] if each.column == column), None)
        sorts = (Sort(column),) if now is None else () if now.descending else (Sort(column, descending=True),)
        return replace(self.first(), sorts=sorts)


def parse(pairs: Iterable[tuple[str, str]]) -> Listing:
    """Read the parameters of an address. What a list does not know is left alone.

    Raises:
        QueryError: a parameter cannot be read; the message names it.
    """
    filters: list[Filter] = []
    sorts: list[Sort] = []
    single: dict[str, str] = {}
    for name, value in pairs:
        if name == "where":
            filters.append(_read_filter(value))
        elif name == "sort" and value:
            sorts.append(_read_sort(value))
        elif name in {"q", "size", "after", "start", "count", "schema"}:
            single[name] = value
    if len(filters) > MOST_FILTERS:
        raise QueryError(f"a list takes at most {MOST_FILTERS} filters, not {len(filters)}")
    return Listing(
        filters=tuple(filters),
        sorts=tuple(sorts),
        words=" ".join(single.get("q", "").split())[:200],
        size=_read_number(single, "size", SIZE, most=SIZES[-1]) or SIZE,
        after=single.get("after", ""),
        start=_read_number(single, "start", 0, most=2**53),
        exact=single.get("count") == "exact",
        schema=single.get("schema", ""),
    )


def make_query(listing: Listing, table: Table, select: Selection = ALL_COLUMNS, *, count: CountMode = "none") -> Query:
    """Return the page that *listing* shows of *table*.

    Raises:
        QueryError: it names a column that is not there, or a filter that the column does not have.
    """
    order = tuple(Order(Path(_column(table, sort.column).name), sort.descending) for sort in listing.sorts)
    return Query(table.name, select, make_condition(listing, table), order, make_window(listing, order), count)


def make_condition(listing: Listing, table: Table) -> Condition | None:
    """Return what the rows of *listing* fulfil, None for all rows."""
    parts: list[Condition] = []
    for each in listing.filters:
        column = _column(table, each.column)
        parts.append(get_filter(each.operator, column.type.kind).condition(Path(column.name), each.value))
    if listing.words:
        parts.append(Search(tuple(listing.words.split())))
    return None if not parts else parts[0] if len(parts) == 1 else And(tuple(parts))


def make_window(listing: Listing, order: tuple[Order, ...]) -> Window:
    """Return the part of the rows that *listing* shows."""
    after: Cursor | None = read_cursor(listing.after, order) if listing.after else None
    return Window(limit=listing.size, offset=0 if after else listing.start, after=after)


def _column(table: Table, name: str) -> Column:
    column = table.by_name.get(name)
    if column is None:
        message = f"column {name[:100]!r} of table {table.name.name!r} does not exist"
        raise QueryError(message, code="42703", hint=nearest(name, table.by_name))
    return column


def _read_filter(text: str) -> Filter:
    found = _WHERE.fullmatch(text)
    if found is None:
        raise QueryError(f"parameter 'where': {text[:100]!r} is not a filter", hint="write it as column:filter:value, total:gt:100")
    quoted, plain, operator, value = found.groups()
    return Filter(plain if quoted is None else _unescape(quoted), operator, value)


def _read_sort(text: str) -> Sort:
    descending = text.startswith("-")
    name = text[1:] if descending else text
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = _unescape(name[1:-1])
    return Sort(name, descending)


def _read_number(single: dict[str, str], name: str, default: int, most: int) -> int:
    text = single.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,18}", text) or int(text) > most:
        raise QueryError(f"parameter {name!r}: {text[:20]!r} is not a number from 0 to {most}")
    return int(text)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
