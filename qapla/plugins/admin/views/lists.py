"""The list of a table: one page of rows, filtered, sorted, searched; its count."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.response import Response

from qapla.database.query.cursor import write_cursor
from qapla.database.query.description import Field, Path, Selection
from qapla.errors import DatabaseError, InputError
from qapla.plugins.admin.cells import NUMBERS, Cell, make_cell, print_count
from qapla.plugins.admin.columns import filter_fields, list_columns
from qapla.plugins.admin.filters import GROUPS, get_filter
from qapla.plugins.admin.links import key_of
from qapla.plugins.admin.listing import SIZES, Filter, Listing, make_query, parse
from qapla.plugins.admin.pages import render_fragment, translate
from qapla.plugins.admin.views.exports import list_exports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyramid.request import Request

    from qapla.database.schema.description import Column, Table
    from qapla.driver.table_read import Page
    from qapla.plugins.admin.context import TableContext
    from qapla.plugins.admin.labels import Reference


@dataclass(frozen=True, slots=True)
class Shown:
    """One cell of a list: what it says, and where it leads."""

    cell: Cell
    href: str | None = None
    label: str | None = None  # of the row that a foreign key points at


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row of a list."""

    href: str | None
    cells: list[Shown]


def list_rows(context: TableContext, request: Request) -> dict[str, Any]:
    """Show a page of rows, or why there are none. A list that cannot be made keeps its filters, so that they can be taken back."""
    page, problem = None, None
    try:
        listing = parse(request.GET.items())
        added = find_added_filter(context, request, listing)
        if added is not None:
            raise HTTPSeeOther(added)
        page = read_page(context, listing)
    except (InputError, DatabaseError) as error:  # PostgreSQL reads most values by itself
        if not 400 <= error.status < 500:
            raise
        problem = error
        listing = _rescue(request)
        request.response.status_int = error.status
    return {**describe(context, listing, page), "problem": problem}


def read_page(context: TableContext, listing: Listing) -> Page:
    """Return the rows of *listing*: one statement, with the labels of foreign keys."""
    query = make_query(listing, context.table, with_labels(context), count="exact" if listing.exact else "none")
    return context.reader.page(query)


def with_labels(context: TableContext) -> Selection:
    """Return all columns, and the labels of the rows that foreign keys point at."""
    return Selection((Field(Path("*")), *(reference.embed() for reference in context.references.values() if reference.alias)))


def _rescue(request: Request) -> Listing:
    """Return what can be kept of an address that cannot be read."""
    kept = Listing(schema=request.GET.get("schema", ""))
    for name, value in request.GET.items():
        try:
            kept = replace(kept, filters=kept.filters + parse([(name, value)]).filters)
        except InputError:
            continue
    return kept


def describe(context: TableContext, listing: Listing, page: Page | None) -> dict[str, Any]:
    """Return what the template of a list needs."""
    table, links = context.table, context.links
    references = context.references
    rows = page.rows() if page is not None else []
    columns = list_columns(table)
    return {
        "title": table.name.name,
        "served": context.served,
        "table": table,
        "links": links,
        "listing": listing,
        "crumbs": [(context.served.name, links.database_page), (table.name.name, None)],
        "columns": [describe_column(context, listing, column, references) for column in columns],
        "rows": [show_row(context, row, columns, references) for row in rows],
        "chips": [describe_chip(context, listing, each) for each in listing.filters],
        "filter_columns": filter_fields(table),
        **describe_filters(),
        "without_words": links.table(table, replace(listing.first(), words="", exact=False)),
        "sizes": SIZES,
        "kept": [pair for pair in listing.first().print() if pair[0] not in {"size", "count"}],
        "exports": list_exports(context, listing) if page is not None else None,
        "can_insert": context.allows("insert"),
        "why_not": context.why_not("update") or context.why_not("insert"),
        "pager": describe_pages(context, listing, page, len(rows)),
        "count": describe_count(context, listing, page, len(rows)),
    }


def describe_filters() -> dict[str, Any]:
    """Return the filters of every group for the script, and all of them once for those who go without."""
    groups = {name: [[each.name, translate(each.label), translate(each.value)] for each in group] for name, group in GROUPS.items()}
    every = {name: label for group in groups.values() for name, label, _value in group}
    return {"operators_json": json.dumps(groups, ensure_ascii=False), "every_operator": list(every.items())}


def describe_column(context: TableContext, listing: Listing, column: Column, references: Mapping[str, Reference]) -> dict[str, Any]:
    """Return one header: its link sorts."""
    sort = next((each for each in listing.sorts if each.column == column.name), None)
    is_key = column.name in context.table.identity.columns
    return {
        "name": column.name,
        "type": column.type.name,
        "comment": column.comment,
        "style": "num" if column.type.kind in NUMBERS and column.name not in references else "",
        "is_key": is_key,
        "href": context.links.table(context.table, listing.sorted_by(column.name)),
        "sorted": None if sort is None else "descending" if sort.descending else "ascending",
    }


def describe_chip(context: TableContext, listing: Listing, each: Filter) -> dict[str, Any]:
    """Return one filter in words, and the list without it."""
    column = context.table.by_name.get(each.column)
    try:
        label = translate(get_filter(each.operator, column.type.kind).label) if column is not None else each.operator
    except InputError:
        label = each.operator
    return {
        "column": each.column,
        "label": label,
        "value": each.value,
        "without": context.links.table(context.table, listing.without_filter(each)),
    }


def show_row(context: TableContext, row: Mapping[str, object], columns: list[Column], references: Mapping[str, Reference]) -> ShownRow:
    """Return one row as it is shown."""
    return ShownRow(context.links.row_of(context.table, row), [show_cell(context, row, column, references) for column in columns])


def show_cell(context: TableContext, row: Mapping[str, object], column: Column, references: Mapping[str, Reference]) -> Shown:
    """Return one cell; that of a foreign key leads to its row."""
    cell = make_cell(row.get(column.name), column)
    reference = references.get(column.name)
    target = reference.target_values(row) if reference is not None else None
    if reference is None or target is None:
        return Shown(cell)
    return Shown(replace(cell, style=""), reference_link(context, reference.target, target), reference.label(row))


def reference_link(context: TableContext, table: Table, values: Mapping[str, object]) -> str:
    """Return the row whose referenced columns have *values*; the list of such rows, where they are not its key."""
    if key_of(table, values) is not None:
        return context.links.row_of(table, values) or ""
    filters = tuple(Filter(name, "is", str(value)) for name, value in values.items())
    return context.links.table(table, Listing(filters=filters))


def describe_pages(context: TableContext, listing: Listing, page: Page | None, count: int) -> dict[str, Any]:
    """Return the links to the pages around this one."""
    if page is None:
        return {"first": context.links.table(context.table, listing.first()), "previous": None, "next": None}
    order = make_query(listing, context.table).window.after
    backward = order is not None and order.backward
    has_next = True if backward else page.more
    has_previous = page.more if backward else bool(listing.after or listing.start)
    return {
        "first": _address(context, listing.first()) if has_previous else None,
        "previous": _address(context, _previous(listing, page)) if has_previous else None,
        "next": _address(context, _next(listing, page, count)) if has_next else None,
    }


def _address(context: TableContext, listing: Listing | None) -> str | None:
    return context.links.table(context.table, listing) if listing is not None else None


def _next(listing: Listing, page: Page, count: int) -> Listing:
    if page.last is not None:
        return replace(listing, after=write_cursor(page.last), start=0, exact=False)
    return replace(listing, after="", start=listing.start + count, exact=False)


def _previous(listing: Listing, page: Page) -> Listing | None:
    if page.first is not None:
        return replace(listing, after=write_cursor(replace(page.first, backward=True)), start=0, exact=False)
    return replace(listing, after="", start=max(0, listing.start - listing.size), exact=False) if not listing.after else None


def describe_count(context: TableContext, listing: Listing, page: Page | None, count: int) -> dict[str, Any]:
    """Return how many rows there are, as far as this page can tell without counting them."""
    address = context.links.action("count", context.table, listing=listing.first())
    exact = context.links.table(context.table, replace(listing.first(), exact=True))
    if page is None:
        return {"text": "", "address": None, "exact": None}
    if page.total is not None:
        return {"text": print_rows(page.total), "address": None, "exact": None}
    if not listing.after and not listing.start and not page.more:
        return {"text": print_rows(count), "address": None, "exact": None}
    estimate = None if listing.is_narrowed else context.table.row_estimate
    text = f"about {print_rows(estimate)}" if estimate is not None and estimate > count else f"more than {print_count(count)} rows"
    return {"text": text, "address": address, "exact": exact}


def print_rows(count: int) -> str:
    return f"{print_count(count)} row{'' if count == 1 else 's'}"


def count_rows(context: TableContext, request: Request) -> Response:
    """Count the rows of a list exactly: the part of its page that says so."""
    listing = parse(request.GET.items())
    query = make_query(replace(listing.first(), size=1), context.table, count="exact")
    total = context.reader.page(query).total
    return Response(render_fragment("count.pt", request, text=print_rows(total or 0)))


def find_added_filter(context: TableContext, request: Request, listing: Listing) -> str | None:
    """Return the address with the filter that the form adds (``column``, ``op``, ``value``), or None."""
    column, operator = request.GET.get("column"), request.GET.get("op")
    if not column or not operator:
        return None
    return context.links.table(context.table, listing.with_filter(Filter(column, operator, request.GET.get("value", "").strip())))
