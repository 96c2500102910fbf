"""Find the relation that an embed means, as PostgREST tells them apart.

An embed is named by the table at its other end, by the foreign key's constraint, or by its column; a hint behind ``!`` chooses among
several. In a relation of a table with itself its own name means the many, the constraint or the column means the one.

A function that is a relation is meant by its name without a hint, and before all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.database.schema.relations import constraint_name, is_unique
from qapla.errors import QueryError, nearest

if TYPE_CHECKING:
    from qapla.database.schema.description import DatabaseSchema, Relation, Table

CARDINALITIES = {"to_one": "many-to-one", "to_many": "one-to-many", "many_to_many": "many-to-many"}


def get_relation(schema: DatabaseSchema, table: Table, target: str, hint: str | None = None) -> Relation:
    """Return the one relation of *table* that *target* and *hint* mean.

    Raises:
        QueryError: there is none (PGRST200), or several (PGRST201, status 300, with the candidates in ``details``).
    """
    known = schema.relations_of.get(table.name, ())
    for relation in known:
        if relation.function is not None and relation.name == target and hint is None:
            return relation
    found = [relation for relation in known if _is_meant(schema, relation, target) and (hint is None or _has_hint(relation, hint))]
    found = _preferred(schema, table, target, hint, found)
    if len(found) == 1:
        return found[0]
    if found:
        raise _ambiguous(schema, table, target, found)
    names = sorted({relation.name for relation in known})
    other = schema.find_table(target, table.name.schema)
    seen = next((end.name.name for end in (table, other) if end is not None and end.is_view), None)
    advice = f"the view {seen!r} has the relations of the tables whose keys it shows whole and as they are" if seen else None
    raise QueryError(
        f"Could not find a relationship between {table.name.name!r} and {target[:100]!r} in the schema cache",
        code="PGRST200",
        details=f"Searched for a foreign key relationship between {table.name.name!r} and {target[:100]!r}"
        + (f" using the hint {hint[:100]!r}" if hint else "")
        + (f" in the schema {table.name.schema!r}" if table.name.schema else "")
        + ", but no matches were found.",
        hint=nearest(target[:100], names) or advice or (f"there are relations with {', '.join(names[:20])}" if names else None),
    )


def _preferred(schema: DatabaseSchema, table: Table, target: str, hint: str | None, found: list[Relation]) -> list[Relation]:
    """Return those of *found* that nobody needs to tell apart: a view adds ways, and makes none ambiguous that a table has."""
    for is_better in (
        lambda each: each.name == target or not schema.by_name[each.target].is_view,
        lambda each: each.name == target or (each.kind == "to_one" and not each.one_to_one),  # a constraint leads where it points
        lambda each: each.via is None or not schema.by_name[each.via.table].is_view,
        lambda each: each.columns == (hint,),
        lambda each: each.target.schema == table.name.schema,
    ):
        found = [each for each in found if is_better(each)] or found
    return found


def _is_meant(schema: DatabaseSchema, relation: Relation, target: str) -> bool:
    is_self = relation.source == relation.target
    if relation.kind == "many_to_many" or (schema.by_name[relation.target].is_view and not is_self):
        return relation.name == target  # a constraint means the table, not what shows it
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
    ways = ", ".join(f"'{relation.target.name}!{_hint(relation, found)}'" for relation in found)
    return QueryError(
        f"Could not embed because more than one relationship was found for {table.name.name!r} and {target[:100]!r}",
        code="PGRST201",
        status=300,
        details=candidates,
        hint=f"Try changing {target[:100]!r} to one of the following: {ways}. Find the desired relationship in the 'details' key.",
    )


def _is_one_to_one(schema: DatabaseSchema, relation: Relation) -> bool:
    return relation.kind == "to_one" and (relation.one_to_one or is_unique(schema.by_name[relation.source], relation.columns))


def _hint(relation: Relation, found: list[Relation]) -> str:
    """Return the first word that means this relation and no other of *found*; views may show one key several times."""
    if relation.via is not None:
        return relation.via.table.name
    others = [each for each in found if each is not relation]
    words = [word for word in (relation.constraint, *relation.hints) if word and not any(_has_hint(each, word) for each in others)]
    if not words and len(relation.columns) == 1 and all(each.columns != relation.columns for each in others):
        words.extend(relation.columns)
    return words[0] if words else relation.constraint or ""


def _describe(schema: DatabaseSchema, relation: Relation) -> str:
    """Return the words of PostgREST: ``jobs using jobs_site_fkey(site_id) and jobs_project_fkey(project_id)``."""
    if relation.via is None:
        near, far = ", ".join(relation.columns), ", ".join(relation.target_columns)
        return f"{relation.constraint} using {relation.source.name}({near}) and {relation.target.name}({far})"
    junction = schema.by_name[relation.via.table]
    ends = []
    for columns in (relation.via.source_columns, relation.via.target_columns):
        key = next((key for key in (*junction.foreign_keys, *junction.seen_keys) if key.columns == columns), None)
        ends.append(f"{constraint_name(junction.name, key) if key is not None else ''}({', '.join(columns)})")
    return f"{junction.name.name} using {ends[0]} and {ends[1]}"
