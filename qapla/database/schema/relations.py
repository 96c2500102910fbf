"""Ways between tables, derived once from their foreign keys: one list that every reader uses under the same names.

The rules are PostgREST's: a foreign key is ``to_one`` from its own table and ``to_many`` from the other (``to_one`` again when its
columns are unique); a table whose primary key, or another unique set, covers two foreign keys joins their targets ``many_to_many``.
A view has the relations of the tables whose keys it shows (``seen.py``).

Source: https://docs.postgrest.org/en/stable/references/api/resource_embedding.html
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from qapla.database.schema.description import Junction, Relation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qapla.database.schema.description import ForeignKey, Table, TableName


def derive(tables: Sequence[Table]) -> tuple[Relation, ...]:
    """Return every relation between *tables*; a foreign key to a table that is not among them gives none."""
    known = {table.name for table in tables}
    found: list[Relation] = []
    for table in tables:
        keys = [key for key in (*table.foreign_keys, *table.seen_keys) if key.target in known]
        for key in keys:
            found.append(to_one(table, key))
            found.append(to_source(table, key))
        found.extend(through(table, keys))
    return tuple(sorted(found, key=order))


def order(relation: Relation) -> tuple[object, ...]:
    """Return what relations are sorted by: source, target, then kind and constraint."""
    return sortable(relation.source), sortable(relation.target), relation.kind, relation.constraint or "", relation.columns, relation.hints


def sortable(name: TableName) -> tuple[str, str]:
    """Return a table's name without None."""
    return name.schema or "", name.name


def constraint_name(table: TableName, key: ForeignKey) -> str:
    """Return the name of a foreign key; one without gets the name that PostgreSQL would have given it."""
    return key.name or "_".join((table.name, *key.columns, "fkey"))


def to_one(table: Table, key: ForeignKey) -> Relation:
    """Return the way along a foreign key."""
    name = constraint_name(table.name, key)
    return Relation(
        name=key.target.name,
        kind="to_one",
        source=table.name,
        target=key.target,
        columns=key.columns,
        target_columns=key.target_columns,
        constraint=name,
        hints=hints(table, key),
    )


def to_source(table: Table, key: ForeignKey) -> Relation:
    """Return the way back along a foreign key: many rows, or one where its columns are unique."""
    name = constraint_name(table.name, key)
    unique = is_unique(table, key.columns)
    return Relation(
        name=table.name.name,
        kind="to_one" if unique else "to_many",
        source=key.target,
        target=table.name,
        columns=key.target_columns,
        target_columns=key.columns,
        constraint=name,
        hints=hints(table, key),
        one_to_one=unique,
    )


def through(junction: Table, keys: Sequence[ForeignKey]) -> Iterator[Relation]:
    """Yield the many-to-many relations that a table in the middle makes, both ways."""
    for near, far in permutations(keys, 2):
        is_same = near.columns == far.columns or constraint_name(junction.name, near) == constraint_name(junction.name, far)
        if is_same or not covers(junction, {*near.columns, *far.columns}):
            continue
        yield Relation(
            name=far.target.name,
            kind="many_to_many",
            source=near.target,
            target=far.target,
            columns=near.target_columns,
            target_columns=far.target_columns,
            constraint=constraint_name(junction.name, far),
            hints=(junction.name.name,),
            via=Junction(junction.name, near.columns, far.columns),
        )


def hints(table: Table, key: ForeignKey) -> tuple[str, ...]:
    """Return the words that tell a relation from its sisters: the constraint, and the column where it is only one.

    A key that is seen through a view has the column that it points at as well: one view may show the same key several times.
    """
    columns = (*key.columns, *key.target_columns) if key in table.seen_keys else key.columns
    return tuple(dict.fromkeys((constraint_name(table.name, key), *(columns if len(key.columns) == 1 else ()))))


def unique_sets(table: Table) -> list[set[str]]:
    """Return the sets of columns whose values occur once."""
    keys = [table.primary_key] if table.primary_key else []
    return [set(key.columns) for key in (*keys, *table.unique, *table.seen_unique)]


def is_unique(table: Table, columns: tuple[str, ...]) -> bool:
    """Tell whether the values of *columns* occur once: they contain a unique set."""
    return any(unique <= set(columns) for unique in unique_sets(table))


def covers(table: Table, columns: set[str]) -> bool:
    """Tell whether one unique set contains all of *columns*."""
    return any(columns <= unique for unique in unique_sets(table))
