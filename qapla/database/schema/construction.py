"""What a database is built of beside its description: indexes, checks, computed values, sequences, types of its own.

Clients never notice these, so ``DatabaseSchema`` has none of them; who writes models or a first migration out of a database needs them.
``read_construction`` asks SQLAlchemy's inspector, and on SQLite the text of the CREATE statements, where alone these things stand.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.exc import DBAPIError, SAWarning

from qapla.database.schema.description import TableName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection, Inspector

    from qapla.database.schema.description import DatabaseSchema


@dataclass(frozen=True, slots=True)
class Part:
    """One column of an index, or an expression: ``text`` is the column's name or SQL; ``sorting`` as ``("desc", "nulls_last")``."""

    text: str
    is_column: bool = True
    sorting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Index:
    """An index that no constraint made. ``options`` by their name in SQLAlchemy, without the dialect: ``where``, ``using``, …"""

    name: str
    parts: tuple[Part, ...]
    unique: bool = False
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """A condition that every row fulfils, as SQL of the engine."""

    name: str | None
    sql: str


@dataclass(frozen=True, slots=True)
class Computed:
    """The expression of a computed column."""

    sql: str
    stored: bool


@dataclass(frozen=True)
class Built:
    """What one table is built of. ``identities`` has the options of ``GENERATED … AS IDENTITY`` by column, ``collations`` those of text."""

    primary_key_name: str | None = None
    indexes: tuple[Index, ...] = ()
    checks: tuple[Check, ...] = ()
    computed: Mapping[str, Computed] = field(default_factory=dict)
    identities: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)  # where there is more to a default than the description has: ON UPDATE
    collations: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)  # character set and collation
    deferrable: Mapping[tuple[str, ...], str | None] = field(default_factory=dict)  # foreign keys by columns: how they begin
    options: Mapping[str, Any] = field(default_factory=dict)  # of the table, by their name in SQLAlchemy without the dialect
    special: tuple[tuple[str, bool], ...] = ()  # constraints as SQL of which models say less than that, or nothing: True, False


@dataclass(frozen=True, slots=True)
class NamedType:
    """A type that somebody made, and the statement that makes it. ``name`` is how columns are declared with it."""

    name: str
    create: str


@dataclass(frozen=True)
class Construction:
    """What a whole database is built of; ``types`` in the order in which they can be made, enums left out: columns have them in full."""

    tables: Mapping[TableName, Built] = field(default_factory=dict)
    types: tuple[NamedType, ...] = ()

    def of(self, name: TableName) -> Built:
        """Return what a table is built of; nothing special where nothing is known."""
        return self.tables.get(name, _PLAIN)


_PLAIN = Built()
_ON_UPDATE = " ON UPDATE "


def read_construction(connection: Connection, schema: DatabaseSchema) -> Construction:
    """Read what the tables of *schema* are built of; what the account may not see is left out."""
    if schema.engine == "sqlite":
        from qapla.database.schema.construction_sqlite import read_built

        return Construction(read_built(connection, schema))
    wanted = {table.name for table in schema.tables if table.kind == "table"}
    built: dict[TableName, Built] = {}
    for name in sorted({str(table.schema) for table in wanted}):
        built |= _read_schema(connection, name, {table for table in wanted if table.schema == name})
    if schema.engine == "mariadb":
        from qapla.database.schema.construction_mysql import add_checks

        return Construction(add_checks(connection, built))
    if schema.engine != "postgresql":
        return Construction(built)
    from qapla.database.schema.construction_postgresql import add_constraints, add_partitions, read_types

    return Construction(add_constraints(connection, add_partitions(connection, built)), read_types(connection, schema))


def _read_schema(connection: Connection, schema: str, wanted: Iterable[TableName]) -> dict[TableName, Built]:
    inspector = sa.inspect(connection)
    columns = _ask(inspector, "columns", schema)
    keys = _ask(inspector, "pk_constraint", schema)
    indexes = _ask(inspector, "indexes", schema)
    checks = _ask(inspector, "check_constraints", schema)
    foreign_keys = _ask(inspector, "foreign_keys", schema)
    options = _ask(inspector, "table_options", schema)
    return {
        name: Built(
            primary_key_name=(keys.get(name) or {}).get("name"),
            indexes=tuple(_index(found) for found in indexes.get(name) or () if not found.get("duplicates_constraint") and found["name"]),
            checks=tuple(Check(found["name"], found["sqltext"]) for found in checks.get(name) or ()),
            computed={found["name"]: _computed(found["computed"]) for found in columns.get(name) or () if found.get("computed")},
            defaults={found["name"]: found["default"] for found in columns.get(name) or () if _ON_UPDATE in (found.get("default") or "")},
            identities={found["name"]: found["identity"] for found in columns.get(name) or () if found.get("identity")},
            collations={found["name"]: _collation(found["type"]) for found in columns.get(name) or () if any(_collation(found["type"]))},
            deferrable={
                tuple(found["constrained_columns"]): found["options"].get("initially")
                for found in foreign_keys.get(name) or ()
                if (found.get("options") or {}).get("deferrable")
            },
            options={_bare(key): value for key, value in (options.get(name) or {}).items()},
        )
        for name in wanted
    }


def _ask(inspector: Inspector, what: str, schema: str) -> dict[TableName, Any]:
    """Return one kind of thing by table; a catalog that refuses is one that has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # types that SQLAlchemy does not know: we do
        try:
            found = getattr(inspector, f"get_multi_{what}")(schema=schema, kind=ObjectKind.TABLE)
        except (DBAPIError, NotImplementedError):
            inspector.bind.rollback()  # type: ignore[union-attr]
            return {}
    return {TableName(schema, name): value for (_, name), value in found.items()}


def _index(found: Mapping[str, Any]) -> Index:
    names = found["column_names"]
    expressions = found.get("expressions") or names
    sorting = found.get("column_sorting") or {}
    parts = tuple(
        Part(expression if name is None else name, name is not None, tuple(sorting.get(expression if name is None else name, ())))
        for name, expression in zip(names, expressions, strict=True)
    )
    options = {_bare(key): value for key, value in (found.get("dialect_options") or {}).items() if value not in (None, [], {}, "", False)}
    return Index(found["name"], parts, bool(found["unique"]), tuple(sorted(options.items())))


def _computed(found: Mapping[str, Any]) -> Computed:
    return Computed(found["sqltext"], bool(found.get("persisted", False)))


def _collation(found: Any) -> tuple[str | None, str | None]:
    return getattr(found, "charset", None), getattr(found, "collation", None)


def _bare(key: str) -> str:
    """Return an option's name without the dialect before it: ``postgresql_where`` is ``where``."""
    return key.partition("_")[2]
