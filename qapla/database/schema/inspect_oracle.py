"""Read Oracle's data dictionary: one SELECT per kind of thing from the ``ALL_…`` views, put together here.

Held to recorded rows by its tests, statement by statement; no test runs it against a live server. Names are kept as the dictionary
spells them, in capital letters unless they were quoted when they were made.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal

from qapla.database.schema import report
from qapla.database.schema.description import Column, ForeignKey, Function, Key, Parameter, TableKind, TableName
from qapla.database.schema.kinds import oracle_type
from qapla.database.schema.reading import Listed, Reader, Reading, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

KINDS: dict[str, TableKind] = {"TABLE": "table", "VIEW": "view", "MATERIALIZED VIEW": "materialized_view"}
MODES: dict[str, Literal["in", "out", "inout"]] = {"IN": "in", "OUT": "out", "IN/OUT": "inout"}
WRITES = {"insertable": "INSERT", "updatable": "UPDATE", "deletable": "DELETE"}

SERVER = """
SELECT (SELECT MAX(VERSION) FROM PRODUCT_COMPONENT_VERSION WHERE PRODUCT LIKE 'Oracle%'),
    SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA'), SYS_CONTEXT('USERENV', 'SESSION_USER') FROM DUAL
"""
SCHEMAS = """
SELECT DISTINCT o.OWNER FROM ALL_OBJECTS o JOIN ALL_USERS u ON u.USERNAME = o.OWNER
WHERE u.ORACLE_MAINTAINED = 'N' AND o.OBJECT_TYPE IN ('TABLE', 'VIEW') ORDER BY o.OWNER
"""
OBJECTS = """
SELECT OWNER, OBJECT_NAME, OBJECT_TYPE, STATUS FROM ALL_OBJECTS
WHERE OBJECT_TYPE IN ('TABLE', 'VIEW', 'MATERIALIZED VIEW') AND SECONDARY = 'N' AND OBJECT_NAME NOT LIKE 'BIN$%' AND OWNER IN ({owners})
"""
TABLES = "SELECT OWNER, TABLE_NAME, NUM_ROWS, NESTED FROM ALL_TABLES WHERE OWNER IN ({owners})"
TABLE_COMMENTS = "SELECT OWNER, TABLE_NAME, COMMENTS FROM ALL_TAB_COMMENTS WHERE COMMENTS IS NOT NULL AND OWNER IN ({owners})"
COLUMN_COMMENTS = (
    "SELECT OWNER, TABLE_NAME, COLUMN_NAME, COMMENTS FROM ALL_COL_COMMENTS WHERE COMMENTS IS NOT NULL AND OWNER IN ({owners})"
)
COLUMNS = """
SELECT OWNER, TABLE_NAME, COLUMN_NAME, DATA_TYPE, CASE WHEN CHAR_LENGTH > 0 THEN CHAR_LENGTH ELSE DATA_LENGTH END, DATA_PRECISION,
    DATA_SCALE, NULLABLE, DATA_DEFAULT, VIRTUAL_COLUMN
FROM ALL_TAB_COLS WHERE HIDDEN_COLUMN = 'NO' AND OWNER IN ({owners}) ORDER BY OWNER, TABLE_NAME, COLUMN_ID
"""
IDENTITIES = "SELECT OWNER, TABLE_NAME, COLUMN_NAME, GENERATION_TYPE FROM ALL_TAB_IDENTITY_COLS WHERE OWNER IN ({owners})"
CONSTRAINTS = """
SELECT OWNER, TABLE_NAME, CONSTRAINT_NAME, CONSTRAINT_TYPE, R_OWNER, R_CONSTRAINT_NAME, DELETE_RULE
FROM ALL_CONSTRAINTS WHERE CONSTRAINT_TYPE IN ('P', 'U', 'R') AND STATUS = 'ENABLED' AND OWNER IN ({owners})
"""
CONSTRAINT_COLUMNS = """
SELECT OWNER, CONSTRAINT_NAME, TABLE_NAME, COLUMN_NAME FROM ALL_CONS_COLUMNS
WHERE POSITION IS NOT NULL AND OWNER IN ({owners}) ORDER BY OWNER, CONSTRAINT_NAME, POSITION
"""
UPDATABLE = """
SELECT OWNER, TABLE_NAME, MAX(INSERTABLE), MAX(UPDATABLE), MAX(DELETABLE)
FROM ALL_UPDATABLE_COLUMNS WHERE OWNER IN ({owners}) GROUP BY OWNER, TABLE_NAME
"""
PRIVILEGES = """
SELECT TABLE_SCHEMA, TABLE_NAME, PRIVILEGE FROM ALL_TAB_PRIVS WHERE TABLE_SCHEMA IN ({owners})
UNION ALL SELECT NULL, NULL, REPLACE(PRIVILEGE, ' ANY TABLE') FROM SESSION_PRIVS WHERE PRIVILEGE LIKE '% ANY TABLE'
"""
ARGUMENTS = """
SELECT o.OWNER, o.OBJECT_NAME, o.OBJECT_TYPE, a.POSITION, a.ARGUMENT_NAME, a.DATA_TYPE, a.IN_OUT, a.DEFAULTED, a.CHAR_LENGTH,
    a.DATA_PRECISION, a.DATA_SCALE
FROM ALL_OBJECTS o
LEFT JOIN ALL_ARGUMENTS a ON a.OBJECT_ID = o.OBJECT_ID AND a.PACKAGE_NAME IS NULL AND a.DATA_LEVEL = 0 AND a.DATA_TYPE IS NOT NULL
WHERE o.OBJECT_TYPE IN ('FUNCTION', 'PROCEDURE') AND o.STATUS = 'VALID' AND o.OWNER IN ({owners})
ORDER BY o.OWNER, o.OBJECT_NAME, a.POSITION
"""


class OracleReader(Reader):
    """Reads the ``ALL_…`` views: they show what the account may see."""

    engine = "oracle"

    def read(self) -> Reading:
        """Return all that the dictionary says."""
        self.user = ""
        self.comments: dict[tuple[str, str, str], str] = {}
        self.identities: dict[tuple[str, str, str], str] = {}

        self.need("the server's version", self.read_server)
        self.need("the list of tables", self.read_objects)
        self.attempt("row estimates", self.read_tables)
        self.attempt("comments", self.read_comments)
        self.attempt("identity columns", self.read_identities)
        self.attempt("columns", self.read_columns)
        self.attempt("keys", self.read_constraints)
        self.attempt("what views can be written", self.read_updatable)
        self.attempt("privileges", self.read_privileges)
        self.attempt("functions", self.read_functions)
        return self.reading

    def part(self, sql: str) -> Sequence[Sequence[Any]]:
        """Return the rows of the chosen schemas."""
        owners = self.reading.schemas
        if not owners:
            return []
        return self.rows(sql.format(owners=", ".join(f":{place}" for place in range(1, len(owners) + 1))), owners)

    def read_server(self) -> None:
        """Read version and schemas; a schema is a user who owns something, Oracle's own ones are left out."""
        version, current, self.user = self.rows(SERVER)[0]
        readable = [row[0] for row in self.rows(SCHEMAS)]
        reading = self.reading
        reading.version = version
        reading.capabilities.append("two_phase")
        wanted = self.wanted_schemas or tuple(sorted({*readable, current}, key=lambda name: (name != current, name)))
        reading.schemas = tuple(name for name in wanted if name in readable or name == current)
        reading.findings += [report.unread_schema(name) for name in wanted if name not in reading.schemas]

    def read_objects(self) -> None:
        """List tables and views. A materialized view is a table, too; a view that does not compile stays listed."""
        for owner, table, kind, status in self.part(OBJECTS):
            name = TableName(owner, table)
            known = self.reading.tables.get(name)
            if (known and known.kind == "materialized_view") or not self.patterns.take(name):
                continue
            writable = kind != "MATERIALIZED VIEW"
            self.reading.tables[name] = Listed(name, KINDS[kind], insertable=writable, updatable=writable, deletable=writable)
            if kind == "VIEW" and status != "VALID":
                self.reading.findings.append(report.unread_view(name, "it does not compile"))
        self.reading.findings += [report.unused_pattern(pattern) for pattern in self.patterns.unused]

    def read_tables(self) -> None:
        """Take the numbers of rows from the statistics; the storage of nested tables is no table."""
        for owner, table, count, nested in self.part(TABLES):
            name = TableName(owner, table)
            if nested == "YES":
                self.reading.tables.pop(name, None)
            else:
                self.reading.change_table(name, row_estimate=count)

    def read_comments(self) -> None:
        """Read the comments on tables and columns."""
        for owner, table, comment in self.part(TABLE_COMMENTS):
            self.reading.change_table(TableName(owner, table), comment=shortened(comment))
        self.comments = {(row[0], row[1], row[2]): row[3] for row in self.part(COLUMN_COMMENTS)}

    def read_identities(self) -> None:
        """See which columns are identities."""
        self.identities = {(row[0], row[1], row[2]): row[3] for row in self.part(IDENTITIES)}

    def read_columns(self) -> None:
        """Read the columns."""
        for owner, table, name, data_type, length, precision, scale, nullable, default, is_virtual in self.part(COLUMNS):
            if (owner, table) not in self.reading.tables:
                continue
            identity = self.identities.get((owner, table, name))
            by_default = identity is not None or (default or "").upper().replace('"', "").endswith(".NEXTVAL")
            is_always = is_virtual == "YES" or identity == "ALWAYS"
            text = None if identity or default is None or default.strip().upper() == "NULL" else default.strip()
            column = Column(
                name=name,
                type=oracle_type(data_type, length, precision, scale),
                nullable=nullable == "Y",
                default=text,
                generated="always" if is_always else "by_default" if by_default else None,
                comment=shortened(self.comments.get((owner, table, name))),
            )
            self.reading.columns[TableName(owner, table)].append(column)

    def read_constraints(self) -> None:
        """Read primary keys, unique sets and foreign keys; a foreign key names the constraint it points at, not columns."""
        columns: dict[tuple[str, str], list[str]] = defaultdict(list)
        tables: dict[tuple[str, str], TableName] = {}
        for owner, constraint, table, column in self.part(CONSTRAINT_COLUMNS):
            columns[owner, constraint].append(column)
            tables[owner, constraint] = TableName(owner, table)
        for owner, table, constraint, kind, target_owner, target_constraint, rule in self.part(CONSTRAINTS):
            name = TableName(owner, table)
            if name not in self.reading.tables:
                continue
            own = tuple(columns[owner, constraint])
            target = tables.get((target_owner, target_constraint))
            if kind == "P":
                self.reading.primary_keys[name] = Key(constraint, own)
            elif kind == "U":
                self.reading.unique[name].append(Key(constraint, own))
            elif target is None:
                self.reading.findings.append(report.lost_target(name, own, TableName(target_owner, target_constraint)))
            else:
                there = tuple(columns[target_owner, target_constraint])
                self.reading.foreign_keys[name].append(ForeignKey(constraint, own, target, there, on_delete=rule or "NO ACTION"))

    def read_updatable(self) -> None:
        """See which views take writes."""
        for owner, table, *flags in self.part(UPDATABLE):
            listed = self.reading.tables.get(TableName(owner, table))
            if listed and listed.kind == "view":
                changes = {way: flag == "YES" for way, flag in zip(WRITES, flags, strict=True)}
                self.reading.change_table(listed.name, **changes)

    def read_privileges(self) -> None:
        """See what the account may do with the tables of others; with its own it may do everything."""
        granted: dict[tuple[str | None, str | None], set[str]] = defaultdict(set)
        for owner, table, privilege in self.part(PRIVILEGES):
            granted[owner, table].add(privilege)
        everywhere = granted[None, None]
        for name, listed in list(self.reading.tables.items()):
            if name.schema == self.user:
                continue
            own = granted.get((name.schema, name.name), set()) | everywhere
            if own.isdisjoint({"SELECT", "READ"}):
                del self.reading.tables[name]
                self.reading.findings.append(report.unread_table(name))
            else:
                self.reading.change_table(name, **{way: getattr(listed, way) and privilege in own for way, privilege in WRITES.items()})

    def read_functions(self) -> None:
        """Read functions and procedures that stand alone; what is in packages is left out."""
        found: dict[tuple[str, str, str], list[Sequence[Any]]] = defaultdict(list)
        for row in self.part(ARGUMENTS):
            found[row[0], row[1], row[2]].append(row)
        for (owner, name, kind), rows in found.items():
            returns = next((row for row in rows if row[3] == 0), None)
            function = Function(
                schema=owner,
                name=name,
                parameters=tuple(
                    Parameter(row[4], oracle_type(row[5], row[8], row[9], row[10]), MODES[row[6]], has_default=row[7] == "Y")
                    for row in rows
                    if row[3]
                ),
                returns=oracle_type(returns[5], returns[8], returns[9], returns[10]) if returns else None,
                kind="procedure" if kind == "PROCEDURE" else "function",
            )
            self.reading.functions.append(function)
