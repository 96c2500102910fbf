"""Read the schema of a SQLite file: the PRAGMA functions joined with the list of tables, five statements for any number of tables.

A view that does not compile, or a virtual table whose module is missing, fails the whole joined statement. Then the names are halved
until the broken one stands alone: it stays listed, with a line in the report.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from qapla.database.schema import report
from qapla.database.schema.description import Column, ForeignKey, Key, TableKind, TableName
from qapla.database.schema.kinds import sqlite_type
from qapla.database.schema.reading import Listed, Reader, Reading
from qapla.database.schema.text_sqlite import constraint_names, folded
from qapla.errors import NotOffered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OLDEST = (3, 37)  # pragma_table_list
KINDS: dict[str, TableKind] = {"table": "table", "view": "view", "virtual": "foreign"}

TABLES = """
SELECT l.name, l.type, m.sql
FROM pragma_table_list AS l JOIN main.sqlite_master AS m ON m.name = l.name AND m.type IN ('table', 'view')
WHERE l.schema = 'main' AND l.type IN ('table', 'view', 'virtual') AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
"""
ESTIMATES = "SELECT tbl, MAX(CAST(stat AS INTEGER)) FROM main.sqlite_stat1 GROUP BY tbl"  # an index on part of a table counts less
TRIGGERS = "SELECT tbl_name, sql FROM main.sqlite_master WHERE type = 'trigger'"
COLUMNS = """
SELECT n.value, c.name, c.type, c."notnull", c.dflt_value, c.pk, c.hidden
FROM json_each(?) AS n JOIN pragma_table_xinfo(n.value, 'main') AS c
"""
INDEXES = """
SELECT n.value, i.name, i.origin, i.partial, x.cid, x.name
FROM json_each(?) AS n
JOIN pragma_index_list(n.value, 'main') AS i
JOIN pragma_index_xinfo(i.name, 'main') AS x
WHERE i."unique" AND x.key
ORDER BY n.value, i.name, x.seqno
"""
FOREIGN_KEYS = """
SELECT n.value, f.id, f."table", f."from", f."to", f.on_update, f.on_delete
FROM json_each(?) AS n JOIN pragma_foreign_key_list(n.value, 'main') AS f
ORDER BY n.value, f.id DESC, f.seq
"""
INSTEAD = re.compile(r"\bINSTEAD\s+OF\s+(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
HIDDEN_ARGUMENT, VIRTUAL_COLUMN, STORED_COLUMN = 1, 2, 3


class SqliteReader(Reader):
    """Reads the main database of a SQLite connection; what is attached beside it is not looked at."""

    engine = "sqlite"

    def read(self) -> Reading:
        """Return all that the file says. Text that is not UTF-8, a comment mostly, is no reason to stop."""
        raw: Any = self.connection.connection.driver_connection
        usual, raw.text_factory = raw.text_factory, lenient
        try:
            return self.read_all()
        finally:
            raw.text_factory = usual

    def read_all(self) -> Reading:
        """Read one kind of thing after the other."""
        self.sources: dict[TableName, str] = {}
        self.kinds: dict[TableName, TableKind] = {}  # of those that are left out, too
        self.rowid_keys: dict[TableName, str] = {}

        self.need("SQLite's version", self.read_version)
        self.need("the list of tables", self.read_tables)
        tables = [name for name, listed in self.reading.tables.items() if listed.kind == "table"]
        others = [name for name, listed in self.reading.tables.items() if listed.kind != "table"]
        behind = self.find_behind()
        self.attempt("row estimates", self.read_estimates)
        self.read_some("columns", tables, self.read_columns)
        self.read_some("columns", others, self.read_columns)
        self.read_some("keys", tables, self.read_indexes)
        for read in (self.read_columns, self.read_indexes):
            self.in_parts("tables behind views", behind, read, lambda name, why: None)
        self.read_some("foreign keys", tables, self.read_foreign_keys)
        self.in_parts("tables behind views", behind, self.read_foreign_keys, lambda name, why: None)
        if any(self.reading.tables[name].kind == "view" for name in others):
            self.attempt("triggers", self.read_triggers)
            self.read_origins()
        return self.reading

    def read_version(self) -> None:
        """Read the version; there are no schemas to choose from."""
        version = self.rows("SELECT sqlite_version()")[0][0]
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            raise NotOffered(f"SQLite {version} is too old", hint="version 3.37 or newer is needed")
        self.reading.version = version
        self.reading.findings += [report.unread_schema(name) for name in self.wanted_schemas]

    def read_tables(self) -> None:
        """List tables, views and virtual tables; shadow tables are their module's own business."""
        for table, kind, sql in self.rows(TABLES):
            name = TableName(None, table)
            self.sources[name], self.kinds[name] = sql or "", KINDS[kind]
            if not self.patterns.take(name):
                continue
            writable = kind == "table"
            self.reading.tables[name] = Listed(name, KINDS[kind], insertable=writable, updatable=writable, deletable=writable)
        self.reading.findings += [report.unused_pattern(pattern) for pattern in self.patterns.unused]

    def find_behind(self) -> list[TableName]:
        """Return what is left out and yet mentioned by views that are not: its keys may be seen through them."""
        left_out = [name for name in self.sources if name not in self.reading.tables]
        waiting = [name for name in self.reading.tables if self.kinds[name] == "view"] if left_out else []
        found: dict[TableName, None] = {}
        while waiting:
            text = folded(self.sources[waiting.pop()])
            new = [name for name in left_out if name not in found and folded(name.name) in text]
            found |= dict.fromkeys(new)
            waiting += [name for name in new if self.kinds[name] == "view"]
        return list(found)

    def read_some(self, what: str, names: Sequence[TableName], read: Callable[[Sequence[TableName]], None]) -> None:
        """Read something of many tables; of those that it cannot be read of the report tells."""
        self.in_parts(what, names, read, lambda name, why: self.report_unread(what, name, why))

    def report_unread(self, what: str, name: TableName, why: str) -> None:
        """Report what could not be read of one table."""
        is_view = self.reading.tables[name].kind == "view"
        self.reading.findings.append(report.unread_view(name, why) if is_view else report.unread_details(what, name, why))

    def read_columns(self, names: Sequence[TableName]) -> None:
        """Read columns and primary keys. Without statistics SQLite guesses nothing about the number of rows."""
        for table, rows in groupby(self.rows(COLUMNS, (as_json(names),)), key=lambda row: row[0]):
            name = TableName(None, table)
            found = [row for row in rows if row[6] != HIDDEN_ARGUMENT]
            primary_key = tuple(row[1] for row in sorted(found, key=lambda row: row[5]) if row[5])
            if primary_key:
                self.reading.primary_keys[name] = Key(None, primary_key)
            if len(primary_key) == 1 and next(row[2] for row in found if row[5]).upper() == "INTEGER":
                self.rowid_keys[name] = primary_key[0]
            self.reading.columns[name] = [self.column(name, row) for row in found]

    def column(self, table: TableName, row: Sequence[Any]) -> Column:
        """Return one column."""
        _, name, declared, not_null, default, place_in_key, hidden = row
        generated = hidden in (VIRTUAL_COLUMN, STORED_COLUMN)
        return Column(
            name=name,
            type=sqlite_type(declared),
            nullable=not (not_null or place_in_key),
            default=None if default is None or default.upper() == "NULL" else default,
            generated="always" if generated else "by_default" if self.rowid_keys.get(table) == name else None,
        )

    def read_indexes(self, names: Sequence[TableName]) -> None:
        """Read unique sets. An INTEGER key with an index of its own is no rowid, and gets no value by itself."""
        for (table, index, origin, partial), rows in groupby(self.rows(INDEXES, (as_json(names),)), key=lambda row: tuple(row[:4])):
            name, parts = TableName(None, table), list(rows)
            if origin == "pk":
                self.take_from_rowid(name)
            elif not partial and all(row[4] >= 0 for row in parts):
                own_name = None if index.startswith("sqlite_autoindex_") else index
                self.reading.unique[name].append(Key(own_name, tuple(row[5] for row in parts)))

    def take_from_rowid(self, name: TableName) -> None:
        """Correct a column that looked like the rowid: INTEGER PRIMARY KEY DESC, or a table WITHOUT ROWID."""
        if self.rowid_keys.pop(name, None):
            self.reading.columns[name] = [
                replace(column, generated=None) if column.generated == "by_default" else column for column in self.reading.columns[name]
            ]

    def read_foreign_keys(self, names: Sequence[TableName]) -> None:
        """Read the foreign keys; SQLite compares names without case, and takes the primary key where no column is named."""
        known = {folded(name.name): name for name in self.sources}
        for table, rows in groupby(self.rows(FOREIGN_KEYS, (as_json(names),)), key=lambda row: row[0]):
            name = TableName(None, table)
            keys = [list(parts) for _, parts in groupby(rows, key=lambda row: row[1])]
            called = constraint_names(self.sources[name])
            for parts, constraint in zip(keys, called if len(called) == len(keys) else [None] * len(keys), strict=True):
                target = known.get(folded(parts[0][2]), TableName(None, parts[0][2]))
                self.add_foreign_key(name, constraint, parts, target)

    def add_foreign_key(self, name: TableName, constraint: str | None, parts: Sequence[Sequence[Any]], target: TableName) -> None:
        """File one foreign key, or a line of the report when it points at nothing."""
        here = self.spelled(name, [row[3] for row in parts])
        if parts[0][4] is None:
            primary_key = self.reading.primary_keys.get(target)
            there = primary_key.columns if primary_key else ()
        else:
            there = self.spelled(target, [row[4] for row in parts])
        if target in self.reading.tables and len(there) != len(here):
            if name in self.reading.tables:
                self.reading.findings.append(report.lost_target(name, here, target))
            return
        key = ForeignKey(constraint, here, target, there, on_update=parts[0][5], on_delete=parts[0][6])
        self.reading.foreign_keys[name].append(key)

    def read_origins(self) -> None:
        """See which columns of views are columns of tables; sqlglot reads their text, and is imported for files with views only."""
        from qapla.database.schema.lineage import find_sources, make_columns

        columns = {name: [column.name for column in found] for name, found in self.reading.columns.items()}
        known = make_columns({name.name: names for name, names in columns.items()}, self.engine)
        spelled = {name.name.lower(): (name, {each.lower(): each for each in names}) for name, names in columns.items()}
        for view, names in columns.items():
            if self.kinds[view] != "view":
                continue
            try:
                sources = find_sources(self.sources[view], self.engine, known)
            except ValueError as error:
                if view in self.reading.tables:
                    self.reading.findings.append(report.untraced_view(view, str(error)))
                continue
            if len(sources) == len(names):  # a list of names may follow the view's own: the place tells
                for name, (_, source) in zip(names, sources, strict=True):
                    if source is not None and source.schema in (None, "main") and source.table in spelled:
                        table, own = spelled[source.table]
                        self.reading.origins.setdefault(view, {})[name] = table, own.get(source.column, source.column)

    def spelled(self, table: TableName, names: Sequence[str]) -> tuple[str, ...]:
        """Return columns as their own table spells them."""
        columns = {folded(column.name): column.name for column in self.reading.columns.get(table, ())}
        return tuple(columns.get(folded(name), name) for name in names)

    def read_estimates(self) -> None:
        """Take the numbers of rows from the last ANALYZE, if there was one."""
        if not self.rows("SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_stat1'"):
            return
        for table, count in self.rows(ESTIMATES):
            self.reading.change_table(TableName(None, table), row_estimate=count)

    def read_triggers(self) -> None:
        """See which views take writes: those with INSTEAD OF triggers."""
        ways = {"INSERT": "insertable", "UPDATE": "updatable", "DELETE": "deletable"}
        views = {folded(name.name): name for name, listed in self.reading.tables.items() if listed.kind == "view"}
        for table, sql in self.rows(TRIGGERS):
            match = INSTEAD.search(sql or "")
            if match and folded(table) in views:
                self.reading.change_table(views[folded(table)], **{ways[match[1].upper()]: True})


def lenient(text: bytes) -> str:
    """Return text as SQLite gives it, with a mark where it is not UTF-8."""
    return text.decode("utf-8", "replace")


def as_json(names: Sequence[TableName]) -> str:
    """Return the names of tables as a JSON list, for ``json_each``."""
    return json.dumps([name.name for name in names])
