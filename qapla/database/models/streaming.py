"""Rows in batches, so that never more than a batch of each database is in memory.

A batch is read only when somebody asks for it: between two batches the session is the caller's, who may ask and save in the loop.
PostgreSQL and SQLite go on reading one statement (a cursor of the server, which a commit in the loop ends on PostgreSQL). Where a
connection does one thing at a time, as with MariaDB and MySQL, the keys of all rows are read first, and then each batch by its keys;
rows that no key tells apart are all read at once.
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

    from sqlalchemy.orm import Mapper

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


def _has_key(mapper: Mapper[Any]) -> bool:
    """Tell whether the key of a mapped class is one of its table: a view, or a table without key, is mapped by columns that may be none."""
    keys, table = set(mapper.primary_key), mapper.primary_key[0].table
    if any(getattr(column, "nullable", True) for column in keys):
        return False
    sets = [set(table.primary_key)]
    if isinstance(table, sa.Table):
        sets += [set(each.columns) for each in table.constraints if isinstance(each, sa.UniqueConstraint)]
        sets += [set(each.expressions) for each in table.indexes if each.unique]
    return any(each and each <= keys for each in sets)


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
        has_key = not self._queryset.is_distinct and _has_key(self._queryset.mapper)
        return self._read_by_keys() if has_key else self._read_all()

    def _read_on(self) -> Iterator[list[Any]]:
        statement = self._queryset.build(self.bound, merges=self._merges)
        with self.bound.session.execute(statement, execution_options={"yield_per": self._size}) as result:
            for rows in result.partitions(self._size):
                yield self._plain(rows)

    def _read_all(self) -> Iterator[list[Any]]:
        found = self.bound.session.execute(self._queryset.build(self.bound, merges=self._merges))
        rows = self._plain((found.unique() if self._queryset.loading else found).all())
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
