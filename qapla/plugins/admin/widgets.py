"""The widget of a column: the control that fits its kind, and what it sends back.

Deform's own widgets for dates, files and choices need jQuery; these are plain controls of HTML that a script may make more of.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import colander
from deform.widget import Widget

from qapla.database.schema.validation import NOTHING, TEXTS, Entry, mark
from qapla.plugins.admin.cells import count_bytes, print_size

if TYPE_CHECKING:
    from qapla.database.schema.description import Column

LONG = 80  # letters; a longer text gets more than one line

# What a browser keeps as it is in its own controls; it would throw any other text away.
_NATIVE = {
    "date": ("date", re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")),
    "time": ("time", re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,3})?)?")),
    "timestamp": ("datetime-local", re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,3})?)?")),
}
_EXAMPLES = {
    "timestamp_tz": "2024-12-31T18:00:00+00:00",
    "interval": "1 day 02:00:00",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "array": '["a", "b"]',
}


class ColumnWidget(Widget):
    """Show and read one column.

    Args:
        use: ``insert`` or ``update``.
        pick: the address that finds rows to refer to, where the column is a foreign key.
        label: what the row referred to now is called.
        seen: the mark of what was shown, when a form comes back.
        download: the address of the bytes that are there now.
    """

    template = "column"
    item_template = "field"

    def __init__(
        self,
        column: Column,
        use: str,
        *,
        pick: str | None = None,
        label: str | None = None,
        seen: str | None = None,
        download: str | None = None,
    ) -> None:
        super().__init__()
        self.column = column
        self.use = use
        self.pick = pick
        self.label = label
        self.seen = seen
        self.download = download
        self.theirs: str | None = None  # what somebody else has written meanwhile

    def serialize(self, field: Any, cstruct: Any, readonly: bool = False, **values: Any) -> str:
        """Return the control."""
        entry = cstruct if isinstance(cstruct, Entry) else NOTHING
        return field.renderer(self.template, field=field, cstruct=entry, entry=entry, widget=self, **self.describe(field, entry), **values)

    def deserialize(self, field: Any, pstruct: Any) -> Entry:
        """Return what the control sent; nothing where it sent nothing."""
        if not isinstance(pstruct, dict):
            return NOTHING if self.seen is None else Entry(is_same=True)
        entry = self._read(pstruct)
        return replace(entry, is_same=True) if self.seen is not None and mark(entry, self.column) == self.seen else entry

    def _read(self, pstruct: dict[str, Any]) -> Entry:
        is_null, is_blank, is_chosen = "null" in pstruct, "blank" in pstruct, False
        if self.column.type.kind == "binary":
            return self._read_upload(pstruct, is_null)
        text = pstruct.get("value", "")
        if not isinstance(text, str):
            raise colander.Invalid(colander.SchemaNode(colander.String()), "This is not a text.", value=NOTHING)
        if self.choices() is not None:
            is_chosen, text = text.startswith("="), text.removeprefix("=")
        elif self.column.type.kind != "unknown":
            text = text.replace("\r\n", "\n")
        if is_null and text and self.seen is not None and mark(Entry(text), self.column) != self.seen:
            is_null = False  # something was written into a field that still said NULL
        may_be_null = self.column.nullable and (self.pick or self.column.type.kind not in TEXTS) and self.use == "update"
        if not text and may_be_null and not is_chosen and not self._was_empty(is_null):
            is_null = True
        return Entry("" if is_null else text, is_null=is_null, is_blank=is_blank or (is_chosen and not text))

    def _was_empty(self, is_null: bool) -> bool:
        """Tell whether the field showed an empty text: then nothing in it is what was there. A select has a choice of its own for that."""
        return not is_null and self.choices() is None and self.seen == mark(Entry(""), self.column)

    def _read_upload(self, pstruct: dict[str, Any], is_null: bool) -> Entry:
        upload = pstruct.get("value")
        file = getattr(upload, "file", None)
        if file is None:
            return Entry(is_null=True) if is_null else Entry(is_same=self.use == "update")
        # All of it, or a large file would be cut without a word: how large a form may be is a limit of its connection.
        return Entry(f"\\x{file.read().hex()}")

    def choices(self) -> list[tuple[str, str]] | None:
        """Return the values to choose from, None where there is nothing to choose."""
        kind = self.column.type.kind
        if kind == "boolean":
            return [("true", "true"), ("false", "false")]
        if kind == "enum" and self.column.type.values:
            return [(value, value or "(empty text)") for value in self.column.type.values]
        return None

    def control(self, entry: Entry) -> str:
        """Return which control fits the kind of the column and what is in it."""
        kind = self.column.type.kind
        if kind == "binary":
            return "file"
        if self.choices() is not None:
            return "select"
        if self.pick:
            return "pick"
        if kind in {"json", "composite"}:
            return "json" if kind == "json" else "long"
        if kind in {"array"} or "\n" in entry.text or len(entry.text) > LONG:
            return "long"
        if kind == "text" and self.column.type.length is None and "char" not in self.column.type.name.lower():
            return "long"
        return "line"

    def describe(self, field: Any, entry: Entry) -> dict[str, Any]:
        """Return what the template needs."""
        column, kind = self.column, self.column.type.kind
        native, valid = _NATIVE.get(kind, ("text", re.compile("")))
        is_native = native != "text" and (not entry.text or bool(valid.fullmatch(entry.text)))
        choices = self.choices()
        has_value = entry.text or (self.use == "update" and not entry.is_null)
        if choices is not None and has_value and entry.text not in dict(choices):
            choices = [*choices, (entry.text, f"{entry.text or '(empty text)'} (not one of its values)")]
        described = " ".join(f"{name}-{field.name}" for name, there in self._notes(field) if there)
        return {
            "control": self.control(entry),
            "choices": choices,
            "input_type": native if is_native else "text",
            "input_mode": {"integer": "numeric", "decimal": "decimal", "float": "decimal"}.get(kind),
            "placeholder": self.placeholder(entry),
            "nothing": self.nothing(),
            "has_null": column.nullable and kind in TEXTS | {"binary"} and not self.pick,
            "has_blank": kind in TEXTS
            and self.use == "insert"
            and not column.nullable
            and column.default is None
            and field.error is not None,
            "starts_null": entry.is_null or (self.use == "insert" and entry == NOTHING and column.default is None),
            "size": print_size(count_bytes(entry.text)) if kind == "binary" and entry.text else None,
            "described": described or None,
            "control_id": f"field-{field.name}",
            "lines": min(12, max(2 if self.use == "insert" else 1, entry.text.count("\n") + 1 + len(entry.text) // 100)),
            "length": column.type.length if kind == "text" else None,
        }

    def _notes(self, field: Any) -> list[tuple[str, bool]]:
        return [
            ("error", field.error is not None),
            ("help", bool(self.column.comment)),
            ("theirs", self.theirs is not None),
            ("json", self.column.type.kind == "json"),
        ]

    def placeholder(self, entry: Entry) -> str | None:
        """Return what an empty field means: the default of a new row, or NULL; else an example of what is not easy to guess."""
        column = self.column
        if self.use == "insert" and column.generated is not None:
            return "made by the database"
        if self.use == "insert" and column.default is not None:
            return f"default: {column.default}"[:80]
        if column.nullable and column.type.kind not in TEXTS:
            return "NULL"
        return _EXAMPLES.get(column.type.kind)

    def nothing(self) -> str | None:
        """Return what the empty choice of a select is called; None where there is no such choice."""
        column = self.column
        if self.use == "insert" and column.default is not None:
            return f"default: {column.default}"[:80]
        if column.nullable:
            return "NULL"
        return "choose…" if self.use == "insert" else None


def read_seen(text: str) -> dict[str, str]:
    """Return the marks that a form carries, by the name of the field; none where they cannot be read."""
    try:
        seen = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return {str(name): str(value) for name, value in seen.items()} if isinstance(seen, dict) else {}
