"""The answer to a ``Query``, computed in Python from rows: what every engine has to say, too.

For tests that compare engines with something that is none. Slow and simple on purpose: each function is the sentence of the manual that
it stands for. A value of a JSON column is a ``Json``, so that its null is not the database's NULL. Texts are compared by code points.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

from qapla.database.jsonorder import compare as compare_json
from qapla.database.jsonorder import contains, parse
from qapla.database.query.casts import CASTS
from qapla.database.query.description import Aggregate, And, Compare, Embed, Exists, Field, Not, Or, Path
from qapla.database.query.lookups import OPERATORS
from qapla.database.query.relations import get_relation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from qapla.database.query.description import Condition, Order, Query, Selection, Window
    from qapla.database.schema.description import DatabaseSchema, Relation, Table, TableName

    Row = dict[str, Any]

SIGNS: Mapping[str, Callable[[int], bool]] = {
    "eq": lambda found: found == 0, "neq": lambda found: found != 0, "gt": lambda found: found > 0, "gte": lambda found: found >= 0,
    "lt": lambda found: found < 0, "lte": lambda found: found <= 0,
}  # fmt: skip


@dataclass(frozen=True)
class Json:
    """A JSON value that is not NULL."""

    value: Any

    def __hash__(self) -> int:
        return hash(repr(self.value))


class Reference:
    """Rows of the tables of one schema, by the names of the tables."""

    def __init__(self, schema: DatabaseSchema, rows: Mapping[str, list[Row]]) -> None:
        self.schema = schema
        self.rows = rows

    def answer(self, query: Query) -> tuple[list[Row], int]:
        """Return the rows of the answer, and how many there are without its window."""
        table = self.schema.by_name[query.table]
        found = self.choose(table, self.rows[table.name.name], query.where, query.select)
        if is_grouped(query.select):
            groups = self.group(table, query.select, found)
            return cut(groups, query.window), len(groups)
        rows = self.sort(table, found, query.order, query.select, completes=True)
        return [self.show(table, query.select, row) for row in cut(rows, query.window)], len(rows)

    # -- rows -------------------------------------------------------------------------------------------------------------------------

    def choose(self, table: Table, rows: Iterable[Row], where: Condition | None, select: Selection) -> list[Row]:
        """Return the rows that pass the filters, and those of inner embeds."""
        embeds = {embed.alias or embed.relation: embed for embed in select.embeds}
        inner = [embed for embed in select.embeds if embed.join == "inner"]
        return [
            row
            for row in rows
            if (where is None or self.holds(table, where, row, embeds) is True) and all(self.related(table, each, row)[1] for each in inner)
        ]

    def sort(self, table: Table, rows: list[Row], order: tuple[Order, ...], select: Selection | None, *, completes: bool) -> list[Row]:
        """Return *rows* in *order*, completed by the key in the direction of its last term."""
        terms = [(term, term.descending, term.descending if term.nulls is None else term.nulls == "first") for term in order]

        def compare(left: Row, right: Row) -> int:
            for term, descending, nulls_first in terms:
                one, other = self.ordered_by(table, term, left, select), self.ordered_by(table, term, right, select)
                found = compare_with_nulls(one, other, descending=descending, nulls_first=nulls_first)
                if found:
                    return found
            sign = -1 if order and order[-1].descending else 1
            keys = table.identity.columns if completes else ()
            return sign * next((found for name in keys if (found := compare_values(left[name], right[name]))), 0)

        return sorted(rows, key=cmp_to_key(compare))

    def ordered_by(self, table: Table, term: Order, row: Row, select: Selection | None) -> Any:
        """Return the value that a term of an order has for *row*."""
        if term.embed is None:
            return step(row, term.path)
        named = [embed for embed in (select.embeds if select else ()) if term.embed in (embed.alias, embed.relation)]
        target, hint = (named[-1].relation, named[-1].hint) if named else (term.embed, None)
        relation = get_relation(self.schema, table, target, hint)
        rows = self.follow(relation, row)
        return step(rows[0], term.path) if rows else None

    def follow(self, relation: Relation, row: Row) -> list[Row]:
        """Return the related rows."""
        assert relation.function is None, "what a function gives only the database knows"
        here = [row[name] for name in relation.columns]
        if None in here:
            return []
        if relation.via is None:
            return [each for each in self.named(relation.target) if [each[name] for name in relation.target_columns] == here]
        ends = [
            [link[name] for name in relation.via.target_columns]
            for link in self.named(relation.via.table)
            if [link[name] for name in relation.via.source_columns] == here
        ]
        targets = self.named(relation.target)
        return [each for end in ends for each in targets if [each[name] for name in relation.target_columns] == end]

    def named(self, table: TableName) -> list[Row]:
        """Return the rows of a table."""
        return self.rows[table.name]

    def related(self, table: Table, embed: Embed, row: Row) -> tuple[Relation, list[Row]]:
        """Return the relation of an embed, and its rows in their order, before its window."""
        relation = get_relation(self.schema, table, embed.relation, embed.hint)
        target = self.schema.by_name[relation.target]
        select = selected(embed)
        rows = self.choose(target, self.follow(relation, row), embed.where, select)
        return relation, self.sort(target, rows, embed.order, select, completes=True)

    # -- what is shown ----------------------------------------------------------------------------------------------------------------

    def show(self, table: Table, select: Selection, row: Row) -> Row:
        """Return one row of the answer."""
        shown: Row = {}
        for item in select.items:
            if isinstance(item, Field):
                shown.update(show_field(table, item, row))
            elif isinstance(item, Embed):
                shown.update(self.show_embed(table, item, row))
        return shown

    def show_embed(self, table: Table, embed: Embed, row: Row) -> Row:
        """Return what an embed adds to a row."""
        relation, rows = self.related(table, embed, row)
        target, select = self.schema.by_name[relation.target], selected(embed)
        if not select.items:
            return {}
        if is_grouped(select):
            return {embed.alias or embed.relation: cut(self.group(target, select, rows), embed.window)}
        if relation.kind == "to_one":
            found = self.show(target, select, rows[0]) if rows else None
            return (found or dict.fromkeys(self.keys(target, select))) if embed.spread else {embed.alias or embed.relation: found}
        many = [self.show(target, select, each) for each in cut(rows, embed.window)]
        if embed.spread:
            return {key: [each[key] for each in many] for key in self.keys(target, select)}
        return {embed.alias or embed.relation: many}

    def keys(self, table: Table, select: Selection) -> list[str]:
        """Return the names of what a selection shows."""
        found: list[str] = []
        for item in select.items:
            if isinstance(item, Embed) and item.spread:
                relation = get_relation(self.schema, table, item.relation, item.hint)
                found += self.keys(self.schema.by_name[relation.target], selected(item))
            elif isinstance(item, Embed):
                found += [item.alias or item.relation] if selected(item).items else []
            elif isinstance(item, Aggregate):
                found.append(item.alias or item.function)
            else:
                found += show_field(table, item, {})
        return found

    def group(self, table: Table, select: Selection, rows: list[Row]) -> list[Row]:
        """Return a row for each group; without anything to group by all rows are one."""
        keys = [item for item in select.items if not isinstance(item, Aggregate)]
        groups: list[tuple[Row, list[Row]]] = []
        for row in rows:
            key: Row = {}
            for item in keys:
                key |= show_field(table, item, row) if isinstance(item, Field) else self.show_embed(table, item, row)
            found = next((group for known, group in groups if known == key), None)
            if found is None:
                groups.append((key, found := []))
            found.append(row)
        if not keys and not groups:
            groups = [({}, [])]
        return [key | {item.alias or item.function: aggregate(item, group) for item in select.items if isinstance(item, Aggregate)}
                for key, group in groups]  # fmt: skip

    # -- conditions -------------------------------------------------------------------------------------------------------------------

    def holds(self, table: Table, condition: Condition, row: Row, embeds: Mapping[str, Embed]) -> bool | None:
        """Return True, False or None, as SQL has it."""
        if isinstance(condition, Not):
            inner = self.holds(table, condition.part, row, embeds)
            return None if inner is None else not inner
        if isinstance(condition, And | Or):
            found = {self.holds(table, part, row, embeds) for part in condition.parts}
            decisive = isinstance(condition, Or)
            return decisive if decisive in found else None if None in found else not decisive
        if isinstance(condition, Exists):
            return bool(self.related(table, embeds[condition.embed], row)[1])
        assert isinstance(condition, Compare)
        return compares(table, condition, step(row, condition.path))


def is_grouped(select: Selection) -> bool:
    """Tell whether there are aggregates in a selection."""
    return any(isinstance(item, Aggregate) for item in select.items)


def selected(embed: Embed) -> Selection:
    """Return the selection of an embed."""
    from qapla.database.query.description import ALL_COLUMNS

    return embed.select if embed.select is not None else ALL_COLUMNS


def cut(rows: list[Any], window: Window) -> list[Any]:
    """Return the rows in a window."""
    return rows[window.offset :][: window.limit]


def step(row: Row, path: Path) -> Any:
    """Return what a path leads to: a value, a ``Json``, a text, or None."""
    value = row[path.column]
    if not path.steps or value is None:
        return value
    found = value.value
    for each in path.steps:
        is_index = isinstance(each, int) and isinstance(found, list) and -len(found) <= each < len(found)
        if not is_index and not (isinstance(each, str) and isinstance(found, dict) and each in found):
            return None
        found = found[each]
    return (None if found is None else as_text(found)) if path.as_text else Json(found)


def as_text(value: Any) -> str:
    """Return a plain value as text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def show_field(table: Table, field: Field, row: Row) -> Row:
    """Return the cells of a field."""
    if field.path.column == "*":
        return {column.name: shown(row.get(column.name)) for column in table.columns}
    steps = [each for each in field.path.steps if isinstance(each, str)]
    key = field.alias or (steps[-1] if steps else field.path.column)
    return {key: shown(cast(step(row, field.path), field.cast)) if row else None}


def shown(value: Any) -> Any:
    """Return a value as the JSON of the answer reads."""
    return value.value if isinstance(value, Json) else value


def cast(value: Any, name: str | None) -> Any:
    """Return *value* as another type."""
    if value is None or name is None:
        return value
    target = CASTS[name]
    if target.kind == "text":
        return as_text(value)
    if target.kind == "integer":
        return int(Decimal(as_text(int(value) if isinstance(value, bool) else value)).to_integral_value(ROUND_HALF_UP))
    if target.kind in ("decimal", "float"):
        return Decimal(as_text(value))
    if target.kind == "boolean":
        return bool(value)
    text = as_text(value)
    return text[:10] if target.kind == "date" else text if "T" in text else f"{text}T00:00:00"


def aggregate(item: Aggregate, rows: list[Row]) -> Any:
    """Return what an aggregate gives for the rows of a group."""
    if item.path is None:
        return cast(len(rows), item.cast)
    values = [value for row in rows if (value := cast(step(row, item.path), item.path_cast)) is not None]
    if item.function == "count":
        return cast(len(values), item.cast)
    if not values:
        return None
    results: Mapping[str, Callable[[list[Any]], Any]] = {
        "sum": sum, "max": max, "min": min, "avg": lambda found: Decimal(sum(found)) / len(found),
    }  # fmt: skip
    return cast(results[item.function](values), item.cast)


def compares(table: Table, condition: Compare, value: Any) -> bool | None:
    """Return what one comparison says."""
    name, operand = condition.operator, condition.operand
    if name == "is":
        wanted: dict[str, bool | None] = {"null": None, "unknown": None, "true": True, "false": False}
        return value is not None if operand == "not_null" else value is wanted[str(operand)]
    if condition.quantifier is not None:
        found = {compare_one(table, condition, value, each) for each in operand or ()}
        decisive = condition.quantifier == "any"
        return decisive if decisive in found else None if None in found else not decisive
    if name == "in":
        found = {compare_one(table, condition, value, each, "eq") for each in operand or ()}
        return True if True in found else None if None in found else False
    if name == "isdistinct":
        return value is None or not compare_one(table, condition, value, str(operand), "eq")
    return compare_one(table, condition, value, str(operand))


def compare_one(table: Table, condition: Compare, value: Any, operand: str, operator: str | None = None) -> bool | None:
    """Return what a comparison with one operand says."""
    name = operator or condition.operator
    if value is None:
        return None
    if name in SIGNS:
        return bool(SIGNS[name](compare_values(value, read(table, condition.path, operand))))
    if name == "cs":
        return contains(value.value, parse(operand))
    if name == "cd":
        return contains(parse(operand), value.value)
    if OPERATORS[name].operand == "pattern":
        flags = re.DOTALL | (re.IGNORECASE if name == "ilike" else 0)
        return re.fullmatch(like_regex(operand), value, flags) is not None
    return re.search(operand, value, re.IGNORECASE if name == "imatch" else 0) is not None


def like_regex(pattern: str) -> str:
    """Return the regular expression for a pattern of ``like``."""
    made, letters = [], iter(pattern.replace("*", "%"))  # also behind a backslash, where it is then no wildcard
    for letter in letters:
        made.append(re.escape(next(letters, "")) if letter == "\\" else {"%": ".*", "_": "."}.get(letter) or re.escape(letter))
    return "".join(made)


def read(table: Table, path: Path, operand: str) -> Any:
    """Return an operand as the value that it is compared as."""
    kind = table.by_name[path.column].type.kind
    if path.steps:
        return operand if path.as_text else Json(parse(operand))
    if kind == "json":
        return Json(parse(operand))
    return Decimal(operand) if kind in ("integer", "decimal", "float") else operand


def compare_values(left: Any, right: Any) -> int:
    """Return -1, 0 or 1."""
    if isinstance(left, Json):
        return compare_json(left.value, right.value)
    return (left > right) - (left < right)


def compare_with_nulls(left: Any, right: Any, *, descending: bool, nulls_first: bool) -> int:
    """Return -1, 0 or 1 for the places of two values in an order."""
    if left is None or right is None:
        return 0 if left is right else -1 if (left is None) == nulls_first else 1
    return compare_values(left, right) * (-1 if descending else 1)
