"""Write the models of a database that exists: ``db.generate_models("models.py")``, ``qapla models URL``."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from qapla.database.address import find_address
from qapla.database.direct import make_direct_engine
from qapla.database.faults import translate
from qapla.database.models.source import make_source
from qapla.database.schema.construction import read_construction
from qapla.database.schema.inspect import inspect
from qapla.database.spec import default_name, parse_url
from qapla.errors import InputError, NameTaken, NotFound

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import Connection


PASSWORD = "QAPLA_PASSWORD"  # noqa: S105 - the name of the variable


@contextmanager
def open_target(url: str) -> Iterator[Connection]:
    """Open a connection to the database at *url*, as somebody typed it; the password may stand in the environment instead.

    Raises:
        TargetRefused: the URL is wrong. Unavailable: the database cannot be reached. DatabaseError: it refuses the login.
    """
    spec = parse_url(url)
    if spec.password is None and os.environ.get(PASSWORD):
        spec = replace(spec, password=os.environ[PASSWORD])
    name = default_name(spec)
    engine = make_direct_engine(spec, name, find_address=find_address)
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise translate(spec.engine, error.orig or error, name) from error
    finally:
        engine.dispose()


def read_models(
    connection: Connection, *, schemas: Sequence[str] = (), include: Collection[str] = (), exclude: Collection[str] = ()
) -> str:
    """Return Python that declares a model for every table and view of the database behind *connection*.

    Args:
        schemas, include, exclude: as those of ``inspect``: which schemas, and patterns of tables.

    Raises:
        NotFound: there is no table to write a model for.
        DatabaseError: the catalog cannot be read.
    """
    schema = inspect(connection, schemas=schemas, include=include, exclude=exclude)
    if not any(table.columns for table in schema.tables):
        chosen = "that was asked for" if schemas or include or exclude else "that this account may read"
        raise NotFound(f"the database has no table {chosen}, so there is no model to write", hint=_why_none(schema.report))
    if schema.schemas and connection.dialect.default_schema_name is not None:
        # The first of those that were chosen is where a served database looks; a model without a schema is where its connection looks.
        schema = replace(schema, default_schema=connection.dialect.default_schema_name)
    return make_source(schema, read_construction(connection, schema))


def _why_none(report: Sequence[object]) -> str | None:
    return str(getattr(report[0], "what", "")) or None if report else None


def write_models(text: str, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write *text* into a file, all of it or nothing.

    Raises:
        NameTaken: the file is there already, and *overwrite* is not said. InputError: it cannot be written.
    """
    file = Path(path)
    if file.exists() and not overwrite:
        raise NameTaken(f"file {file.name!r} is there already", hint="overwrite=True, or --force, writes over it")
    try:
        handle, beside = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as out:
                out.write(text)
            os.chmod(beside, 0o644 if not file.exists() else file.stat().st_mode & 0o777)
            os.replace(beside, file)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as error:
        raise InputError(f"file {file.name!r} cannot be written: {error.strerror}") from error
    return file
