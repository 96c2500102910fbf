"""Frames of SQLite and MariaDB: the driver's rows, exactly, whatever is in a cell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from qapla.database.frames import rows
from qapla.database.frames.reading import read_table
from qapla.errors import NotOffered, QueryError
from qapla.testing.servers import make_database

MARIADB = """
    CREATE TABLE t (id INT PRIMARY KEY, small SMALLINT, big BIGINT UNSIGNED, price DECIMAL(20,4), wide DECIMAL(60,2), ratio DOUBLE,
        single FLOAT, txt VARCHAR(40), mood ENUM('happy','so so'), day DATE, clock TIME(6), at DATETIME(6), doc JSON, raw VARBINARY(9),
        flag BOOLEAN, guid UUID)
"""
ROW = {
    "id": 1, "small": -5, "big": 2**64 - 1, "price": Decimal("0.1000"), "wide": Decimal("9" * 58 + ".99"), "ratio": 0.1, "single": 0.5,
    "txt": "50%'\\ü😀", "mood": "so so", "day": date(1, 1, 1), "clock": time(1, 2, 3, 4), "at": datetime(2020, 2, 29, 1, 2, 3, 4),
    "doc": '{"a":  1.10}', "raw": b"\0\xff", "flag": 1, "guid": "00000000-0000-0000-0000-00000000abcd",
}  # fmt: skip
TYPES = [
    pa.int32(), pa.int16(), pa.uint64(), pa.decimal128(20, 4), pa.decimal256(60, 2), pa.float64(), pa.float64(), pa.string(),
    pa.dictionary(pa.int32(), pa.string()), pa.date32(), pa.time64("us"), pa.timestamp("us"), pa.string(), pa.binary(), pa.int64(),
    pa.string(),
]  # fmt: skip


@pytest.fixture(scope="module")
def mariadb() -> Iterator[tuple[sa.Engine, sa.Table]]:
    """Give an engine, and a table with a row of each type and one of NULLs."""
    with make_database("mariadb") as url:
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql(MARIADB)
            table = sa.Table("t", sa.MetaData(), autoload_with=connection)
            connection.execute(sa.insert(table), ROW)
            connection.execute(sa.insert(table), {"id": 2})
        yield engine, table
        engine.dispose()


class TestMariadb:
    """What PyMySQL gives."""

    def test_is_exact(self, mariadb: tuple[sa.Engine, sa.Table]) -> None:
        """Each type comes out as itself, NULL as NULL; decimals and unsigned numbers with all their digits."""
        engine, table = mariadb

        found = read_table(sa.select(table).order_by(table.c.id), engine)

        assert found.schema.types == TYPES
        assert found.to_pylist() == [ROW, {name: 2 if name == "id" else None for name in ROW}]

    @pytest.mark.parametrize("value", ["CAST('-01:00:00' AS TIME)", "CAST('25:00:00' AS TIME)"])
    def test_times_beyond_a_day(self, mariadb: tuple[sa.Engine, sa.Table], value: str) -> None:
        """A TIME that is no time of a day is refused, and there as text."""
        statement = sa.select(sa.literal_column(value, sa.Time).label("clock"))

        with pytest.raises(NotOffered, match="'clock'"):
            read_table(statement, mariadb[0])

        assert read_table(statement, mariadb[0], as_text=["clock"]).to_pylist() == [{"clock": value[6:15].strip("'")}]

    def test_zero_dates(self, mariadb: tuple[sa.Engine, sa.Table]) -> None:
        """A zero date is refused, and there as text."""
        statement = sa.select(sa.literal_column("CAST('0000-00-00' AS DATE)", sa.Date).label("day"))
        with mariadb[0].connect() as connection:
            connection.exec_driver_sql("SET sql_mode = ''")

            with pytest.raises(NotOffered, match="'day'"):
                read_table(statement, mariadb[0], connection=connection)

            assert read_table(statement, mariadb[0], connection=connection, as_text=["day"]).to_pylist() == [{"day": "0000-00-00"}]

    def test_sums_are_whole_numbers(self, mariadb: tuple[sa.Engine, sa.Table]) -> None:
        """MariaDB adds integers up to a decimal; it stays what it means."""
        engine, table = mariadb

        found = read_table(sa.select(sa.func.sum(table.c.id).label("n"), sa.func.sum(table.c.price).label("d")), engine, decimals="float")

        assert found.schema.types == [pa.int64(), pa.float64()]
        assert found.to_pylist() == [{"n": 3, "d": 0.1}]


class TestBatches:
    """Rows come in batches, on every engine."""

    @pytest.mark.parametrize("count", [0, 1, 9, 10, 11])
    def test_every_row_once(self, count: int, fresh_database: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
        """None is lost and none is there twice, wherever a batch ends; also of a column without a type."""
        monkeypatch.setattr(rows, "BATCH_ROWS", 5)
        engine = sa.create_engine(fresh_database)
        table = sa.Table("t", sa.MetaData(), sa.Column("n", sa.Integer), sa.Column("t", sa.String(9)))
        with engine.begin() as connection:
            table.create(connection)
            if count:
                connection.execute(sa.insert(table), [{"n": n, "t": f"{n}%"} for n in range(count)])
        statement = sa.select(table.c.n, table.c.t, sa.literal_column("n + 1").label("m")).order_by(table.c.n)

        found = read_table(statement, engine, reader="rows")

        engine.dispose()
        assert found.to_pylist() == [{"n": n, "t": f"{n}%", "m": n + 1} for n in range(count)]


class TestSqlite:
    """A file in which a column may hold anything."""

    def read(self, declared: Any, *values: str, **options: Any) -> pa.Table:
        engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
        rows = ", ".join(f"({value})" for value in values)
        statement = sa.select(sa.text(f"SELECT column1 AS v FROM (VALUES {rows})").columns(sa.column("v", declared)).subquery().c.v)
        with engine.connect() as connection:
            found = read_table(statement, engine, connection=connection, **options)
        engine.dispose()
        return found

    @pytest.mark.parametrize(
        ("declared", "values", "arrow", "expected"),
        [
            (sa.Integer, ["9223372036854775807", "1.0"], pa.int64(), [2**63 - 1, 1]),
            (sa.Boolean, ["1", "0"], pa.bool_(), [True, False]),
            (sa.Numeric(10, 2), ["0.1", "5", "'1.50'"], pa.decimal128(10, 2), [Decimal("0.10"), Decimal(5), Decimal("1.50")]),
            (sa.Float, ["0.1", "5", "9e999"], pa.float64(), [0.1, 5.0, float("inf")]),
            (sa.String, ["'a'", "5", "0.5"], pa.string(), ["a", "5", "0.5"]),
            (sa.Date, ["'2020-02-29'"], pa.date32(), [date(2020, 2, 29)]),
            (sa.Time, ["'01:02:03.000004'", "'01:02'"], pa.time64("us"), [time(1, 2, 3, 4), time(1, 2)]),
            (sa.DateTime, ["'2020-02-29 01:02:03.000004'"], pa.timestamp("us"), [datetime(2020, 2, 29, 1, 2, 3, 4)]),
            (
                sa.DateTime(timezone=True),
                ["'2020-02-29 01:02:03+05:30'"],
                pa.timestamp("us", "UTC"),
                [datetime(2020, 2, 28, 19, 32, 3, tzinfo=UTC)],
            ),
            (sa.JSON, ["'{\"a\":  1.10}'"], pa.string(), ['{"a":  1.10}']),
            (sa.LargeBinary, ["x'00ff'"], pa.binary(), [b"\0\xff"]),
            (sa.Uuid, ["'0000000000000000000000000000abcd'"], pa.string(), ["00000000-0000-0000-0000-00000000abcd"]),
            (sa.Interval, ["'1970-01-02 02:00:00.000000'"], pa.string(), ["1 day 02:00:00"]),
            (sa.Enum("b", "a"), ["'a'", "'c'"], pa.dictionary(pa.int32(), pa.string()), ["a", "c"]),
            (sa.types.NullType, ["1", "2"], pa.int64(), [1, 2]),
            (sa.types.NullType, ["1", "'x'"], pa.string(), ["1", "x"]),
        ],
        ids=lambda value: getattr(value, "__name__", None) or (type(value).__name__ if isinstance(value, sa.types.TypeEngine) else None),
    )
    def test_is_exact(self, declared: Any, values: list[str], arrow: pa.DataType, expected: list[Any]) -> None:
        """A cell comes out as what it is."""
        found = self.read(declared, *values, "NULL")

        assert found.schema.types == [arrow]
        assert found.column("v").to_pylist() == [*expected, None]

    @pytest.mark.parametrize(
        ("declared", "value"),
        [
            (sa.Integer, "'many'"),
            (sa.Integer, "1.5"),
            (sa.Boolean, "7"),
            (sa.Float, "'x'"),
            (sa.Numeric(10, 2), "'x'"),
            (sa.Numeric(4, 2), "123.45"),
            (sa.Date, "'soon'"),
            (sa.Time, "'25:00'"),
            (sa.DateTime, "'2020-13-01'"),
            (sa.DateTime, "5"),
            (sa.Uuid, "'x'"),
        ],
    )
    def test_odd_cells_are_refused(self, declared: Any, value: str) -> None:
        """What is no value of its column is neither changed nor left out; it is there as text."""
        with pytest.raises(NotOffered, match="'v' of database"):
            self.read(declared, value)

        assert self.read(declared, value, as_text=["v"]).column("v").to_pylist() == [value.strip("'")]

    def test_unknown_names_as_text(self) -> None:
        """A column that is to be text is one of the statement."""
        with pytest.raises(QueryError, match="'w'"):
            self.read(sa.Integer, "1", as_text=["w"])
