"""Rows in batches, so that never more than a batch of each database is in memory.

A batch is read only when somebody asks for it: between two batches the session is the caller's, who may ask and save in the loop.
PostgreSQL and SQLite go on reading one statement (a cursor of the server, which a commit in the loop ends on PostgreSQL). Where a
connection does one thing at a time, as with MariaDB and MySQL, the keys of all rows are read first, and then each batch by its keys.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from qapla.database.models.merging import merge_streams
from qapla.database.models.ordering import directions
from qapla.errors import QaplaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qapla.database.models.bound import Bound
    from qapla.database.models.queryset import QuerySet


def stream(queryset: QuerySet[Any], size: int) -> Iterator[Any]:
    """Yield the rows of all databases, *size* of each at a time.

    The first batches are read side by side, all others when they are needed.

    Raises:
        QaplaError: a database failed; with ``on_error("report")`` its rows end there.
    """
    if queryset.is_nothing:
        return
    asking, bounds, merges = queryset.asking, queryset.bounds(), queryset.order_is_global
    asking.errors = {}
    streams = {bound: Stream(queryset, bound, size, merges=merges) for bound in bounds}
    try:
        firsts = dict(asking.ask(bounds, lambda bound: streams[bound].fetch(), queryset.mapper))
        parts = [_read_on(queryset, streams[bound], rows) for bound, rows in firsts.items()]
        rows = merge_streams(parts, directions(queryset.terms)) if merges else chain.from_iterable(parts)
        yield from _once(rows) if queryset.is_distinct and queryset.selected and len(bounds) > 1 else rows
    finally:
        for each in streams.values():
            each.close()


def _read_on(queryset: QuerySet[Any], stream: Stream, rows: list[Any]) -> Iterator[Any]:
    while rows:
        yield from rows
        try:
            rows = queryset.asking.ask_again(stream.bound, stream.fetch, queryset.mapper)
        except QaplaError as error:
            if queryset.asking.on_error == "raise":
                raise
            queryset.asking.note(stream.bound, error)
            return


def _once(rows: Iterator[Any]) -> Iterator[Any]:
    seen: set[Any] = set()
    for row in rows:
        if row not in seen:
            seen.add(row)
            yield row


class Stream:
    """The rows of one database; ``fetch`` gives the next batch, an empty one at the end."""

    def __init__(self, queryset: QuerySet[Any], bound: Bound, size: int, *, merges: bool) -> None:
        self.bound = bound
        self._queryset, self._size, self._merges = queryset, size, merges
        self._batches: Any = self._read()

    def fetch(self) -> list[Any]:
        """Return the next rows; where they are merged, each with what it is sorted by."""
        return next(self._batches, [])

    def close(self) -> None:
        """Stop reading."""
        self._batches.close()

    def _read(self) -> Iterator[list[Any]]:
        if self.bound.dialect.reads_beside:
            return self._read_on()
        return self._read_all() if self._queryset.is_distinct else self._read_by_keys()  # nothing tells distinct rows apart

    def _read_on(self) -> Iterator[list[Any]]:
        statement = self._queryset.build(self.bound, merges=self._merges)
        with self.bound.session.execute(statement, execution_options={"yield_per": self._size}) as result:
            for rows in result.partitions(self._size):
                yield self._plain(rows)

    def _read_all(self) -> Iterator[list[Any]]:
        rows = self._plain(self.bound.session.execute(self._queryset.build(self.bound, merges=self._merges)).all())
        for start in range(0, len(rows), self._size):
            yield rows[start : start + self._size]

    def _read_by_keys(self) -> Iterator[list[Any]]:
        session, columns = self.bound.session, self._queryset.key_columns
        keys = session.execute(self._queryset.build(self.bound, merges=self._merges, only_keys=True)).all()
        for start in range(0, len(keys), self._size):
            part = [tuple(key) for key in keys[start : start + self._size]]
            wanted = columns[0].in_([key[0] for key in part]) if len(columns) == 1 else sa.tuple_(*columns).in_(part)
            statement = self._queryset.build(self.bound, merges=self._merges, among=wanted)
            found = session.execute(statement)
            yield self._plain((found.unique() if self._queryset.loading else found).all())

    def _plain(self, rows: Any) -> list[Any]:
        if self._merges:
            return list(self._queryset.read_rows(rows))
        return list(rows) if self._queryset.selected else [row[0] for row in rows]
