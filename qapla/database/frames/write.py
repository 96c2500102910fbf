"""Frames as tables: ``to_table(frame, "votes")`` writes one of pandas, Polars, Arrow or Dask into the database that is bound.

::

    with Postgresql(url) as db:
        to_table(frame, "votes", keys=["id"])
        to_table(more, "votes", if_exists="append")
        to_table(other, "votes", if_exists="replace")

All rows or none are written. Through a bound database they belong to its transaction: they are committed at the end of the block, and
gone when it fails; through an engine of SQLAlchemy they are committed before this returns. Engines that commit whenever a table is made
(MariaDB, MySQL) do so here: then the table is filled under another name, and renamed when it is complete.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from qapla.database.frames.intake import take_in
from qapla.database.frames.loading import check_values, load
from qapla.database.frames.making import (
    drop,
    keep_indexes,
    list_indexes,
    make_index,
    make_table,
    name_aside,
    renumber,
    swap,
)
from qapla.database.frames.target import check_columns, check_name, check_names, find_table, is_same, open_place, refuse_pending
from qapla.database.models.columns import type_of
from qapla.database.schema.tables import core_table
from qapla.errors import InputError, TableExists

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qapla.database.frames.intake import Intake
    from qapla.database.frames.target import Place
    from qapla.database.schema.description import ColumnType, Table

IfExists = Literal["fail", "append", "replace"]
CHOICES = ("fail", "append", "replace")


@dataclass(frozen=True)
class Wish:
    """What is to be made of a frame."""

    name: str
    schema: str | None
    if_exists: IfExists
    keys: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...]
    types: Mapping[str, Any]

    @property
    def is_plain(self) -> bool:
        """Tell whether nothing is said of how a new table should be."""
        return not (self.keys or self.indexes or self.types)


@dataclass(frozen=True)
class Written:
    """What was written. ``notes`` says what a table that was replaced had, and the new one has not."""

    table: str
    database: str
    rows: int
    notes: tuple[str, ...] = ()


def to_table(
    frame: Any,
    name: Any,
    *,
    using: Any = None,
    if_exists: IfExists = "fail",
    schema: str | None = None,
    keys: Sequence[str] = (),
    indexes: Sequence[str | Sequence[str]] = (),
    types: Mapping[str, Any] | None = None,
) -> Written:
    """Write the rows of *frame* into a table. The index of a pandas frame is left out: ``frame.reset_index()`` makes a column of it.

    Args:
        frame: of pandas, Polars, Arrow or Dask.
        name: of the table; or a model, whose table it is.
        using: a database that is bound, or its name; or an engine of SQLAlchemy. By default the innermost one that is bound.
        if_exists: ``"fail"``; ``"append"`` adds rows to the table that is there; ``"replace"`` puts them in place of its rows. With the
            same columns the table stays as it is, with its keys, indexes, comments and grants; else a new one is swapped in.
        keys: columns of the primary key of a new table.
        indexes: columns of its indexes: ``["at", ("shop", "day")]``.
        types: of columns of a new table whose own are not wanted: types of SQLAlchemy, or fields of models.

    Raises:
        TableExists: with ``"fail"``. InputError: columns that differ, without names, with values of several types.
        ValueRefused: a value that the engine cannot hold. NotOffered: a type that it has not. NotFound: there is no such schema.
        DatabaseError: what the database refuses: a key that is there already, a number out of range.
        Conflict: other tables refer to one that is replaced; on MariaDB also what is written in the block and not committed yet.
    """
    wish = _wish(name, if_exists, schema, keys, indexes, types)
    if type(frame).__module__.partition(".")[0] == "dask":
        from qapla.database.frames.distributed import write as write_distributed

        return write_distributed(frame, wish, using)
    intake = take_in(frame)
    with open_place(using) as place:
        notes = write(place, intake, wish)
        return Written(wish.name, place.name, intake.table.num_rows, tuple(notes))


def write(place: Place, intake: Intake, wish: Wish) -> list[str]:
    """Write rows into the table that *wish* means, in the transaction of *place*, and return what is not kept."""
    old = look(place, intake, wish)
    if old is not None and wish.if_exists == "append":
        with place.connection.begin_nested():
            _fill(place, intake, old)
        return []
    if old is not None and wish.is_plain and is_same(intake, old, place.engine):
        with place.connection.begin_nested():
            place.connection.execute(sa.delete(core_table(old)))
            _fill(place, intake, old)
        return []
    return _make(place, intake, wish, old)


def look(place: Place, intake: Intake, wish: Wish) -> Table | None:
    """Return the table that is there, None where there is none, once it is known that the rows can be written.

    Raises:
        TableExists: with ``"fail"``. InputError: names, columns. ValueRefused: a value.
    """
    check_name(wish.name, place.engine, "table")
    old = find_table(place, wish.name, wish.schema)
    if old is not None and wish.if_exists == "fail":
        hint = "if_exists='append' adds rows to it, 'replace' puts them in place of its rows"
        raise TableExists(f"table {wish.name!r} exists already in database {place.name!r}", hint=hint)
    check_values(intake, place.engine)
    if old is not None and wish.if_exists == "append":
        if not wish.is_plain:
            raise InputError(f"table {wish.name!r} is there already: keys, indexes and types are of a new one", hint="leave them out")
        check_columns(intake, old, place.engine)
        return old
    check_names(intake, place.engine)
    if not intake.table.num_columns:
        raise InputError("a frame without columns cannot be a table", hint="frame.reset_index() makes a column of the index")
    return old


def types_of(table: sa.Table, place: Place) -> dict[str, ColumnType]:
    """Return the types of a table that was made here."""
    return {column.name: type_of(column, place.connection.dialect, place.engine.key) for column in table.columns}


def prepare(place: Place, intake: Intake, wish: Wish, old: Table | None, name: str) -> sa.Table:
    """Return the table to be made, called *name*; it keeps the key of *old* where no other is wished and its columns are there."""
    keys = wish.keys
    if not keys and old is not None and old.primary_key is not None and set(old.primary_key.columns) <= set(intake.table.column_names):
        keys = old.primary_key.columns
    return make_table(intake, name, wish.schema, place, keys=keys, indexes=wish.indexes, types=wish.types, old=old)


def finish(place: Place, wish: Wish, aside: sa.Table, old: Table | None) -> list[str]:
    """Swap the table *aside* in, with the indexes that are wished or were there, and return what is not kept."""
    found = list_indexes(place, wish.name, wish.schema) if old is not None and not wish.indexes else []
    notes = swap(place, aside.name, wish.name, wish.schema, old)
    table = aside.to_metadata(sa.MetaData(), name=wish.name)
    for columns in wish.indexes:
        make_index(place.connection, table, columns)
    return notes + keep_indexes(place, table, found)


def _make(place: Place, intake: Intake, wish: Wish, old: Table | None) -> list[str]:
    """Make a new table and fill it; nobody sees it before it is complete."""
    refuse_pending(place, wish.name)
    is_safe = place.engine.has_transactional_ddl
    table = prepare(place, intake, wish, old, wish.name if is_safe and old is None else name_aside())
    with place.connection.begin_nested() if is_safe else nullcontext():
        table.create(place.connection, checkfirst=False)
        try:
            load(place.connection, intake, table, types_of(table, place), place.engine)
            if table.name != wish.name:
                return finish(place, wish, table, old)
            for columns in wish.indexes:
                make_index(place.connection, table, columns)
        except BaseException:
            if not is_safe:
                drop(place.connection, table)
            raise
    return []


def _fill(place: Place, intake: Intake, old: Table) -> None:
    load(place.connection, intake, core_table(old), {each.name: each.type for each in old.columns}, place.engine)
    renumber(place, old, intake.table.column_names)


def _wish(name: Any, if_exists: Any, schema: str | None, keys: Any, indexes: Any, types: Mapping[str, Any] | None) -> Wish:
    if if_exists not in CHOICES:
        raise InputError(f"if_exists {if_exists!r} is not known", hint="one of 'fail', 'append', 'replace'")
    table = getattr(name, "__table__", name)
    if isinstance(table, sa.Table):
        name, schema = table.name, schema or table.schema
    listed = tuple(_listed(each) for each in ((indexes,) if isinstance(indexes, str) else indexes))
    return Wish(name, schema, if_exists, _listed(keys), listed, types or {})


def _listed(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
