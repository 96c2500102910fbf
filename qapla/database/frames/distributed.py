"""Dask frames into tables: each partition is written by whichever worker has it, and nobody sees a row before all are there.

The rows go into a table aside. A partition and the note that it is written are one transaction, so that one whose worker died, or that
ran twice, is in it once. When all are there, one transaction on the machine that asked puts them where they belong; when one fails, the
table aside is dropped and nothing has happened.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from qapla.database.frames.intake import take_in
from qapla.database.frames.loading import load
from qapla.database.frames.making import drop, execute, name_aside, renumber
from qapla.database.frames.storage import fits
from qapla.database.frames.target import Place, check_reachable, is_same, open_place
from qapla.database.frames.write import Written, finish, look, prepare, types_of
from qapla.database.models.binding import innermost
from qapla.database.models.bound import Bound
from qapla.database.models.model import find_using
from qapla.database.schema.tables import core_table
from qapla.errors import Conflict, InputError, PartitionFailed, QaplaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from qapla.database.frames.intake import Intake
    from qapla.database.frames.write import Wish
    from qapla.database.schema.description import ColumnType, Table

PATIENCE_MS = 600_000  # how long partitions wait for each other on SQLite, which writes one at a time


def write(frame: Any, wish: Wish, using: Any) -> Written:
    """Write a Dask frame; see ``to_table``.

    Raises:
        PartitionFailed: one could not be written; then none is.
        InputError: *using* is nothing that workers could open; a column of objects, of which nobody knows what they are.
        Conflict: something is written in the block and not committed.
    """
    bound = innermost() if using is None else find_using(using) if isinstance(using, str | Bound) else None
    if bound is None:
        raise InputError(f"workers cannot open a {type(using).__name__}", hint="using: a database that is bound, or its name")
    _check_pending(bound)
    intake = _take_meta(frame, wish)
    with _opened(bound.reference, bound.name) as place:
        old = look(place, intake, wish)
        stays = old is not None and (wish.if_exists == "append" or (wish.is_plain and is_same(intake, old, place.engine)))
        aside = prepare(place, intake, wish, None if stays else old, name_aside())
        parts = _parts(aside)
        types = _make_aside(place, aside, old if stays else None)
        parts.create(place.connection, checkfirst=False)
    try:
        rows = _compute(frame, bound, aside, types)
        with _opened(bound.reference, bound.name) as place:
            notes = _put(place, aside, intake.table.column_names, wish, old, stays=stays)
    except BaseException:
        _clean(bound, aside, parts)
        raise
    _clean(bound, parts)
    return Written(wish.name, bound.name, rows, tuple(notes))


def _compute(frame: Any, bound: Bound, aside: sa.Table, types: dict[str, ColumnType]) -> int:
    """Let the workers write their partitions, and return how many rows there are in all of them."""
    import dask

    task = dask.delayed(write_part, pure=False)
    where = (bound.reference, bound.name, aside.name, aside.schema, types)
    return sum(dask.compute(*(task(piece, number, *where) for number, piece in enumerate(frame.to_delayed()))))


def _make_aside(place: Place, aside: sa.Table, like: Table | None) -> dict[str, ColumnType]:
    """Create the table aside, with the types of *like* where its rows go there, and return the types of its columns."""
    if like is None:
        aside.create(place.connection, checkfirst=False)
        return types_of(aside, place)
    source = core_table(like)
    wanted = sa.select(*(source.c[column.name] for column in aside.columns)).where(sa.false())
    name = place.connection.dialect.identifier_preparer.format_table(aside)
    compiled = wanted.compile(dialect=place.connection.dialect, compile_kwargs={"literal_binds": True})
    execute(place.connection, f"CREATE TABLE {name} AS {compiled}".replace("%%", "%"))
    return {column.name: like.by_name[column.name].type for column in aside.columns}


def write_part(
    frame: Any, number: int, reference: Any, database: str, name: str, schema: str | None, types: Mapping[str, ColumnType]
) -> int:
    """Write one partition into the table aside, once, and return how many rows it has.

    Raises:
        PartitionFailed: it cannot be written; which one, and why.
    """
    try:
        with _opened(reference, database) as place:
            if place.engine.is_file:
                execute(place.connection, f"PRAGMA busy_timeout = {PATIENCE_MS}")
            notes = sa.table(_parts_name(name), sa.column("part"), schema=schema)
            try:
                with place.connection.begin_nested():
                    place.connection.execute(sa.insert(notes).values(part=number))
            except IntegrityError:
                return len(frame)  # a worker that died afterwards had committed it
            intake = take_in(frame)
            for column in intake.table.column_names:
                if not fits(intake.kinds[column], types[column], place.engine):
                    raise InputError(f"column {column!r} is {intake.kinds[column]} here, and {types[column].name} in the table")
            return load(place.connection, intake, sa.table(name, *map(sa.column, types), schema=schema), types, place.engine)
    except QaplaError as error:
        said = f"partition {number} could not be written into database {database!r}: {error.message}"
        raise PartitionFailed(said, code=error.code, status=error.status, hint=error.hint) from error


def _check_pending(bound: Bound) -> None:
    """See that the block has no transaction open, which the last step would wait for."""
    check_reachable(bound)
    session = bound.session
    if bound.has_written or session.new or session.dirty or session.deleted:
        said = f"database {bound.name!r} has changes that are not committed, and workers write through connections of their own"
        raise Conflict(said, hint="commit them first: db.commit()")
    if session.in_transaction():
        session.commit()


def _take_meta(frame: Any, wish: Wish) -> Intake:
    """Return what the columns of a Dask frame are, without rows.

    Raises:
        InputError: of a column of objects nobody knows what they are.
    """
    meta = frame._meta
    if not hasattr(meta, "columns"):
        raise InputError(f"a {type(frame).__name__} of Dask is no frame that can be written", hint="make a frame of it: .to_frame('name')")
    unknown = [name for name in meta.columns if meta[name].dtype == object and name not in wish.types]
    if unknown and wish.if_exists != "append":
        hint = f"say it: types={{{unknown[0]!r}: …}}, or give the column another type"
        raise InputError(f"column {unknown[0]!r} has objects, and what they are is not known before they are computed", hint=hint)
    return take_in(meta)


@contextmanager
def _opened(reference: Any, name: str) -> Iterator[Place]:
    engine = reference.open(name)
    try:
        with open_place(engine) as place:
            yield replace(place, name=name)
    finally:
        if reference.kind != "settings":
            engine.dispose()


def _parts_name(aside: str) -> str:
    return f"{aside}_parts"


def _parts(aside: sa.Table) -> sa.Table:
    column = sa.Column("part", sa.Integer, primary_key=True, autoincrement=False)
    return sa.Table(_parts_name(aside.name), sa.MetaData(), column, schema=aside.schema, quote=True)


def _put(place: Place, aside: sa.Table, names: Sequence[str], wish: Wish, old: Table | None, *, stays: bool) -> list[str]:
    """Put the rows of *aside* where they belong, in one transaction."""
    if old is None or not stays:
        return finish(place, wish, aside, old)
    target = core_table(old)
    if wish.if_exists == "replace":
        place.connection.execute(sa.delete(target))
    place.connection.execute(sa.insert(target).from_select(names, sa.select(*(aside.c[name] for name in names))))
    renumber(place, old, names)
    drop(place.connection, aside)
    return []


def _clean(bound: Bound, *tables: sa.Table) -> None:
    with _opened(bound.reference, bound.name) as place:
        for table in tables:
            drop(place.connection, table)
