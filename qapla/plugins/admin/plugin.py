"""Show every served database at ``/admin``: lists, records, forms.

Adds      the renderer of ``.pt`` templates, the admin's static files, the routes below ``/admin/{database}``, error pages.
Uses      ``request.databases``, ``request.rights(name)``, ``request.identity``. Whoever has a page at ``/admin/{database}`` itself adds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qapla.plugin import Plugin
from qapla.predicates import Predicate

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.request import Request

DATABASE = "{database:[A-Za-z0-9][A-Za-z0-9_-]*}"  # never "-", which is for pages of no database

# What can be done with a table or a row: name, method, view, template.
ACTIONS = (
    ("new", "GET", "edits.show_new", "edit.pt"),
    ("new", "POST", "edits.save_new", "edit.pt"),
    ("copy", "GET", "edits.show_copy", "edit.pt"),
    ("copy", "POST", "edits.save_new", "edit.pt"),
    ("edit", "GET", "edits.show_edit", "edit.pt"),
    ("edit", "POST", "edits.save_edit", "edit.pt"),
    ("delete", "GET", "deletes.show_delete", "delete.pt"),
    ("delete", "POST", "deletes.delete", "delete.pt"),
    ("csv", "GET", "exports.send_csv", None),
    ("export", "POST", "exports.start_export", None),
    ("count", "GET", "lists.count_rows", None),
    ("cell", "GET", "records.send_cell", None),
    ("pick", "GET", "jumps.pick", "json"),
)


class AdminPlugin(Plugin):
    """Give every served database its pages.

    Args:
        product: the name at the top of every page.
    """

    key = "admin"

    def __init__(self, product: str = "qapla") -> None:
        self.product = product

    def includeme(self, config: Configurator) -> None:
        """Add the pages."""
        from qapla.plugins.admin.views.jumps import jump

        config.registry["qapla.admin.product"] = self.product
        config.include("qapla.plugins.admin.pages")
        config.include("qapla.plugins.admin.errors")
        config.add_route("admin.jump", "/admin/-/jump")
        config.add_view(jump, route_name="admin.jump", renderer=template("jump.pt"))
        config.add_view_predicate(TableOnly.name, TableOnly)
        add_table_routes(config)


def add_table_routes(config: Configurator) -> None:
    """Add the pages of tables and rows."""
    from qapla.plugins.admin.context import TableContext
    from qapla.plugins.admin.views import deletes, edits, exports, jumps, lists, records

    modules = {"edits": edits, "deletes": deletes, "exports": exports, "lists": lists, "records": records, "jumps": jumps}
    for name in dict.fromkeys(action for action, *_rest in ACTIONS):
        config.add_route(f"admin.{name}", f"/admin/{DATABASE}/-/{name}/{{target:(?s:.+)}}", factory=TableContext)
    for name, method, view, page in ACTIONS:
        module, function = view.split(".")
        renderer = page if page in {None, "json"} else template(page or "")
        config.add_view(getattr(modules[module], function), route_name=f"admin.{name}", request_method=method, renderer=renderer)
    config.add_route("admin.target", f"/admin/{DATABASE}/{{target:(?!-/)(?s:.+)}}", factory=TableContext)
    config.add_view(lists.list_rows, route_name="admin.target", request_method="GET", renderer=template("list.pt"), table_only=True)
    config.add_view(records.show_row, route_name="admin.target", request_method="GET", renderer=template("record.pt"), table_only=False)


class TableOnly(Predicate):
    """A view predicate: the path names a table, not one of its rows."""

    name = "table_only"

    def __call__(self, context: Any, request: Request) -> bool:
        """Tell whether there is no key in the path."""
        return (context.key is None) is self.value


def template(name: str) -> str:
    """Return the asset of one of the admin's templates."""
    return f"qapla.plugins.admin:templates/{name}"
