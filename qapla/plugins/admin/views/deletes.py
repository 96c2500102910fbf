"""Delete a row: first what would go along and what stands in the way, then the deed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPSeeOther

from qapla.errors import Conflict, DatabaseError, PreconditionFailed
from qapla.plugins.admin.cells import print_count
from qapla.plugins.admin.forms import say
from qapla.plugins.admin.labels import make_label
from qapla.plugins.admin.listing import make_query
from qapla.plugins.admin.pages import _, notify, translate
from qapla.plugins.admin.views.edits import read_tagged, require
from qapla.plugins.admin.views.records import crumbs, related_listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyramid.request import Request

    from qapla.database.schema.description import ForeignKey, Relation
    from qapla.plugins.admin.context import TableContext

# What the database does with rows that point at one that is deleted (SQL:2023 part 2, referential actions).
OUTCOMES = {"CASCADE": "along", "SET NULL": "emptied", "SET DEFAULT": "emptied"}


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
    dependents = find_dependents(context, row)
    return {
        "title": f"Delete · {label}",
        "served": context.served,
        "table": context.table,
        "label": label,
        "crumbs": crumbs(context, label, translate(_("Delete"))),
        "along": [each for each in dependents if each["outcome"] == "along"],
        "emptied": [each for each in dependents if each["outcome"] == "emptied"],
        "in_the_way": [each for each in dependents if each["outcome"] == "in the way"],
        "problem": problem,
        "tag": tag,
        "cancel": context.links.row(context.table, context.require_key()),
    }


def find_dependents(context: TableContext, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tables with rows that point at *row*: how many there are, and what the database will do with them."""
    schema = context.served.schema
    found = []
    for relation in schema.relations_of.get(context.table.name, ()):
        target, listing, key = schema.by_name.get(relation.target), related_listing(relation, row), find_key(context, relation)
        if target is None or listing is None or key is None or not context.rights.allows("select", target.name.schema, target.name.name):
            continue
        count = context.reader.count(make_query(listing, target))
        if count:
            outcome = OUTCOMES.get(key.on_delete.upper(), "in the way")
            href = context.links.table(target, listing)
            found.append(
                {"name": target.name.name, "count": print_count(count), "href": href, "outcome": outcome, "columns": ", ".join(key.columns)}
            )
    return found


def find_key(context: TableContext, relation: Relation) -> ForeignKey | None:
    """Return the foreign key of the other table that makes *relation*."""
    other = context.served.schema.by_name.get(relation.target)
    return next(
        (
            key
            for key in (other.foreign_keys if other is not None else ())
            if key.target == context.table.name and key.columns == relation.target_columns and key.target_columns == relation.columns
        ),
        None,
    )
