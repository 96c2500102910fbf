"""Who may do what in which database: the connection says what anonymous callers may, accounts say the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazydb.scopes import OPERATIONS, ScopedRights
from qapla.ports import ALL_RIGHTS, NO_RIGHTS, ROLE_RIGHTS, FixedRights, Identity, Rights

if TYPE_CHECKING:
    from lazydb.accounts import Accounts
    from lazydb.scopes import Right
    from qapla.database.catalog import Catalog

_KNOWN = {right: FixedRights(operations) for right, operations in OPERATIONS.items()}
_ANONYMOUS = {right: FixedRights(operations, authenticated=False) for right, operations in OPERATIONS.items()}
_ORDER = ("none", "read", "write")


class RegistryPolicy:
    """A ``Policy``: rights by database, the same on every table of it unless more is said of one.

    Somebody who is known may at least what anybody may. Whether a connection takes writes at all is not a right: whoever may write
    in a database that is read only meets 25006 and not 42501, and its sessions are read only in the database itself. Whoever has a role
    of the database may what its grants allow, which the database says when a statement runs as that role.
    """

    def __init__(self, catalog: Catalog, accounts: Accounts) -> None:
        self._catalog = catalog
        self._accounts = accounts

    def rights(self, identity: Identity, database: str) -> Rights:
        """Return what *identity* may do in the database called *database*; nothing in one that is not there."""
        served = self._catalog.find(database)
        if served is None:
            return NO_RIGHTS
        if identity.kind == "system":
            return ALL_RIGHTS
        if identity.role is not None:
            return ROLE_RIGHTS[identity.kind != "anonymous"]
        anybody: Right = served.options.anonymous
        if identity.kind == "anonymous":
            return _ANONYMOUS[anybody]
        if identity.kind == "jwt":
            return _KNOWN[max(served.options.jwt_right, anybody, key=_ORDER.index)]
        own = self._accounts.right_of(identity, database)
        tables = self._accounts.tables_of(identity, database)
        if tables:
            return ScopedRights(_KNOWN[own], _KNOWN[anybody], tables, served.schema.default_schema)
        return _KNOWN[max(own, anybody, key=_ORDER.index)]
