"""One value of the canonical JSON as a page shows it: short in a list, whole on its own page. No value can break it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qapla.database.schema.description import Column, Kind

PREVIEW = 160  # letters of a long text in a list
WHOLE = 200_000  # letters of one value on its own page; the rest is a download
NUMBERS: frozenset[Kind] = frozenset({"integer", "decimal", "float"})
SHORT: frozenset[Kind] = frozenset({"date", "time", "timestamp", "timestamp_tz", "uuid", "boolean", "interval"})
TREES: frozenset[Kind] = frozenset({"json", "array", "composite"})


@dataclass(frozen=True, slots=True)
class Cell:
    """A value to be shown. ``is_cut``: there is more of it. ``note`` says what is odd about it."""

    text: str
    style: str = ""
    is_null: bool = False
    is_empty: bool = False
    is_cut: bool = False
    note: str = ""
    moment: str = ""  # ISO 8601 with its zone


def make_cell(value: object, column: Column, most: int = PREVIEW) -> Cell:
    """Return *value* of *column* as it is shown, at most *most* letters of it."""
    kind = column.type.kind
    style = style_of(column)
    if value is None:
        return Cell("NULL", style, is_null=True)
    if value == "":
        return Cell("", style, is_empty=True)
    if kind == "binary" and isinstance(value, str):
        return Cell(print_size(count_bytes(value)), "short")
    if kind in {"timestamp", "timestamp_tz"} and isinstance(value, str):
        return Cell(value.replace("T", " ", 1), style, moment=value if kind == "timestamp_tz" else "")
    text = print_value(value, indent=2 if most > PREVIEW and kind in TREES else None)
    note = "" if _fits(value, kind) else f"not a value of type {column.type.name}; shown as it is"
    return Cell(text[:most], style, is_cut=len(text) > most, note=note)


def style_of(column: Column) -> str:
    """Return the class of a column's cells."""
    kind = column.type.kind
    return "num" if kind in NUMBERS else "short" if kind in SHORT else "json" if kind in TREES else ""


def print_value(value: object, indent: int | None = None) -> str:
    """Return *value* as text: text as it is, anything else as JSON, with every digit of its numbers."""
    if isinstance(value, str):
        return value
    return print_json(value, indent)


def print_json(value: object, indent: int | None = None, _depth: int = 0) -> str:
    """Return *value* as JSON; a Decimal keeps its digits, which ``json.dumps`` would not do."""
    if isinstance(value, dict | list):
        inner = [
            f"{json.dumps(str(key), ensure_ascii=False)}:{' ' if indent else ''}{print_json(one, indent, _depth + 1)}"
            for key, one in (value.items() if isinstance(value, dict) else ())
        ] or [print_json(one, indent, _depth + 1) for one in value]
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        if indent is None or not inner:
            return opening + ",".join(inner) + closing
        margin = "\n" + " " * indent * (_depth + 1)
        return f"{opening}{margin}{(',' + margin).join(inner)}\n{' ' * indent * _depth}{closing}"
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def count_bytes(value: str) -> int:
    r"""Return how many bytes the hex text ``\x…`` stands for."""
    return (len(value) - 2) // 2 if value.startswith("\\x") else len(value.encode("utf-8", "surrogatepass"))


def print_size(size_bytes: int) -> str:
    """Return *size_bytes* for people: ``512 bytes``, ``1.4 MB``."""
    if size_bytes < 1000:
        return f"{size_bytes} byte{'' if size_bytes == 1 else 's'}"
    size = float(size_bytes)
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.5 or unit == "GB":
            break
    return f"{size:.3g} {unit}" if size < 100 else f"{size:.0f} {unit}"


def print_count(count: int) -> str:
    """Return *count* with its thousands apart: ``336,776``."""
    return f"{count:,}"


def _fits(value: object, kind: Kind) -> bool:
    """Tell whether a value has the form that its column promises; SQLite takes anything anywhere."""
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in {"integer"}:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in {"decimal", "float"}:
        return not isinstance(value, bool | dict | list) and (not isinstance(value, str) or value in {"NaN", "Infinity", "-Infinity"})
    if kind in {"date", "time"}:
        return isinstance(value, str)
    return True
