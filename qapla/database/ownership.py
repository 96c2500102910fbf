"""Which tables belong to one declared database, when a metadata or a database holds more than those.

Two databases may share one metadata. A table, or every model below a base, is marked with the database that it belongs to::

    class Music(Model):
        __abstract__ = True
        __database__ = "music"

    Table("song_tag", Model.metadata, ..., info={"database": "music"})

A mark may also be several names. A database that some table is marked with has those tables only; a database that no table is marked
with has all that are not marked. So one mark is enough to take tables away from the others, and nothing has to be marked where two
databases really have the same tables.

One database may also hold tables that are none of ours. The setting ``db:<name>:unknown_tables`` says what a comparison does with a table
that no model knows: ``ours``, the default, would drop it if a migration of this directory has made it (by ``op.create_table`` or
``op.rename_table``) and leaves every other one alone; ``all`` would drop each; ``none`` leaves all alone.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData

from qapla.errors import ConfigurationError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import Table
    from sqlalchemy.orm import DeclarativeBase

UNKNOWN_TABLES = ("ours", "all", "none")


def owned_metadata(model: type[DeclarativeBase], name: str, databases: Iterable[str]) -> MetaData:
    """Return the metadata of the tables that belong to the database called *name*; that of *model* itself where these are all.

    Args:
        databases: the names of all databases that the application declares.

    Raises:
        ConfigurationError: a mark names no database, a table belongs to none, or a foreign key leads to another database.
    """
    metadata, declared = model.metadata, tuple(databases)
    marks = {key: _marks(table, classes) for classes in [_classes_by_table(model)] for key, table in metadata.tables.items()}
    _check(marks, declared)
    marked = any(name in mark for mark in marks.values())
    ours = [table for key, table in metadata.tables.items() if (name in marks[key] if marked else not marks[key])]
    if len(ours) == len(metadata.tables):
        return metadata
    _check_foreign_keys(ours, name)
    owned = MetaData(schema=metadata.schema, naming_convention=metadata.naming_convention, info=metadata.info)
    for table in ours:
        table.to_metadata(owned)
    return owned


def _classes_by_table(model: type[DeclarativeBase]) -> dict[Any, type]:
    registry = getattr(model, "registry", None)
    return {mapper.local_table: mapper.class_ for mapper in registry.mappers} if registry is not None else {}


def _marks(table: Table, classes: Mapping[Any, type]) -> tuple[str, ...]:
    mark = table.info.get("database") or getattr(classes.get(table), "__database__", None) or ()
    return (mark,) if isinstance(mark, str) else tuple(mark)


def _check(marks: Mapping[str, tuple[str, ...]], declared: tuple[str, ...]) -> None:
    used = {name for mark in marks.values() for name in mark}
    for key, mark in marks.items():
        for name in mark:
            if name not in declared:
                problem = f"table {key!r} is marked with the database {name!r}, which is not declared"
                raise ConfigurationError(problem, hint=nearest(name, declared) or f"one of {', '.join(declared)}")
        if not mark and used.issuperset(declared):
            problem = f"table {key!r} belongs to no database: every one has tables that are marked with it"
            raise ConfigurationError(problem, hint="mark this table, too")


def _check_foreign_keys(tables: list[Table], name: str) -> None:
    keys = {table.key for table in tables}
    for table in tables:
        for constraint in table.foreign_key_constraints:
            target = constraint.elements[0].target_fullname.rpartition(".")[0]
            if target not in keys:
                problem = f"table {table.key!r} of database {name!r} has a foreign key to {target!r}, which is in another database"
                raise ConfigurationError(problem, hint="mark both with one database, or keep the value without a foreign key")


def make_name_filter(metadata: MetaData, unknown: str, versions: Iterable[str]) -> Callable[[str | None, str, Any], bool]:
    """Return Alembic's ``include_name``: which schemas and tables of the database are looked at.

    Args:
        unknown: the setting ``unknown_tables``.
        versions: the files of migrations.
    """
    schemas = {table.schema for table in metadata.tables.values()} | {None}
    known = set(metadata.tables)
    if unknown == "ours":
        known |= made_tables(versions)

    def include_name(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema":
            return name in schemas
        if kind != "table" or unknown == "all":
            return True
        return parents["schema_qualified_table_name"] in known

    return include_name


def make_object_filter(model: type[DeclarativeBase]) -> Callable[..., bool]:
    """Return Alembic's ``include_object``: what of the models is no table to be made, views and tables elsewhere, is left out."""
    left_out = {table for table, kind in _classes_by_table(model).items() if getattr(kind, "__read_only__", False)}
    names = {table.key for table in left_out}

    def include_object(found: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
        return kind != "table" or (found.key not in names)

    return include_object


def made_tables(versions: Iterable[str]) -> set[str]:
    """Return the names of all tables that migrations have made, with their schema in front where they have one."""
    found: set[str] = set()
    for file in versions:
        for node in ast.walk(ast.parse(Path(file).read_bytes(), filename=file)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                found |= _made_by(node, node.func.attr)
            elif isinstance(node, ast.Assign):
                found |= _listed(node)
    return found


def _listed(assignment: ast.Assign) -> set[str]:
    """Return the tables that a first migration lists in ``TABLES``; see ``baseline.py``."""
    names = [target.id for target in assignment.targets if isinstance(target, ast.Name)]
    if names != ["TABLES"] or not isinstance(assignment.value, ast.Tuple):
        return set()
    try:
        pairs = [(schema, name) for schema, name in ast.literal_eval(assignment.value)]
    except (ValueError, TypeError):  # it is about something else
        return set()
    return {f"{schema}.{name}" if schema else str(name) for schema, name in pairs}


def _made_by(call: ast.Call, method: str) -> set[str]:
    position = {"create_table": 0, "rename_table": 1}.get(method)
    if position is None or len(call.args) <= position:
        return set()
    name = call.args[position]
    schema = next((keyword.value for keyword in call.keywords if keyword.arg == "schema"), None)
    if not isinstance(name, ast.Constant):
        return set()
    parts = [str(part.value) for part in (schema, name) if isinstance(part, ast.Constant) and part.value]
    return {".".join(parts)}
