"""Serve databases to tests without a registry: a catalog that is a dict, and a policy that goes by the connection's options."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from qapla.database.bulkhead import make_bulkhead_from_url
from qapla.database.catalog import Catalog, Options, Served
from qapla.database.schema.inspect import inspect
from qapla.plugin import Plugin
from qapla.ports import ALL_RIGHTS, NO_RIGHTS, READ_RIGHTS, ROLE_RIGHTS, FixedRights, Identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import URL

    from qapla.application import Application
    from qapla.ports import Rights


class Kept:
    """A bulkhead that stays open when the catalog lets go of it: tests serve one database again and again."""

    def __init__(self, bulkhead: Any) -> None:
        self._bulkhead = bulkhead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bulkhead, name)

    def close(self) -> None:
        """Do nothing: whoever made the bulkhead closes it."""


class DictSource:
    """A ``DatabaseSource`` that is a dict."""

    def __init__(self) -> None:
        self.entries: dict[str, Served] = {}
        self.changes = 0

    def put(self, served: Served) -> None:
        """Serve *served* under its name from now on."""
        self.entries[served.name] = replace(served, bulkhead=cast("Any", Kept(served.bulkhead)))
        self.changes += 1

    def revision(self) -> int:
        """Return how often something was changed."""
        return self.changes

    def load(self, known: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return everything."""
        return dict(self.entries)


class CatalogPlugin(Plugin):
    """Serve what a ``DictSource`` holds."""

    key = "catalog"

    def __init__(self, source: DictSource) -> None:
        self.source = source

    def start(self, app: Application) -> Catalog:
        """Return the catalog; it looks at its source with every request."""
        return Catalog(self.source, check_every_s=0)

    def stop(self, app: Application) -> None:
        """Leave the bulkheads open: whoever made them closes them."""


class OptionsPolicy(Plugin):
    """Anonymous callers and tokens of the connection's issuer may do what its options say, others everything."""

    key = "policy"
    requires = ("catalog",)

    def start(self, app: Application) -> OptionsPolicy:
        """Remember the application."""
        self.app = app
        return self

    def rights(self, identity: Identity, database: str) -> Rights:
        """Return what *identity* may do."""
        if identity.role is not None:
            return ROLE_RIGHTS[identity.kind != "anonymous"]
        options = self.app["catalog"].get(database).options
        if identity.kind == "jwt":
            return {"none": FixedRights(frozenset()), "read": READ_RIGHTS, "write": ALL_RIGHTS}[options.jwt_right]
        if identity.kind != "anonymous":
            return ALL_RIGHTS
        anonymous = options.anonymous
        found = {"none": NO_RIGHTS, "read": READ_RIGHTS, "write": ALL_RIGHTS}[anonymous]
        return FixedRights(found.operations, authenticated=False)


def serve_url(url: URL, name: str, options: Options | None = None) -> Served:
    """Inspect the database at *url* and return it ready to be asked. Close its bulkhead afterwards."""
    chosen = options or Options(anonymous="write", writable=True)
    bulkhead = make_bulkhead_from_url(url, name, chosen)
    with bulkhead.connection() as connection:
        schema = inspect(connection, as_roles=chosen.maps_roles)
    return Served(name, schema, chosen, bulkhead)
