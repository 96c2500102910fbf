"""Copy the registry into a SQLite file, whatever engine it is on.

The copy is a registry itself: ``LAZYDB_DATABASE_URL=sqlite:////path/of/copy`` starts from it. The secret key is not in it, so that
whoever finds the copy does not have the passwords.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlalchemy import URL, MetaData, NullPool, Table, create_engine, insert, select

from lazydb.models import Model
from qapla.errors import Conflict, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from qapla.database.database import Database

BATCH_ROWS = 1000


def back_up(database: Database, path: Path) -> int:
    """Copy the registry to *path*, as it is at one moment; return the number of rows.

    Raises:
        Conflict: there is a file already.
        InputError: its folder is not there, or cannot be written.
    """
    if path.exists():
        raise Conflict(f"file {path.name!r} is there already", hint="nothing is overwritten; take another name")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # there are hashes of passwords in it
        rows = _copy(database, part)
        part.replace(path)
    except OSError as error:
        raise InputError(f"file {path.name!r} cannot be written: {error.strerror}", hint="is its folder there?") from None
    finally:
        part.unlink(missing_ok=True)
    return rows


def _copy(database: Database, part: Path) -> int:
    target = create_engine(URL.create("sqlite", database=str(part)), poolclass=NullPool)
    isolation = "REPEATABLE READ" if database.url.get_backend_name() == "postgresql" else "SERIALIZABLE"
    with database.engine.connect().execution_options(isolation_level=isolation) as source, target.begin() as copy:
        version = Table("alembic_version", MetaData(), autoload_with=source)
        tables = [*Model.metadata.sorted_tables, version]
        Model.metadata.create_all(copy)
        version.metadata.create_all(copy)
        return sum(_copy_table(source, copy, table) for table in tables)


def _copy_table(source: Connection, copy: Connection, table: Table) -> int:
    rows = 0
    for batch in source.execute(select(table)).mappings().partitions(BATCH_ROWS):
        copy.execute(insert(table), [dict(row) for row in batch])
        rows += len(batch)
    return rows
