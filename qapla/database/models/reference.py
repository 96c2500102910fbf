"""How another process opens the same database: a value that can be pickled."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

from qapla.database.address import find_address
from qapla.database.direct import make_direct_engine
from qapla.database.named import find_named
from qapla.errors import NotBound, QaplaError
from qapla.exits import list_running
from qapla.scope import find_current

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from qapla.database.database import Database
    from qapla.database.spec import ConnectionSpec


@dataclass(frozen=True, slots=True)
class Reference:
    """A database by URL, by the name that lazydb knows it under, or by the name that an application's settings have.

    Only ``url`` takes a password along, in ``spec`` and in no ``repr``; the other two are looked up where they are opened.

    Args:
        kind: which of the three.
        text: the URL without its password, or the name.
    """

    kind: Literal["url", "lazydb", "settings"]
    text: str
    spec: ConnectionSpec | None = field(default=None, repr=False)

    def open(self, name: str | None = None) -> Engine:
        """Return an engine for the database; the caller disposes it, unless the application that declares it runs here.

        Raises:
            NotBound: the name is not known in this process.
        """
        if self.kind == "url" and self.spec is not None:
            return make_direct_engine(self.spec, name or self.spec.place, find_address=find_address)
        if self.kind == "lazydb":
            found = find_named(self.text, "lazydb")
            return make_direct_engine(found.spec, name or self.text, find_address=find_address, is_read_only=not found.is_writable)
        return _find_declared(self.text).engine


def _find_declared(name: str) -> Database:
    """Return the database that an application declares as *name*: one that runs here, or the one that ``QAPLA_APP`` names."""
    scope = find_current()
    for app in ([] if scope is None else [scope.app]) + list_running():
        for database in app["database"] if app.is_running and "database" in app else ():
            if database.name == name:
                return cast("Database", database)
    from qapla.cli import APP_VARIABLE, find_application
    from qapla.project.here import find_app_name

    try:
        found = find_application(os.environ.get(APP_VARIABLE) or find_app_name())
        if found.phase == "new":
            found.run_command(only=("database",))
        return cast("Database", found["database"][name])
    except QaplaError as error:
        hint = "start it, or name it in QAPLA_APP"
        raise NotBound(f"no application that declares database {name!r} runs in this process ({error.message})", hint=hint) from error
