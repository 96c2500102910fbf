"""The form of a row: made of its table's description, rendered by Deform, read back into the values that a write takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import colander
from deform import Form, ValidationFailure, ZPTRendererFactory
from deform.template import default_dir
from deform.widget import FormWidget
from pyramid.csrf import get_csrf_token

from qapla.database.query.description import MISSING
from qapla.database.query.values import read_text
from qapla.database.schema.validation import Entry, make_node, mark
from qapla.plugins.admin.pages import TEMPLATES, Html, namespace, translate
from qapla.plugins.admin.widgets import ColumnWidget

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from qapla.database.schema.description import Column, Table
    from qapla.database.schema.validation import Use
    from qapla.errors import QaplaError
    from qapla.plugins.admin.context import TableContext


@cache
def get_renderer() -> ZPTRendererFactory:
    """Return what renders fields: our templates, then Deform's own."""
    return ZPTRendererFactory((str(TEMPLATES / "deform"), default_dir), auto_reload=False, translator=translate)


@dataclass(frozen=True, slots=True)
class Submitted:
    """What came back in a form: the values that were touched, by column; whether any of them cannot be taken."""

    values: dict[str, Any]
    is_valid: bool


class RowForm:
    """The form of one row of a table, new or there already.

    Args:
        row: the values in it, in canonical JSON: of the row that is changed, or to begin a new one with.
        labels: what the rows are called that its foreign keys point at.
        seen: the marks that came back with the form; None for a form that is shown for the first time.
    """

    def __init__(
        self,
        context: TableContext,
        use: Use,
        row: Mapping[str, Any] | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        seen: Mapping[str, str] | None = None,
    ) -> None:
        self.context = context
        self.use = use
        read = partial(read_text, engine=context.served.schema.engine)
        node = make_node(context.table, use, read)
        for child in node.children:
            child.widget = self._make_widget(child.name, child.column, labels or {}, seen)
        appstruct = {child.name: row[child.column.name] for child in node.children if row and child.column.name in row}
        node.widget = FormWidget(template="record_form")
        self.form = Form(node, renderer=get_renderer(), formid="row", appstruct=appstruct)
        self.seen = {child.name: mark(child.cstruct, child.schema.column) for child in self.form.children} if use == "update" else {}
        self.problems: list[str] = []

    def _make_widget(self, name: str, column: Column, labels: Mapping[str, str], seen: Mapping[str, str] | None) -> ColumnWidget:
        context = self.context
        reference = context.references.get(column.name)
        has_picker = reference is not None and len(reference.key.columns) == 1
        pick = context.links.action("pick", context.table, pairs=[("column", column.name)]) if has_picker else None
        download = None
        if column.type.kind == "binary" and context.key is not None:
            download = context.links.action("cell", context.table, context.key, pairs=[("column", column.name)])
        mark_of = None if seen is None else seen.get(name)
        return ColumnWidget(column, self.use, pick=pick, label=labels.get(column.name), seen=mark_of, download=download)

    def read(self, items: Iterable[tuple[str, Any]]) -> Submitted:
        """Read the form that came back; errors are kept beside their fields."""
        try:
            appstruct = self.form.validate(items)
        except ValidationFailure:
            return Submitted({}, is_valid=False)
        values = {child.schema.column.name: appstruct.get(child.name, MISSING) for child in self.form.children}
        return Submitted({name: value for name, value in values.items() if value is not MISSING}, is_valid=True)

    def touched(self) -> dict[str, Entry]:
        """Return what was typed into each field that was touched, by column."""
        entries = {child.schema.column.name: child.cstruct for child in self.form.children}
        return {name: entry for name, entry in entries.items() if isinstance(entry, Entry) and not entry.is_same}

    def keep(self, entries: Mapping[str, Entry], theirs: Mapping[str, str] | None = None) -> None:
        """Show *entries* in place of what is there, and beside them what somebody else has written."""
        for child in self.form.children:
            name = child.schema.column.name
            if name in entries:
                child.cstruct = entries[name]
            child.widget.theirs = (theirs or {}).get(name)

    def refuse(self, error: QaplaError) -> None:
        """Show *error* beside the fields it is about, or above the form."""
        columns = blamed_columns(self.context.table, error) or self._quoted_columns(error)
        fields = [child for child in self.form.children if child.schema.column.name in columns]
        for child in fields:
            child.error = colander.Invalid(child.schema, say(error))
        if not fields:
            self.problems.append(say(error))

    def _quoted_columns(self, error: QaplaError) -> set[str]:
        """Return the columns whose text the message quotes: PostgreSQL tells the value that it cannot read, and not where it was."""
        return {name for name, entry in self.touched().items() if entry.text and f'"{entry.text}"' in error.message}

    def errors(self) -> list[tuple[str, str, str]]:
        """Return each error with the id and the title of its field: the summary above the form."""
        return [(f"field-{child.name}", child.title, "; ".join(child.error.messages())) for child in self.form.children if child.error]

    def render(self, request: Any, *, tag: str | None, cancel: str, is_changed: bool = False) -> Html:
        """Return the form as markup."""
        return Html(
            self.form.render(
                formaction=request.path_qs,
                csrf_token=get_csrf_token(request),
                columns_mark=columns_mark(self.context.table),
                seen=json.dumps(self.seen, separators=(",", ":")) if self.seen else None,
                tag=tag,
                cancel=cancel,
                can_copy=self.use == "update" and self.context.allows("insert"),
                is_changed=is_changed,
                icon=namespace(request)["icon"],
            )
        )


def blamed_columns(table: Table, error: QaplaError) -> set[str]:
    """Return the columns that an error of the database is about: the one it names, or those of the constraint that it names."""
    column = getattr(error, "column", None)
    if column is not None:
        found = next((name for name in table.by_name if name.lower() == str(column).lower()), None)
        return {found} if found else set()
    constraint = getattr(error, "constraint", None)
    keys: list[Any] = [key for key in (table.primary_key, *table.unique, *table.foreign_keys) if key is not None]
    for key in keys:
        if constraint is not None and key.name == constraint:
            return set(key.columns)
    named = {part.rpartition(".")[2].strip() for part in str(constraint or "").split(",")}  # SQLite names the columns themselves
    return named if named <= set(table.by_name) else set()


def say(error: QaplaError) -> str:
    """Return an error as one sentence for people."""
    text = error.message[:1].upper() + error.message[1:]
    return f"{text} ({error.hint})" if error.hint else text


def columns_mark(table: Table) -> str:
    """Return a mark of the columns that a form was made of: after a change of the table its fields mean something else."""
    return blake2b("\0".join(table.by_name).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def find_labels(context: TableContext, row: Mapping[str, Any]) -> dict[str, str]:
    """Return what the rows are called that *row* points at, by column; they came with the row."""
    found = {column: reference.label(row) for column, reference in context.references.items()}
    return {column: label for column, label in found.items() if label}
