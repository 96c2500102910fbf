"""Rows that a procedure gives, printed as JSON: nobody knows their columns before they are there.

The driver of MariaDB and MySQL says of each column a number that stands for its type; whether a text is JSON it does not say.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from qapla.database.schema.description import ColumnType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qapla.database.schema.description import Kind
    from qapla.database.statement import Sheet

# Numbers of the protocol. Texts, enums and bytes are told apart by what the driver makes of them.
KINDS: Mapping[int, Kind] = {
    0: "decimal", 1: "integer", 2: "integer", 3: "integer", 4: "float", 5: "float", 7: "timestamp_tz", 8: "integer", 9: "integer",
    10: "date", 11: "time", 12: "timestamp", 13: "integer", 16: "bits", 245: "json", 246: "decimal",
}  # fmt: skip
TINY = 1


def read_columns(description: Sequence[Sequence[Any]]) -> tuple[tuple[str, ColumnType], ...]:
    """Return the columns of a result by name and type, from a cursor's description."""
    return tuple((str(name), _read_type(code, length)) for name, code, _, length, *_ in description)


def _read_type(code: int, length: int | None) -> ColumnType:
    if code == TINY and length == 1:
        return ColumnType("boolean", "tinyint(1)")
    return ColumnType(KINDS.get(code, "unknown"), "", length=length)


def print_rows(sheet: Sheet) -> list[bytes]:
    """Return the JSON object of each row."""
    keys = [json.dumps(name, ensure_ascii=False) for name, _ in sheet.columns]
    types = [type for _, type in sheet.columns]
    return [_print_row(keys, types, row).encode("utf-8", "replace") for row in sheet.rows]


def _print_row(keys: list[str], types: list[ColumnType], row: tuple[object, ...]) -> str:
    return "{" + ",".join([f"{key}:{print_value(value, type)}" for key, value, type in zip(keys, row, types, strict=True)]) + "}"


def print_value(value: object, type: ColumnType) -> str:
    """Return the JSON of one value, as a column of a table with this type would be printed."""
    if value is None:
        return "null"
    if isinstance(value, bytes | bytearray):
        if type.kind == "bits":
            return f'"{int.from_bytes(value, "big"):0{type.length or 1}b}"'
        return f'"\\\\x{value.hex()}"'
    if isinstance(value, int):
        return ("false", "true")[value] if type.kind == "boolean" and value in (0, 1) else str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return json.dumps(value)
    text = str(value)
    if type.kind in ("timestamp", "timestamp_tz"):
        text = _print_moment(text) + ("+00:00" if type.kind == "timestamp_tz" else "")
    return text if type.kind == "json" else json.dumps(text, ensure_ascii=False)


def _print_moment(text: str) -> str:
    whole, dot, fraction = text.replace(" ", "T").partition(".")
    digits = fraction.rstrip("0")
    return f"{whole}.{digits}" if dot and digits else whole
