"""The page of one row: its values, what it points at, what points at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.response import Response

from qapla.database.query.description import Field, Path, Query, Selection, Window
from qapla.driver.keys import key_condition
from qapla.errors import NotFound
from qapla.plugins.admin.cells import PREVIEW, WHOLE, make_cell, print_value
from qapla.plugins.admin.labels import label_columns, make_label
from qapla.plugins.admin.listing import Filter, Listing, make_query
from qapla.plugins.admin.views.lists import print_rows, reference_link, with_labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyramid.request import Request

    from qapla.database.schema.description import Column, Relation
    from qapla.plugins.admin.context import TableContext


def read_row(context: TableContext, select: Selection | None = None) -> dict[str, Any]:
    """Return the row that the address names: one statement, with the labels of its foreign keys.

    Raises:
        NotFound: it is not there, or not any more.
    """
    key = context.require_key()
    query = Query(context.table.name, select or with_labels(context), key_condition(context.table, key), window=Window(limit=1))
    rows = context.reader.page(query).rows()
    if not rows:
        name = ", ".join(key)
        raise NotFound(f"there is no row {name[:100]!r} in {context.table.name.name!r}", hint="perhaps it has been deleted meanwhile")
    found: dict[str, Any] = rows[0]
    return found


def show_row(context: TableContext, request: Request) -> dict[str, Any]:
    """Show one row."""
    row = read_row(context)
    table, links = context.table, context.links
    label = make_label(table, row)
    return {
        "title": f"{label} · {table.name.name}",
        "heading": label,
        "key_text": ", ".join(context.key or ()) if label_columns(table) != table.identity.columns else None,
        "served": context.served,
        "table": table,
        "links": links,
        "key": context.key,
        "crumbs": crumbs(context, label),
        "fields": [describe_field(context, row, column) for column in table.columns],
        "related": describe_related(context, row, with_counts="counts" in request.GET),
        "counts_address": links.row(table, context.require_key(), [("counts", "exact")]),
        "can_update": context.allows("update"),
        "can_delete": context.allows("delete"),
        "can_insert": context.allows("insert"),
        "why_not": context.why_not("update"),
    }


def crumbs(context: TableContext, label: str, action: str | None = None) -> list[tuple[str, str | None]]:
    """Return the way to a row: database, table, row, and what is done with it."""
    links, table = context.links, context.table
    way: list[tuple[str, str | None]] = [(context.served.name, links.database_page), (table.name.name, links.table(table))]
    if action is None:
        return [*way, (label, None)]
    if context.key is not None:
        way.append((label, links.row(table, context.key)))
    return [*way, (action, None)]


def describe_field(context: TableContext, row: Mapping[str, Any], column: Column) -> dict[str, Any]:
    """Return one column of the row as its page shows it."""
    value = row.get(column.name)
    cell = make_cell(value, column, most=WHOLE)
    reference = context.references.get(column.name)
    target = reference.target_values(row) if reference is not None else None
    is_binary = column.type.kind == "binary" and value is not None
    return {
        "column": column,
        "cell": cell,
        "href": reference_link(context, reference.target, target) if reference is not None and target is not None else None,
        "label": reference.label(row) if reference is not None else None,
        "is_long": len(cell.text) > PREVIEW or "\n" in cell.text,
        "download": _download(context, column) if is_binary or cell.is_cut else None,
        "is_key": column.name in context.table.identity.columns,
    }


def _download(context: TableContext, column: Column) -> str:
    return context.links.action("cell", context.table, context.require_key(), pairs=[("column", column.name)])


def describe_related(context: TableContext, row: Mapping[str, Any], *, with_counts: bool) -> list[dict[str, Any]]:
    """Return the tables whose rows point at this one, with the lists of those rows."""
    schema, links = context.served.schema, context.links
    found = []
    for relation in schema.relations_of.get(context.table.name, ()):
        target = schema.by_name.get(relation.target)
        listing = related_listing(relation, row)
        if target is None or listing is None or not context.rights.allows("select", target.name.schema, target.name.name):
            continue
        if target.is_view and not context.table.is_view:
            continue  # it shows what the lists of tables show
        is_twin = sum(each.target == relation.target and _points_here(each) for each in schema.relations_of[context.table.name]) > 1
        count = print_rows(context.reader.count(make_query(listing, target))) if with_counts else None
        found.append(
            {
                "name": target.name.name if target.name.schema == schema.default_schema else str(target.name),
                "by": ", ".join(relation.target_columns) if is_twin else None,
                "href": links.table(target, listing),
                "count": count,
                "count_address": links.action("count", target, listing=listing),
            }
        )
    return found


def _points_here(relation: Relation) -> bool:
    if relation.function is not None:
        return False  # a list cannot be filtered by it
    return relation.kind == "to_many" or (relation.kind == "to_one" and relation.one_to_one)


def related_listing(relation: Relation, row: Mapping[str, Any]) -> Listing | None:
    """Return the list of the rows that point at *row* through *relation*, None where none can."""
    if not _points_here(relation):
        return None
    values = [row.get(name) for name in relation.columns]
    if None in values:
        return None
    pairs = zip(relation.target_columns, values, strict=True)
    return Listing(filters=tuple(Filter(name, "is", print_value(value)) for name, value in pairs))


def send_cell(context: TableContext, request: Request) -> Response:
    """Send one value of the row as a file: the bytes of a binary column, the text of any other."""
    column = context.table.by_name.get(request.GET.get("column", ""))
    if column is None:
        raise NotFound(f"there is no such column in {context.table.name.name!r}")
    value = read_row(context, Selection((Field(Path(column.name)),)))[column.name]
    text = "" if value is None else print_value(value)
    is_binary = column.type.kind == "binary" and text.startswith("\\x")
    body = bytes.fromhex(text[2:]) if is_binary else text.encode("utf-8", "surrogatepass")
    name = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in column.name) or "value"
    response = Response(body, content_type="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{"bin" if is_binary else "txt"}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-store"
    return response
