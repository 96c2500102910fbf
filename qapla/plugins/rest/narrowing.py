"""Narrow a database to its marked models: their tables with their columns, the tables between them, and nothing else.

What is not there cannot be asked for by any way: not as a table, an embed, a filter, a function.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qapla.database.models.description import tables_between
from qapla.database.schema.inspect import choose_identity
from qapla.database.schema.relations import derive
from qapla.database.schema.storage import fingerprint
from qapla.errors import ModelError, nearest
from qapla.plugins.rest.marks import METHODS, withheld_methods

if TYPE_CHECKING:
    from collections.abc import Iterable

    import sqlalchemy as sa

    from qapla.database.schema.description import DatabaseSchema, Table, TableName
    from qapla.plugins.rest.marks import Mark


EVERY_METHOD = frozenset(name.upper() for name in METHODS)


def check_marks(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Return the marks when they can be served together.

    Raises:
        ModelError: there are none, or two of them have one table.
    """
    found: dict[tuple[str | None, str], Mark] = {}
    for mark in marks:
        known = found.setdefault((mark.table.schema, mark.table.name), mark)
        if known is not mark:
            message = f"models {known.place!r} and {mark.place!r} have one table, {mark.table.fullname!r}"
            raise ModelError(message, hint="mark one of them with @rest, or give the other a table of its own")
    if not found:
        raise ModelError("no model is marked with @rest: there is nothing to serve", hint="put @rest() on a model before app.run()")
    return tuple(found.values())


def wanted_tables(marks: Iterable[Mark]) -> dict[sa.Table, frozenset[str]]:
    """Return the tables that are served, each with the methods that it is served without.

    A table between two marked models, linked many to many, is served without what either of them is.
    """
    marks = tuple(marks)
    found = {mark.table: mark.without for mark in marks}
    linked: dict[sa.Table, frozenset[str]] = {}
    for mark in marks:
        for middle in tables_between(mark.model):
            linked[middle] = linked.get(middle, frozenset()) | mark.without
    for middle, without in linked.items():
        left = {"POST"} - without if "GET" in without else {"GET"}
        if left and middle not in found and {key.column.table for key in middle.foreign_keys} <= set(found):
            found[middle] = EVERY_METHOD - left if "GET" in without else without
    return found


def narrow_schema(
    schema: DatabaseSchema, marks: Iterable[Mark], database: str
) -> tuple[DatabaseSchema, dict[TableName, frozenset[str]]]:
    """Return what is served of a database, and by table the methods that are left out.

    Raises:
        ModelError: a model has no table there, or a column that its table has not; both are named, and the database.
    """
    marks = tuple(marks)
    names = {mark.table: mark.name for mark in marks}
    tables, withheld = [], {}
    for wanted, without in wanted_tables(marks).items():
        found = _find_table(schema, wanted, names.get(wanted), database)
        tables.append(_narrow_table(found, wanted, without))
        if without:
            withheld[found.name] = withheld_methods(without)
    kept = tuple(table for table in schema.tables if table.name in {each.name for each in tables})
    by_name = {table.name: table for table in tables}
    narrowed = tuple(by_name[table.name] for table in kept)
    used = {table.name.schema for table in narrowed}
    found_schema = replace(
        schema,
        tables=narrowed,
        relations=derive(narrowed),
        functions=(),
        schemas=tuple(name for name in schema.schemas if name in used or name == schema.default_schema),
        report=(),
    )
    return replace(found_schema, fingerprint=fingerprint(found_schema)), withheld


def _find_table(schema: DatabaseSchema, wanted: sa.Table, model: str | None, database: str) -> Table:
    found = schema.find_table(wanted.name, wanted.schema)
    subject = f"model {model!r}" if model else f"the link {wanted.name!r}"
    if found is None:
        hint = nearest(wanted.name, [table.name.name for table in schema.tables])
        hint = hint or (f"create it first: db.create_table({model})" if model else "create the tables of its models first")
        raise ModelError(f"{subject} has no table {wanted.fullname!r} in database {database!r}", hint=hint)
    missing = [column.name for column in wanted.columns if column.name not in found.by_name]
    if missing:
        there = ", ".join(sorted(set(found.by_name) - {column.name for column in wanted.columns}))
        hint = f"in the table alone: {there}" if there else "the table is older than the model"
        listed = ", ".join(map(repr, missing))
        raise ModelError(f"{subject} has {listed}, and table {wanted.fullname!r} in database {database!r} has not", hint=hint)
    return found


def _narrow_table(found: Table, wanted: sa.Table, without: frozenset[str]) -> Table:
    """Return the table with the columns of the model that may be seen, and what can be done with it."""
    shown = {column.name for column in wanted.columns if not is_secret(column)}
    columns = tuple(column for column in found.columns if column.name in shown)
    primary_key = found.primary_key if found.primary_key and shown.issuperset(found.primary_key.columns) else None
    unique = tuple(key for key in found.unique if shown.issuperset(key.columns))
    return replace(
        found,
        columns=columns,
        primary_key=primary_key,
        unique=unique,
        identity=choose_identity(columns, primary_key, unique),
        foreign_keys=tuple(key for key in found.foreign_keys if shown.issuperset(key.columns)),
        seen_keys=tuple(key for key in found.seen_keys if shown.issuperset(key.columns)),
        seen_unique=tuple(key for key in found.seen_unique if shown.issuperset(key.columns)),
        insertable=found.insertable and "POST" not in without,
        updatable=found.updatable and "PATCH" not in without,
        deletable=found.deletable and "DELETE" not in without,
    )


def is_secret(column: sa.Column[Any]) -> bool:
    """Tell whether a column is kept from every reader: passwords, which only the model hashes and checks."""
    return bool(getattr(column.type, "is_secret", False) or column.info.get("secret"))
