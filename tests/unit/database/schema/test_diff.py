"""Changes between two inspections are said in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qapla.database.schema.description import (
    Column,
    ColumnType,
    DatabaseSchema,
    ForeignKey,
    Function,
    Identity,
    Key,
    Parameter,
    Table,
    TableName,
)
from qapla.database.schema.diff import diff

NUMBER = ColumnType("integer", "integer")
MOOD = ColumnType("enum", "mood", values=("sad", "happy"))
TABLE = Table(
    TableName("public", "orders"),
    "table",
    (Column("id", NUMBER, nullable=False), Column("total", NUMBER), Column("mood", MOOD)),
    Key("orders_pkey", ("id",)),
    Identity("primary_key", ("id",)),
    (Key("one_total", ("total",)),),
    (ForeignKey("f", ("total",), TableName("public", "sums"), ("id",)),),
)
ADD = Function("public", "add", (Parameter("a", NUMBER),), NUMBER)


def schema_of(*tables: Table, functions: tuple[Function, ...] = (ADD,)) -> DatabaseSchema:
    return DatabaseSchema("postgresql", "15.1", "public", ("public",), tables, functions=functions)


def with_column(place: int, **changes: object) -> Table:
    columns = list(TABLE.columns)
    columns[place] = replace(columns[place], **changes)
    return replace(TABLE, columns=tuple(columns))


@pytest.mark.parametrize(
    ("new", "severity", "sentence"),
    [
        (
            with_column(1, type=ColumnType("decimal", "numeric(10,2)", precision=10, scale=2)),
            "breaking",
            "table public.orders: column total changed from integer to numeric(10,2)",
        ),
        (with_column(1, type=ColumnType("integer", "bigint")), "maybe", "table public.orders: column total changed from integer to bigint"),
        (with_column(2, type=replace(MOOD, values=("sad", "ok", "happy"))), "additive", "table public.orders: column mood gained 'ok'"),
        (with_column(2, type=replace(MOOD, values=("sad",))), "breaking", "table public.orders: column mood lost 'happy'"),
        (with_column(1, nullable=False), "maybe", "table public.orders: column total may no longer be NULL"),
        (with_column(1, default="7"), "maybe", "table public.orders: column total changed its default from None to 7"),
        (with_column(1, generated="always"), "breaking", "table public.orders: column total is always generated now"),
        (with_column(1, comment="sum"), "cosmetic", "table public.orders: column total: comment changed"),
        (replace(TABLE, columns=TABLE.columns[:2]), "breaking", "table public.orders: column mood was removed"),
        (
            replace(TABLE, columns=(*TABLE.columns, Column("note", ColumnType("text", "text")))),
            "additive",
            "table public.orders: column note text was added",
        ),
        (
            replace(TABLE, columns=(*TABLE.columns, Column("note", NUMBER, nullable=False))),
            "maybe",
            "table public.orders: column note integer was added, every new row needs a value",
        ),
        (replace(TABLE, columns=TABLE.columns[::-1]), "cosmetic", "table public.orders: the order of the columns changed"),
        (
            replace(TABLE, primary_key=Key("k", ("id", "total"))),
            "breaking",
            "table public.orders: primary key changed from (id) to (id, total)",
        ),
        (
            replace(TABLE, primary_key=None, identity=Identity("none")),
            "breaking",
            "table public.orders: primary key changed from (id) to none",
        ),
        (replace(TABLE, unique=()), "maybe", "table public.orders: unique (total) was removed"),
        (replace(TABLE, foreign_keys=()), "breaking", "table public.orders: foreign key (total) to public.sums was removed"),
        (
            replace(TABLE, foreign_keys=(replace(TABLE.foreign_keys[0], on_delete="CASCADE"),)),
            "maybe",
            "table public.orders: foreign key (total) to public.sums has other rules: on delete CASCADE, on update NO ACTION",
        ),
        (
            replace(TABLE, foreign_keys=(replace(TABLE.foreign_keys[0], name="g"),)),
            "maybe",
            "table public.orders: foreign key (total) to public.sums is called g now, no longer f",
        ),
        (replace(TABLE, insertable=False), "breaking", "table public.orders: can no longer be inserted into"),
        (replace(TABLE, kind="view"), "maybe", "table public.orders: is a view now"),
        (replace(TABLE, comment="All of them"), "cosmetic", "table public.orders: comment changed"),
    ],
)
def test_one_change_of_a_table(new: Table, severity: str, sentence: str) -> None:
    """Each change has a severity and one sentence."""
    changes = diff(schema_of(TABLE), schema_of(new))

    assert [(change.severity, change.sentence) for change in changes] == [(severity, sentence)]


def test_equal_schemas_have_no_difference() -> None:
    """Row estimates are no change."""
    assert diff(schema_of(TABLE), schema_of(replace(TABLE, row_estimate=9))) == ()


def test_tables_come_and_go() -> None:
    """The worst comes first."""
    view = Table(TableName("public", "totals"), "view", ())

    changes = diff(schema_of(TABLE), schema_of(view))

    assert [change.sentence for change in changes] == ["table public.orders was removed", "view public.totals was added"]


def test_functions_come_and_go() -> None:
    """A function with other parameters is another function."""
    wider = replace(ADD, parameters=(*ADD.parameters, Parameter("b", NUMBER)))

    changes = diff(schema_of(), schema_of(functions=(wider,)))

    assert [change.sentence for change in changes] == [
        "function public.add(integer) was removed",
        "function public.add(integer, integer) was added",
    ]


def test_server_changes() -> None:
    """Schemas and the version count as well."""
    new = replace(schema_of(), version="16.0", schemas=("shop",), default_schema="shop")

    assert [change.sentence for change in diff(schema_of(), new)] == [
        "schema public was removed",
        "the default schema changed from public to shop",
        "schema shop was added",
        "the server's version changed from 15.1 to 16.0",
    ]
