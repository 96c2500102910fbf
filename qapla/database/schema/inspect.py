"""Look at a live database and say what is in it, as one frozen ``DatabaseSchema``.

``inspect`` picks the catalog reader of the engine, lets it read one statement per kind of thing, and builds the value from what was
read: identities, relations, the report and the fingerprint are the same work for every engine and done here.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from qapla.database.schema import report
from qapla.database.schema.computed import derive_computed
from qapla.database.schema.description import DatabaseSchema, Identity, Table
from qapla.database.schema.patterns import Patterns
from qapla.database.schema.relations import derive
from qapla.database.schema.seen import Seen, find_seen
from qapla.database.schema.storage import fingerprint
from qapla.errors import NotOffered

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection

    from qapla.database.schema.description import Column, ForeignKey, Function, Key, TableName
    from qapla.database.schema.reading import Listed, Reader, Reading

READERS = {
    "postgresql": "qapla.database.schema.inspect_postgresql:PostgresqlReader",
    "mysql": "qapla.database.schema.inspect_mysql:MysqlReader",
    "mariadb": "qapla.database.schema.inspect_mysql:MysqlReader",
    "sqlite": "qapla.database.schema.inspect_sqlite:SqliteReader",
    "oracle": "qapla.database.schema.inspect_oracle:OracleReader",
}


def inspect(
    connection: Connection,
    *,
    schemas: Sequence[str] = (),
    include: Collection[str] = (),
    exclude: Collection[str] = (),
    as_roles: bool = False,
) -> DatabaseSchema:
    """Describe the database behind *connection*.

    Args:
        connection: used for nothing else meanwhile; a catalog statement that fails rolls it back.
        schemas: those to expose, the first is the default. Empty: all that the account may read (on MariaDB and MySQL the
            database that the connection names).
        include: patterns over ``table`` or ``schema.table``; empty: every table.
        exclude: patterns of tables to leave out, applied before anything but their names is read.
        as_roles: count what the roles may do that the account can take, and not only what it may do itself.

    Raises:
        DatabaseError: the list of tables cannot be read. What fails beyond that is in the report.
        Unavailable: the connection was lost on the way.
        NotOffered: the engine has no reader, or is too old.
    """
    return build(find_reader(connection.dialect.name)(connection, schemas, Patterns(include, exclude), as_roles=as_roles).read())


def find_reader(dialect: str) -> type[Reader]:
    """Return the reader for SQLAlchemy's name of a dialect."""
    if dialect not in READERS:
        raise NotOffered(f"engine {dialect!r} cannot be inspected", hint=f"one of {', '.join(READERS)}")
    module, name = READERS[dialect].split(":")
    found: type[Reader] = getattr(import_module(module), name)
    return found


def build(reading: Reading) -> DatabaseSchema:
    """Make the frozen value of what a reader found."""
    listed = sorted(reading.tables.items(), key=lambda item: sort_key(item[0]))
    seen = find_seen(reading)
    tables = tuple(build_table(reading, each, seen) for _, each in listed)
    functions = tuple(sorted(reading.functions, key=function_order))
    findings = [*reading.findings, *(finding for table in tables for finding in report.on_table(table))]
    schema = DatabaseSchema(
        engine=reading.engine,
        version=reading.version,
        default_schema=reading.schemas[0] if reading.schemas else None,
        schemas=reading.schemas,
        tables=tables,
        relations=(*derive(tables), *derive_computed(tables, functions)),
        functions=functions,
        capabilities=tuple(sorted(reading.capabilities)),
        report=tuple(sorted(findings, key=lambda finding: (finding.subject, finding.what))),  # catalogs have no order of their own
    )
    return replace(schema, fingerprint=fingerprint(schema))


def sort_key(name: TableName) -> tuple[str, str]:
    """Return what tables are sorted by: code points, so that every machine sorts alike."""
    return name.schema or "", name.name


def function_order(function: Function) -> tuple[str, str, list[str]]:
    """Return what functions are sorted by: their name, then the types of their parameters, which tell overloads apart."""
    return function.schema or "", function.name, [parameter.type.name for parameter in function.parameters]


def build_table(reading: Reading, listed: Listed, seen: Seen) -> Table:
    """Put one table together; keys with a column that is not shown are left out."""
    columns = tuple(reading.columns.get(listed.name, ()))
    shown = {column.name for column in columns}
    primary_key = reading.primary_keys.get(listed.name) or seen.primary_keys.get(listed.name)
    if primary_key and not shown.issuperset(primary_key.columns):
        primary_key = None
    unique = tuple(key for key in reading.unique.get(listed.name, ()) if shown.issuperset(key.columns))
    foreign_keys = [key for key in reading.foreign_keys.get(listed.name, ()) if shown.issuperset(key.columns)]
    identity = choose_identity(columns, primary_key, unique)
    readable = bool(columns)
    return Table(
        name=listed.name,
        kind=listed.kind,
        columns=columns,
        primary_key=primary_key,
        identity=identity,
        unique=tuple(sorted(unique, key=lambda key: (key.name or "", key.columns))),
        foreign_keys=tuple(sorted(foreign_keys, key=foreign_key_order)),
        comment=listed.comment,
        row_estimate=listed.row_estimate,
        insertable=listed.insertable and readable,
        updatable=listed.updatable and readable,
        deletable=listed.deletable and readable,
        seen_keys=tuple(sorted(seen.foreign_keys.get(listed.name, ()), key=foreign_key_order)),
        seen_unique=tuple(sorted(set(seen.unique.get(listed.name, ())), key=lambda key: key.columns)),
    )


def foreign_key_order(key: ForeignKey) -> tuple[object, ...]:
    """Return what foreign keys are sorted by."""
    return key.columns, key.name or "", sort_key(key.target), key.target_columns


def choose_identity(columns: tuple[Column, ...], primary_key: Key | None, unique: tuple[Key, ...]) -> Identity:
    """Say how one row is addressed: primary key, else the shortest unique set without NULLs, else not at all."""
    if primary_key:
        return Identity("primary_key", primary_key.columns)
    nullable = {column.name for column in columns if column.nullable}
    candidates = [key.columns for key in unique if nullable.isdisjoint(key.columns)]
    if candidates:
        return Identity("unique", min(candidates, key=lambda names: (len(names), names)))
    return Identity("none")
