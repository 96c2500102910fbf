"""What every page below ``/admin/{database}`` starts from: the database, the table, the row's key, and who is asking."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from qapla.driver.keys import find_target
from qapla.driver.table_read import TableReadDriver
from qapla.driver.table_write import TableWriteDriver
from qapla.errors import AccessError, NotAuthenticated, NotFound
from qapla.plugins.admin.labels import find_references
from qapla.plugins.admin.links import Links

if TYPE_CHECKING:
    from pyramid.request import Request

    from qapla.database.catalog import Served
    from qapla.database.schema.description import Table
    from qapla.driver.keys import KeyValues
    from qapla.plugins.admin.labels import Reference
    from qapla.ports import Operation, Rights


def require_user(request: Request) -> None:
    """Let only people who are logged in see the admin.

    Raises:
        NotAuthenticated: nobody is; a token is for programs and does not open these pages.
    """
    if request.identity.kind not in {"user", "system"}:
        raise NotAuthenticated("nobody is logged in")


def open_database(request: Request) -> tuple[Served, Rights]:
    """Return the database that the address names, and what the caller may do in it.

    Raises:
        NotAuthenticated: nobody is logged in; asked first, so that a stranger does not learn what there is.
        NotFound: there is no such database. AccessError: the caller may do nothing in it.
    """
    require_user(request)
    served: Served = request.databases[request.matchdict["database"]]
    rights: Rights = request.rights(served.name)
    if not served.is_visible_to(rights):
        raise AccessError(f"database {served.name!r} is not open to you", hint="an admin can give you the right to read it")
    return served, rights


class TableContext:
    """A table of a served database, or one of its rows (Pyramid's route factory).

    Raises:
        NotAuthenticated, AccessError: as ``open_database``. NotFound: no such database, table or key.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.served, self.rights = open_database(request)
        self.links = Links.of(request, self.served.name, self.served.schema)
        profile = request.GET.get("schema") or None
        self.table: Table
        self.key: KeyValues | None
        self.table, self.key = find_target(self.served.schema, request.matchdict["target"], profile)

    @cached_property
    def reader(self) -> TableReadDriver:
        """Return the driver that reads."""
        return TableReadDriver(self.served, self.rights)

    @cached_property
    def writer(self) -> TableWriteDriver:
        """Return the driver that writes."""
        return TableWriteDriver(self.served, self.rights)

    @cached_property
    def references(self) -> dict[str, Reference]:
        """Return the foreign keys of the table by the column that shows them, whose targets the caller may read."""
        found = find_references(self.served.schema, self.table)
        allows = self.rights.allows
        return {column: each for column, each in found.items() if allows("select", each.target.name.schema, each.target.name.name)}

    def require_key(self) -> KeyValues:
        """Return the key of the row.

        Raises:
            NotFound: the address names a whole table.
        """
        if self.key is None:
            raise NotFound(f"no row of {self.table.name.name!r} is named", hint="open one from the list")
        return self.key

    def allows(self, operation: Operation) -> bool:
        """Tell whether to offer *operation* at all; the driver decides when it is done."""
        return self.why_not(operation) is None and self.rights.allows(operation, self.table.name.schema, self.table.name.name)

    def why_not(self, operation: Operation) -> str | None:
        """Return why nobody can write this table in this way, or None; what only the caller may not do is not said."""
        table = self.table
        if not self.served.options.writable:
            return "This connection is read-only."
        if table.kind != "table" and not {"insert": table.insertable, "update": table.updatable, "delete": table.deletable}.get(
            operation, True
        ):
            return f"This is a {table.kind.replace('_', ' ')}: its rows come from other tables."
        possible = {"insert": table.insertable, "update": table.updatable, "delete": table.deletable}.get(operation, True)
        if not possible:
            return "The account that lazydb uses here may not change this table."
        if operation != "insert" and table.identity.by == "none":
            return "Rows of this table cannot be told apart: it has no primary key, and no unique columns that are never NULL."
        return None
