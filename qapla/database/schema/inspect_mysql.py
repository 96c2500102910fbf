"""Read ``information_schema`` of MariaDB and MySQL: one plain SELECT per kind of thing, put together here.

Joins inside ``information_schema`` are slow, because each of its tables is made on the spot. What it shows depends on the account: a
column comes with the privileges on it, a table without any is not there at all.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from qapla.database.schema import report
from qapla.database.schema.description import Column, ColumnType, ForeignKey, Function, Key, Parameter, TableKind, TableName
from qapla.database.schema.kinds import mysql_type
from qapla.database.schema.reading import Listed, Reader, Reading, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KINDS: dict[str, TableKind] = {"BASE TABLE": "table", "SYSTEM VERSIONED": "table", "VIEW": "view"}
MODES: dict[str, Literal["in", "out", "inout"]] = {"IN": "in", "OUT": "out", "INOUT": "inout"}
OWN = ("information_schema", "mysql", "performance_schema", "sys")
JSON_COLLATION = "utf8mb4_bin"  # MariaDB declares a parameter that is JSON as a long text with this one, and nothing else tells
QUOTED = re.compile(r"""'(?:[^'\\]|''|\\.)*'|`(?:[^`]|``)*`|"(?:[^"\\]|""|\\.)*\"""", re.DOTALL)
PARENTHESES = re.compile(r"\(([^()]*)\)")
JSON_CHECK = re.compile(r"json_valid\(`((?:[^`]|``)+)`\)")

SERVER = "SELECT VERSION(), DATABASE(), @@lower_case_table_names"
SCHEMAS = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME"
TABLES = "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, TABLE_ROWS, TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA IN %s"
COLUMNS = """
SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE,
    DATETIME_PRECISION, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, GENERATION_EXPRESSION, PRIVILEGES, COLUMN_COMMENT, ORDINAL_POSITION
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA IN %s
"""
JSON_CHECKS = "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA IN %s"
INDEXES = """
SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, SUB_PART
FROM information_schema.STATISTICS WHERE NON_UNIQUE = 0 AND TABLE_SCHEMA IN %s
"""
FOREIGN_KEYS = """
SELECT TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME,
    REFERENCED_COLUMN_NAME
FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_NAME IS NOT NULL AND TABLE_SCHEMA IN %s
"""
RULES = """
SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, UPDATE_RULE, DELETE_RULE
FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA IN %s
"""
VIEWS = "SELECT TABLE_SCHEMA, TABLE_NAME, IS_UPDATABLE, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA IN %s"
ROUTINES = """
SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE, IS_DETERMINISTIC, SQL_DATA_ACCESS, ROUTINE_COMMENT
FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA IN %s
"""
PARAMETERS = """
SELECT SPECIFIC_SCHEMA, SPECIFIC_NAME, ROUTINE_TYPE, ORDINAL_POSITION, PARAMETER_MODE, PARAMETER_NAME, DATA_TYPE, DTD_IDENTIFIER,
    CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, COLLATION_NAME
FROM information_schema.PARAMETERS WHERE SPECIFIC_SCHEMA IN %s
"""
ACCOUNT = """CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))"""
PRIVILEGES = f"""
SELECT NULL, NULL, PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = {ACCOUNT}
UNION ALL SELECT TABLE_SCHEMA, NULL, PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = {ACCOUNT}
UNION ALL SELECT TABLE_SCHEMA, TABLE_NAME, PRIVILEGE_TYPE FROM information_schema.TABLE_PRIVILEGES WHERE GRANTEE = {ACCOUNT}
UNION ALL SELECT ROLE_NAME, NULL, 'role' FROM information_schema.ENABLED_ROLES WHERE ROLE_NAME IS NOT NULL
"""  # noqa: S608 - ACCOUNT is text of ours


class MysqlReader(Reader):
    """Reads MariaDB and MySQL; which of the two it is, the server says."""

    engine = "mysql"

    def read(self) -> Reading:
        """Return all that the catalog says."""
        self.ignores_case = False
        self.json_columns: set[tuple[TableName, str]] = set()
        self.spellings: dict[tuple[str, str], TableName] = {}
        self.behind: set[TableName] = set()

        self.need("the server's version", self.read_server)
        self.need("the list of tables", self.read_tables)
        if self.reading.engine == "mariadb":
            self.attempt("JSON columns", self.read_json_checks)
        self.attempt("columns", self.read_columns)
        self.attempt("what views can be written", self.read_views)
        self.attempt("keys", self.read_indexes)
        self.attempt("foreign keys", self.read_foreign_keys)
        self.attempt("privileges", self.read_privileges)
        self.attempt("functions", self.read_functions)
        views = [name for name, listed in self.reading.tables.items() if listed.kind == "view"]
        self.in_parts("views", views, self.probe_views, self.report_broken)
        return self.reading

    def read_server(self) -> None:
        """Read version and schemas. A connection that names a database means that one; another is shown when asked for."""
        version, current, case = self.rows(SERVER)[0]
        readable = [row[0] for row in self.rows(SCHEMAS) if row[0].lower() not in OWN]
        reading = self.reading
        reading.engine = "mariadb" if "mariadb" in version.lower() else "mysql"
        reading.version = version.split("-")[0]
        reading.capabilities.append("two_phase")
        self.ignores_case = bool(case)
        if self.ignores_case and current:
            current = next((name for name in readable if name.lower() == current.lower()), current)
        wanted = self.wanted_schemas or ((current,) if current else tuple(readable))
        reading.schemas = tuple(name for name in wanted if name in readable)
        reading.findings += [report.unread_schema(name) for name in wanted if name not in readable]

    def part(self, sql: str) -> list[Sequence[Any]]:
        """Return the rows about listed tables, and about those behind views: their schema and name come first in every statement."""
        if not self.reading.schemas:
            return []
        known = self.reading.tables.keys() | self.behind
        schemas = (*self.reading.schemas, *sorted({str(name.schema) for name in self.behind}.difference(self.reading.schemas)))
        return [row for row in self.rows(sql, (schemas,)) if (row[0], row[1]) in known]

    def all_of(self, sql: str) -> list[Sequence[Any]]:
        """Return the rows of the chosen schemas; the server compares their names without case, which is too lax."""
        if not self.reading.schemas:
            return []
        return [row for row in self.rows(sql, (self.reading.schemas,)) if row[0] in self.reading.schemas]

    def read_tables(self) -> None:
        """List tables and views; sequences and temporary tables are left out."""
        for schema, table, kind, count, comment in self.all_of(TABLES):
            name = TableName(schema, table)
            if kind not in KINDS or not self.patterns.take(name):
                continue
            is_view = kind == "VIEW"
            self.reading.tables[name] = Listed(
                name=name,
                kind=KINDS[kind],
                comment=None if is_view else shortened(comment),
                row_estimate=None if is_view else count,
            )
        self.reading.findings += [report.unused_pattern(pattern) for pattern in self.patterns.unused]

    def read_json_checks(self) -> None:
        """See which columns are JSON: in MariaDB they are text with a check."""
        for schema, table, clause in self.part(JSON_CHECKS):
            match = JSON_CHECK.fullmatch(clause)
            if match:
                self.json_columns.add((TableName(schema, table), match[1].replace("``", "`")))

    def read_columns(self) -> None:
        """Read the columns that the account may read; what may be written follows from the privileges on them."""
        hidden: dict[TableName, list[str]] = {}
        for table, rows in grouped(self.part(COLUMNS), parts=2, order=15):
            name = TableName(*table)
            privileges: set[str] = set()
            for row in rows:
                own = set((row[13] or "").lower().split(","))
                privileges |= own
                if "select" in own:
                    self.reading.columns[name].append(self.column(name, row))
                else:
                    hidden.setdefault(name, []).append(row[2])
            self.reading.change_table(name, insertable="insert" in privileges, updatable="update" in privileges)
        for name, columns in hidden.items():
            if name in self.reading.columns:
                self.reading.findings.append(report.unread_columns(name, columns))
            else:
                del self.reading.tables[name]
                self.reading.findings.append(report.unread_table(name))

    def column(self, table: TableName, row: Sequence[Any]) -> Column:
        """Return one column."""
        name, data_type, printed, length, precision, scale, time_precision, nullable, default, extra, expression = row[2:13]
        extra = (extra or "").upper()
        is_json = (table, name) in self.json_columns and data_type == "longtext"
        is_computed = "VIRTUAL GENERATED" in extra or "STORED GENERATED" in extra or "PERSISTENT" in extra
        return Column(
            name=name,
            type=ColumnType("json", "json") if is_json else mysql_type(data_type, printed, length, precision, scale, time_precision),
            nullable=nullable == "YES",
            default=expression if is_computed else self.default(default),
            generated="always" if is_computed else "by_default" if "AUTO_INCREMENT" in extra else None,
            comment=shortened(row[14]),
        )

    def default(self, text: str | None) -> str | None:
        """Return a default; MariaDB writes expressions, so that no default is the word NULL."""
        return None if self.reading.engine == "mariadb" and text == "NULL" else text

    def read_indexes(self) -> None:
        """Read primary keys and unique sets; an index on part of a text or on an expression is neither."""
        for (schema, table, index), rows in grouped(self.part(INDEXES), parts=3, order=3):
            if any(row[4] is None or row[5] is not None for row in rows):
                continue
            name, columns = TableName(schema, table), tuple(row[4] for row in rows)
            if index == "PRIMARY":
                self.reading.primary_keys[name] = Key(index, columns)
            else:
                self.reading.unique[name].append(Key(index, columns))

    def read_foreign_keys(self) -> None:
        """Read the foreign keys and their rules."""
        rules = {tuple(row[:3]): (row[3], row[4]) for row in self.part(RULES)}
        for (schema, table, constraint), rows in grouped(self.part(FOREIGN_KEYS), parts=3, order=3):
            on_update, on_delete = rules.get((schema, table, constraint), ("NO ACTION", "NO ACTION"))
            key = ForeignKey(
                name=constraint,
                columns=tuple(row[4] for row in rows),
                target=self.spelled(TableName(rows[0][5], rows[0][6])),
                target_columns=tuple(row[7] for row in rows),
                on_delete=on_delete,
                on_update=on_update,
            )
            self.reading.foreign_keys[TableName(schema, table)].append(key)

    def read_views(self) -> None:
        """See which views take writes."""
        texts: dict[TableName, str | None] = {}
        for schema, table, updatable, definition in self.all_of(VIEWS):
            name = TableName(schema, table)
            texts[name] = definition
            if updatable != "YES":
                self.reading.change_table(name, insertable=False, updatable=False, deletable=False)
            elif joins(definition or ""):
                self.reading.change_table(name, deletable=False)
            elif definition:
                self.reading.single.add(name)
        if texts:
            self.read_origins(texts)

    def read_origins(self, texts: Mapping[TableName, str | None]) -> None:
        """See which columns of views are columns of tables, listed or not; the server has named all of them in full."""
        from qapla.database.schema.lineage import find_sources  # imports sqlglot, which is for those who have views

        waiting = [name for name in self.reading.tables if name in texts]
        while waiting:
            view = waiting.pop()
            try:
                sources = find_sources(texts[view] or "SELECT NULL", "mysql")
            except ValueError as error:
                sources = []
                if view in self.reading.tables:
                    self.reading.findings.append(report.untraced_view(view, str(error)))
            self.reading.origins[view] = {
                name: (self.spelled(TableName(source.schema, source.table)), source.column) for name, source in sources if source
            }
            behind = {table for table, _ in self.reading.origins[view].values()}
            waiting += [name for name in behind if name in texts and name not in self.reading.origins and name not in waiting]
        self.reading.single = {name for name in self.reading.single if self.is_single(name)}
        self.behind = {table for found in self.reading.origins.values() for table, _ in found.values()} - self.reading.tables.keys()

    def is_single(self, view: TableName) -> bool:
        """Tell whether a view is of one table, through views that are; ``single`` has what each view is by itself."""
        behind = {table for table, _ in self.reading.origins.get(view, {}).values()}
        return view in self.reading.single and all(name not in self.reading.origins or self.is_single(name) for name in behind)

    def spelled(self, name: TableName) -> TableName:
        """Return a table's name as the list of tables has it; on some systems the catalog writes it in another case elsewhere."""
        if self.ignores_case and not self.spellings:
            self.spellings = {(str(each.schema).lower(), each.name.lower()): each for each in self.reading.tables}
        return self.spellings.get((str(name.schema).lower(), name.name.lower()), name) if self.ignores_case else name

    def read_privileges(self) -> None:
        """See where the account may delete; with roles in play that is not written down in one place, and the server decides."""
        rows = self.rows(PRIVILEGES)
        if not rows or any(row[2] == "role" for row in rows):
            return
        granted = [(row[0], row[1]) for row in rows if row[2] == "DELETE"]
        for name in self.reading.tables:
            allowed = any(covers(schema, table, name) for schema, table in granted)
            if not allowed:
                self.reading.change_table(name, deletable=False)

    def read_functions(self) -> None:
        """Read functions and procedures with their parameters; the one at place 0 is what a function returns."""
        found = dict(grouped(self.all_of(PARAMETERS), parts=3, order=3))
        for schema, name, kind, deterministic, access, comment in self.all_of(ROUTINES):
            rows = found.get((schema, name, kind), [])
            returns = [row for row in rows if row[3] == 0]
            function = Function(
                schema=schema,
                name=name,
                parameters=tuple(Parameter(row[5], parameter_type(row), MODES[row[4]]) for row in rows if row[3] > 0),
                returns=parameter_type(returns[0]) if returns else None,
                volatility=volatility(deterministic, access),
                kind="procedure" if kind == "PROCEDURE" else "function",
                comment=shortened(comment),
            )
            self.reading.functions.append(function)

    def probe_views(self, names: Sequence[TableName]) -> None:
        """Let the server open the views without reading a row: what they stand on may be gone, or their definer."""
        self.rows(" UNION ALL ".join(f"SELECT NULL FROM {quoted(name)} WHERE 0" for name in names).replace("%", "%%"))  # noqa: S608

    def report_broken(self, name: TableName, why: str) -> None:
        """Keep a view that cannot be read in the list, with a line in the report."""
        self.reading.findings.append(report.unread_view(name, why))
        self.reading.origins.pop(name, None)
        self.reading.change_table(name, insertable=False, updatable=False, deletable=False)


def quoted(name: TableName) -> str:
    """Return a table's full name for a statement; both parts are from the catalog."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in name if part is not None)


def joins(definition: str) -> bool:
    """Tell whether a view's SELECT, as the server prints it, is of several tables; subqueries do not count.

    Nothing else in the catalog tells: a view of several tables is updatable, too, though no row of it can be deleted. An account that
    may not see the definition gets an empty one, and the server decides.
    """
    text, count = QUOTED.sub("", definition), 1
    while count:
        text, count = PARENTHESES.subn(lambda inner: "" if "select" in inner[1].lower() else inner[1], text)
    return re.search(r"\b(join|straight_join)\b", text, re.IGNORECASE) is not None


def grouped(rows: list[Sequence[Any]], *, parts: int, order: int) -> list[tuple[tuple[Any, ...], list[Sequence[Any]]]]:
    """Return *rows* by their first *parts* values, each group sorted by the value at *order*."""
    rows = sorted(rows, key=lambda row: (tuple(row[:parts]), row[order]))
    return [(key, list(group)) for key, group in groupby(rows, key=lambda row: tuple(row[:parts]))]


def covers(schema: str | None, table: str | None, name: TableName) -> bool:
    """Tell whether a grant on everything, on schemas like a pattern, or on one table is about the table *name*."""
    if schema is None:
        return True
    if table is not None:
        return (schema, table) == name
    pattern = re.sub(r"\\(.)|(%)|(_)|(.)", _as_regex, schema, flags=re.DOTALL)
    return re.fullmatch(pattern, name.schema or "", flags=re.DOTALL) is not None


def _as_regex(match: re.Match[str]) -> str:
    if match[2]:
        return ".*"
    return "." if match[3] else re.escape(match[1] or match[4])


def parameter_type(row: Sequence[Any]) -> ColumnType:
    """Return the type of a parameter, or of what a function returns."""
    data_type, printed, length, precision, scale, collation = row[6:12]
    if data_type == "longtext" and collation == JSON_COLLATION:
        return ColumnType("json", "json")
    return mysql_type(data_type or "", printed or data_type or "", length, precision, scale, None)


def volatility(deterministic: str, access: str) -> Literal["immutable", "stable", "volatile"]:
    """Return PostgreSQL's word for what a routine declares about itself."""
    if deterministic == "YES" and access in ("CONTAINS SQL", "NO SQL"):
        return "immutable"
    return "stable" if access in ("READS SQL DATA", "NO SQL") else "volatile"
