"""New rows and changed rows: the form, and what is done when it comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPSeeOther

from qapla.database.query.description import ALL_COLUMNS, Insert, Query, TextValue, Window
from qapla.database.schema.validation import make_entry
from qapla.driver.keys import key_condition
from qapla.driver.readback import make_tag
from qapla.errors import AccessError, Conflict, DatabaseError, InputError, NotFound, PreconditionFailed, ReadOnly, TooLarge
from qapla.plugins.admin.cells import make_cell
from qapla.plugins.admin.forms import RowForm, columns_mark, find_labels
from qapla.plugins.admin.labels import make_label
from qapla.plugins.admin.pages import _, notify, translate
from qapla.plugins.admin.views.records import crumbs, read_row
from qapla.plugins.admin.widgets import read_seen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyramid.request import Request

    from qapla.plugins.admin.context import TableContext
    from qapla.plugins.admin.forms import Submitted

REFUSALS = (InputError, DatabaseError, Conflict)  # what a person can put right in the form
UNPROCESSABLE = 422


def show_new(context: TableContext, request: Request) -> dict[str, Any]:
    """Show the form of a new row, empty but for what the address says of it."""
    require(context, "insert")
    given = {name: value for name, value in request.GET.items() if name in context.table.by_name}
    return show_form(context, request, RowForm(context, "insert", given))


def show_copy(context: TableContext, request: Request) -> dict[str, Any]:
    """Show the form of a new row that begins as a copy of another, without what the database makes by itself."""
    require(context, "insert")
    row = read_row(context)
    made = {column.name for column in context.table.columns if column.generated is not None}
    return show_form(context, request, RowForm(context, "insert", _without(row, made), labels=find_labels(context, row)))


def show_edit(context: TableContext, request: Request) -> dict[str, Any]:
    """Show the form of a row that is there."""
    require(context, "update")
    row, tag = read_tagged(context)
    return show_form(context, request, RowForm(context, "update", row, labels=find_labels(context, read_row(context))), row=row, tag=tag)


def save_new(context: TableContext, request: Request) -> Any:
    """Insert the row of the form, or show what stands against it."""
    require(context, "insert")
    items = read_items(context, request)
    form = RowForm(context, "insert")
    submitted = form.read(items)
    if not submitted.is_valid or not _has_columns(context, request, form):
        return show_form(context, request, form, status=UNPROCESSABLE, is_changed=True)
    try:
        key = insert_row(context, submitted.values)
    except REFUSALS as error:
        form.refuse(error)
        return show_form(context, request, form, status=UNPROCESSABLE, is_changed=True)
    notify(request, translate(_("The row was added.")))
    return go_on(context, request, key)


def save_edit(context: TableContext, request: Request) -> Any:
    """Change what was touched in the form, or show what stands against it; never over what somebody else wrote meanwhile."""
    require(context, "update")
    items = read_items(context, request)
    form = RowForm(context, "update", seen=read_seen(request.POST.get("_seen", "")))
    submitted = form.read(items)
    tag = str(request.POST.get("_tag", ""))
    if not submitted.is_valid or not _has_columns(context, request, form):
        return show_again(context, request, form, tag)
    try:
        if request.POST.get("then") == "copy":
            key = insert_row(context, copy_values(context, submitted))
            notify(request, translate(_("The copy was added.")))
            return go_on(context, request, key)
        key = change_row(context, submitted, tag)
    except PreconditionFailed:
        return show_lost_update(context, request, form)
    except REFUSALS as error:
        form.refuse(error)
        return show_again(context, request, form, tag)
    notify(
        request,
        translate(_("The row was saved.")) if submitted.values else translate(_("Nothing was changed.")),
        "success" if submitted.values else "info",
    )
    return go_on(context, request, key)


# -- reading and writing


def require(context: TableContext, operation: Any) -> None:
    """Refuse a page for what cannot be done here. A write itself asks for the right once more, in its driver.

    Raises:
        ReadOnly: nobody can, and why. AccessError: this caller may not.
    """
    reason = context.why_not(operation)
    if reason is not None:
        raise ReadOnly(f"{context.table.name.name!r} cannot be changed", hint=reason)
    if not context.allows(operation):
        raise AccessError(f"permission denied for table {context.table.name.name}")


def read_tagged(context: TableContext) -> tuple[dict[str, Any], str]:
    """Return the row and the tag of exactly this state of it."""
    key = context.require_key()
    page = context.reader.page(Query(context.table.name, ALL_COLUMNS, key_condition(context.table, key), window=Window(limit=1)))
    if not page.count_rows:
        raise NotFound(
            f"there is no row {', '.join(key)[:100]!r} in {context.table.name.name!r}", hint="perhaps it has been deleted meanwhile"
        )
    return page.rows()[0], make_tag(page.bodies[0])


def read_items(context: TableContext, request: Request) -> list[tuple[str, Any]]:
    """Return the fields of a form.

    Raises:
        TooLarge: it is larger than the connection allows.
        InputError: it is no form.
    """
    most = context.served.options.max_body_bytes
    if (request.content_length or 0) > most:
        raise TooLarge(f"the form is larger than {most} bytes", hint="files in it count, too")
    try:
        return list(request.POST.items())
    except (ValueError, KeyError, AttributeError) as error:
        raise InputError("the form cannot be read") from error


def insert_row(context: TableContext, values: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Insert a row; return its key, None where its table has none."""
    insert = Insert(context.table.name, tuple(values), (tuple(values.values()),))
    written = context.writer.insert(insert, wants_keys=bool(context.table.identity.columns))
    return written.keys[0] if written.keys else None


def change_row(context: TableContext, submitted: Submitted, tag: str) -> tuple[str, ...]:
    """Write the columns that were touched; return the key, which may be among them."""
    key = context.require_key()
    if not submitted.values:
        return key
    written = context.writer.update_row(context.table.name, key, submitted.values, expect=[tag])
    return written.keys[0] if written.keys else key


def copy_values(context: TableContext, submitted: Submitted) -> dict[str, Any]:
    """Return the values of a copy: what was touched, and all else exactly as it is in the row, but for what the database makes."""
    row, _tag = read_tagged(context)
    values: dict[str, Any] = {}
    for column in context.table.columns:
        if column.name in submitted.values:
            values[column.name] = submitted.values[column.name]
        elif column.generated is None:
            value = row[column.name]
            values[column.name] = TextValue(value) if isinstance(value, str) and column.type.kind != "json" else value
    return values


def go_on(context: TableContext, request: Request, key: tuple[str, ...] | None) -> HTTPSeeOther:
    """Lead to what the pressed button says."""
    links, table, then = context.links, context.table, request.POST.get("then")
    if then == "another":
        return HTTPSeeOther(links.action("new", table))
    if key is None:
        return HTTPSeeOther(links.table(table))
    return HTTPSeeOther(links.action("edit", table, key) if then == "edit" else links.row(table, key))


# -- showing


def show_form(
    context: TableContext,
    request: Request,
    form: RowForm,
    *,
    row: Mapping[str, Any] | None = None,
    tag: str | None = None,
    status: int = 200,
    is_changed: bool = False,
    differences: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return what the template of a form needs."""
    request.response.status_int = status
    table, links = context.table, context.links
    label = make_label(table, row) if row is not None else ", ".join(context.key or ())
    action = translate(_("Edit")) if form.use == "update" else translate(_("Copy")) if context.key else translate(_("New row"))
    heading = f"{action} · {label}" if form.use == "update" else action
    cancel = links.row(table, context.key) if context.key else links.table(table)
    made = [column.name for column in table.columns if column.generated == "always"]
    return {
        "title": f"{heading} · {table.name.name}",
        "heading": heading,
        "served": context.served,
        "table": table,
        "crumbs": crumbs(context, label or "…", action),
        "form": form.render(request, tag=tag, cancel=cancel, is_changed=is_changed),
        "errors": form.errors(),
        "problems": form.problems,
        "made": made,
        "differences": differences,
        "scripts": ("vendor/tom-select.js",) if context.references else (),
        "styles": ("vendor/tom-select.css",) if context.references else (),
    }


def show_again(context: TableContext, request: Request, form: RowForm, tag: str) -> dict[str, Any]:
    """Show a form that was refused as it was filled in, with the state of the row that it was made for."""
    return _show_over(context, request, form, lambda _now: tag, None)


def show_lost_update(context: TableContext, request: Request, form: RowForm) -> dict[str, Any]:
    """Show that somebody was faster: their values, yours, and where both changed the same; saving again writes yours over theirs."""
    row, _tag = read_tagged(context)
    seen = read_seen(request.POST.get("_seen", ""))
    differences = find_differences(context, form, row, seen)
    form.problems.append(
        translate(_("Somebody else has changed this row since you opened it. Nothing of yours is lost, and nothing was saved yet."))
    )
    return _show_over(context, request, form, lambda now: now, differences)


def _show_over(
    context: TableContext, request: Request, form: RowForm, choose_tag: Any, differences: list[dict[str, Any]] | None
) -> dict[str, Any]:
    """Show the row as it is now, and over it what was typed."""
    row, now = read_tagged(context)
    again = RowForm(context, "update", row, labels=find_labels(context, read_row(context)))
    errors = {child.name: child.error for child in form.form.children}
    theirs = {one["column"]: one["theirs"] for one in differences or ()}
    again.keep(form.touched(), theirs)
    for child in again.form.children:
        child.error = errors.get(child.name)
    again.problems = form.problems
    if differences is None:
        again.seen = {**again.seen, **read_seen(request.POST.get("_seen", ""))}
    status = UNPROCESSABLE if differences is None else PreconditionFailed.status
    return show_form(context, request, again, row=row, tag=choose_tag(now), status=status, is_changed=True, differences=differences)


def find_differences(context: TableContext, form: RowForm, row: Mapping[str, Any], seen: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the columns that somebody else changed or that you did: theirs, yours, and whether both did."""
    now = RowForm(context, "update", row).seen
    touched = form.touched()
    found = []
    for child in form.form.children:
        column = child.schema.column
        mine, changed = touched.get(column.name), now.get(child.name) != seen.get(child.name)
        if mine is None and not changed:
            continue
        is_same = mine is not None and mine == make_entry(row.get(column.name), column)
        found.append(
            {
                "column": column.name,
                "theirs": make_cell(row.get(column.name), column).text,
                "is_theirs": changed,
                "yours": None if mine is None else "NULL" if mine.is_null else mine.text[:200],
                "both": changed and mine is not None and not is_same,
            }
        )
    return found


def _has_columns(context: TableContext, request: Request, form: RowForm) -> bool:
    if request.POST.get("_columns") == columns_mark(context.table):
        return True
    form.problems.append(translate(_("The table has changed since this form was made. Look at the values again, then save.")))
    return False


def _without(row: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
