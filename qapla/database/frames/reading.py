"""Read the rows of a SELECT as Arrow, in the fastest way that the engine has and that gives exactly what is there.

::

    table = read_table(select(Choice), engine)
    with engine.begin() as connection:
        table = read_table(select(Choice), engine, connection=connection)    # sees what is written there and not committed

A reader that gives up is followed by the next; the driver's own rows are the last, and can everything.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy.exc import SQLAlchemyError

from qapla.database.dialects import get_engine
from qapla.database.faults import translate
from qapla.database.frames import copy, lists, literal, postgresql, rows
from qapla.database.frames.arrays import convert
from qapla.database.frames.fields import list_fields
from qapla.database.models.description import engine_key
from qapla.errors import InputError, NotOffered, QaplaError, TimedOut

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import Connection, Engine

    from qapla.database.frames.fields import Decimals, Field
    from qapla.database.models.bound import Bound

ROWS, COPY = "rows", "copy"


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
    key = engine_key(engine.dialect)
    known = get_engine(key)
    name = database or _name_of(engine)
    if reader not in (None, ROWS, *known.frame_readers):
        raise InputError(f"reader {reader!r} is not known on {known.label}", hint=f"one of {', '.join((*known.frame_readers, ROWS))}")
    fields = list_fields(
        statement, engine.dialect, names=names, decimals=decimals, as_text=as_text, is_strict=known.has_strict_types
    )
    try:
        with _connected(engine, connection) as opened:
            if not known.frame_readers:
                return _as_wanted(rows.read(opened, statement, fields, name), decimals)
            return _read_fast(statement, opened, fields, name, known.frame_readers, reader, decimals, timeout_s)
    except QaplaError:
        raise
    except Exception as error:
        if not isinstance(error, SQLAlchemyError) and not isinstance(error, _driver_errors(engine)):
            raise
        raise translate(key, error, name) from None  # SQLAlchemy's error has the statement and its values in it


def read_bound(statement: Any, bound: Bound, *, timeout_s: float | None = None, **options: Any) -> pa.Table:
    """Return the rows of *statement* in an open database, as its session sees them: what was written and not committed included.

    Args:
        timeout_s: how long it may take.
        options: those of ``read_table``.

    Raises:
        QaplaError: as ``read_table`` does.
    """
    session = bound.session
    if session.autoflush:
        session.flush()
    return read_table(statement, bound.engine, connection=session.connection(), database=bound.name, timeout_s=timeout_s, **options)


def _read_fast(
    statement: Any,
    connection: Connection,
    fields: list[Field],
    database: str,
    readers: Sequence[str],
    wanted: str | None,
    decimals: Decimals,
    timeout_s: float | None,
) -> pa.Table:
    """Read by the first of *readers* that can."""
    sql = literal.write(statement, connection)
    described = postgresql.describe(connection, sql)
    fields = postgresql.settle(fields, described, decimals)
    types = [None if field.as_text else each.type_code for field, each in zip(fields, described, strict=True)]
    if wanted == ROWS or postgresql.has_lists(fields):
        text, _ = postgresql.wrap(sql, fields, described, moments_as_numbers=True)
        return lists.read(connection, text, fields, types, database)
    for name in _choose(connection, sql, readers) if wanted is None else [wanted]:
        if name == COPY:
            text, names = postgresql.wrap(sql, fields, described, moments_as_numbers=True)
            found: pa.Table | None = copy.read(connection, text, names, types)
        else:
            question = postgresql.ask(connection, *postgresql.wrap(sql, fields, described), postgresql.get_state(connection), timeout_s)
            found = _read_elsewhere(name, question, database, must=wanted is not None)
        if found is not None:
            return _finish(found, fields, database)
    raise NotOffered(f"none of the readers can read database {database!r}", hint=f"one of {', '.join(readers)}")


def _choose(connection: Connection, sql: str, readers: Sequence[str]) -> list[str]:
    """Return the readers to try, in order."""
    if postgresql.get_state(connection).is_own or postgresql.estimate(connection, sql) <= postgresql.FEW_ROWS:
        return [COPY]
    return list(readers)


def _read_elsewhere(name: str, question: postgresql.Question, database: str, *, must: bool) -> pa.Table | None:
    """Read through a connection of the reader's own; None where it cannot, or gave up."""
    module = import_module(f"qapla.database.frames.{name}")
    if not module.can_read(question):
        if must:
            hint = "pip install 'qapla[frames]', or leave the reader out"
            raise NotOffered(f"reader {name!r} cannot read database {database!r}", hint=hint)
        return None
    try:
        found: pa.Table = module.read(question)
        return found
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of Rust is no Exception
        if "statement timeout" in str(error):
            raise TimedOut(f"database {database!r} did not answer within its deadline", code="57014") from None
        if must:
            raise NotOffered(f"reader {name!r} cannot read this from database {database!r}", hint="leave the reader out") from None
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


def _driver_errors(engine: Engine) -> tuple[type[BaseException], ...]:
    with suppress(AttributeError):
        return (engine.dialect.dbapi.Error,)  # type: ignore[union-attr]
    return ()


def _name_of(engine: Engine) -> str:
    found = engine.url.database or engine.dialect.name
    return PurePath(found).name if engine.url.host is None else found
