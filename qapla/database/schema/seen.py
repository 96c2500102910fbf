"""The keys of tables as they are seen through views: what makes relations from views, to views and between them.

The rules are PostgREST's. A view that shows all columns of a foreign key as they are points where its table points; one that shows all
columns that a foreign key points at is pointed at, too. Ends that are both tables are no matter of views, and an end in another schema
is left out: there the same names mean other things. The tables behind a view need not be among those that are listed.

Source: https://docs.postgrest.org/en/stable/references/api/resource_embedding.html#foreign-key-joins-on-views
"""

from __future__ import annotations

from collections import defaultdict
from itertools import islice, product
from typing import TYPE_CHECKING

from qapla.database.schema.description import ForeignKey, Key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qapla.database.schema.description import TableName
    from qapla.database.schema.reading import Origin, Reading

MOST_WAYS = 16  # in which one view may show the same key: it grows with every column that stands there twice
Shown = dict["Origin", dict["TableName", list[str]]]


def find_seen(reading: Reading) -> tuple[dict[TableName, list[ForeignKey]], dict[TableName, list[Key]]]:
    """Return the foreign keys, and the unique sets, that are seen through views, by the table or view that has them."""
    shown = _shown(reading)
    keys: dict[TableName, list[ForeignKey]] = defaultdict(list)
    unique: dict[TableName, list[Key]] = defaultdict(list)
    if not shown:
        return keys, unique
    for table, found in reading.foreign_keys.items():
        for key in found:
            sources = list(_ends(reading, shown, table, key.columns))
            targets = list(_ends(reading, shown, key.target, key.target_columns))
            name = key.name or "_".join((table.name, *key.columns, "fkey"))
            for (source, columns), (target, target_columns) in product(sources, targets):
                if source.schema == target.schema and (source, target) != (table, key.target):
                    keys[source].append(ForeignKey(name, columns, target, target_columns))
    for table, unique_set in _unique(reading):
        for view, columns in _ends(reading, shown, table, unique_set.columns):
            if view != table:
                unique[view].append(Key(None, columns))
    return keys, unique


def find_primary_key(reading: Reading, view: TableName) -> Key | None:
    """Return the primary key of the table of which a view shows rows, where it shows all of it; None where a row may be there twice."""
    if view not in reading.single:
        return None
    shown: dict[Origin, str] = {}
    for column in reading.columns.get(view, ()):
        if column.name in (origins := reading.origins.get(view, {})):
            shown.setdefault(_follow(reading.origins, origins[column.name]), column.name)
    for table in dict.fromkeys(table for table, _ in shown):
        key = reading.primary_keys.get(table)
        if key is not None and all((table, name) in shown for name in key.columns):
            return Key(None, tuple(shown[table, name] for name in key.columns))
    return None


def _shown(reading: Reading) -> Shown:
    """Return for each column of a table the listed views that show it, and as which of their columns."""
    found: Shown = {}
    for view, listed in reading.tables.items():
        if listed.kind in ("view", "materialized_view"):
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
    places = [shown.get((table, column), {}) for column in columns]
    for view in sorted(set.intersection(*map(set, places)), key=str) if places else ():
        for names in islice(product(*(place[view] for place in places)), MOST_WAYS):
            yield view, names


def _unique(reading: Reading) -> Iterator[tuple[TableName, Key]]:
    yield from reading.primary_keys.items()
    for table, keys in reading.unique.items():
        for key in keys:
            yield table, key
