"""Describe rows as JSON Schema (2020-12, the dialect of OpenAPI 3.1): as they are answered, inserted and changed.

What is answered is promised for any cell that a database may hold, NaN in a number of PostgreSQL and text in a number of SQLite too;
what is sent is described as it should be.
"""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING, Any

from qapla.database.dialects import get_engine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qapla.database.dialects import Engine
    from qapla.database.schema.description import Column, ColumnType, DatabaseSchema, Kind, Relation, Table

ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["code", "message", "details", "hint"],
    "properties": {
        "code": {"type": "string", "description": "A SQLSTATE, a PGRST code or a QAPLA code"},
        "message": {"type": "string"},
        "details": {},
        "hint": {"type": ["string", "null"]},
    },
}
_TYPES: dict[Kind, dict[str, Any]] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "decimal": {"type": "number"},
    "float": {"type": "number", "format": "double"},
    "text": {"type": "string"},
    "enum": {"type": "string"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "examples": ["12:34:56"]},
    "timestamp": {"type": "string", "examples": ["2024-02-29T12:34:56"]},
    "timestamp_tz": {"type": "string", "format": "date-time"},
    "interval": {"type": "string", "examples": ["1 day 02:03:04"]},
    "uuid": {"type": "string", "format": "uuid"},
    "json": {},
    "binary": {"type": "string", "pattern": "^\\\\x([0-9a-f]{2})*$", "examples": ["\\x00ff"]},
    "array": {"type": "array"},
    "range": {"type": "string", "examples": ["[1,5)"]},
    "bits": {"type": "string", "examples": ["101"]},
    "composite": {"type": "object"},
    "geometry": {"type": "string"},
    "network": {"type": "string"},
}
_SIZES = {"smallint": "int32", "integer": "int32", "int": "int32", "bigint": "int64"}
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,10})?")
_TEXT = re.compile(r"'((?:[^']|'')*)'(::[\w ]+)?")


def describe_row(table: Table, schema: DatabaseSchema, relations: Iterable[Relation] = ()) -> dict[str, Any]:
    """Return the JSON Schema of a row as it is answered; with ``select`` any of it may be missing. *relations* are those to tell of."""
    engine = get_engine(schema.engine)
    properties = {column.name: describe_column(column, table, answered_by=engine) for column in table.columns}
    found: dict[str, Any] = {"type": "object", "properties": properties}
    if table.comment:
        found["description"] = table.comment
    told = [
        {"name": relation.name, "kind": relation.kind, "table": relation.target.name, "hints": list(relation.hints)}
        for relation in relations
    ]
    if told:
        found["x-relations"] = told
    return found


def describe_changes(table: Table) -> dict[str, Any]:
    """Return the JSON Schema of changes of a row: without what the database makes."""
    columns = [column for column in table.columns if column.generated != "always"]
    return {
        "type": "object",
        "properties": {column.name: describe_column(column, table) for column in columns},
        "additionalProperties": False,
    }


def describe_new_row(table: Table) -> dict[str, Any]:
    """Return the JSON Schema of a row as it is inserted: with what must be there."""
    needed = [column.name for column in table.columns if not column.nullable and column.default is None and column.generated is None]
    found = describe_changes(table)
    return {**found, "required": needed} if needed else found


def describe_column(column: Column, table: Table, answered_by: Engine | None = None) -> dict[str, Any]:
    """Return the JSON Schema of one column's values, with its default, keys and comment.

    Args:
        answered_by: the engine that answers them; None: they are sent.
    """
    found = describe_type(column.type) if answered_by is None else describe_cells(column.type, answered_by)
    if column.nullable:
        _allow_null(found)
    if column.generated == "always":
        found["readOnly"] = True
    default = _read_default(column)
    if default is not None:
        found["default"] = default
    notes = []
    if table.primary_key and column.name in table.primary_key.columns:
        notes.append("This is a Primary Key.<pk/>")
    for key in table.foreign_keys:
        if column.name in key.columns:
            target = key.target_columns[key.columns.index(column.name)] if key.target_columns else ""
            place = f"<fk table='{escape(key.target.name)}' column='{escape(target)}'/>"
            notes.append(f"This is a Foreign Key to `{key.target.name}.{target}`.{place}")
            found["x-foreign-key"] = {"table": key.target.name, "column": target}
    text = "; ".join(part for part in (column.comment, column.type.name) if part)
    found["description"] = text + ("\n\nNote:\n" + "\n".join(notes) if notes else "")  # as PostgREST says it: other tools read it
    return found


def allow_null(found: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a type, with NULL."""
    _allow_null(found)
    return found


def _allow_null(found: dict[str, Any]) -> None:
    if "anyOf" in found:
        found["anyOf"] = [*found["anyOf"], {"type": "null"}]
    if "type" in found:
        types = found["type"] if isinstance(found["type"], list) else [found["type"]]
        found["type"] = [*types, "null"]
    if "enum" in found:
        found["enum"] = [*found["enum"], None]


def describe_type(column_type: ColumnType) -> dict[str, Any]:
    """Return the JSON Schema of a type, without NULL."""
    found = dict(_TYPES.get(column_type.kind, {}))
    if column_type.kind == "enum" and column_type.values:
        found["enum"] = list(column_type.values)
    elif column_type.kind == "array":
        found["items"] = _describe_items(describe_type(column_type.item) if column_type.item else {})
    elif column_type.kind == "text" and column_type.length and column_type.length > 0:
        found["maxLength"] = column_type.length
    elif column_type.kind == "integer":
        name = column_type.name.lower()
        size = _SIZES.get(name.split("(")[0].split(" ")[0])
        if size and "unsigned" not in name:
            found["format"] = size
    return found


def describe_cells(column_type: ColumnType, engine: Engine) -> dict[str, Any]:
    """Return the JSON Schema of what *engine* answers for a type, whatever a cell holds, without NULL."""
    found = describe_type(column_type)
    if column_type.kind == "array" and column_type.item:
        found["items"] = _describe_items(describe_cells(column_type.item, engine))
    odd = dict(engine.odd_cells).get(column_type.kind, ())
    if "enum" in found:
        found["enum"] += [text for text in odd if text not in found["enum"]]
    elif odd:
        found["type"] = [found["type"], *odd]
    if not engine.has_strict_types:
        for name in ("maxLength", "pattern", "format"):
            found.pop(name, None)
    if found.get("format") in ("date", "date-time"):  # infinity, years before Christ, 0000-00-00: a reader has to take these for texts
        return {"anyOf": [found, {"type": "string"}]}
    return found


def _describe_items(item: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an element: NULL, too, and arrays, for no array type says how many dimensions its values have."""
    if "anyOf" in item:
        return {"anyOf": [*item["anyOf"], {"type": "null"}, {"type": "array", "items": {}}]}
    if "type" not in item:
        return item
    types = item["type"] if isinstance(item["type"], list) else [item["type"]]
    if "enum" in item:
        return {"anyOf": [{"type": [*types, "null"], "enum": [*item["enum"], None]}, {"type": "array", "items": {}}]}
    return {**item, "type": [*types, *(name for name in ("null", "array") if name not in types)], "items": item.get("items", {})}


def _read_default(column: Column) -> Any:
    """Return a default that is a plain value; an expression is the database's own business."""
    text = column.default
    if text is None:
        return None
    if column.type.kind in ("integer", "decimal", "float") and _NUMBER.fullmatch(text):
        return json.loads(text) if not text.lstrip("-").startswith("0") or text in ("0", "0.0") else None
    if column.type.kind == "boolean" and text.lower() in ("true", "false", "0", "1"):
        return text.lower() in ("true", "1")
    quoted = _TEXT.fullmatch(text)
    if column.type.kind in ("text", "enum") and quoted:
        return quoted[1].replace("''", "'")
    return None
