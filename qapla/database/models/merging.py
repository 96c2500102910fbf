"""Make one answer of the answers of several databases."""

from __future__ import annotations

import heapq
from datetime import date, timedelta
from decimal import Decimal, localcontext
from itertools import chain
from typing import TYPE_CHECKING, Any

from qapla.database.models.ordering import make_key, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from qapla.database.models.ordering import Direction

    Keyed = tuple[tuple[Any, ...], Any]  # what a database sorted a row by, and the row

_PLAIN = {int, str, bytes, bool, date, timedelta}
DIGITS = 60  # of a decimal average


def merge_lists(answers: Sequence[Sequence[Keyed]], ways: Sequence[Direction]) -> list[Any]:
    """Return the rows of all in one order. Level ones are in the order of their databases."""
    keyed = list(chain.from_iterable(answers))
    for index in reversed(range(len(ways))):  # the last term first: sorting keeps the order of level rows
        column = [values[index] for values, _ in keyed]
        if _is_plain(column):
            order = sorted(range(len(keyed)), key=column.__getitem__, reverse=ways[index].descending)
        else:
            keys = [place(value, ways[index]) for value in column]
            order = sorted(range(len(keyed)), key=keys.__getitem__)
        keyed = [keyed[number] for number in order]
    return [row for _, row in keyed]


def _is_plain(column: list[Any]) -> bool:
    """Tell whether values can be compared as they are, which is many times as fast: all there, and of one type that has one order."""
    types = set(map(type, column))
    return len(types) <= 1 and types <= _PLAIN


def merge_streams(streams: Iterable[Iterator[Keyed]], ways: Sequence[Direction]) -> Iterator[Any]:
    """Yield the rows of all in one order, taking from each stream only as far as has been yielded."""
    for _, row in heapq.merge(*(_with_keys(stream, ways) for stream in streams), key=lambda pair: pair[0]):
        yield row


def _with_keys(stream: Iterator[Keyed], ways: Sequence[Direction]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for values, row in stream:
        yield make_key(values, ways), row


def merge_sums(sums: Iterable[Any]) -> Any:
    """Return the sum of sums; None, where there was nothing to add up, is nothing."""
    found = [value for value in sums if value is not None]
    return sum(found[1:], found[0]) if found else None


def merge_averages(parts: Iterable[tuple[int, Any]]) -> Any:
    """Return the average of all values from (count, sum) of each database: a database of many rows weighs more.

    Whole numbers have a float; decimal numbers a Decimal of as many digits as it takes, at most 28.
    """
    known = [(count, total) for count, total in parts if count]
    if not known:
        return None
    count, total = sum(number for number, _ in known), merge_sums(total for _, total in known)
    if not isinstance(total, Decimal):
        return total / count
    with localcontext() as context:
        context.prec = DIGITS
        exact = total / count
    return +exact
