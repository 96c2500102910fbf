"""What only the catalog of PostgreSQL says about how tables are built: domains, composite types, partitions, special constraints."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qapla.database.schema.construction import NamedType
from qapla.database.schema.description import TableName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from qapla.database.schema.construction import Built
    from qapla.database.schema.description import DatabaseSchema

# Ids grow as types are made, and a type is made after those that it stands on. Types of extensions come with those.
TYPES = """
SELECT pg_catalog.format_type(t.oid, NULL), t.typtype::text, pg_catalog.format_type(t.typbasetype, t.typtypmod), t.typnotnull, t.typdefault,
    ARRAY(
        SELECT 'CONSTRAINT ' || pg_catalog.quote_ident(k.conname) || ' ' || pg_catalog.pg_get_constraintdef(k.oid)
        FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c' ORDER BY k.conname
    ),
    ARRAY(
        SELECT pg_catalog.quote_ident(a.attname) || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    ),
    ARRAY(SELECT pg_catalog.quote_literal(e.enumlabel) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
    CASE WHEN t.typcollation <> b.typcollation THEN (
        SELECT pg_catalog.quote_ident(c.collname) FROM pg_catalog.pg_collation c WHERE c.oid = t.typcollation
    ) END
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
WHERE n.nspname = ANY(%s)
    AND (t.typtype = 'd' OR (t.typtype = 'c' AND c.relkind = 'c') OR (t.typtype = 'e' AND (
        EXISTS (SELECT FROM pg_catalog.pg_type d WHERE d.typtype = 'd' AND d.typbasetype = t.oid)
        OR EXISTS (
            SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class k ON k.oid = a.attrelid
            WHERE k.relkind = 'c' AND a.atttypid IN (t.oid, t.typarray)
        )
    )))
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
    )
ORDER BY t.oid
"""

PARTITIONED = """
SELECT n.nspname, c.relname, pg_catalog.pg_get_partkeydef(c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'p' AND NOT c.relispartition
"""

CONSTRAINTS = """
SELECT * FROM (
    SELECT n.nspname, c.relname, pg_catalog.pg_get_constraintdef(k.oid) AS sql, k.contype = 'u' AS is_unique, k.condeferrable
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype IN ('u', 'x')
) k WHERE NOT is_unique OR condeferrable OR sql ~ '^UNIQUE NULLS NOT DISTINCT'
ORDER BY is_unique DESC, sql
"""


def read_types(connection: Connection, schema: DatabaseSchema) -> tuple[NamedType, ...]:
    """Return the domains and composite types of the exposed schemas, with the enums that they are made of."""
    rows = connection.exec_driver_sql(TYPES, (list(schema.schemas),)).fetchall()
    return tuple(NamedType(row[0], f"CREATE {_statement(*row)}") for row in rows)


def _statement(
    name: str, kind: str, base: str, not_null: bool, default: str | None, checks: Any, attributes: Any, labels: Any, collation: str | None
) -> str:
    if kind == "e":
        return f"TYPE {name} AS ENUM ({', '.join(labels)})"
    if kind == "c":
        return f"TYPE {name} AS ({', '.join(attributes)})"
    parts = [f"DOMAIN {name} AS {base}"]
    parts += [f"COLLATE {collation}"] * bool(collation) + [f"DEFAULT {default}"] * (default is not None) + ["NOT NULL"] * not_null
    return " ".join((*parts, *checks))


def add_partitions(connection: Connection, built: Mapping[TableName, Built]) -> dict[TableName, Built]:
    """Return *built* with how partitioned tables are cut; the partitions themselves are no tables of their own."""
    cut = {TableName(schema, table): key for schema, table, key in connection.exec_driver_sql(PARTITIONED).fetchall()}
    return {name: replace(one, options={**one.options, "partition_by": cut[name]}) if name in cut else one for name, one in built.items()}


def add_constraints(connection: Connection, built: Mapping[TableName, Built]) -> dict[TableName, Built]:
    """Return *built* with the constraints that are more than SQLAlchemy's inspector says."""
    found: dict[TableName, list[tuple[str, bool]]] = {}
    for schema, table, sql, is_unique, _ in connection.exec_driver_sql(CONSTRAINTS).fetchall():
        found.setdefault(TableName(schema, table), []).append((sql, is_unique))
    return {name: replace(one, special=tuple(found.get(name, ()))) for name, one in built.items()}
