"""Describe rows as JSON Schema (2020-12, the dialect of OpenAPI 3.1)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qapla.database.schema.description import Column, ColumnType, DatabaseSchema, Kind, Table

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
    "time": {"type": "string"},
    "timestamp": {"type": "string"},
    "timestamp_tz": {"type": "string", "format": "date-time"},
    "interval": {"type": "string"},
    "uuid": {"type": "string", "format": "uuid"},
    "json": {},
    "binary": {"type": "string", "pattern": "^\\\\x([0-9a-f]{2})*$"},
    "array": {"type": "array"},
}
_SIZES = {"smallint": "int32", "integer": "int32", "int": "int32", "bigint": "int64"}
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,10})?")
_TEXT = re.compile(r"'((?:[^']|'')*)'(::[\w ]+)?")


def describe_row(table: Table, schema: DatabaseSchema) -> dict[str, Any]:
    """Return the JSON Schema of a row as it is answered."""
    found: dict[str, Any] = {"type": "object", "properties": {column.name: describe_column(column, table) for column in table.columns}}
    if table.comment:
        found["description"] = table.comment
    relations = [
        {"name": relation.name, "kind": relation.kind, "table": relation.target.name, "hints": list(relation.hints)}
        for relation in schema.relations_of.get(table.name, ())
    ]
    if relations:
        found["x-relations"] = relations
    return found


def describe_new_row(table: Table, schema: DatabaseSchema) -> dict[str, Any]:
    """Return the JSON Schema of a row as it is inserted: with what must be there, without what the database makes."""
    columns = [column for column in table.columns if column.generated != "always"]
    needed = [column.name for column in columns if not column.nullable and column.default is None and column.generated is None]
    found: dict[str, Any] = {"type": "object", "properties": {column.name: describe_column(column, table) for column in columns}}
    if needed:
        found["required"] = needed
    return {**found, "additionalProperties": False}


def describe_column(column: Column, table: Table) -> dict[str, Any]:
    """Return the JSON Schema of one column's values, with its default, keys and comment."""
    found = describe_type(column.type)
    if column.nullable and found:
        found["type"] = [found["type"], "null"]
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
    if column.generated == "always":
        found["readOnly"] = True
    default = _read_default(column)
    if default is not None:
        found["default"] = default
    text = [column.comment] if column.comment else []
    text.append(column.type.name)
    if table.primary_key and column.name in table.primary_key.columns:
        text.append("primary key")
    for key in table.foreign_keys:
        if column.name in key.columns:
            target = key.target_columns[key.columns.index(column.name)] if key.target_columns else ""
            text.append(f"foreign key to {key.target.name}.{target}")
            found["x-foreign-key"] = {"table": key.target.name, "column": target}
    found["description"] = "; ".join(text)
    return found


def describe_type(column_type: ColumnType) -> dict[str, Any]:
    """Return the JSON Schema of a type, without NULL."""
    found = dict(_TYPES.get(column_type.kind, {"type": "string"}))
    if column_type.kind == "enum" and column_type.values:
        found["enum"] = list(column_type.values)
    elif column_type.kind == "array":
        found["items"] = describe_type(column_type.item) if column_type.item else {}
    elif column_type.kind == "text" and column_type.length and column_type.length > 0:
        found["maxLength"] = column_type.length
    elif column_type.kind == "integer":
        size = _SIZES.get(column_type.name.lower().split("(")[0])
        if size:
            found["format"] = size
    return found


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
