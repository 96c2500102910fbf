"""Registered databases for programs, by their names: ``Postgresql("shop")`` (entry point ``qapla.databases``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from lazydb.models import Connection
from lazydb.records import open_spec, stored_options
from qapla.database import files
from qapla.database.named import Named
from qapla.errors import NotFound, Unavailable, nearest
from qapla.exits import list_running

if TYPE_CHECKING:
    from qapla.application import Application

NEEDED = ("registry", "sealing")


def find_registered(name: str) -> Named:
    """Return the registered database called *name*, its password inside; asks the registry of this process, or opens it for a moment.

    Raises:
        NotFound: there is none. Unavailable: it is paused, or the registry does not answer.
        SecretLost: its password was sealed with another key.
    """
    from lazydb.application import LazydbApplication

    running = next((app for app in list_running() if isinstance(app, LazydbApplication) and app.is_running), None)
    if running is not None:
        return _read(running, name)
    app = LazydbApplication()
    app.run_command(only=NEEDED)
    try:
        return _read(app, name)
    finally:
        app.stop()


def _read(app: Application, name: str) -> Named:
    with app["database"]["main"].session() as session:
        found = session.scalars(select(Connection).where(Connection.name == name)).one_or_none()
        if found is None:
            names = session.scalars(select(Connection.name).order_by(Connection.name)).all()
            hint = nearest(name, names) or "`lazydb list` shows them all; `lazydb add` registers one"
            raise NotFound(f"no database is registered as {name!r}", hint=hint)
        if found.paused:
            raise Unavailable(f"database {name!r} is paused", hint=f"lazydb resume {name}")
        spec = open_spec(found, app["sealing"])
        options, _, _ = stored_options(found, app["sealing"])
    files.check_in_place(spec.path)
    return Named("lazydb", name, spec, is_writable=options.writable)
