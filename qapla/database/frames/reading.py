"""Read the rows of a SELECT as Arrow, in the fastest way that the engine has and that gives exactly what is there.

::

    table = read_table(select(Choice), engine)
    with engine.begin() as connection:
        table = read_table(select(Choice), engine, connection=connection)    # sees what is written there and not committed

A reader that gives up is followed by the next; the driver's own rows are the last, and can everything.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from qapla.database.dialects import get_engine
from qapla.database.faults import translate
from qapla.database.frames import copy, lists, literal, postgresql, rows
from qapla.database.frames.arrays import convert
from qapla.database.frames.fields import list_fields
from qapla.database.models.description import engine_key
from qapla.database.waiting import call_within
from qapla.errors import InputError, NotOffered, TimedOut

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Engine

    from qapla.database.frames.fields import Decimals, Field
    from qapla.database.models.bound import Bound

ROWS, COPY = "rows", "copy"
GRACE_S = 0.2
log = logging.getLogger("qapla.database.frames")


@dataclass(frozen=True, slots=True)
class Wish:
    """How rows are to be read: what messages call the database, what becomes of decimals, by which reader, in which time."""

    database: str
    decimals: Decimals
    reader: str | None
    timeout_s: float | None


def read_table(
    statement: Any,
    engine: Engine,
    *,
    connection: Connection | None = None,
    names: Sequence[str] | None = None,
    decimals: Decimals = "exact",
    as_text: Collection[str] = (),
    database: str | None = None,
    reader: str | None = None,
    timeout_s: float | None = None,
) -> pa.Table:
    """Return the rows of *statement*, columns and rows in its order.

    Args:
        connection: one of *engine* that has a transaction open: what was written there and is not committed is seen.
        names: what the columns are called, in order; without them as the database calls them.
        decimals: ``"float"``: the doubles next to them.
        as_text: names of columns that come as text, as the engine prints them, whatever they hold.
        database: what messages call it.
        reader: this one and no other: ``"connectorx"``, ``"adbc"``, ``"copy"``, ``"rows"``. What the others would see differently is
            the caller's business then.
        timeout_s: for readers with a connection of their own; that of *connection* is the caller's.

    Raises:
        QueryError: two columns have one name.
        NotOffered: a value is none of its column's type: infinity in a timestamp, text in a number of SQLite; *reader* is not there.
        DatabaseError, Unavailable, TimedOut: what the database says.
    """
    name = database or _name_of(engine)
    options = {"names": names, "decimals": decimals, "as_text": as_text}
    try:
        with _connected(engine, connection) as opened:
            return _read(statement, opened, Wish(name, decimals, reader, timeout_s), options)
    except _driver_errors(engine) as error:
        # SQLAlchemy's error has the statement and its values in it.
        raise translate(engine_key(engine.dialect), error, name) from None


def read_bound(
    statement: Any,
    bound: Bound,
    *,
    names: Sequence[str] | None = None,
    decimals: Decimals = "exact",
    as_text: Collection[str] = (),
    timeout_s: float | None = None,
) -> pa.Table:
    """Return the rows of *statement* in an open database, as its session sees them: what was written and not committed included.

    For a ``QuerySet.ask``, which looks at the time, and makes errors of the driver ours.

    Raises:
        QueryError, NotOffered: as ``read_table`` does.
        sqlalchemy.exc.DBAPIError: what the database says.
    """
    session = bound.session
    if session.autoflush:
        session.flush()
    options = {"names": names, "decimals": decimals, "as_text": as_text}
    try:
        return _read(statement, session.connection(), Wish(bound.name, decimals, None, timeout_s), options)
    except SQLAlchemyError:
        raise
    except _driver_errors(bound.engine) as error:
        raise DBAPIError.instance(None, None, error, type(error), hide_parameters=True) from None


def _read(statement: Any, connection: Connection, wish: Wish, options: Mapping[str, Any]) -> pa.Table:
    known = get_engine(engine_key(connection.dialect))
    if wish.reader not in (None, ROWS, *known.frame_readers):
        raise InputError(f"reader {wish.reader!r} is not known on {known.label}", hint=f"one of {', '.join((*known.frame_readers, ROWS))}")
    fields = list_fields(statement, connection.dialect, is_strict=known.has_strict_types, **options)
    if known.frame_readers:
        with postgresql.kept(connection):
            return _read_fast(statement, connection, fields, wish, known.frame_readers)
    return _as_wanted(rows.read(connection, statement, fields, wish.database), wish.decimals)


def _read_fast(statement: Any, connection: Connection, fields: list[Field], wish: Wish, readers: Sequence[str]) -> pa.Table:
    """Read by the first of *readers* that can."""
    sql = literal.write(statement, connection)
    described = postgresql.describe(connection, sql)
    fields = postgresql.settle(fields, described, wish.decimals, wish.database)
    types = [None if field.as_text else each.type_code for field, each in zip(fields, described, strict=True)]
    if wish.reader == ROWS or postgresql.has_lists(fields):
        text, _ = postgresql.wrap(sql, fields, described, moments_as_numbers=True)
        return lists.read(connection, text, fields, types, wish.database)
    for name in _choose(connection, sql, readers) if wish.reader is None else [wish.reader]:
        if name == COPY:
            text, names = postgresql.wrap(sql, fields, described, moments_as_numbers=True)
            found: pa.Table | None = copy.read(connection, text, names, types)
        else:
            state = postgresql.get_state(connection)
            found = _read_elsewhere(name, postgresql.ask(connection, *postgresql.wrap(sql, fields, described), state, wish.timeout_s), wish)
        if found is not None:
            return _finish(found, fields, wish.database)
    raise NotOffered(f"none of the readers can read database {wish.database!r}", hint=f"one of {', '.join(readers)}")


def _choose(connection: Connection, sql: str, readers: Sequence[str]) -> list[str]:
    """Return the readers to try, in order."""
    if postgresql.estimate(connection, sql) <= postgresql.FEW_ROWS or postgresql.get_state(connection).is_own:
        return [COPY]
    return list(readers)


def _read_elsewhere(name: str, question: postgresql.Question, wish: Wish) -> pa.Table | None:
    """Read through a connection of the reader's own; None where it cannot, or gave up."""
    module = import_module(f"qapla.database.frames.{name}")
    database, must = wish.database, wish.reader is not None
    if not module.can_read(question):
        if must:
            hint = "pip install 'qapla[frames]', or leave the reader out"
            raise NotOffered(f"reader {name!r} cannot read database {database!r}", hint=hint)
        return None
    try:
        # A little longer than the statement may take there, whose end is told by the server; it may not answer at all.
        found: pa.Table = call_within(wish.timeout_s and wish.timeout_s + GRACE_S, lambda: module.read(question), name="qapla-frame")
        return found
    except (KeyboardInterrupt, SystemExit):
        raise
    except TimeoutError:
        raise TimedOut(f"database {database!r} did not answer within its deadline", code="57014") from None
    except BaseException as error:  # a panic of Rust is no Exception
        if "statement timeout" in str(error):
            raise TimedOut(f"database {database!r} did not answer within its deadline", code="57014") from None
        if must:
            raise NotOffered(f"reader {name!r} cannot read this from database {database!r}", hint="leave the reader out") from None
        log.info("reader %r gave up on database %r (%s), the next one reads", name, database, type(error).__name__)
        return None


def _as_wanted(found: pa.Table, decimals: Decimals) -> pa.Table:
    """Return doubles for decimals of which nobody knew before the values were there."""
    if decimals == "exact":
        return found
    wanted = [field.with_type(pa.float64()) if pa.types.is_decimal(field.type) else field for field in found.schema]
    return found.cast(pa.schema(wanted))


def _finish(found: pa.Table, fields: Sequence[Field], database: str) -> pa.Table:
    """Return what a reader gave with the names and types that were asked for, a column at a time."""
    columns = [convert(found.column(place), field, database) for place, field in enumerate(fields)]
    return pa.table(columns, names=[field.name for field in fields])


@contextmanager
def _connected(engine: Engine, connection: Connection | None) -> Iterator[Connection]:
    if connection is not None:
        yield connection
        return
    with engine.connect() as opened:
        yield opened


def _driver_errors(engine: Engine) -> tuple[type[Exception], ...]:
    """Return what is raised by SQLAlchemy and by the driver itself."""
    driver: Any = engine.dialect.dbapi
    return (SQLAlchemyError, driver.Error)


def _name_of(engine: Engine) -> str:
    found = engine.url.database or engine.dialect.name
    return PurePath(found).name if engine.url.host is None else found
