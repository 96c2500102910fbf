"""Read the catalog of PostgreSQL: nine statements, however many tables there are."""

from __future__ import annotations

import re
from itertools import repeat
from typing import TYPE_CHECKING, Any, Literal

from qapla.database.schema import lineage_postgresql as lineage
from qapla.database.schema import report
from qapla.database.schema.description import VIEWS, Column, ForeignKey, Function, Key, Parameter, TableKind, TableName
from qapla.database.schema.reading import Listed, Reader, Reading, shortened
from qapla.database.schema.types_postgresql import TYPES, CatalogTypes
from qapla.errors import NotOffered

if TYPE_CHECKING:
    from collections.abc import Sequence

OLDEST = 120000
KINDS: dict[str, TableKind] = {"r": "table", "p": "table", "v": "view", "m": "materialized_view", "f": "foreign"}
ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
MODES: dict[str, Literal["in", "out", "inout", "variadic", "table"]] = {
    "i": "in", "o": "out", "b": "inout", "v": "variadic", "t": "table",
}  # fmt: skip
VOLATILITIES: dict[str, Literal["immutable", "stable", "volatile"]] = {"i": "immutable", "s": "stable", "v": "volatile"}
Generated = Literal["always", "by_default"]
UPDATE, INSERT, DELETE = 4, 8, 16  # bits of pg_relation_is_updatable

SERVER = """
SELECT pg_catalog.current_setting('server_version_num')::int, pg_catalog.current_setting('server_version'), pg_catalog.current_schema(),
    pg_catalog.current_setting('max_prepared_transactions')::int, pg_catalog.pg_is_in_recovery(),
    EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'postgis'),
    ARRAY(
        SELECT n.nspname::text FROM pg_catalog.pg_namespace n
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        ORDER BY n.nspname
    )
"""

TABLES = """
SELECT c.oid::bigint, n.nspname, c.relname, c.relkind::text, c.relispopulated, pg_catalog.left(d.description, 4001),
    CASE c.relkind WHEN 'p' THEN (
        SELECT sum(k.reltuples) FILTER (WHERE k.reltuples >= 0)
        FROM pg_catalog.pg_partition_tree(c.oid) p JOIN pg_catalog.pg_class k ON k.oid = p.relid WHERE p.isleaf
    ) ELSE c.reltuples END,
    coalesce(pg_catalog.has_table_privilege(c.oid, 'SELECT'), false),
    coalesce(pg_catalog.has_any_column_privilege(c.oid, 'SELECT'), false),
    coalesce(pg_catalog.has_any_column_privilege(c.oid, 'INSERT'), false),
    coalesce(pg_catalog.has_any_column_privilege(c.oid, 'UPDATE'), false),
    coalesce(pg_catalog.has_table_privilege(c.oid, 'DELETE'), false)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
"""

# of a wrapper without handler nothing may be asked, and nothing can be read
UPDATABLE = """
SELECT c.oid::bigint, w.fdwhandler IS DISTINCT FROM 0,
    CASE WHEN w.fdwhandler = 0 THEN 0 ELSE pg_catalog.pg_relation_is_updatable(c.oid, true) END,
    c.relkind = 'v' AND pg_catalog.pg_relation_is_updatable(c.oid, false) <> 0
FROM pg_catalog.pg_class c
LEFT JOIN pg_catalog.pg_foreign_table f ON f.ftrelid = c.oid
LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver
LEFT JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
WHERE c.oid = ANY(%s::oid[])
"""

CLOSED_COLUMNS = """
SELECT a.attrelid::bigint, a.attnum
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = ANY(%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
    AND NOT pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
"""

COLUMNS = """
SELECT a.attrelid::bigint, a.attnum, a.attname, a.atttypid::bigint, a.atttypmod, pg_catalog.format_type(a.atttypid, a.atttypmod),
    a.attnotnull, a.attidentity::text, a.attgenerated::text, pg_catalog.pg_get_expr(e.adbin, e.adrelid),
    pg_catalog.left(d.description, 4001)
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum AND a.atthasdef
LEFT JOIN pg_catalog.pg_description d ON d.objoid = a.attrelid AND d.classoid = 'pg_catalog.pg_class'::regclass AND d.objsubid = a.attnum
WHERE a.attrelid = ANY(%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

KEYS = """
SELECT i.indrelid::bigint, c.relname, i.indisprimary, i.indkey::int2[], i.indnkeyatts
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY(%s::oid[]) AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indisvalid
"""

FOREIGN_KEYS = """
SELECT k.conrelid::bigint, k.conname, k.conkey, n.nspname, c.relname, k.confupdtype::text, k.confdeltype::text, ARRAY(
    SELECT a.attname::text
    FROM unnest(k.confkey) WITH ORDINALITY AS part(number, position)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = part.number
    ORDER BY part.position
)
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.confrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE k.conrelid = ANY(%s::oid[]) AND k.contype = 'f' AND k.conparentid = 0
"""

# tables that nobody listed, but views are made of
BEHIND = """
SELECT c.oid::bigint, n.nspname, c.relname, a.attnum, a.attname
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.oid = ANY(%s::oid[])
"""

FUNCTIONS = """
SELECT n.nspname, p.proname, p.prokind::text, p.proretset, p.prorettype::bigint, p.provolatile::text, p.pronargdefaults, p.proargnames,
    p.proargmodes::text[], coalesce(p.proallargtypes, p.proargtypes::oid[])::bigint[], pg_catalog.left(d.description, 4001), p.proconfig,
    p.prorows = 1
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
LEFT JOIN pg_catalog.pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_catalog.pg_proc'::regclass AND d.objsubid = 0
WHERE n.nspname = ANY(%s) AND p.prokind IN ('f', 'p') AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
    AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype)
    AND NOT 'internal'::regtype = ANY(p.proargtypes::oid[])
"""


# of the composite types that functions return, also through a domain; those of tables that are listed are known already
ROW_TYPES = """
SELECT t.oid::bigint, a.attname, a.atttypid::bigint, a.atttypmod, pg_catalog.format_type(a.atttypid, a.atttypmod),
    pg_catalog.left(d.description, 4001)
FROM pg_catalog.pg_type t
LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
JOIN pg_catalog.pg_attribute a ON a.attrelid = CASE WHEN t.typtype = 'd' THEN b.typrelid ELSE t.typrelid END
LEFT JOIN pg_catalog.pg_description d ON d.objoid = a.attrelid AND d.classoid = 'pg_catalog.pg_class'::regclass AND d.objsubid = a.attnum
WHERE t.oid = ANY(%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped AND a.attrelid <> ALL(%s::oid[])
ORDER BY t.oid, a.attnum
"""

_PRIVILEGE = re.compile(r"pg_catalog\.(has_\w+_privilege)\(([^()]*)\)")
_OR_OF_A_ROLE = (
    r"(pg_catalog.\1(\2) OR EXISTS (SELECT FROM pg_catalog.pg_roles role"
    r" WHERE pg_catalog.pg_has_role(role.oid, 'MEMBER') AND pg_catalog.\1(role.oid, \2)))"
)


class PostgresqlReader(Reader):
    """Reads ``pg_catalog``, which everybody may read and which is many times faster than ``information_schema``."""

    engine = "postgresql"

    def read(self) -> Reading:
        """Return all that the catalog says."""
        self.names: dict[int, TableName] = {}
        self.half_open: list[int] = []
        self.numbers: dict[int, dict[int, str]] = {}
        self.column_rows: Sequence[Sequence[Any]] = ()
        self.function_rows: Sequence[Sequence[Any]] = ()
        self.row_type_rows: Sequence[Sequence[Any]] = ()
        self.types = CatalogTypes()

        self.need("the server's version", self.read_server)
        self.need("the list of tables", self.read_tables)
        ids = list(self.names)
        views = [oid for oid in ids if self.reading.tables[self.names[oid]].kind in ("view", "foreign")]
        if views and not self.attempt("what views can be written", lambda: self.read_updatable(views)):
            self.close(views)
        self.attempt("columns", lambda: self.fetch_columns(ids))
        self.attempt("functions", self.fetch_functions)
        self.attempt("columns of what functions return", lambda: self.fetch_row_types(ids))
        self.attempt("types", self.read_types)
        self.file_columns()
        self.file_functions()
        if self.half_open:
            self.attempt("privileges on columns", self.read_closed_columns)
        if any(listed.kind in VIEWS for listed in self.reading.tables.values()):
            self.attempt("what views are made of", self.read_origins)
            ids = list(self.names)
        self.attempt("keys", lambda: self.read_keys(ids))
        self.attempt("foreign keys", lambda: self.read_foreign_keys(ids))
        return self.reading

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> Sequence[Sequence[Any]]:
        """Return the rows of one statement; where callers are roles, what can be done is what one of them, or the account, may do."""
        return super().rows(_PRIVILEGE.sub(_OR_OF_A_ROLE, sql) if self.as_roles else sql, values)

    def read_server(self) -> None:
        """Read version, schemas and capabilities."""
        number, version, current, prepared, standby, postgis, readable = self.rows(SERVER)[0]
        if number < OLDEST:
            raise NotOffered(f"PostgreSQL {version} is too old", hint="version 12 or newer is needed")
        reading = self.reading
        reading.version = version.split(" ")[0]
        if self.wanted_schemas:
            reading.schemas = tuple(name for name in self.wanted_schemas if name in readable)
            reading.findings += [report.unread_schema(name) for name in self.wanted_schemas if name not in readable]
        else:
            reading.schemas = tuple(sorted(readable, key=lambda name: (name != current, name)))
        reading.capabilities += [
            name for name, has in (("two_phase", prepared > 0), ("standby", standby), ("postgis", postgis)) if has
        ]  # fmt: skip

    def read_tables(self) -> None:
        """List tables and views; those that patterns leave out or the account may not read end here."""
        for oid, schema, table, kind, populated, comment, estimate, full, some, insert, update, delete in self.rows(
            TABLES, (list(self.reading.schemas),)
        ):
            name = TableName(schema, table)
            if not self.patterns.take(name):
                continue
            if not some:
                self.reading.findings.append(report.unread_table(name))
                continue
            if not full:
                self.half_open.append(oid)
            if not populated:
                self.reading.findings.append(report.not_populated(name))
            self.names[oid] = name
            writable = kind != "m"
            self.reading.tables[name] = Listed(
                name=name,
                kind=KINDS[kind],
                comment=shortened(comment),
                row_estimate=int(estimate) if kind != "v" and estimate is not None and estimate >= 0 else None,
                insertable=insert and writable,
                updatable=update and writable,
                deletable=delete and writable,
            )
        self.reading.findings += [report.unused_pattern(pattern) for pattern in self.patterns.unused]

    def read_updatable(self, ids: list[int]) -> None:
        """Read which views and foreign tables take writes, by themselves or by triggers."""
        for oid, readable, bits, by_itself in self.rows(UPDATABLE, (ids,)):
            listed = self.reading.tables[self.names[oid]]
            if by_itself:  # which only views of one table are
                self.reading.single.add(listed.name)
            if not readable:
                self.reading.findings.append(report.without_handler(listed.name))
            self.reading.change_table(
                listed.name,
                insertable=listed.insertable and bool(bits & INSERT),
                updatable=listed.updatable and bool(bits & UPDATE),
                deletable=listed.deletable and bool(bits & DELETE),
            )

    def close(self, ids: list[int]) -> None:
        """Let no writes through where nobody could say whether they are possible."""
        for oid in ids:
            self.reading.change_table(self.names[oid], insertable=False, updatable=False, deletable=False)

    def fetch_columns(self, ids: list[int]) -> None:
        """Fetch the columns; they are filed when their types are known."""
        self.column_rows = self.rows(COLUMNS, (ids,))

    def fetch_functions(self) -> None:
        """Fetch the functions that the account may call."""
        self.function_rows = self.rows(FUNCTIONS, (list(self.reading.schemas),))

    def fetch_row_types(self, ids: list[int]) -> None:
        """Fetch the columns of the composite types that functions return."""
        returned = sorted({row[4] for row in self.function_rows})
        self.row_type_rows = self.rows(ROW_TYPES, (returned, ids)) if returned else ()

    def read_types(self) -> None:
        """Read the types that columns and functions use, and those that they are made of."""
        used = {row[3] for row in self.column_rows} | {row[2] for row in self.row_type_rows}
        for row in self.function_rows:
            used.update((row[4], *row[9]))
        self.types = CatalogTypes(self.rows(TYPES, (sorted(used),)))

    def file_columns(self) -> None:
        """File the fetched columns."""
        types = self.types
        for oid, number, name, type_id, modifier, printed, not_null, identity, generated, default, comment in self.column_rows:
            self.numbers.setdefault(oid, {})[number] = name
            column = Column(
                name=name,
                type=types.get_type(type_id, modifier, printed),
                nullable=not (not_null or types.is_not_null(type_id)),
                default=default if default is not None else types.find_default(type_id),
                generated=how_generated(identity, generated, default),
                comment=shortened(comment),
            )
            self.reading.columns[self.names[oid]].append(column)

    def read_closed_columns(self) -> None:
        """Take away the columns that the account may not read."""
        closed: dict[TableName, list[str]] = {}
        for oid, number in self.rows(CLOSED_COLUMNS, (self.half_open,)):
            closed.setdefault(self.names[oid], []).append(self.numbers[oid][number])
        for name, columns in closed.items():
            self.reading.columns[name] = [column for column in self.reading.columns[name] if column.name not in columns]
            self.reading.findings.append(report.unread_columns(name, columns))

    def read_origins(self) -> None:
        """See which columns of views are columns of tables, also of tables that are not listed: then their names are read, too."""
        sources: dict[int, dict[int, tuple[int, int]]] = {}
        waiting = [oid for oid, name in self.names.items() if self.reading.tables[name].kind in VIEWS]
        known = set(self.names) - set(waiting)
        while waiting:
            for start in range(0, len(waiting), lineage.RULES_AT_ONCE):
                for oid, tree in self.rows(lineage.RULES, (waiting[start : start + lineage.RULES_AT_ONCE],)):
                    sources[oid] = lineage.find_sources(tree)
            known.update(waiting)  # tables and views: none is asked for again
            waiting = sorted({oid for found in sources.values() for oid, _ in found.values()} - known)
        behind = known - set(self.names)
        for oid, schema, table, number, column in self.rows(BEHIND, (sorted(behind),)) if behind else ():
            self.names[oid] = TableName(schema, table)
            self.numbers.setdefault(oid, {})[number] = column
        for view in sources.keys() & self.names.keys():
            self.reading.origins[self.names[view]] = {
                self.numbers[view][place]: (self.names[oid], self.numbers[oid][number])
                for place, (oid, number) in sources[view].items()
                if place in self.numbers.get(view, ()) and number in self.numbers.get(oid, ())
            }

    def read_keys(self, ids: list[int]) -> None:
        """Read primary keys and unique sets; an index on part of the rows or on expressions is neither."""
        for oid, index, primary, numbers, count in self.rows(KEYS, (ids,)):
            key = Key(index, self.columns_of(oid, numbers[:count]))
            if primary:
                self.reading.primary_keys[self.names[oid]] = key
            else:
                self.reading.unique[self.names[oid]].append(key)

    def read_foreign_keys(self, ids: list[int]) -> None:
        """Read the foreign keys; the copies that partitions have are left out."""
        for oid, constraint, numbers, schema, table, on_update, on_delete, columns in self.rows(FOREIGN_KEYS, (ids,)):
            key = ForeignKey(
                name=constraint,
                columns=self.columns_of(oid, numbers),
                target=TableName(schema, table),
                target_columns=tuple(columns),
                on_delete=ACTIONS.get(on_delete, on_delete),
                on_update=ACTIONS.get(on_update, on_update),
            )
            self.reading.foreign_keys[self.names[oid]].append(key)

    def columns_of(self, oid: int, numbers: Sequence[int]) -> tuple[str, ...]:
        """Return the names of a table's columns by their numbers."""
        names = self.numbers.get(oid, {})
        return tuple(names.get(number, "") for number in numbers)

    def file_functions(self) -> None:
        """File the fetched functions."""
        columns: dict[int, list[Column]] = {}
        for oid, name, type_id, modifier, printed, comment in self.row_type_rows:
            column = Column(name, self.types.get_type(type_id, modifier, printed), comment=shortened(comment))
            columns.setdefault(oid, []).append(column)
        for row in self.function_rows:
            schema, name, kind, returns_set, returns, volatility, defaults, names, modes, type_ids, comment, settings, returns_one = row
            found = self.types.by_id.get(returns)
            is_void = found is not None and found.name == "void"
            relation = self.types.find_relation(returns)
            function = Function(
                schema=schema,
                name=name,
                parameters=parameters(self.types, type_ids, names, modes, defaults),
                returns=None if is_void or (kind == "p" and not returns) else self.types.get_type(returns),
                returns_set=returns_set,
                returns_table=self.names.get(relation) if relation else None,
                volatility=VOLATILITIES[volatility],
                kind="procedure" if kind == "p" else "function",
                comment=shortened(comment),
                columns=tuple(columns.get(returns, ())),
                settings=tuple((key, value) for key, _, value in (each.partition("=") for each in settings or ())),
                returns_one=returns_one,
            )
            self.reading.functions.append(function)


def how_generated(identity: str, generated: str, default: str | None) -> Generated | None:
    """Say when the database makes the value by itself; a default from a sequence is what ``serial`` means."""
    if generated or identity == "a":
        return "always"
    if identity == "d" or (default or "").startswith("nextval("):
        return "by_default"
    return None


def parameters(
    types: CatalogTypes, type_ids: Sequence[int], names: Sequence[str] | None, modes: Sequence[str] | None, defaults: int
) -> tuple[Parameter, ...]:
    """Return the parameters of a function; the last *defaults* of those that go in have a default."""
    ways = [MODES[mode] for mode in modes] if modes else list(repeat(MODES["i"], len(type_ids)))
    going_in = [place for place, way in enumerate(ways) if way in ("in", "inout", "variadic")]
    optional = set(going_in[len(going_in) - defaults :])
    return tuple(
        Parameter(
            name=(names[place] or None) if names else None,
            type=types.get_type(type_ids[place]),
            mode=ways[place],
            has_default=place in optional,
            cast=types.find_cast(type_ids[place]) if place in going_in else None,
        )
        for place in range(len(type_ids))
    )
