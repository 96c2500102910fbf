"""What changed between two inspections of a database: typed changes, each with a severity and a sentence.

Severities are those of a client that was written against the old schema: ``breaking`` (a request that worked can fail), ``maybe`` (some
can), ``additive`` (there is more than before), ``cosmetic`` (nothing it could notice). Row estimates are no change.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from qapla.database.schema.description import Column, ColumnType, DatabaseSchema, ForeignKey, Function, Key, Table

ChangeSeverity = Literal["breaking", "maybe", "additive", "cosmetic"]
SEVERITIES: tuple[ChangeSeverity, ...] = ("breaking", "maybe", "additive", "cosmetic")
NAMES = {"table": "table", "view": "view", "materialized_view": "materialized view", "foreign": "foreign table"}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``what`` names its sort, ``table_added``, ``column_type``, …; ``sentence`` is for people."""

    severity: ChangeSeverity
    what: str
    subject: str
    sentence: str


Say = Callable[[ChangeSeverity, str, str], Change]  # makes a change of one table: severity, what, sentence


def diff(old: DatabaseSchema, new: DatabaseSchema) -> tuple[Change, ...]:
    """Return what changed from *old* to *new*, the worst first, then as the tables are sorted."""
    found = chain(server_changes(old, new), table_changes(old, new), function_changes(old, new))
    return tuple(sorted(found, key=lambda change: SEVERITIES.index(change.severity)))


def server_changes(old: DatabaseSchema, new: DatabaseSchema) -> Iterator[Change]:
    """Yield changes of the server and of what it shows."""
    if old.engine != new.engine:
        yield Change("breaking", "engine", new.engine, f"the engine changed from {old.engine} to {new.engine}")
    if old.version != new.version:
        yield Change("cosmetic", "version", new.engine, f"the server's version changed from {old.version} to {new.version}")
    for name in missing(old.schemas, new.schemas):
        yield Change("breaking", "schema_removed", name, f"schema {name} was removed")
    for name in missing(new.schemas, old.schemas):
        yield Change("additive", "schema_added", name, f"schema {name} was added")
    if old.default_schema != new.default_schema:
        sentence = f"the default schema changed from {old.default_schema} to {new.default_schema}"
        yield Change("breaking", "default_schema", str(new.default_schema), sentence)


def table_changes(old: DatabaseSchema, new: DatabaseSchema) -> Iterator[Change]:
    """Yield tables that came, went, or are another one now."""
    for name, table in old.by_name.items():
        if name not in new.by_name:
            yield Change("breaking", "table_removed", str(name), f"{label(table)} was removed")
        elif table != new.by_name[name]:
            yield from changes_of(table, new.by_name[name])
    for name, table in new.by_name.items():
        if name not in old.by_name:
            yield Change("additive", "table_added", str(name), f"{label(table)} was added")


def changes_of(old: Table, new: Table) -> Iterator[Change]:
    """Yield the changes of one table."""
    say = sayer(old)
    if old.kind != new.kind:
        yield say("maybe", "table_kind", f"is a {NAMES[new.kind]} now")
    yield from column_changes(old, new, say)
    severity: ChangeSeverity = "breaking" if old.identity.columns else "additive"  # where no row had an address, none is wrong now
    if columns_of(old.primary_key) != columns_of(new.primary_key):
        yield say(severity, "primary_key", f"primary key changed from {listed(old.primary_key)} to {listed(new.primary_key)}")
    elif old.identity != new.identity:
        yield say(severity, "identity", "single rows are addressed another way now")
    yield from unique_changes(old, new, say)
    yield from foreign_key_changes(old, new, say)
    for flag, word in (("insertable", "inserted into"), ("updatable", "updated"), ("deletable", "deleted from")):
        before, after = getattr(old, flag), getattr(new, flag)
        if before != after:
            yield say("additive" if after else "breaking", flag, f"can {'now' if after else 'no longer'} be {word}")
    if old.comment != new.comment:
        yield say("cosmetic", "comment", "comment changed")


def sayer(table: Table) -> Say:
    """Return a function that makes changes of *table*."""

    def say(severity: ChangeSeverity, what: str, sentence: str) -> Change:
        return Change(severity, what, str(table.name), f"{label(table)}: {sentence}")

    return say


def label(table: Table) -> str:
    """Return a table's kind and name."""
    return f"{NAMES[table.kind]} {table.name}"


def column_changes(old: Table, new: Table, say: Say) -> Iterator[Change]:
    """Yield columns that came, went, or changed."""
    for name, column in old.by_name.items():
        if name not in new.by_name:
            yield say("breaking", "column_removed", f"column {name} was removed")
        elif column != new.by_name[name]:
            yield from changes_of_column(column, new.by_name[name], say)
    for name, column in new.by_name.items():
        if name not in old.by_name:
            needed = not column.nullable and column.default is None and column.generated is None
            note = ", every new row needs a value" if needed else ""
            yield say("maybe" if needed else "additive", "column_added", f"column {name} {column.type.name} was added{note}")
    kept = [name for name in old.by_name if name in new.by_name]
    if kept != [name for name in new.by_name if name in old.by_name]:
        yield say("cosmetic", "column_order", "the order of the columns changed")


def changes_of_column(old: Column, new: Column, say: Say) -> Iterator[Change]:
    """Yield the changes of one column."""
    name = old.name
    if not same_type(old.type, new.type):
        yield type_change(name, old.type, new.type, say)
    if old.nullable != new.nullable:
        yield say("maybe", "column_nullable", f"column {name} {'may be NULL now' if new.nullable else 'may no longer be NULL'}")
    if old.default != new.default:
        yield say("maybe", "column_default", f"column {name} changed its default from {old.default} to {new.default}")
    if old.generated != new.generated:
        severity: ChangeSeverity = "breaking" if new.generated == "always" else "maybe"
        words = {None: "is no longer generated", "always": "is always generated now", "by_default": "is generated by default now"}
        yield say(severity, "column_generated", f"column {name} {words[new.generated]}")
    if old.comment != new.comment:
        yield say("cosmetic", "column_comment", f"column {name}: comment changed")


def same_type(old: ColumnType, new: ColumnType) -> bool:
    """Tell whether two types are the same, however they are written: ``numeric(10, 2)`` and ``NUMERIC(10,2)`` are."""
    return old == new or (replace(old, name="") == replace(new, name="") and same_text(old.name, new.name))


def same_text(one: str, other: str) -> bool:
    """Tell whether two texts name the same type: spaces after a comma and, outside of quotes, capitals say nothing."""
    if any(mark in one + other for mark in ("'", '"', "`")):
        return one == other
    return re.sub(r"\s*([(),])\s*", r"\1", one).lower() == re.sub(r"\s*([(),])\s*", r"\1", other).lower()


def type_change(name: str, old: ColumnType, new: ColumnType, say: Say) -> Change:
    """Return the change of a column's type. Another kind breaks clients; another size may; more values of an enum do not."""
    if old.values != new.values and replace(old, values=(), name="") == replace(new, values=(), name=""):
        gone, come = missing(old.values, new.values), missing(new.values, old.values)
        parts = [f"lost {quoted(gone)}"] * bool(gone) + [f"gained {quoted(come)}"] * bool(come) or ["changed the order of its values"]
        severity: ChangeSeverity = "breaking" if gone else "additive" if come else "maybe"
        return say(severity, "column_values", f"column {name} {' and '.join(parts)}")
    severity = "breaking" if old.kind != new.kind else "maybe"
    return say(severity, "column_type", f"column {name} changed from {old.name or 'no type'} to {new.name or 'no type'}")


def unique_changes(old: Table, new: Table, say: Say) -> Iterator[Change]:
    """Yield unique sets that came or went; another name is no change."""
    before = {key.columns: key for key in old.unique}
    after = {key.columns: key for key in new.unique}
    for columns in missing(before, after):
        yield say("maybe", "unique_removed", f"unique {listed(before[columns])} was removed")
    for columns in missing(after, before):
        yield say("maybe", "unique_added", f"unique {listed(after[columns])} was added")


def foreign_key_changes(old: Table, new: Table, say: Say) -> Iterator[Change]:
    """Yield foreign keys that came, went, or have another name or other rules; embeds depend on them."""
    before, after = by_place(old.foreign_keys), by_place(new.foreign_keys)
    for place, key in before.items():
        words = f"foreign key ({', '.join(key.columns)}) to {key.target}"
        if place not in after:
            yield say("breaking", "foreign_key_removed", f"{words} was removed")
            continue
        now = after[place]
        if key.name != now.name:
            yield say("maybe", "foreign_key_name", f"{words} is called {now.name} now, no longer {key.name}")
        if (key.on_delete, key.on_update) != (now.on_delete, now.on_update):
            yield say("maybe", "foreign_key_rule", f"{words} has other rules: on delete {now.on_delete}, on update {now.on_update}")
    for place in missing(after, before):
        key = after[place]
        yield say("additive", "foreign_key_added", f"foreign key ({', '.join(key.columns)}) to {key.target} was added")


def by_place(keys: Iterable[ForeignKey]) -> Mapping[Any, ForeignKey]:
    """Return foreign keys by what they connect."""
    return {(key.columns, key.target, key.target_columns): key for key in keys}


def function_changes(old: DatabaseSchema, new: DatabaseSchema) -> Iterator[Change]:
    """Yield functions that came, went, or changed; one with other parameters is another function."""
    before, after = by_signature(old.functions), by_signature(new.functions)
    for signature, function in before.items():
        if signature not in after:
            yield Change("breaking", "function_removed", signature, f"{function.kind} {signature} was removed")
        elif replace(function, comment=None) != replace(after[signature], comment=None):
            yield Change("maybe", "function", signature, f"{function.kind} {signature} changed what it takes or returns")
        elif function.comment != after[signature].comment:
            yield Change("cosmetic", "function_comment", signature, f"{function.kind} {signature}: comment changed")
    for signature in missing(after, before):
        yield Change("additive", "function_added", signature, f"{after[signature].kind} {signature} was added")


def by_signature(functions: Iterable[Function]) -> Mapping[str, Function]:
    """Return functions by their name and the types that go in."""
    return {signature(function): function for function in functions}


def signature(function: Function) -> str:
    """Return a function's name with its arguments' types, ``public.add(integer, integer)``."""
    types = [parameter.type.name for parameter in function.parameters if parameter.mode not in ("out", "table")]
    return f"{function.schema + '.' if function.schema else ''}{function.name}({', '.join(types)})"


def missing(these: Iterable[Any], those: Iterable[Any]) -> list[Any]:
    """Return what is in *these* and not in *those*, in its order."""
    known = set(those)
    return [item for item in these if item not in known]


def columns_of(key: Key | None) -> tuple[str, ...]:
    """Return the columns of a key; none has none."""
    return key.columns if key else ()


def listed(key: Key | None) -> str:
    """Return the columns of a key for a sentence."""
    return f"({', '.join(key.columns)})" if key else "none"


def quoted(values: Iterable[str]) -> str:
    """Return values for a sentence."""
    return ", ".join(repr(value) for value in values)
