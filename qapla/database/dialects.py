"""What each engine is and what it can: one entry per engine, and the only place besides readers and renderers that tells them apart.

A new engine is a new entry here, a catalog reader (``schema/inspect_*.py``), a renderer, and a green contract suite
(``qapla.testing.EngineContract``). Code that wants to know whether an engine has something asks a flag of its entry, never its name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from qapla.errors import InputError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qapla.database.schema.description import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One engine. ``key`` is its name in URLs, forms, the registry and ``DatabaseSchema.engine``."""

    key: str
    label: str  # for people
    drivername: str  # SQLAlchemy's: dialect+driver
    module: str  # the Python driver to import
    extra: str | None  # the extra of qapla that installs it; None: comes with Python
    port: int | None  # None: there is no server
    schemes: tuple[str, ...]  # of URLs that mean this engine, without a driver's suffix
    placeholder: Literal["%s", "?", ":1"]  # of the driver's own parameter style; with "%s" a literal % is written %%
    quote: str  # around identifiers, doubled inside
    hex_text: str  # a constant text from its UTF-8 bytes in hex, whatever the session's settings
    code_points: str  # a value as a text that is compared by its code points, whatever its collation
    async_drivername: str  # the driver for asyncio
    async_extra: str  # the extra of qapla that installs it
    read_only: str | None  # lets a connection read only from now on; None: replicas are not offered

    # what its statements can have
    returns: frozenset[Literal["insert", "update", "delete"]] = frozenset()  # which writes give back rows by RETURNING
    has_transactional_ddl: bool = False  # CREATE and DROP can be rolled back; else they commit what is under way
    nulls_are_small: bool = True  # NULL sorts before everything else, where nothing is said
    errors_spoil: bool = False  # after a statement that failed a transaction takes no other, but back to a savepoint
    has_nulls_last: bool = True  # ORDER BY … NULLS LAST, and FIRST
    reads_beside: bool = True  # a connection can run other statements while one is being read
    has_rename_table: bool = False  # RENAME TABLE a TO b, c TO d: all at once
    locks_rows: bool = True  # SELECT … FOR UPDATE; SQLite's write transactions have the whole file to themselves
    has_default_keyword: bool = True  # UPDATE … SET column = DEFAULT
    has_on_conflict: bool = False  # INSERT … ON CONFLICT (columns) DO …
    has_merge: bool = False  # MERGE INTO … USING … WHEN MATCHED …; asked where there is no ON CONFLICT
    has_many_values: bool = True  # INSERT … VALUES (…), (…)
    calls: frozenset[Literal["function", "procedure"]] = frozenset()  # what of its routines can be called
    named_arguments: bool = False  # fn("a" => 1)
    from_nothing: str = ""  # what must stand behind SELECT where there is no table
    has_strict_types: bool = True  # a column holds values of its own type only
    odd_cells: tuple[tuple[Kind, tuple[str, ...]], ...] = ()  # which other types of JSON a cell of a kind may be; "" an enum of no value
    has_public: bool = False  # new databases have a schema of this name
    has_named_types: bool = False  # enums, domains and composite types are objects by themselves
    has_index_kinds: bool = True  # a unique index is another thing than a unique constraint, and a foreign key makes no index
    default_rule: str = "NO ACTION"  # what the catalog says of a foreign key without ON DELETE
    explain: Mapping[Literal["text", "json"], str] = field(default_factory=dict)  # what before a statement asks for its plan; {}: options
    zone_names: str | None = None  # lists the time zones that a transaction may be set to; None: there is no such setting
    has_roles: bool = False  # SET LOCAL ROLE, and settings of one transaction by any name
    has_copy: bool = False  # COPY … FROM STDIN
    has_intervals: bool = False  # a type for durations
    has_sequences: bool = False  # numbers of rows are counted beside the table, and do not see those that are written
    has_infinity: bool = True  # among its floats
    keys_need_length: bool = False  # a text in a key or an index has a limit
    has_cased_columns: bool = True  # columns "a" and "A" are two
    longest_name: int | None = None  # of a table or a column; None: no limit
    name_unit: Literal["bytes", "characters"] = "characters"  # what is counted of a name
    frame_readers: tuple[str, ...] = ()  # modules of qapla.database.frames that read faster than the driver's rows, the fastest first
    two_phase: Literal["prepare", "xa"] | None = None  # "xa" has to be said, and named, when a transaction begins; "prepare" at its end

    @property
    def is_file(self) -> bool:
        """Tell whether a database of this engine is a file, not a server."""
        return self.port is None


_TEXTS: tuple[Kind, ...] = ("text", "date", "time", "timestamp", "timestamp_tz", "interval", "uuid", "binary")

POSTGRESQL = Engine(
    key="postgresql",
    label="PostgreSQL",
    drivername="postgresql+psycopg",
    module="psycopg",
    extra="postgresql",
    port=5432,
    schemes=("postgresql", "postgres"),
    placeholder="%s",
    quote='"',
    hex_text="convert_from('\\x{}', 'UTF8')",
    code_points='CAST({} AS TEXT) COLLATE "C"',
    async_drivername="postgresql+psycopg",
    async_extra="postgresql,asyncio",
    errors_spoil=True,
    nulls_are_small=False,
    read_only="SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    returns=frozenset({"insert", "update", "delete"}),
    has_transactional_ddl=True,
    has_on_conflict=True,
    calls=frozenset({"function"}),
    named_arguments=True,
    odd_cells=(("decimal", ("string",)), ("float", ("string",)), ("geometry", ("object",))),  # NaN, Infinity; PostGIS prints GeoJSON
    has_public=True,
    has_named_types=True,
    explain={"text": "EXPLAIN (FORMAT TEXT{}) ", "json": "EXPLAIN (FORMAT JSON{}) "},
    zone_names="SELECT name FROM pg_catalog.pg_timezone_names",
    has_roles=True,
    frame_readers=("connectorx", "adbc", "copy"),
    two_phase="prepare",
    has_copy=True,
    has_sequences=True,
    has_intervals=True,
    longest_name=63,
    name_unit="bytes",
)

MARIADB = Engine(
    key="mariadb",
    label="MariaDB",
    has_index_kinds=False,
    default_rule="RESTRICT",
    drivername="mariadb+pymysql",
    module="pymysql",
    extra="mysql",
    port=3306,
    schemes=("mariadb",),
    placeholder="%s",
    quote="`",
    hex_text="CONVERT(X'{}' USING utf8mb4)",
    code_points="CONVERT({} USING utf8mb4) COLLATE utf8mb4_nopad_bin",
    async_drivername="mariadb+aiomysql",
    async_extra="asyncio",
    has_nulls_last=False,
    reads_beside=False,  # PyMySQL would throw the rest of the rows away
    read_only="SET SESSION TRANSACTION READ ONLY",
    returns=frozenset({"insert", "delete"}),
    explain={"text": "EXPLAIN ", "json": "EXPLAIN FORMAT=JSON "},
    calls=frozenset({"function", "procedure"}),
    odd_cells=(("boolean", ("integer",)), ("enum", ("",))),  # TINYINT(1) may hold 7
    two_phase="xa",
    has_infinity=False,
    keys_need_length=True,
    longest_name=64,
    has_rename_table=True,
    has_cased_columns=False,
)

MYSQL = Engine(
    key="mysql",
    label="MySQL",
    has_index_kinds=False,
    drivername="mysql+pymysql",
    module="pymysql",
    extra="mysql",
    port=3306,
    schemes=("mysql",),
    placeholder="%s",
    quote="`",
    hex_text="CONVERT(X'{}' USING utf8mb4)",
    code_points="CONVERT({} USING utf8mb4) COLLATE utf8mb4_0900_bin",
    async_drivername="mysql+aiomysql",
    async_extra="asyncio",
    has_nulls_last=False,
    reads_beside=False,  # PyMySQL would throw the rest of the rows away
    read_only="SET SESSION TRANSACTION READ ONLY",
    calls=frozenset({"function", "procedure"}),
    odd_cells=(("boolean", ("integer",)), ("enum", ("",))),  # TINYINT(1) may hold 7
    explain={"text": "EXPLAIN FORMAT=TREE ", "json": "EXPLAIN FORMAT=JSON "},
    two_phase="xa",
    has_infinity=False,
    keys_need_length=True,
    longest_name=64,
    has_rename_table=True,
    has_cased_columns=False,
)

SQLITE = Engine(
    key="sqlite",
    label="SQLite",
    drivername="sqlite+pysqlite",
    module="sqlite3",
    extra=None,
    port=None,
    schemes=("sqlite",),
    placeholder="?",
    quote='"',
    hex_text="CAST(X'{}' AS TEXT)",
    code_points="CAST({} AS TEXT) COLLATE BINARY",
    async_drivername="sqlite+aiosqlite",
    async_extra="asyncio",
    read_only="PRAGMA query_only=ON",
    returns=frozenset({"insert", "update", "delete"}),
    has_transactional_ddl=True,
    locks_rows=False,
    has_default_keyword=False,
    has_strict_types=False,
    explain={"text": "EXPLAIN QUERY PLAN "},
    odd_cells=(
        ("boolean", ("number", "string")),
        ("integer", ("number", "string")),
        ("decimal", ("string",)),
        ("float", ("string",)),
        *((kind, ("number",)) for kind in _TEXTS),
    ),
    has_on_conflict=True,
    has_cased_columns=False,
)

ORACLE = Engine(
    key="oracle",
    label="Oracle",
    drivername="oracle+oracledb",
    module="oracledb",
    extra="oracle",
    port=1521,
    schemes=("oracle",),
    placeholder=":1",
    quote='"',
    hex_text="UTL_RAW.CAST_TO_VARCHAR2('{}')",
    code_points="TO_CHAR({}) COLLATE BINARY",
    async_drivername="oracle+oracledb_async",
    async_extra="oracle,asyncio",
    nulls_are_small=False,
    read_only=None,
    has_merge=True,
    has_many_values=False,
    calls=frozenset({"function"}),
    named_arguments=True,
    from_nothing=" FROM DUAL",
    has_intervals=True,
    keys_need_length=True,
    longest_name=128,
    name_unit="bytes",
)

ENGINES: Mapping[str, Engine] = {engine.key: engine for engine in (POSTGRESQL, MARIADB, MYSQL, SQLITE, ORACLE)}


def get_engine(key: str) -> Engine:
    """Return the engine called *key*.

    Raises:
        InputError: there is none.
    """
    try:
        return ENGINES[key]
    except KeyError:
        raise InputError(f"engine {key[:100]!r} is not known", hint=nearest(key, ENGINES) or f"one of {', '.join(ENGINES)}") from None
