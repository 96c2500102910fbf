"""The keys of tables as they are seen through views: what makes relations from views, to views and between them.

The rules are PostgREST's. A view that shows all columns of a foreign key as they are points where its table points; one that shows all
columns that a foreign key points at is pointed at, too. Ends that are both tables are no matter of views, and an end in another schema
is left out: there the same names mean other things. The tables behind a view need not be among those that are listed.

Source: https://docs.postgrest.org/en/stable/references/api/resource_embedding.html#foreign-key-joins-on-views
"""

from __future__ import annotations

from collections import defaultdict
from itertools import islice, product
from typing import TYPE_CHECKING, NamedTuple

from qapla.database.schema.description import VIEWS, ForeignKey, Key
from qapla.database.schema.relations import constraint_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qapla.database.schema.description import TableName
    from qapla.database.schema.reading import Origin, Reading

MOST_WAYS = 16  # in which one view may show the same key: it grows with every column that stands there twice
Shown = dict["Origin", dict["TableName", list[str]]]


class Seen(NamedTuple):
    """What is seen through views, by the table or view that has it; a primary key of views of one table alone."""

    foreign_keys: dict[TableName, list[ForeignKey]]
    unique: dict[TableName, list[Key]]
    primary_keys: dict[TableName, Key]


def find_seen(reading: Reading) -> Seen:
    """Return the keys of tables that are seen through views."""
    seen = Seen(defaultdict(list), defaultdict(list), {})
    shown = _shown(reading)
    if not shown:
        return seen
    for table, keys in reading.foreign_keys.items():
        for key in keys:
            sources = list(_ends(reading, shown, table, key.columns))
            targets = list(_ends(reading, shown, key.target, key.target_columns))
            name = constraint_name(table, key)
            for (source, columns), (target, target_columns) in product(sources, targets):
                if source.schema == target.schema and (source, target) != (table, key.target):
                    seen.foreign_keys[source].append(ForeignKey(name, columns, target, target_columns))
    for table, unique in reading.unique.items():
        for each in unique:
            for view, columns in _views(shown, table, each.columns):
                seen.unique[view].append(Key(None, columns))
    for table, primary_key in reading.primary_keys.items():
        for view, columns in _views(shown, table, primary_key.columns):
            seen.unique[view].append(Key(None, columns))
            if view in reading.single:  # elsewhere a row may be there twice
                seen.primary_keys.setdefault(view, Key(None, columns))
    return seen


def _shown(reading: Reading) -> Shown:
    """Return for each column of a table the listed views that show it, and as which of their columns."""
    found: Shown = {}
    for view, listed in reading.tables.items():
        if listed.kind in VIEWS:
            origins = reading.origins.get(view, {})
            for column in reading.columns.get(view, ()):
                if column.name in origins:
                    origin = _follow(reading.origins, origins[column.name])
                    found.setdefault(origin, {}).setdefault(view, []).append(column.name)
    return found


def _follow(origins: Mapping[TableName, Mapping[str, Origin]], origin: Origin) -> Origin:
    """Return the column of a table that a column of a view upon views shows in the end."""
    seen = set()
    while origin not in seen and origin[1] in origins.get(origin[0], {}):
        seen.add(origin)
        origin = origins[origin[0]][origin[1]]
    return origin


def _ends(reading: Reading, shown: Shown, table: TableName, columns: tuple[str, ...]) -> Iterator[tuple[TableName, tuple[str, ...]]]:
    """Yield the table itself, where it shows all of *columns*, and every view that does, with the names that they have there."""
    if table in reading.tables and {column.name for column in reading.columns.get(table, ())}.issuperset(columns):
        yield table, columns
    yield from _views(shown, table, columns)


def _views(shown: Shown, table: TableName, columns: tuple[str, ...]) -> Iterator[tuple[TableName, tuple[str, ...]]]:
    places = [shown.get((table, column), {}) for column in columns]
    for view in sorted(set.intersection(*map(set, places)), key=str) if places else ():
        for names in islice(product(*(place[view] for place in places)), MOST_WAYS):
            yield view, names
