"""What stands in the CREATE statements of SQLite only."""

from __future__ import annotations

from typing import Any

import pytest

from qapla.database.schema.construction import Check, Computed, Index, Part
from qapla.database.schema.construction_sqlite import read_index, read_table
from qapla.database.schema.description import Column, ColumnType, Table, TableName


def table_of(*columns: str) -> Table:
    """Return a table with these columns."""
    return Table(TableName(None, "t"), "table", tuple(Column(name, ColumnType("text", "TEXT")) for name in columns))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE TABLE t (a INT CHECK (a > 0))", {"checks": (Check(None, "a > 0"),)}),
        ("CREATE TABLE t (a, b, CONSTRAINT \"x y\" CHECK (a IN ('(', ')')))", {"checks": (Check("x y", "a IN ('(', ')')"),)}),
        ("CREATE TABLE t (a NUMERIC CONSTRAINT pos CHECK (a > 0) CHECK(a<9))", {"checks": (Check("pos", "a > 0"), Check(None, "a<9"))}),
        ("CREATE TABLE t (a, b INT GENERATED ALWAYS AS (length(a) * (2)) STORED)", {"computed": {"b": Computed("length(a) * (2)", True)}}),
        ("CREATE TABLE t (a, [B] AS (a || ' as (x)'))", {"computed": {"b": Computed("a || ' as (x)'", False)}}),
        ("CREATE TABLE t (a TEXT COLLATE NOCASE)", {"collations": {"a": (None, "NOCASE")}}),
        ("CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT)", {"options": {"autoincrement": True}}),
        ("CREATE TABLE t (a PRIMARY KEY) WITHOUT ROWID, STRICT", {"options": {"with_rowid": False, "strict": True}}),
        ("CREATE TABLE t (a REFERENCES x DEFERRABLE INITIALLY DEFERRED)", {"deferrable": {("a",): "DEFERRED"}}),
        ("CREATE TABLE t (a REFERENCES x NOT DEFERRABLE)", {}),
        ("CREATE TABLE t (a, b, FOREIGN KEY (a, b) REFERENCES x (c, d) DEFERRABLE)", {"deferrable": {("a", "b"): None}}),
        ("CREATE TABLE t (a, -- CHECK (a > 0)\n b /* AS (a) */)", {}),
        ("CREATE TABLE t (a DEFAULT 'CHECK (a)')", {}),
        ("CREATE TABLE t (a", {}),
    ],
)
def test_tables(sql: str, expected: dict[str, Any]) -> None:
    """Checks, computed values, collations, options and keys that wait; words in comments and texts mean nothing."""
    found = read_table(sql, table_of("a", "b"))

    parts = ("checks", "computed", "collations", "options", "deferrable")
    assert {part: getattr(found, part) for part in parts if getattr(found, part)} == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE INDEX i ON t (a)", Index("i", (Part("a"),))),
        ('CREATE UNIQUE INDEX i ON t ("A", b DESC)', Index("i", (Part("a"), Part("b", sorting=("desc",))), True)),
        ("CREATE INDEX i ON t (lower(a), b COLLATE NOCASE)", Index("i", (Part("lower(a)", False), Part("b COLLATE NOCASE", False)))),
        ("CREATE INDEX i ON t (a) WHERE a IN (1, 2)", Index("i", (Part("a"),), options=(("where", "a IN (1, 2)"),))),
    ],
)
def test_indexes(sql: str, expected: Index) -> None:
    """Columns, expressions, order and condition of an index."""
    assert read_index("i", sql, table_of("a", "b")) == expected
