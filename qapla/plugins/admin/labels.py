"""What a row is called: the columns that name it for people, and how a foreign key shows the name of the row it points at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qapla.database.query.description import Embed, Field, Path, Selection
from qapla.database.query.relations import get_relation
from qapla.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qapla.database.schema.description import Column, DatabaseSchema, ForeignKey, Relation, Table

# In this order; the first that a table has is its label. Two in a row are shown together.
NAMES: tuple[tuple[str, ...], ...] = (
    ("name",), ("title",), ("label",), ("display_name",), ("displayname",), ("full_name",), ("fullname",),
    ("first_name", "last_name"), ("firstname", "lastname"), ("given_name", "family_name"),
    ("company_name",), ("companyname",), ("company",), ("subject",), ("headline",), ("username",), ("login",), ("email",),
    ("code",), ("slug",), ("description",),
)  # fmt: skip
SORTS = frozenset(
    {"state", "status", "type", "kind", "class", "category", "gender", "sex", "currency", "language", "locale", "unit", "country"}
)
LONGEST = 80  # letters of a label


def label_columns(table: Table) -> tuple[str, ...]:
    """Return the columns whose values name a row: by their own name, else the first text, else the key."""
    texts = {column.name.lower(): column.name for column in table.columns if column.type.kind in {"text", "enum"}}
    for names in NAMES:
        if all(name in texts for name in names):
            return tuple(texts[name] for name in names)
    for ending in ("name", "title"):  # product_name, TrackTitle
        found = next((name for lower, name in texts.items() if lower.endswith(ending)), None)
        if found:
            return (found,)
    key = table.identity.columns
    if any(table.by_name[name].type.kind == "text" for name in key):
        return key  # a natural key says more than any text beside it
    pointers = {name for foreign_key in table.foreign_keys for name in foreign_key.columns}
    first = next((column.name for column in table.columns if _can_name(column) and column.name not in pointers), None)
    return (first,) if first else key or tuple(column.name for column in table.columns[:1])


def _can_name(column: Column) -> bool:
    """Tell whether a text column may name a row: not one of the few that say what state or sort a row is of."""
    words = set(column.name.lower().replace("-", "_").split("_"))
    return column.type.kind == "text" and column.default is None and not words & SORTS


def make_label(table: Table, row: Mapping[str, object]) -> str:
    """Return what people call *row* of *table*; its key where the label columns hold nothing."""
    for columns in (label_columns(table), table.identity.columns):
        words = " ".join(str(row[name]) for name in columns if row.get(name) not in (None, ""))
        if words.strip():
            return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
    return "–"


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key of a table, as a list shows it: at ``column``, as the label of the row it points at."""

    column: str
    key: ForeignKey
    target: Table
    relation: Relation
    alias: str | None  # of the embed that brings the label; None where the key itself is the label

    def embed(self) -> Embed:
        """Return the embed that brings the label's columns along."""
        fields = tuple(Field(Path(name)) for name in label_columns(self.target))
        return Embed(self.relation.name, hint=_hint(self.relation), alias=self.alias, select=Selection(fields))

    def target_values(self, row: Mapping[str, object]) -> dict[str, object] | None:
        """Return the values of the referenced columns, or None where the key points nowhere."""
        values = {there: row.get(here) for here, there in zip(self.key.columns, self.key.target_columns, strict=True)}
        return None if None in values.values() else values

    def label(self, row: Mapping[str, object]) -> str | None:
        """Return the label that came with *row*, or None."""
        found = row.get(self.alias) if self.alias else None
        return make_label(self.target, found) if isinstance(found, dict) else None


def find_references(schema: DatabaseSchema, table: Table) -> dict[str, Reference]:
    """Return the foreign keys of *table*, or those seen through a view, by the column that shows them; of two on one column the first."""
    relations = {
        (relation.columns, relation.target, relation.target_columns): relation
        for relation in schema.relations_of.get(table.name, ())
        if relation.kind == "to_one" and not relation.one_to_one
    }
    found: dict[str, Reference] = {}
    for key in table.seen_keys if table.is_view else table.foreign_keys:
        target, relation = schema.by_name.get(key.target), relations.get((key.columns, key.target, key.target_columns))
        column = key.columns[-1]  # of several, the last is the most telling one
        if target is None or relation is None or column in found or (table.is_view and not _is_meant(schema, relation)):
            continue
        has_label = set(label_columns(target)) - set(key.target_columns)
        alias = _free_name(f"{column}@label", table) if has_label else None
        found[column] = Reference(column, key, target, relation, alias)
    return found


def _hint(relation: Relation) -> str | None:
    return relation.constraint or (relation.hints[0] if relation.hints else None)


def _is_meant(schema: DatabaseSchema, relation: Relation) -> bool:
    """Tell whether an embed finds this relation; a view that shows a key twice has several of one name."""
    try:
        return get_relation(schema, schema.by_name[relation.source], relation.name, _hint(relation)) == relation
    except QueryError:
        return False


def _free_name(wanted: str, table: Table) -> str:
    while wanted in table.by_name:
        wanted += "'"
    return wanted
