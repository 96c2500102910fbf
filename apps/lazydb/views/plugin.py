"""lazydb's own pages below ``/admin``: the overview, the form of a connection, one database.

Adds      the routes ``/``, ``/admin/``, ``/admin/-/connections/…``, ``/admin/-/jobs/…``, ``/admin/-/exports/…``,
          ``/admin/{database}``.
Uses      ``app["connections"]``, ``app["catalog"]``, ``app["sealing"]``, ``app["tasks"]``, ``app["jobs"]``, ``app["exports"]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPFound

from qapla.errors import AccessError
from qapla.plugin import Plugin
from qapla.plugins.admin.context import require_user

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.request import Request


class ScreensPlugin(Plugin):
    """Give people pages to say which databases are served."""

    key = "screens"

    def includeme(self, config: Configurator) -> None:
        """Add the pages. Before the admin's own, whose route of a table takes every other path."""
        from lazydb.views import connections, databases, overview, tokens

        templates = "lazydb:templates"
        config.add_route("lazydb.home", "/")
        config.add_view(go_home, route_name="lazydb.home", request_method="GET")
        config.add_route("lazydb.overview", "/admin/", factory=Visitor)
        config.add_view(overview.show_overview, route_name="lazydb.overview", request_method="GET", renderer=f"{templates}/overview.pt")

        form, question, root = f"{templates}/connection.pt", f"{templates}/remove.pt", "/admin/-/connections"
        config.add_route("lazydb.connection.new", f"{root}/new", factory=Manager)
        config.add_view(connections.show_new, route_name="lazydb.connection.new", request_method="GET", renderer=form)
        config.add_view(connections.send_form, route_name="lazydb.connection.new", request_method="POST", renderer=form)
        config.add_route("lazydb.connection.edit", f"{root}/{{name}}/edit", factory=Manager)
        config.add_view(connections.show_edit, route_name="lazydb.connection.edit", request_method="GET", renderer=form)
        config.add_view(connections.send_form, route_name="lazydb.connection.edit", request_method="POST", renderer=form)
        config.add_route("lazydb.connection.remove", f"{root}/{{name}}/remove", factory=Manager)
        config.add_view(connections.show_remove, route_name="lazydb.connection.remove", request_method="GET", renderer=question)
        config.add_view(connections.remove, route_name="lazydb.connection.remove", request_method="POST", renderer=question)
        for action in ("pause", "resume", "refresh"):
            config.add_route(f"lazydb.connection.{action}", f"{root}/{{name}}/{action}", factory=Manager)
            config.add_view(getattr(connections, action), route_name=f"lazydb.connection.{action}", request_method="POST")
        config.add_route("lazydb.connection.state", f"{root}/{{name}}/state", factory=Manager)
        config.add_view(connections.show_state, route_name="lazydb.connection.state", request_method="GET")
        config.add_route("lazydb.job", "/admin/-/jobs/{job}", factory=Manager)
        config.add_view(connections.show_job, route_name="lazydb.job", request_method="GET")

        add_exports(config, f"{templates}/exports.pt")
        config.add_route("lazydb.tokens", "/admin/-/tokens", factory=Manager)
        config.add_view(tokens.show_tokens, route_name="lazydb.tokens", request_method="GET", renderer=f"{templates}/tokens.pt")
        config.add_route("lazydb.database", "/admin/{database:[A-Za-z0-9][A-Za-z0-9_-]*}", factory=databases.DatabaseContext)
        config.add_view(databases.show_database, route_name="lazydb.database", request_method="GET", renderer=f"{templates}/database.pt")


def add_exports(config: Configurator, page: str) -> None:
    """Add the page of exports and what can be done with one."""
    from lazydb.exports import PAGE
    from lazydb.views import exports

    config.add_route("lazydb.exports", PAGE, factory=Visitor)
    config.add_view(exports.show_exports, route_name="lazydb.exports", request_method="GET", renderer=page)
    for action, method, view in (("file", "GET", exports.send_file), ("delete", "POST", exports.delete), ("again", "POST", exports.again)):
        config.add_route(f"lazydb.export.{action}", f"{PAGE}/{{export:[0-9a-z]+}}/{action}", factory=Visitor)
        config.add_view(view, route_name=f"lazydb.export.{action}", request_method=method)


class Visitor:
    """Pages for whoever is logged in (Pyramid's route factory)."""

    def __init__(self, request: Request) -> None:
        require_user(request)
        self.is_manager: bool = request.app["accounts"].is_admin(request.identity)


class Manager(Visitor):
    """Pages on which connections are changed, for those who administer lazydb itself (Pyramid's route factory)."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        if not self.is_manager:
            raise AccessError("only an admin may change connections", hint="ask one")


def go_home(request: Request) -> Any:
    """Lead from the address itself to the overview."""
    return HTTPFound(f"{request.script_name}/admin/")
