"""The public description, the report in words, and Core tables are made of the same value."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from qapla.database.schema import report
from qapla.database.schema.describe import describe_database, describe_table
from qapla.database.schema.description import (
    Column,
    ColumnType,
    DatabaseSchema,
    ForeignKey,
    Function,
    Identity,
    Key,
    Kind,
    Parameter,
    Table,
    TableName,
)
from qapla.database.schema.tables import core_table, core_type

NUMBER = ColumnType("integer", "integer")
MOOD = ColumnType("enum", "mood", values=("sad",))
TABLE = Table(
    TableName("Sales & Co.", "order"),
    "table",
    (Column("id", NUMBER, nullable=False, generated="by_default"), Column("mood", MOOD, comment="how")),
    Key("order_pkey", ("id",)),
    Identity("primary_key", ("id",)),
    foreign_keys=(ForeignKey("f", ("id",), TableName("public", "other"), ("a",), on_delete="CASCADE"),),
    row_estimate=7,
)
VIEW = Table(TableName("public", "seen"), "view", (Column("a", NUMBER),))
SECRET = Table(TableName("public", "secret"), "table", ())
SCHEMA = DatabaseSchema(
    "postgresql",
    "15.2",
    "public",
    ("public", "Sales & Co."),
    (TABLE, SECRET, VIEW),
    functions=(Function("public", "add", (Parameter("a", NUMBER, has_default=True),), NUMBER),),
    report=tuple(report.on_table(SECRET)),
)


def test_description_of_a_table() -> None:
    """A table has schema, name, kind, columns, keys and a comment, in plain values."""
    described = describe_table(TABLE)

    assert (described["schema"], described["name"], described["kind"], described["comment"]) == ("Sales & Co.", "order", "table", None)
    assert described["columns"][0] == {
        "name": "id",
        "type": "integer",
        "kind": "integer",
        "nullable": False,
        "default": None,
        "generated": "by_default",
        "comment": None,
    }
    assert described["columns"][1]["values"] == ["sad"]
    assert described["primary_key"] == {"name": "order_pkey", "columns": ["id"]}
    assert described["foreign_keys"][0]["target"] == {"schema": "public", "table": "other", "columns": ["a"]}


def test_description_of_a_database() -> None:
    """Views stand apart from tables; everything can be written as JSON."""
    described = describe_database("shop", SCHEMA)

    assert list(described) == ["database", "engine", "version", "schemas", "tables", "views", "functions", "report"]
    assert [view["name"] for view in described["views"]] == ["seen"]
    assert [table["name"] for table in described["tables"]] == ["order", "secret"]
    assert json.loads(json.dumps(described)) == described


def test_description_keeps_secrets() -> None:
    """Of a table that the caller may not know of nothing is said, in the report neither."""
    described = describe_database("shop", SCHEMA, visible=lambda table: table.name.name != "secret")

    assert "secret" not in json.dumps(described)


def test_finding_in_words() -> None:
    """A line of the report says what, why and what to do."""
    finding = report.unread_table(TableName("sales", "pay"))

    assert report.in_words(finding) == (
        "skipped: table sales.pay is left out: the account may not read it (grant SELECT on it to the account)"
    )


def test_core_table_is_quoted() -> None:
    """Names mean exactly what the catalog says."""
    table = core_table(TABLE)

    assert str(select(table.c.id)) == 'SELECT "Sales & Co."."order"."id" \nFROM "Sales & Co."."order"'


@pytest.mark.parametrize(
    ("kind", "name"),
    [("integer", "INTEGER"), ("decimal", "NUMERIC"), ("text", "VARCHAR"), ("enum", "VARCHAR"), ("json", "JSON"), ("geometry", "NULL")],
)
def test_core_types(kind: Kind, name: str) -> None:
    """Each kind has the nearest type of SQLAlchemy."""
    assert str(core_type(ColumnType(kind, "x"))) == name


def test_core_array() -> None:
    """An array is one of its items' type."""
    assert str(core_type(ColumnType("array", "integer[]", item=NUMBER)).item_type) == "INTEGER"  # type: ignore[attr-defined]
