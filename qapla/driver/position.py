"""Places in an order: where a page begins when it is found by key and not by counting.

A condition on the values of the last row seen costs the same however far it is, where the order has an index; counting with OFFSET reads
all rows before. NULL comes last on every engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, false, or_

from qapla.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from qapla.driver.subject import Subject


@dataclass(frozen=True, slots=True)
class Term:
    """One attribute of an order."""

    name: str
    descending: bool = False
    nullable: bool = False


def read_order(subject: Subject, order: Sequence[str] | str) -> tuple[Term, ...]:
    """Return the terms of *order*: names, ``-name`` for a descending one; the key is added, so that no two rows are equal.

    Raises:
        QueryError: there is no such column.
    """
    names = (order,) if isinstance(order, str) else tuple(order)
    terms = {}
    for text in (*names, *subject.key_names):
        name = text.removeprefix("-")
        if name not in terms:
            terms[name] = Term(name, text != name, bool(subject.column(name).nullable))
    return tuple(terms.values())


def read_position(subject: Subject, order: tuple[Term, ...], after: Any) -> tuple[Any, ...]:
    """Return the values of *order* at the row *after*: that row itself, a mapping, a tuple of them, or the only one.

    Raises:
        QueryError: it has other parts than *order*.
    """
    names = tuple(term.name for term in order)
    if subject.is_row(after):
        missing = [name for name in names if isinstance(after, Mapping) and name not in after]
        if not missing:
            return tuple(subject.value(after, name) for name in names)
    elif isinstance(after, Mapping) and set(names) <= set(after):
        return tuple(after[name] for name in names)
    else:
        values = tuple(after) if isinstance(after, tuple | list) else (after,)
        if len(values) == len(names) and not isinstance(after, Mapping):
            return values
    said = f"the place after which a page of {subject.name} begins is ({', '.join(names)})"
    raise QueryError(said, hint="pass on `next` of the page before")


def order_by(subject: Subject, order: tuple[Term, ...]) -> list[Any]:
    """Return the ORDER BY of a statement."""
    made: list[Any] = []
    for term in order:
        column = subject.attribute(term.name)
        if term.nullable:
            made.append(column.is_(None))  # not every engine knows NULLS LAST
        made.append(column.desc() if term.descending else column)
    return made


def is_after(subject: Subject, order: tuple[Term, ...], position: tuple[Any, ...]) -> ColumnElement[bool]:
    """Return the condition for rows that come after *position*."""
    term, value = order[0], position[0]
    column = subject.attribute(term.name)
    rest = is_after(subject, order[1:], position[1:]) if len(order) > 1 else false()
    if value is None:
        return and_(column.is_(None), rest)
    beyond = column < value if term.descending else column > value
    if term.nullable:
        return or_(beyond, column.is_(None), and_(column == value, rest))
    if len(order) == 1:
        return beyond
    # The first condition says nothing new; it lets every engine begin in an index, which an OR does not.
    from_here = column <= value if term.descending else column >= value
    return and_(from_here, or_(beyond, and_(column == value, rest)))
