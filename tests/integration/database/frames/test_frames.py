"""``as_df``, ``as_arrow`` and ``as_polars`` of models, over one database and several of different engines."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa

from qapla.database import models
from qapla.database.drivers import Mariadb, Postgresql, Sqlite
from qapla.errors import ConfigurationError, DatabasesFailed, InputError, QueryError, TimedOut
from qapla.testing.servers import ENGINE_NAMES, make_database

DRIVERS = {"sqlite": Sqlite, "postgresql": Postgresql, "mariadb": Mariadb}
TYPES = {
    "id": "Int64", "name": "str", "votes": "Int64", "price": "float64", "ratio": "float64", "is_good": "boolean", "mood": "category",
    "day": "datetime64[s]", "clock": "object", "at": "datetime64[us]", "seen": "datetime64[us, UTC]", "guid": "str", "doc": "str",
    "raw": "object", "address": "str",
}  # fmt: skip


class Base(models.Model):
    """Models of this module."""

    __abstract__ = True
    metadata = sa.MetaData()


class Vote(Base):
    """A row with a field of each kind."""

    name = models.Varchar(max_length=40)
    votes = models.Integer(null=True)
    price = models.Decimal(max_digits=12, decimal_places=2, null=True)
    ratio = models.Float(null=True)
    is_good = models.Boolean(null=True)
    mood = models.Enum("happy", "so so", null=True)
    day = models.Date(null=True)
    clock = models.Time(null=True)
    at = models.DateTime(null=True)
    seen = models.Timestamp(null=True)
    guid = models.UUID(null=True)
    doc = models.JSON(null=True)
    raw = models.Binary(null=True)
    address = models.IP(null=True)


class Source(Base):
    """A row with a column that is called as the one of databases."""

    database = models.Varchar(max_length=9)


class Widths(Base):
    """Integers of each width."""

    small = models.Integer(bits=16)
    plain = models.Integer()
    large = models.Integer(bits=64, unsigned=True)


FULL: dict[str, Any] = {
    "name": "50%'\"ü😀", "votes": -3, "price": Decimal("1.10"), "ratio": 0.1, "is_good": False, "mood": "so so", "day": dt.date(1, 1, 1),
    "clock": dt.time(1, 2, 3, 4), "at": dt.datetime(2020, 2, 29, 1, 2, 3, 4), "seen": dt.datetime(2020, 2, 29, 1, 2, 3, 4, dt.UTC),
    "guid": uuid.UUID(int=5), "doc": {"a": [1]}, "raw": b"\0\xff", "address": "10.0.0.1",
}  # fmt: skip


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    """Give a database on each engine, with the tables, a full row and one of NULLs."""
    with ExitStack() as stack:
        found = {}
        for engine in ENGINE_NAMES:
            found[engine] = stack.enter_context(make_database(engine)).render_as_string(hide_password=False)
            with DRIVERS[engine](found[engine]) as db:
                db.create_tables(Vote, Source, Widths)
                Vote(**FULL).save()
                Vote(name=engine).save()
                Source(database="x").save()
        yield found


@pytest.fixture
def three(urls: dict[str, str]) -> Iterator[list[Any]]:
    """Bind one of each engine."""
    with ExitStack() as stack:
        yield [stack.enter_context(DRIVERS[engine](url)) for engine, url in urls.items()]


@pytest.mark.parametrize("engine", ENGINE_NAMES)
class TestOneDatabase:
    """Types by the model, whatever the engine."""

    def test_types_and_values(self, urls: dict[str, str], engine: str) -> None:
        """A row is what was saved; NULL is the type's own nothing."""
        with DRIVERS[engine](urls[engine]):
            frame = Vote.select().orderby("id").as_df()

        full, empty = frame.to_dict("records")
        assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == TYPES
        assert list(frame.index) == [0, 1]
        assert (full["name"], full["votes"], full["price"], full["ratio"]) == ("50%'\"ü😀", -3, 1.1, 0.1)
        assert (full["is_good"], full["mood"]) == (False, "so so")
        assert (full["clock"], full["raw"], full["address"], full["guid"]) == (FULL["clock"], b"\0\xff", "10.0.0.1", str(FULL["guid"]))
        assert (full["at"], full["seen"], str(full["day"])) == (FULL["at"], FULL["seen"], "0001-01-01 00:00:00")
        assert full["doc"].replace(" ", "") == '{"a":[1]}'
        assert list(frame["mood"].cat.categories) == ["happy", "so so"]
        assert frame.loc[1].drop(["id", "name"]).isna().all(), empty

    def test_no_rows_have_the_same_types(self, urls: dict[str, str], engine: str) -> None:
        """Nothing found, and a slice of nothing that asks nobody, have columns and types as many rows have."""
        with DRIVERS[engine](urls[engine]):
            nothing = Vote.select().where(votes=99).as_df()
            slice_of_nothing = Vote.select()[0:0].as_df()

        assert len(nothing) == len(slice_of_nothing) == 0
        assert {name: str(dtype) for name, dtype in nothing.dtypes.items()} == TYPES
        assert slice_of_nothing.dtypes.equals(nothing.dtypes)

    def test_selected_columns(self, urls: dict[str, str], engine: str) -> None:
        """Columns are those that are selected, in that order, under their names."""
        with DRIVERS[engine](urls[engine]):
            frame = Vote.select("votes", (Vote.votes * 2).label("double"), "name").where(name__like="50%").as_df()

        assert frame.to_dict("records") == [{"votes": -3, "double": -6, "name": "50%'\"ü😀"}]
        assert list(frame.dtypes.astype(str)) == ["Int64", "Int64", "str"]

    def test_widths(self, urls: dict[str, str], engine: str) -> None:
        """Integers are as wide as the column, unsigned ones of 64 bits on MariaDB; int64 on SQLite, and for what is computed."""
        large = 2**64 - 1 if engine == "mariadb" else 2**63 - 1
        wanted = {
            "sqlite": [pa.int64(), pa.int64(), pa.int64()],
            "postgresql": [pa.int16(), pa.int32(), pa.int64()],
            "mariadb": [pa.int16(), pa.int32(), pa.uint64()],
        }
        with DRIVERS[engine](urls[engine], commit=False):
            Widths(small=-(2**15), plain=2**31 - 2, large=large).save()
            table = Widths.select("small", "plain", "large", Widths.small.label("other"), (Widths.plain + 1).label("more")).as_arrow()

        assert table.schema.types[:3] == wanted[engine]
        assert table.schema.types[3] == wanted[engine][0]
        assert table.to_pylist() == [{"small": -(2**15), "plain": 2**31 - 2, "large": large, "other": -(2**15), "more": 2**31 - 1}]

    def test_conditions(self, urls: dict[str, str], engine: str) -> None:
        """A condition finds what it finds in .all(), whatever its value is made of."""
        with DRIVERS[engine](urls[engine]):
            for field in FULL.keys() - {"doc", "ratio"}:
                query = Vote.select("id", "name").where(**{field: FULL[field]})
                assert query.as_df()["id"].tolist() == [row.id for row in query.all()] == [1], field
            assert Vote.select("id").where(name__in=["x", *ENGINE_NAMES], votes__isnull=True).as_df()["id"].tolist() == [2]

    def test_decimals(self, urls: dict[str, str], engine: str) -> None:
        """Decimals are doubles, and decimals on wish; Arrow has them as they are."""
        with DRIVERS[engine](urls[engine]):
            exact = Vote.select("price").orderby("id").as_df(decimals="exact")
            table = Vote.select("price").as_arrow()
            doubles = Vote.select("price").as_arrow(decimals="float")
            with pytest.raises(InputError, match="'maybe'"):
                Vote.select("price").as_df(decimals="maybe")

        assert exact["price"].tolist() == [Decimal("1.10"), None]
        assert table.schema.field("price").type == pa.decimal128(12, 2)
        assert doubles.schema.field("price").type == pa.float64()

    def test_polars(self, urls: dict[str, str], engine: str) -> None:
        """polars has the types of Arrow."""
        with DRIVERS[engine](urls[engine]):
            frame = Vote.select().orderby("id").as_polars()

        assert [str(frame.schema[name]) for name in ("votes", "price", "seen", "mood")][1:3] == [
            "Decimal(precision=12, scale=2)",
            "Datetime(time_unit='us', time_zone='UTC')",
        ]
        assert frame["mood"].to_list() == ["so so", None]

    def test_what_the_block_has_written(self, urls: dict[str, str], engine: str) -> None:
        """Rows that are not committed are in the frame, as they are in .all(), also those that were changed and not saved."""
        with DRIVERS[engine](urls[engine]) as db:
            Vote(name="new").save()
            row = Vote.select().where(name="new").first()
            row.votes = 7

            frame = Vote.select("votes").where(name="new").as_df()
            db.rollback()

            assert frame["votes"].tolist() == [7]
            assert Vote.select().where(name="new").as_df().empty

    def test_no_mapped_object_is_made(self, urls: dict[str, str], engine: str) -> None:
        """A frame is made of values."""
        made: list[object] = []
        sa.event.listen(Vote, "load", lambda row, context: made.append(row))
        with DRIVERS[engine](urls[engine]):
            Vote.select().as_df()

        assert made == []


class TestSeveralDatabases:
    """One frame of all that are bound."""

    def test_a_column_says_which(self, three: list[Any]) -> None:
        """Rows of all engines have one schema, and the name of their database behind them."""
        frame = Vote.select("name", "votes", "seen").as_df()

        assert list(frame.columns) == ["name", "votes", "seen", "database"]
        assert frame["database"].dtype == pd.CategoricalDtype([db.name for db in three])
        assert frame.groupby("database", observed=False).size().tolist() == [2, 2, 2]
        assert frame["votes"].sum() == -9
        assert list(frame.index) == list(range(6))

    def test_whole_rows(self, three: list[Any]) -> None:
        """Also with every type."""
        table = Vote.select().as_arrow()

        assert table.num_rows == 6
        assert table.column("price").to_pylist().count(Decimal("1.10")) == 3

    def test_order_is_global(self, three: list[Any]) -> None:
        """An order goes over all databases, NULLs where it puts them, and level rows in the order of the databases."""
        frame = Vote.select("name", "votes").orderby("-votes", "name").as_df()

        assert frame["name"].tolist() == ["mariadb", "postgresql", "sqlite", *["50%'\"ü😀"] * 3]
        assert frame["database"].tolist()[3:] == [db.name for db in three]

    @pytest.mark.parametrize("field", ["price", "seen", "mood", "ratio", "day", "raw", "is_good", "guid"])
    @pytest.mark.parametrize("sign", ["", "-"])
    def test_order_is_that_of_all(self, three: list[Any], field: str, sign: str) -> None:
        """A frame has the order of .all(), by every kind of field."""
        query = Vote.select("name", field).orderby(f"{sign}{field}", "name")

        assert query.as_df()["name"].tolist() == [row.name for row in query.all()]

    def test_slices(self, three: list[Any]) -> None:
        """Rows of each database, and databases."""
        frame = Vote.select("name")[0:1, 0:2].as_df()

        assert frame["database"].tolist() == [db.name for db in three[:2]]
        assert Vote.select("name")[0:1, 3:3].as_df().empty

    def test_names_that_clash(self, three: list[Any]) -> None:
        """A column of that name is refused, with the way out."""
        with pytest.raises(QueryError, match=r"'database' is selected.*database='database_name'"):
            Source.select().as_df()

        assert list(Source.select().as_df(database="source")["source"]) == [db.name for db in three]

    def test_the_column_of_one_database(self, three: list[Any]) -> None:
        """It is there on wish."""
        assert Vote.select("name").using(three[0]).as_arrow(database="source").column_names == ["name", "source"]

    def test_one_that_fails(self, three: list[Any]) -> None:
        """It is named; the others' rows are there on wish."""
        three[2].connection().exec_driver_sql("RENAME TABLE vote TO elsewhere")
        try:
            with pytest.raises(DatabasesFailed, match=three[2].name):
                Vote.select().as_df()
            frame = Vote.select().on_error("report").as_df()
        finally:
            three[2].connection().exec_driver_sql("RENAME TABLE elsewhere TO vote")

        assert len(frame) == 4

    def test_different_types(self, three: list[Any]) -> None:
        """A database in which a column is something else is named, with the difference."""
        three[1].connection().exec_driver_sql("ALTER TABLE vote ALTER ratio TYPE text")

        with pytest.raises(DatabasesFailed, match=f"{three[1].name}.*'ratio' is 'text' .* taken for 'float'"):
            Vote.select("ratio").as_df()
        three[1].rollback()


class TestLimits:
    """What keeps a frame from being read."""

    def test_a_deadline(self, urls: dict[str, str]) -> None:
        """A limit of time holds, whoever reads."""
        with Postgresql(urls["postgresql"]):
            slow = Vote.select(sa.func.pg_sleep(20).cast(sa.Text).label("s")).timeout(0.3)

            with pytest.raises(TimedOut):
                slow.as_df()

    def test_a_reader_that_hangs(self, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        """Also when the server says nothing to a reader that nobody can interrupt."""
        from threading import Event

        from qapla.database.frames import connectorx, postgresql

        end = Event()
        monkeypatch.setattr(postgresql, "FEW_ROWS", -1)
        monkeypatch.setattr(connectorx, "read", lambda question: end.wait(20))
        with Postgresql(urls["postgresql"]), pytest.raises(TimedOut):
            Vote.select().timeout(0.3).as_df()
        end.set()

    def test_a_missing_library(self, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        """A library that is not installed is named, and the extra that brings it."""
        import sys

        monkeypatch.setitem(sys.modules, "polars", None)
        with Sqlite(urls["sqlite"]), pytest.raises(ConfigurationError, match=r"'polars'.*qapla\[polars\]"):
            Vote.select().as_polars()

    def test_without_fast_readers(self, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        """Where neither ConnectorX nor ADBC is installed the rows are read nevertheless."""
        from qapla.database.frames import adbc, connectorx, postgresql

        monkeypatch.setattr(postgresql, "FEW_ROWS", -1)
        for module in (adbc, connectorx):
            monkeypatch.setattr(module, "can_read", lambda question: False)
        with Postgresql(urls["postgresql"]):
            assert len(Vote.select().as_df()) == 2
