"""Delete a row: first what would go along and what stands in the way, then the deed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPSeeOther

from qapla.driver.dependents import COUNT_UP_TO
from qapla.errors import Conflict, DatabaseError, PreconditionFailed
from qapla.plugins.admin.cells import print_count, print_value
from qapla.plugins.admin.forms import say
from qapla.plugins.admin.labels import make_label
from qapla.plugins.admin.listing import Filter, Listing
from qapla.plugins.admin.pages import _, notify, translate
from qapla.plugins.admin.views.edits import read_tagged, require
from qapla.plugins.admin.views.records import crumbs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyramid.request import Request

    from qapla.database.schema.description import Table
    from qapla.driver.dependents import Dependent
    from qapla.plugins.admin.context import TableContext

def show_delete(context: TableContext, request: Request) -> dict[str, Any]:
    """Ask, and say what else would change."""
    require(context, "delete")
    return describe(context, request)


def delete(context: TableContext, request: Request) -> Any:
    """Delete the row that was shown, or say what stands in the way."""
    require(context, "delete")
    tag = str(request.POST.get("_tag", ""))
    try:
        context.writer.delete_row(context.table.name, context.require_key(), expect=[tag])
    except PreconditionFailed as error:
        return describe(
            context, request, translate(_("Somebody else has changed this row since you opened it. Look at it again.")), error.status
        )
    except (DatabaseError, Conflict) as error:
        return describe(context, request, say(error), error.status)
    notify(request, translate(_("The row was deleted.")))
    return HTTPSeeOther(context.links.table(context.table))


def describe(context: TableContext, request: Request, problem: str | None = None, status: int = 200) -> dict[str, Any]:
    """Return what the template needs."""
    request.response.status_int = status
    row, tag = read_tagged(context)
    label = make_label(context.table, row)
    dependents = list_dependents(context, row)
    return {
        "title": f"Delete · {label}",
        "served": context.served,
        "table": context.table,
        "label": label,
        "crumbs": crumbs(context, label, translate(_("Delete"))),
        "along": [each for each in dependents if each["effect"] == "deleted"],
        "emptied": [each for each in dependents if each["effect"] == "emptied"],
        "in_the_way": [each for each in dependents if each["effect"] == "blocking"],
        "problem": problem,
        "tag": tag,
        "cancel": context.links.row(context.table, context.require_key()),
    }


def list_dependents(context: TableContext, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows that depend on *row*, cascades followed: how many there are, and what the database will do with them."""
    return [
        {
            "name": print_name(context, each.table),
            "count": print_number(each),
            "columns": ", ".join(each.foreign_key.columns),
            "effect": each.effect,
            "href": find_list(context, each, row),
        }
        for each in context.writer.dependents(context.table.name, context.require_key())
    ]


def print_name(context: TableContext, table: Table) -> str:
    """Return the name of *table*, with its schema where that is not the default one."""
    return table.name.name if table.name.schema == context.served.schema.default_schema else str(table.name)


def print_number(dependent: Dependent) -> str:
    """Return how many rows there are, as far as they were counted."""
    if dependent.count is None:
        return translate(_("some, perhaps: you may not read them"))
    if dependent.is_many:
        return translate(_("more than ${count}", mapping={"count": print_count(COUNT_UP_TO)}))
    return print_count(dependent.count)


def find_list(context: TableContext, dependent: Dependent, row: Mapping[str, Any]) -> str | None:
    """Return the list of the rows that point at *row* itself; those further away have none."""
    if dependent.depth > 1 or dependent.count is None:
        return None
    pairs = zip(dependent.foreign_key.columns, dependent.foreign_key.target_columns, strict=True)
    filters = tuple(Filter(column, "is", print_value(row[target])) for column, target in pairs)
    return context.links.table(dependent.table, Listing(filters=filters))
