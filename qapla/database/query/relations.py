"""Find the relation that an embed means, as PostgREST tells them apart.

An embed is named by the table at its other end, by the foreign key's constraint, or by its column; a hint behind ``!`` chooses among
several. In a relation of a table with itself its own name means the many, the constraint or the column means the one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.database.schema.relations import constraint_name, is_unique
from qapla.errors import NotOffered, QueryError, nearest

if TYPE_CHECKING:
    from qapla.database.schema.description import DatabaseSchema, Relation, Table, TableKind

CARDINALITIES = {"to_one": "many-to-one", "to_many": "one-to-many", "many_to_many": "many-to-many"}

VIEWS: frozenset[TableKind] = frozenset({"view", "materialized_view"})


def get_relation(schema: DatabaseSchema, table: Table, target: str, hint: str | None = None) -> Relation:
    """Return the one relation of *table* that *target* and *hint* mean.

    Raises:
        QueryError: there is none (PGRST200), or several (PGRST201, status 300, with the candidates in ``details``).
        NotOffered: there is none because one of the two is a view.
    """
    known = schema.relations_of.get(table.name, ())
    found = [relation for relation in known if _is_meant(relation, target) and (hint is None or _has_hint(relation, hint))]
    if len(found) == 1:
        return found[0]
    if found:
        raise _ambiguous(schema, table, target, found)
    other = schema.find_table(target, table.name.schema)
    for end in (table, other) if other is not None else ():
        if end.kind in VIEWS:  # or what a function gives
            message = f"{end.name.name!r} is no table: it has no foreign keys, and so no related rows"
            raise NotOffered(message, hint="embed the tables that it is made of, or join them in it")
    names = sorted({relation.name for relation in known})
    raise QueryError(
        f"Could not find a relationship between {table.name.name!r} and {target[:100]!r} in the schema cache",
        code="PGRST200",
        details=f"Searched for a foreign key relationship between {table.name.name!r} and {target[:100]!r}"
        + (f" using the hint {hint[:100]!r}" if hint else "")
        + (f" in the schema {table.name.schema!r}" if table.name.schema else "")
        + ", but no matches were found.",
        hint=nearest(target[:100], names) or (f"there are relations with {', '.join(names[:20])}" if names else None),
    )


def _is_meant(relation: Relation, target: str) -> bool:
    is_self = relation.source == relation.target
    if relation.kind == "many_to_many":
        return relation.name == target
    if relation.kind == "to_one" and not relation.one_to_one:
        return target in relation.hints or target == relation.constraint or (relation.name == target and not is_self)
    return relation.name == target or (target == relation.constraint and not is_self)


def _has_hint(relation: Relation, hint: str) -> bool:
    return hint in relation.hints or hint == relation.constraint


def _ambiguous(schema: DatabaseSchema, table: Table, target: str, found: list[Relation]) -> QueryError:
    candidates = [
        {
            "cardinality": "one-to-one" if _is_one_to_one(schema, relation) else CARDINALITIES[relation.kind],
            "embedding": f"{table.name.name} with {relation.target.name}",
            "relationship": _describe(schema, relation),
        }
        for relation in found
    ]
    ways = ", ".join(f"'{relation.target.name}!{_hint(relation)}'" for relation in found)
    return QueryError(
        f"Could not embed because more than one relationship was found for {table.name.name!r} and {target[:100]!r}",
        code="PGRST201",
        status=300,
        details=candidates,
        hint=f"Try changing {target[:100]!r} to one of the following: {ways}. Find the desired relationship in the 'details' key.",
    )


def _is_one_to_one(schema: DatabaseSchema, relation: Relation) -> bool:
    return relation.kind == "to_one" and (relation.one_to_one or is_unique(schema.by_name[relation.source], relation.columns))


def _hint(relation: Relation) -> str:
    if relation.via is not None:
        return relation.via.table.name
    return relation.constraint or next(iter(relation.hints), "")


def _describe(schema: DatabaseSchema, relation: Relation) -> str:
    """Return the words of PostgREST: ``jobs using jobs_site_fkey(site_id) and jobs_project_fkey(project_id)``."""
    if relation.via is None:
        near, far = ", ".join(relation.columns), ", ".join(relation.target_columns)
        return f"{relation.constraint} using {relation.source.name}({near}) and {relation.target.name}({far})"
    junction = schema.by_name[relation.via.table]
    ends = []
    for columns in (relation.via.source_columns, relation.via.target_columns):
        key = next((key for key in junction.foreign_keys if key.columns == columns), None)
        ends.append(f"{constraint_name(junction, key) if key is not None else ''}({', '.join(columns)})")
    return f"{junction.name.name} using {ends[0]} and {ends[1]}"
