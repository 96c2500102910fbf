"""Create and drop the tables of models."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.schema import CreateSchema, DropConstraint, sort_tables_and_constraints
from sqlalchemy.types import SchemaType

from qapla.database.pending import unnoticed
from qapla.errors import InputError, ModelError, NotFound, TableExists, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection, ForeignKeyConstraint, MetaData, Table

    from qapla.database.models.bound import Bound

EXISTS = ("error", "skip")
STILL_USED = "2BP01"  # dependent objects still exist


def create_tables(database: Bound, models: Iterable[type], *, exists: str = "error") -> None:
    """Create the tables of *models*, those that others point at first; all or none where the engine can take DDL back.

    A schema of PostgreSQL that is missing is made before them.

    Raises:
        TableExists: one is there; nothing has been created then.
        ModelError: one of *models* has no table.
    """
    _check_choice("exists", exists)
    tables = list(dict.fromkeys(table for model in models for table in tables_of(model)))
    with database.errors():
        there = _find_existing(database, tables)
        if there and exists == "error":
            hint = "exists='skip' leaves it as it is"
            raise TableExists(f"table {there[0].fullname!r} exists already in database {database.name!r}", hint=hint)
        missing = [table for table in tables if table not in there]
        if not missing:
            return
        _prepare(database, missing[0], "created")
        with _undone_together(database):
            _create_schemas(database, missing)
            for metadata in _metadatas(missing):
                chosen = [table for table in missing if table.metadata is metadata]
                metadata.create_all(database.connection(), tables=chosen, checkfirst=True)


def _create_schemas(database: Bound, tables: Sequence[Table]) -> None:
    """Create the schemas of *tables* that are not there, on the engine where they are no databases."""
    connection = database.connection()
    if database.dialect.has_named_types:
        for name in sorted({table.schema for table in tables if table.schema}):
            if not inspect(connection).has_schema(name):
                connection.execute(CreateSchema(name))


def drop_tables(database: Bound, models: Iterable[type], *, missing: str = "error") -> None:
    """Drop the tables of *models* and those in the middle of their many-to-many relations, those that point at others first.

    Raises:
        NotFound: one is not there; nothing has been dropped then.
        ModelError: one of *models* has no table.
    """
    _check_choice("missing", missing)
    tables = list(dict.fromkeys(table for model in models for table in tables_of(model)))
    with database.errors():
        there = _find_existing(database, tables)
        absent = [table for table in tables if table not in there]
        if absent and missing == "error":
            hint = "missing='skip' is content with that"
            raise NotFound(f"database {database.name!r} has no table {absent[0].fullname!r}", hint=hint)
        if not there:
            return
        _prepare(database, there[0], "dropped")
        with _undone_together(database):
            _drop(database, there)


def _drop(database: Bound, tables: Sequence[Table]) -> None:
    """Drop tables, and the types that were theirs. ``MetaData.drop_all`` would drop the types of all other tables, too."""
    connection = database.connection()
    ordered = list(reversed(sort_tables_and_constraints(tables)))
    for table, keys in ordered:
        if table is None and connection.dialect.supports_alter:
            for key in keys:
                _drop_key(connection, key)
        elif table is None and keys:  # SQLite drops no table that rows point at, until the transaction's end is what counts
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    for table, _ in ordered:
        if table is not None:
            table.drop(connection, checkfirst=False)
    if not database.dialect.has_named_types:
        return
    for type in {column.type for table in tables for column in table.columns if isinstance(column.type, SchemaType)}:
        try:
            with connection.begin_nested():
                type.drop(connection, checkfirst=True)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != STILL_USED:
                raise


def _drop_key(connection: Connection, key: ForeignKeyConstraint) -> None:
    """Drop a foreign key by the name that it has in the database: models need not know it."""
    for found in inspect(connection).get_foreign_keys(key.table.name, schema=key.table.schema):
        if found["constrained_columns"] == key.column_keys:
            named = copy(key)
            named.name = found["name"]
            connection.execute(DropConstraint(named))


def tables_of(model: Any) -> list[Table]:
    """Return the table of *model*, then those in the middle of its many-to-many relations.

    Raises:
        ModelError: it is no model, or has no table.
    """
    table = getattr(model, "__table__", None)
    if not isinstance(model, type) or table is None:
        name = getattr(model, "__name__", repr(model))
        why = "is abstract, and has no table" if isinstance(model, type) and issubclass(model, DeclarativeBase) else "is no model"
        raise ModelError(f"{name!r} {why}", hint="give a class derived from Model, with fields")
    if getattr(model, "__read_only__", False):
        raise ModelError(f"{model.__name__!r} is to be read only", hint="views and tables elsewhere are not made by their models")
    return [table, *getattr(model, "__middles__", {}).values()]


def all_models() -> list[type]:
    """Return every model that can have a table; of a class that was declared again, the latest one."""
    from qapla.database.models.link import declared, full_name
    from qapla.database.models.model import Model

    found = [mapper.class_ for mapper in Model.registry.mappers if not mapper.class_.__read_only__]
    return [model for model in found if declared.get(full_name(model), model) is model]


def _find_existing(database: Bound, tables: Sequence[Table]) -> list[Table]:
    found = inspect(database.connection())
    return [table for table in tables if found.has_table(table.name, schema=table.schema)]


def _prepare(database: Bound, table: Table, verb: str) -> None:
    """See that no write is under way where DDL would commit it on the quiet."""
    if database.has_written and not database.dialect.has_transactional_ddl:
        raise InputError(
            f"table {table.fullname!r} cannot be {verb} now: {database.dialect.label} would commit what is written and not committed yet",
            hint="db.commit() or db.rollback() first",
        )


def _undone_together(database: Bound) -> AbstractContextManager[Any]:
    """Return what takes DDL back where something goes wrong in it, or nothing where the engine commits it anyway."""
    return database.session.begin_nested() if database.dialect.has_transactional_ddl else unnoticed(database.session)


def _metadatas(tables: Iterable[Table]) -> list[MetaData]:
    return list(dict.fromkeys(table.metadata for table in tables))


def _check_choice(name: str, value: str) -> None:
    if value not in EXISTS:
        raise InputError(f"{name} {value!r} is not known", hint=nearest(str(value), EXISTS) or "'error' or 'skip'")
