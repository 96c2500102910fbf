"""A registered database as an application of its own: read as it is served, written by ``qapla.project.exported``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from qapla.database.address import find_address
from qapla.database.direct import make_direct_engine
from qapla.database.faults import translate
from qapla.database.schema.inspect import inspect
from qapla.project.exported.export import export_project, read_exported
from qapla.project.make import check_home

if TYPE_CHECKING:
    from pathlib import Path

    from lazydb.connections import Connections


def export(connections: Connections, name: str, folder: Path | None = None) -> tuple[Path, list[Path]]:
    """Write the application for the database called *name*; return where it is, and its files.

    Raises:
        NotFound: no database has that name, or it has no table. NameTaken: there is something in *folder*.
        Unavailable: the database cannot be reached. DatabaseError: it refuses the login.
    """
    known = connections.get(name)
    if folder is not None:
        check_home(folder)  # before anybody waits for a database
    spec, options = connections.spec_with_password(name), known.options
    engine = make_direct_engine(spec, name, find_address=find_address)
    try:
        with engine.connect() as connection:
            schema = inspect(connection, schemas=options.db_schemas, include=options.include, exclude=options.exclude)
            found = read_exported(connection, schema, spec.with_password(None), name, writable=options.writable)
    except DBAPIError as error:
        raise translate(spec.engine, error.orig or error, name) from error
    finally:
        engine.dispose()
    return export_project(found, folder)
