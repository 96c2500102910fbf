"""Rows as Arrow and Parquet."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qapla.database.query.arrow import make_batch, print_arrow, print_parquet
from qapla.database.query.arrowtypes import list_columns
from qapla.database.query.shape import AggregateCell, Cell, Columns, Read, Ref
from qapla.database.schema.description import Column, ColumnType, DatabaseSchema, Table, TableName
from qapla.errors import NotOffered

T = TableName("public", "t")
INTEGER = ColumnType("integer", "integer")


def make_schema(type: ColumnType, engine: str = "postgresql") -> DatabaseSchema:
    """Return a database whose one table has the columns ``v`` and ``n``."""
    table = Table(T, "table", (Column("v", type), Column("n", INTEGER)))
    return DatabaseSchema(engine, "15", "public", ("public",), (table,))


def body(value: Any, number: Any = 1) -> bytes:
    """Return the JSON of a row; *value* as JSON already."""
    return f'{{"v":{value},"n":{json.dumps(number)}}}'.encode()


def read(type: ColumnType, *values: str, engine: str = "postgresql") -> tuple[pa.DataType, list[Any]]:
    """Return the type and the values of a column; *values* as JSON."""
    batch = make_batch([body(value) for value in values], list_columns(Read(T, (Columns(("v", "n")),)), make_schema(type, engine)))
    batch.validate(full=True)
    return batch.schema.field("v").type, batch.column("v").to_pylist()


ARRAY = ColumnType("array", "integer[]", item=INTEGER)
MOODS = ColumnType("enum", "mood", values=("sad", "glad"))
TYPES = [
    (ColumnType("boolean", "boolean"), ["true", "null"], pa.bool_(), [True, None]),
    (ColumnType("integer", "smallint"), ["-32768", "null"], pa.int16(), [-32768, None]),
    (ColumnType("integer", "bigint"), ["9223372036854775807"], pa.int64(), [2**63 - 1]),
    (ColumnType("integer", "bigint(20) unsigned"), ["18446744073709551615"], pa.uint64(), [2**64 - 1]),
    (ColumnType("integer", "tinyint(4)"), ["-128"], pa.int8(), [-128]),
    (ColumnType("float", "real"), ["0.5", "null"], pa.float32(), [0.5, None]),
    (ColumnType("float", "double precision"), ["0.1", '"Infinity"', '"-Infinity"'], pa.float64(), [0.1, float("inf"), float("-inf")]),
    (ColumnType("decimal", "numeric(6,2)", precision=6, scale=2), ["1.50", "null"], pa.decimal128(6, 2), [Decimal("1.50"), None]),
    (ColumnType("decimal", "numeric(50,1)", precision=50, scale=1), ["9" * 49 + ".5"], pa.decimal256(50, 1), [Decimal("9" * 49 + ".5")]),
    (ColumnType("decimal", "numeric"), ["1.50", '"NaN"'], pa.string(), ["1.50", "NaN"]),
    (ColumnType("text", "text"), ['"é\\n"', "null", '""', '"\\ud800"'], pa.string(), ["é\n", None, "", "?"]),
    (ColumnType("date", "date"), ['"2024-02-29"', "null"], pa.date32(), [date(2024, 2, 29), None]),
    (ColumnType("time", "time without time zone"), ['"01:02:03.5"'], pa.time64("us"), [time(1, 2, 3, 500000)]),
    (ColumnType("time", "time with time zone"), ['"01:02:03+02"'], pa.string(), ["01:02:03+02"]),
    (ColumnType("timestamp", "timestamp"), ['"2024-01-02T03:04:05.25"'], pa.timestamp("us"), [datetime(2024, 1, 2, 3, 4, 5, 250000)]),
    (
        ColumnType("timestamp_tz", "timestamp with time zone"),
        ['"2024-01-02T03:04:05+02:00"', "null"],
        pa.timestamp("us", "UTC"),
        [datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC), None],
    ),
    (ColumnType("interval", "interval"), ['"1 mon -00:00:01"'], pa.string(), ["1 mon -00:00:01"]),
    (ColumnType("uuid", "uuid"), ['"0b9c…"'], pa.string(), ["0b9c…"]),
    (ColumnType("json", "jsonb"), ['{"a": 1.50}', '"x"', "null", "7"], pa.string(), ['{"a":1.50}', '"x"', None, "7"]),
    (ColumnType("binary", "bytea"), ['"\\\\x00ff"', "null", '"\\\\x"'], pa.binary(), [b"\x00\xff", None, b""]),
    (MOODS, ['"glad"', "null", '"new"'], pa.dictionary(pa.int32(), pa.string()), ["glad", None, "new"]),
    (ARRAY, ["[1,null,3]", "null", "[]"], pa.list_(pa.int32()), [[1, None, 3], None, []]),
    (ColumnType("range", "int4range"), ['"[1,3)"'], pa.string(), ["[1,3)"]),
    (ColumnType("composite", "pair"), ['{"a":1}', "null"], pa.string(), ['{"a":1}', None]),
    (ColumnType("unknown", "odd"), ["1.10", '"x"', "true"], pa.string(), ["1.10", "x", "true"]),
]  # fmt: skip


class TestTypes:
    """list_columns, make_batch"""

    @pytest.mark.parametrize(("type", "values", "arrow", "found"), TYPES, ids=[type.name for type, *_ in TYPES])
    def test_each_kind_has_its_type(self, type: ColumnType, values: list[str], arrow: pa.DataType, found: list[Any]) -> None:
        """The values are those that JSON shows, digit by digit."""
        assert read(type, *values) == (arrow, found)

    @pytest.mark.parametrize(
        ("type", "value"),
        [
            (ColumnType("timestamp", "timestamp"), '"infinity"'),
            (ColumnType("timestamp", "timestamp"), '"0044-03-15T00:00:00 BC"'),
            (ColumnType("decimal", "numeric(6,2)", precision=6, scale=2), '"NaN"'),
            (ColumnType("time", "time"), '"24:00:00"'),
            (ColumnType("boolean", "tinyint(1)"), "7"),
            (ColumnType("integer", "smallint"), "70000"),
            (ColumnType("binary", "bytea"), '"x"'),
            (ARRAY, "[[1,2],[3,4]]"),
        ],
    )
    def test_what_a_type_cannot_hold_is_an_error(self, type: ColumnType, value: str) -> None:
        """Never NULL, never another value."""
        with pytest.raises(NotOffered, match="column 'v' has a value that"):
            read(type, "null", value)

    def test_sqlite_promises_less(self) -> None:
        """Any integer fits, and a decimal is the double that the file holds; an integer that is no double is an error."""
        money = ColumnType("decimal", "NUMERIC(6,2)", precision=6, scale=2)

        assert read(ColumnType("integer", "SMALLINT"), "70000", engine="sqlite") == (pa.int64(), [70000])
        assert read(money, "1.234", "3", engine="sqlite") == (pa.float64(), [1.234, 3.0])
        with pytest.raises(NotOffered):
            read(money, "9007199254740993", engine="sqlite")

    def test_casts_and_aggregates_have_types(self) -> None:
        """What was cast is what it was cast to."""
        schema = make_schema(ColumnType("decimal", "numeric(6,2)", precision=6, scale=2))
        cells = (
            Cell("text", Ref("v", cast="text")),
            Cell("whole", Ref("v", cast="integer")),
            AggregateCell("count", "count"),
            AggregateCell("sum", "sum", Ref("v")),
            AggregateCell("avg", "avg", Ref("n")),
            AggregateCell("all", "sum", Ref("n")),
        )
        found = {column.name: column.type for column in list_columns(Read(T, cells), schema)}

        assert found == {
            "text": pa.string(),
            "whole": pa.int32(),
            "count": pa.int64(),
            "sum": pa.decimal128(38, 2),
            "avg": pa.string(),
            "all": pa.int64(),
        }


    @pytest.mark.parametrize(("type", "engine", "arrow"), [
        (INTEGER, "mariadb", pa.string()),
        (ColumnType("decimal", "numeric(6,2)", precision=6, scale=2), "postgresql", pa.string()),
        (ColumnType("float", "double precision"), "postgresql", pa.float64()),
        (INTEGER, "sqlite", pa.float64()),
    ])  # fmt: skip
    def test_an_average_is_a_double_only_where_it_is_one(self, type: ColumnType, engine: str, arrow: pa.DataType) -> None:
        """Those of exact numbers have digits that no double holds, and as many as their engine likes."""
        read = Read(T, (AggregateCell("avg", "avg", Ref("v")),))

        assert [column.type for column in list_columns(read, make_schema(type, engine))] == [arrow]


class TestFiles:
    """print_arrow, print_parquet"""

    READ = Read(T, (Columns(("v", "n")),))

    def test_a_chunk_is_a_batch(self) -> None:
        """Batches leave as they come, and an end behind them."""
        pieces = list(print_arrow([[body("1"), body("2")], [body("3")]], self.READ, make_schema(INTEGER)))

        batches = list(pa.ipc.open_stream(b"".join(pieces)))
        assert [batch.column("v").to_pylist() for batch in batches] == [[1, 2], [3]]
        assert len(pieces) == 3

    def test_nothing_leaves_before_the_first_rows_are_read(self) -> None:
        """A cell that cannot be told is an ordinary error when it is among them."""
        pieces = print_arrow([[body('"x"')]], self.READ, make_schema(INTEGER))

        with pytest.raises(NotOffered):
            next(pieces)

    def test_columns_tell_their_sql_type(self) -> None:
        """As the engine calls it."""
        whole = b"".join(print_parquet([], self.READ, make_schema(MOODS)))

        assert pq.read_schema(io.BytesIO(whole)).field("v").metadata[b"sql_type"] == b"mood"

    def test_parquet_takes_a_dictionary_that_grows(self) -> None:
        """A word that was added to an enum under way."""
        whole = b"".join(print_parquet([[body('"sad"')], [body('"new"')]], self.READ, make_schema(MOODS)))

        assert pq.read_table(io.BytesIO(whole)).column("v").to_pylist() == ["sad", "new"]
