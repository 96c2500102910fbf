"""What a database looks like, as one frozen value.

Everything that reads a database's structure (REST, admin, OpenAPI, models, frames) reads this and nothing else. It holds no
SQLAlchemy object and no connection, compares by value, and has a JSON form that round-trips exactly (``to_json``, ``from_json``).
Relations are derived once: from the foreign keys by ``relations.derive``, from functions by ``computed.derive_computed``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

Kind = Literal[
    "boolean", "integer", "decimal", "float", "text", "enum", "date", "time", "timestamp", "timestamp_tz", "interval",
    "uuid", "json", "binary", "array", "range", "geometry", "network", "bits", "composite", "unknown",
]  # fmt: skip
TableKind = Literal["table", "view", "materialized_view", "foreign"]
VIEWS: frozenset[TableKind] = frozenset({"view", "materialized_view"})
Severity = Literal["skipped", "degraded", "renamed", "note"]


class TableName(NamedTuple):
    """The identity of a table everywhere: its schema and its own name, as the engine spells them.

    ``schema`` is None on SQLite; on MariaDB and MySQL it is the database, on Oracle the owner.
    """

    schema: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of a column: the ``kind`` that readers branch on, and the ``name`` as the engine prints it."""

    kind: Kind
    name: str  # "numeric(10,2)"
    length: int | None = None  # characters, bytes or bits
    precision: int | None = None
    scale: int | None = None
    values: tuple[str, ...] = ()  # of an enum, in their order
    item: ColumnType | None = None  # of an array or a range

    @property
    def is_composite(self) -> bool:
        """Tell whether values are composites of PostgreSQL, or arrays of them."""
        return self.kind == "composite" or (self.kind == "array" and self.item is not None and self.item.is_composite)


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``default`` is the engine's text; ``generated`` says when the database makes the value by itself.

    ``always`` cannot be written (computed columns, identity always); ``by_default`` may be left out (identity, serial,
    AUTO_INCREMENT, INTEGER PRIMARY KEY of SQLite).
    """

    name: str
    type: ColumnType
    nullable: bool = True
    default: str | None = None
    generated: Literal["always", "by_default"] | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A primary key or a unique set of columns, in the key's own order."""

    name: str | None
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns here that point at columns there, pair by pair."""

    name: str | None
    columns: tuple[str, ...]
    target: TableName
    target_columns: tuple[str, ...]
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"


@dataclass(frozen=True, slots=True)
class Identity:
    """How one row is addressed: by its primary key, else by a not-null unique set; ``none`` means rows are read only."""

    by: Literal["primary_key", "unique", "none"]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table or a view. ``row_estimate`` is the engine's guess, None when it has none.

    Views show keys of the tables that they are made of. ``seen_keys`` are foreign keys of which this end, or the other, is such a view;
    ``seen_unique`` are the unique sets of those tables, primary keys among them, that a view shows whole. No engine keeps either.
    """

    name: TableName
    kind: TableKind
    columns: tuple[Column, ...]
    primary_key: Key | None = None
    identity: Identity = Identity("none")
    unique: tuple[Key, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    comment: str | None = None
    row_estimate: int | None = None
    insertable: bool = True
    updatable: bool = True
    deletable: bool = True
    seen_keys: tuple[ForeignKey, ...] = ()
    seen_unique: tuple[Key, ...] = ()

    @property
    def is_view(self) -> bool:
        """Tell whether it is a view, materialized or not."""
        return self.kind in VIEWS

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Return the columns by name."""
        return {column.name: column for column in self.columns}


@dataclass(frozen=True, slots=True)
class Junction:
    """The table in the middle of a many-to-many relation.

    ``source_columns`` of the junction equal ``Relation.columns`` of the source;
    ``target_columns`` of the junction equal ``Relation.target_columns`` of the target.
    """

    table: TableName
    source_columns: tuple[str, ...]
    target_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """A way from one table to another, derived from foreign keys and functions. One list, used by every reader under the same names.

    ``name`` is what an embed is called by default: the target table's name. ``hints`` are the words that tell it from its
    sisters: the constraint's name, the column of a single-column key, the junction's name. One that is a ``function`` of the
    source's row has its name, and neither columns nor hints.
    """

    name: str
    kind: Literal["to_one", "to_many", "many_to_many"]
    source: TableName
    target: TableName
    columns: tuple[str, ...]  # of the source
    target_columns: tuple[str, ...]  # of the target
    constraint: str | None = None  # of the foreign key; of the one towards the target for many_to_many
    hints: tuple[str, ...] = ()
    via: Junction | None = None
    one_to_one: bool = False  # a to_one from the referenced side: the other side's columns are unique
    function: TableName | None = None  # schema and name of what gives the rows of the target for a row of the source


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function. ``mode`` as in the catalog of PostgreSQL.

    ``cast`` is the full name of its type as a statement writes it, where a value has to be made into that type first (composites).
    """

    name: str | None
    type: ColumnType
    mode: Literal["in", "out", "inout", "variadic", "table"] = "in"
    has_default: bool = False
    cast: str | None = None

    @property
    def goes_in(self) -> bool:
        """Tell whether a caller gives it."""
        return self.mode in ("in", "inout", "variadic")

    @property
    def comes_out(self) -> bool:
        """Tell whether it is a column of the answer."""
        return self.mode in ("out", "inout", "table")


@dataclass(frozen=True, slots=True)
class Function:
    """A stored function or procedure. ``returns_table`` names the table whose rows it gives, if it is one.

    ``columns`` are those of a composite type that it returns; ``settings`` what it sets while it runs, by name; ``returns_one`` says
    that its set is declared to have one row.
    """

    schema: str | None
    name: str
    parameters: tuple[Parameter, ...] = ()
    returns: ColumnType | None = None
    returns_set: bool = False
    returns_table: TableName | None = None
    volatility: Literal["immutable", "stable", "volatile"] = "volatile"
    kind: Literal["function", "procedure"] = "function"
    comment: str | None = None
    columns: tuple[Column, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    returns_one: bool = False

    @property
    def inputs(self) -> tuple[Parameter, ...]:
        """Return the parameters that a caller gives."""
        return tuple(parameter for parameter in self.parameters if parameter.goes_in)

    @property
    def outputs(self) -> tuple[Parameter, ...]:
        """Return the parameters that are columns of the answer."""
        return tuple(parameter for parameter in self.parameters if parameter.comes_out)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was skipped, degraded or renamed, why, and what can be done."""

    subject: str
    severity: Severity
    what: str
    why: str
    hint: str | None = None


@dataclass(frozen=True)
class DatabaseSchema:
    """A whole database. ``engine`` is a key of ``qapla.database.dialects.ENGINES``; MariaDB and MySQL are two."""

    engine: str
    version: str
    default_schema: str | None
    schemas: tuple[str, ...]  # the exposed ones, default first
    tables: tuple[Table, ...]  # sorted by name
    relations: tuple[Relation, ...] = ()
    functions: tuple[Function, ...] = ()
    capabilities: tuple[str, ...] = ()  # of this server and account: "two_phase", "postgis", …
    report: tuple[Finding, ...] = ()
    fingerprint: str = field(default="", compare=False)  # a hash of all of the above but estimates; made by the inspector

    @cached_property
    def by_name(self) -> dict[TableName, Table]:
        """Return the tables by their full name."""
        return {table.name: table for table in self.tables}

    @cached_property
    def relations_of(self) -> dict[TableName, tuple[Relation, ...]]:
        """Return the relations that start at each table; tables without any are left out."""
        found: dict[TableName, list[Relation]] = {}
        for relation in self.relations:
            found.setdefault(relation.source, []).append(relation)
        return {name: tuple(relations) for name, relations in found.items()}

    @cached_property
    def functions_by_name(self) -> dict[tuple[str | None, str], tuple[Function, ...]]:
        """Return the functions by schema and name: those of one name are told apart by their parameters."""
        found: dict[tuple[str | None, str], list[Function]] = {}
        for function in self.functions:
            found.setdefault((function.schema, function.name), []).append(function)
        return {name: tuple(functions) for name, functions in found.items()}

    def find_table(self, name: str, schema: str | None = None) -> Table | None:
        """Return the table *name* of *schema* (the default one when None), or None."""
        return self.by_name.get(TableName(schema or self.default_schema, name))
