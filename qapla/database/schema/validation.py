"""Make colander schemas of tables: what a form shows of a column, and what it takes for it.

A field of a form holds text, and says apart from that whether it means NULL or the empty text: an ``Entry``. Reading one gives
the value that a write takes: ``TextValue`` (the driver reads it as the column's type), a list, None, or ``MISSING`` where nothing was
said and the database decides. The reader of single values is passed in, so that forms, CSV and REST agree about what a date is.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

import colander

from qapla.database.query.description import MISSING, TextValue
from qapla.errors import ValueRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.database.schema.description import Column, ColumnType, Kind, Table

    Reader = Callable[[str, ColumnType], object]

Use = Literal["insert", "update"]

TEXTS: frozenset[Kind] = frozenset({"text", "unknown"})  # where the empty text is a value
_SURROGATE = re.compile("[\ud800-\udfff]")
_MOMENT = re.compile(r"(\d{4,}-\d\d-\d\d)[ T](\d\d:\d\d)(?::00(?:\.0+)?)?$")
_TIME = re.compile(r"(\d\d:\d\d)(?::00(?:\.0+)?)?$")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a field of a form holds."""

    text: str = ""
    is_null: bool = False
    is_blank: bool = False  # the empty text is meant, where an empty field says nothing
    is_same: bool = False  # nobody touched it since it was shown


NOTHING = Entry()


class ColumnValue(colander.SchemaType):
    """The type of a node: one column, written by an insert or an update."""

    def __init__(self, column: Column, use: Use, read: Reader) -> None:
        self.column = column
        self.use = use
        self.read = read

    def serialize(self, node: Any, appstruct: Any) -> Entry:
        """Return what a field shows of a value in canonical JSON; nothing where there is no value yet."""
        if appstruct is colander.null or appstruct is MISSING:
            return NOTHING
        return make_entry(appstruct, self.column)

    def deserialize(self, node: Any, cstruct: Any) -> Any:
        """Return the value to be written.

        Raises:
            colander.Invalid: it is missing, or cannot be read as the column's type.
        """
        entry = cstruct if isinstance(cstruct, Entry) else NOTHING
        if entry.is_same:
            return MISSING  # an odd value that was there before is neither judged nor written back
        if entry.is_null:
            return None
        if entry.text == "":
            return self._read_nothing(node, entry)
        try:
            return self._read(entry.text)
        except ValueRefused as error:
            hint = f" ({error.hint})" if error.hint else ""
            raise colander.Invalid(node, f"{error.message}{hint}") from error

    def _read_nothing(self, node: Any, entry: Entry) -> Any:
        column = self.column
        if column.type.kind == "enum" and entry.is_blank:
            return TextValue("")  # one of its values, chosen
        if column.type.kind in TEXTS and (entry.is_blank or self.use == "update" or _means_empty(column)):
            return TextValue("")
        if self.use == "insert" and not is_required(column):
            return MISSING
        if column.nullable:
            return None
        raise colander.Invalid(node, "A value is required.")

    def _read(self, text: str) -> Any:
        if self.column.type.kind == "array":
            return _read_list(text)
        self.read(text, self.column.type)
        return TextValue(text)


def make_node(table: Table, use: Use, read: Reader) -> colander.SchemaNode:
    """Return the schema of a form that writes a row of *table*: one node for each column that can be written, named ``c0``, ``c1``, …

    The names of nodes are those of fields in a page, where the name of a column might be anything; ``node.column`` is the column.
    """
    children = []
    for place, column in enumerate(table.columns):
        if is_writable(column):
            node = colander.SchemaNode(ColumnValue(column, use, read), name=f"c{place}", title=column.name, missing=MISSING)
            node.column = column
            node.description = column.comment or ""
            node.is_needed = use == "insert" and is_required(column)
            children.append(node)
    return colander.SchemaNode(colander.Mapping(unknown="ignore"), *children)


def is_writable(column: Column) -> bool:
    """Tell whether a value can be given at all."""
    return column.generated != "always"


def is_required(column: Column) -> bool:
    """Tell whether a new row must have a value here."""
    return not column.nullable and column.default is None and column.generated is None


def _means_empty(column: Column) -> bool:
    """Tell whether an empty field of a new row is the empty text: where NULL has a mark of its own and there is no default."""
    return column.nullable and column.default is None


def make_entry(value: object, column: Column) -> Entry:
    """Return what a field shows of *value*."""
    if value is None:
        return Entry(is_null=True)
    if column.type.kind in {"json", "array"} or isinstance(value, dict | list):
        return Entry(_print_json(value))
    if isinstance(value, bool):
        return Entry("true" if value else "false")
    return Entry(str(value))


def mark(entry: Entry, column: Column) -> str:
    """Return a short mark of what a field holds, the same for all texts that browsers make of one.

    They end lines their own way, drop the seconds of a whole minute, and show NUL as a question mark; none of that is a change.
    """
    text = entry.text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")
    if column.type.kind in {"timestamp", "timestamp_tz"}:
        text = _MOMENT.sub(r"\1T\2", text)
    elif column.type.kind == "time":
        text = _TIME.sub(r"\1", text)
    state = "null" if entry.is_null else "text"
    return blake2b(f"{state}:{text}".encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


def _print_json(value: object) -> str:
    """Return *value* as JSON that is easy to edit; digits stay as they are."""
    exact: dict[str, str] = {}

    def keep(number: object) -> str:
        name = f"\ue000{len(exact)}\ue000"
        exact[json.dumps(name, ensure_ascii=False)] = str(number)
        return name

    text = json.dumps(value, ensure_ascii=False, indent=2 if isinstance(value, dict) else None, default=keep)
    for name, number in exact.items():
        text = text.replace(name, number, 1)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _read_list(text: str) -> list[Any]:
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise ValueRefused("This is not a list", hint=f'write it as JSON, [1, 2] or ["a", "b"]: {error}') from error
    if not isinstance(value, list):
        raise ValueRefused("This is not a list", hint='write it as JSON, [1, 2] or ["a", "b"]')
    return value
