"""The statements that make the views of a database again, in an order in which each finds what it stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from qapla.database.dialects import get_engine
from qapla.database.schema.construction import NamedType
from qapla.database.schema.description import TableName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Connection

    from qapla.database.schema.description import DatabaseSchema

POSTGRESQL = """
SELECT n.nspname, c.relname, CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END, pg_catalog.pg_get_viewdef(c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') ORDER BY c.oid
"""
MYSQL = "SELECT TABLE_SCHEMA, TABLE_NAME, 'VIEW', VIEW_DEFINITION FROM information_schema.VIEWS ORDER BY TABLE_NAME"
SQLITE = "SELECT NULL, name, NULL, sql FROM main.sqlite_master WHERE type = 'view' ORDER BY rowid"
CATALOGS = {"postgresql": POSTGRESQL, "mysql": MYSQL, "mariadb": MYSQL, "sqlite": SQLITE}
EXTENSIONS = """
SELECT DISTINCT e.extname
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
JOIN pg_catalog.pg_attribute a ON a.atttypid = d.objid AND d.classid = 'pg_catalog.pg_type'::regclass
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p') ORDER BY 1
"""


def read_views(connection: Connection, schema: DatabaseSchema) -> tuple[tuple[TableName, str], ...]:
    """Return the views of *schema* with the statement that makes each.

    Names of the database itself, which MariaDB and MySQL write before every table, are left out: the statements run in any other one.
    """
    wanted = {table.name for table in schema.tables if table.is_view and table.columns}
    if not wanted:
        return ()
    found = {}
    for place, name, kind, text in _rows(connection, schema):
        own = TableName(place, name)
        if own in wanted and text:
            found[own] = _statement(schema, own, kind, text)
    return tuple(_in_order(found))


def _rows(connection: Connection, schema: DatabaseSchema) -> Iterable[tuple[str | None, str, str | None, str]]:
    if schema.engine in CATALOGS:
        return [tuple(row) for row in connection.exec_driver_sql(CATALOGS[schema.engine]).fetchall()]
    inspector = sa.inspect(connection)
    names = [table.name for table in schema.tables if table.kind == "view"]
    return [(name.schema, name.name, "VIEW", str(inspector.get_view_definition(name.name, schema=name.schema))) for name in names]


def quoted(engine: str, name: str) -> str:
    """Return a name as a statement of the engine has it, whatever is in it."""
    mark = get_engine(engine).quote
    return mark + name.replace(mark, mark * 2) + mark


def _statement(schema: DatabaseSchema, name: TableName, kind: str | None, text: str) -> str:
    if kind is None:
        return text
    own = quoted(schema.engine, name.name)
    if not get_engine(schema.engine).has_index_kinds:
        text = text.replace(f"{quoted(schema.engine, str(name.schema))}.", "")
    elif name.schema != schema.default_schema:
        own = f"{quoted(schema.engine, str(name.schema))}.{own}"
    return f"CREATE {kind} {own} AS {text.strip().rstrip(';')}"


def _in_order(found: Mapping[TableName, str]) -> Iterator[tuple[TableName, str]]:
    """Yield the views, those that others mention first; the catalogs' own order where that says nothing."""
    waiting = dict(found)
    while waiting:
        ready = next((name for name, text in waiting.items() if not _mentions(text, waiting, name)), next(iter(waiting)))
        yield ready, waiting.pop(ready)


def _mentions(text: str, names: Mapping[TableName, str], own: TableName) -> bool:
    body = text.partition(" AS ")[2].lower()
    return any(name.name.lower() in body for name in names if name != own)


def read_extensions(connection: Connection, schema: DatabaseSchema) -> tuple[NamedType, ...]:
    """Return the extensions whose types columns have, with the statement that installs each; only PostgreSQL has such."""
    if not get_engine(schema.engine).has_named_types:
        return ()
    names = [row[0] for row in connection.exec_driver_sql(EXTENSIONS, (list(schema.schemas),)).fetchall()]
    return tuple(NamedType(name, f"CREATE EXTENSION IF NOT EXISTS {quoted(schema.engine, name)}") for name in names)
