"""Types of the engines become kinds."""

from __future__ import annotations

import pytest

from qapla.database.schema.description import ColumnType
from qapla.database.schema.kinds import mysql_type, oracle_type, quoted_values, sqlite_type
from qapla.database.schema.types_postgresql import scalar


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("INTEGER", ColumnType("integer", "INTEGER")),
        ("unsigned big int", ColumnType("integer", "unsigned big int")),
        ("NVARCHAR(160)", ColumnType("text", "NVARCHAR(160)", length=160)),
        ("NUMERIC(10,2)", ColumnType("decimal", "NUMERIC(10,2)", precision=10, scale=2)),
        ("decimal ( 10 , 2 )", ColumnType("decimal", "decimal ( 10 , 2 )", precision=10, scale=2)),
        ("NUMERIC(5)", ColumnType("decimal", "NUMERIC(5)", precision=5, scale=0)),
        ("NUMERIC", ColumnType("decimal", "NUMERIC")),
        ("BOOLEAN", ColumnType("boolean", "BOOLEAN")),
        ("DATETIME", ColumnType("timestamp", "DATETIME")),
        ("TIMESTAMP WITH TIME ZONE", ColumnType("timestamp_tz", "TIMESTAMP WITH TIME ZONE")),
        ("timestamp without time zone", ColumnType("timestamp", "timestamp without time zone")),
        ("DOUBLE PRECISION", ColumnType("float", "DOUBLE PRECISION")),
        ("BLOB", ColumnType("binary", "BLOB")),
        ("", ColumnType("unknown", "")),
        (None, ColumnType("unknown", "")),
        ("weird (thing", ColumnType("unknown", "weird (thing")),
        ("CHARINT", ColumnType("integer", "CHARINT")),  # SQLite's own rule: INT is looked for first
    ],
)
def test_sqlite(declared: str | None, expected: ColumnType) -> None:
    """Well-known names count first, then SQLite's affinities."""
    assert sqlite_type(declared) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("tinyint", "tinyint(1)", None, 3, 0, None), ColumnType("boolean", "tinyint(1)")),
        (("tinyint", "tinyint(4)", None, 3, 0, None), ColumnType("integer", "tinyint(4)")),
        (("decimal", "decimal(10,2)", None, 10, 2, None), ColumnType("decimal", "decimal(10,2)", precision=10, scale=2)),
        (("varchar", "varchar(40)", 40, None, None, None), ColumnType("text", "varchar(40)", length=40)),
        (("bit", "bit(3)", None, 3, None, None), ColumnType("bits", "bit(3)", length=3)),
        (("datetime", "datetime(6)", None, None, None, 6), ColumnType("timestamp", "datetime(6)", precision=6)),
        (("enum", "enum('a','b')", 1, None, None, None), ColumnType("enum", "enum('a','b')", values=("a", "b"))),
        (("set", "set('a')", 1, None, None, None), ColumnType("text", "set('a')", values=("a",))),
        (("vector", "vector(3)", None, None, None, None), ColumnType("unknown", "vector(3)")),
    ],
)
def test_mysql(row: tuple[str, str, int | None, int | None, int | None, int | None], expected: ColumnType) -> None:
    """A row of ``information_schema.COLUMNS`` becomes a type."""
    assert mysql_type(*row) == expected


def test_values_of_an_enum_may_hold_anything() -> None:
    """Quotes, commas, brackets and backslashes in values stay what they are."""
    assert quoted_values(r"enum('it''s','a,b','(',')','','back\\slash')") == ("it's", "a,b", "(", ")", "", "back\\slash")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("NUMBER", 22, None, None), ColumnType("decimal", "NUMBER")),
        (("NUMBER", 22, 10, 2), ColumnType("decimal", "NUMBER(10,2)", precision=10, scale=2)),
        (("NUMBER", 22, 9, 0), ColumnType("integer", "NUMBER(9,0)", precision=9)),
        (("NUMBER", 22, None, 0), ColumnType("integer", "NUMBER(*,0)")),
        (("VARCHAR2", 40, None, None), ColumnType("text", "VARCHAR2(40)", length=40)),
        (("CLOB", 4000, None, None), ColumnType("text", "CLOB")),
        (("RAW", 16, None, None), ColumnType("binary", "RAW(16)", length=16)),
        (("DATE", 7, None, None), ColumnType("timestamp", "DATE")),
        (("TIMESTAMP(6)", 11, None, 6), ColumnType("timestamp", "TIMESTAMP(6)", precision=6)),
        (("TIMESTAMP(6) WITH TIME ZONE", 13, None, 6), ColumnType("timestamp_tz", "TIMESTAMP(6) WITH TIME ZONE", precision=6)),
        (("INTERVAL DAY(2) TO SECOND(6)", 11, 2, 6), ColumnType("interval", "INTERVAL DAY(2) TO SECOND(6)")),
        (("BINARY_DOUBLE", 8, None, None), ColumnType("float", "BINARY_DOUBLE")),
        (("XMLTYPE", 2000, None, None), ColumnType("unknown", "XMLTYPE")),
    ],
)
def test_oracle(row: tuple[str, int | None, int | None, int | None], expected: ColumnType) -> None:
    """A row of ``ALL_TAB_COLS`` becomes a type."""
    assert oracle_type(*row) == expected


@pytest.mark.parametrize(
    ("name", "modifier", "expected"),
    [
        ("numeric", ((10 << 16) | 2) + 4, ColumnType("decimal", "x", precision=10, scale=2)),
        ("numeric", ((5 << 16) | (-2 & 0x7FF)) + 4, ColumnType("decimal", "x", precision=5, scale=-2)),
        ("varchar", 44, ColumnType("text", "x", length=40)),
        ("bit", 8, ColumnType("bits", "x", length=8)),
        ("timestamptz", 3, ColumnType("timestamp_tz", "x", precision=3)),
        ("int4", -1, ColumnType("integer", "x")),
        ("tsvector", -1, ColumnType("unknown", "x")),
    ],
)
def test_postgresql_modifiers(name: str, modifier: int, expected: ColumnType) -> None:
    """The modifier of a type holds its length, precision and scale, negative scales too."""
    assert scalar(name, "x", modifier) == expected
