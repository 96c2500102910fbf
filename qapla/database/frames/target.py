"""Where a frame is written to: the database, the table that is there, and whether the frame's columns are its columns."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from qapla.database.dialects import get_engine
from qapla.database.direct import MEMORY
from qapla.database.faults import translate
from qapla.database.frames.storage import fits
from qapla.database.models.binding import innermost
from qapla.database.models.bound import Bound
from qapla.database.models.description import engine_key
from qapla.database.models.model import find_using
from qapla.database.pending import KEY as PENDING
from qapla.database.schema.inspect import inspect
from qapla.errors import Conflict, InputError, NotFound, NotOffered, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from qapla.database.dialects import Engine
    from qapla.database.frames.intake import Intake
    from qapla.database.schema.description import Table


@dataclass(frozen=True)
class Place:
    """A database that is open for writing. ``has_written``: something is written there already, and not committed."""

    connection: Connection
    engine: Engine
    name: str
    has_written: bool = False


@contextmanager
def open_place(using: Any) -> Iterator[Place]:
    """Open the database that *using* means; its errors become ours.

    Args:
        using: a database that is bound, or its name; an engine of SQLAlchemy, for which what is written is committed at the end; a
            connection, whose transaction goes on. None: the innermost one that is bound.

    Raises:
        NotBound: none is. InputError: *using* is none of these.
    """
    if isinstance(using, sa.Engine):
        with _translated(using, using.url.database or using.dialect.name), using.begin() as connection:
            _begin(connection)
            yield Place(connection, _entry(connection), using.url.database or using.dialect.name)
    elif isinstance(using, sa.Connection):
        with _translated(using, using.engine.url.database or using.dialect.name):
            _begin(using)
            yield Place(using, _entry(using), using.engine.url.database or using.dialect.name, using.in_transaction())
    elif using is None or isinstance(using, str | Bound):
        bound = innermost() if using is None else find_using(using)
        with _translated(bound.engine, bound.name):
            has_written = bound.has_written
            try:
                yield Place(bound.connection(), bound.dialect, bound.name, has_written)
            except BaseException:
                bound.session.info[PENDING] = has_written  # what was begun is undone, by a savepoint or by dropping the table aside
                raise
        bound.session.info[PENDING] = True  # COPY goes past SQLAlchemy
    else:
        raise InputError(f"a {type(using).__name__} is no database", hint="using: one that is bound, its name, or an engine of SQLAlchemy")


def find_table(place: Place, name: str, schema: str | None) -> Table | None:
    """Return what the table looks like, None where there is none.

    Raises:
        NotOffered: it is a view. NotFound: there is no such schema.
    """
    inspector = sa.inspect(place.connection)
    if schema is not None and not inspector.has_schema(schema):
        raise NotFound(f"database {place.name!r} has no schema {schema!r}", hint=nearest(schema, inspector.get_schema_names()))
    if not inspector.has_table(name, schema=schema):
        return None
    found = inspect(place.connection, schemas=(schema,) if schema else (), include=(escape(name),))
    wanted = schema or found.default_schema
    tables = [each for each in found.tables if each.name.name.lower() == name.lower()]
    table = next((each for each in tables if each.name.schema == wanted and each.name.name == name), None) or next(iter(tables), None)
    if table is None or table.kind != "table":
        kind = table.kind.replace("_", " ") if table is not None else "thing"
        raise NotOffered(f"{name!r} is a {kind} of database {place.name!r}, which frames are not written to", hint="write to a table")
    return table


def check_reachable(bound: Bound) -> None:
    """See that other connections, and other processes, can open the database of *bound*.

    Raises:
        NotOffered: it is in the memory of this connection.
    """
    if bound.spec is not None and bound.spec.path == MEMORY:
        said = f"database {bound.name!r} is in memory, where workers cannot open it"
        raise NotOffered(said, hint="read it with as_df(), write frames of pandas, or open a file")


def check_name(name: Any, engine: Engine, what: str) -> None:
    """See that a table or a column can have this name.

    Raises:
        InputError: it is empty, or longer than the engine takes; some cut names off instead.
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise InputError(f"{what} {name!r} has no name", hint="give it a text that is not empty")
    length = len(name.encode() if engine.name_unit == "bytes" else name)
    if engine.longest_name is not None and length > engine.longest_name:
        said = f"{what} {name[:70]!r} has a name of {length} {engine.name_unit}"
        raise InputError(said, code="42622", hint=f"{engine.label} takes {engine.longest_name}")


def check_names(intake: Intake, engine: Engine) -> None:
    """See that a new table can have columns of these names.

    Raises:
        InputError: a name is too long, or two are one to the engine.
    """
    seen: dict[str, str] = {}
    for name in intake.table.column_names:
        check_name(name, engine, "column")
        other = seen.setdefault(name if engine.has_cased_columns else name.lower(), name)
        if other != name:
            raise InputError(f"columns {other!r} and {name!r} are one column on {engine.label}", hint="give one of them another name")


def is_same(intake: Intake, table: Table, engine: Engine) -> bool:
    """Tell whether a frame has exactly the columns of a table."""
    names = intake.table.column_names
    return set(names) == set(table.by_name) and all(fits(intake.kinds[name], table.by_name[name].type, engine) for name in names)


def check_columns(intake: Intake, table: Table, engine: Engine) -> None:
    """See that the rows of a frame can be added to a table.

    Raises:
        InputError: which columns differ, and how.
    """
    names = intake.table.column_names
    unknown = [name for name in names if name not in table.by_name]
    missing = [each.name for each in table.columns if each.name not in names and not (each.nullable or each.default or each.generated)]
    wrong = [name for name in names if name not in unknown and not fits(intake.kinds[name], table.by_name[name].type, engine)]
    said = []
    if unknown:
        said.append(f"the table has no {_listed(unknown)}")
    if missing:
        said.append(f"the frame has no {_listed(missing)}, which must have a value")
    said += [f"{name!r} is {table.by_name[name].type.name} there and {intake.kinds[name]} here" for name in wrong]
    if said:
        hint = nearest(unknown[0], table.by_name) if unknown else "change the frame, or replace the table: if_exists='replace'"
        raise InputError(f"frame and table {table.name.name!r} have different columns: {'; '.join(said)}", code="42703", hint=hint)


def refuse_pending(place: Place, name: str) -> None:
    """See that no write is under way where making a table would commit it on the quiet.

    Raises:
        Conflict: there is one.
    """
    if place.has_written and not place.engine.has_transactional_ddl:
        said = f"table {name!r} cannot be made now: {place.engine.label} would commit what is written and not committed yet"
        raise Conflict(said, hint="db.commit() or db.rollback() first")


def _begin(connection: Connection) -> None:
    """Begin what SQLAlchemy thinks has begun: Python's SQLite waits for the first INSERT, and a savepoint before it would commit."""
    if _entry(connection).is_file and not connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
        connection.exec_driver_sql("BEGIN")


def _entry(connection: Connection) -> Engine:
    return get_engine(engine_key(connection.dialect))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


@contextmanager
def _translated(opened: Any, name: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise translate(engine_key(opened.dialect), error, name) from None  # SQLAlchemy's has the statement and its values
    except opened.dialect.dbapi.Error as error:  # COPY goes past SQLAlchemy
        raise translate(engine_key(opened.dialect), error, name) from None
