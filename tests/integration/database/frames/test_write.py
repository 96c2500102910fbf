"""``to_table``: frames into tables of each engine, all rows or none."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from contextlib import ExitStack
from decimal import Decimal

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa

from qapla.database import models
from qapla.database.drivers import Mariadb, Postgresql, Sqlite
from qapla.database.frames.distributed import write_part
from qapla.database.frames.making import drop
from qapla.database.frames.reading import read_table
from qapla.database.frames.write import Written, to_table
from qapla.errors import (
    Conflict,
    DatabaseError,
    InputError,
    NotBound,
    NotFound,
    NotOffered,
    PartitionFailed,
    QaplaError,
    TableExists,
    ValueRefused,
)
from qapla.testing.servers import make_database

DRIVERS = {"sqlite": Sqlite, "postgresql": Postgresql, "mariadb": Mariadb}
FRAME = pd.DataFrame({"id": [1, 2, 3], "name": ["%'\"\\", None, ""], "ratio": [0.1, None, 2.5]})


with dask.config.set({"dataframe.convert-string": False}):
    OBJECTS = dd.from_pandas(FRAME.assign(x=[b"", b"", b""]), npartitions=1)


class Base(models.Model):
    """Models of this module."""

    __abstract__ = True
    metadata = sa.MetaData()


class Vote(Base):
    """A row with a field of each kind."""

    name = models.Varchar(max_length=40, null=True, comment="who")
    price = models.Decimal(12, 2, null=True)
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


class Child(Base):
    """A row that refers to a vote."""

    vote = models.ForeignKey(Vote)


ROW = {
    "name": "çelik %", "price": Decimal("1.10"), "is_good": True, "mood": "so so", "day": dt.date(2024, 2, 29),
    "clock": dt.time(23, 59, 59, 5),
    "at": dt.datetime(2024, 1, 2, 3, 4, 5, 6), "seen": dt.datetime(2024, 1, 2, tzinfo=dt.UTC), "guid": uuid.UUID(int=5),
    "doc": {"a": [1, None, "é"]}, "raw": b"\0\xff\\x", "address": "2001:db8::1",
}  # fmt: skip


@pytest.fixture(scope="module")
def urls():
    """Give the URL of one database per engine."""
    made = {}
    with ExitStack() as stack:

        def give(name):
            if name not in made:
                made[name] = stack.enter_context(make_database(name)).render_as_string(hide_password=False)
            return made[name]

        yield give


@pytest.fixture
def db(engine_name, urls):
    """Bind a database without tables of each engine."""
    with DRIVERS[engine_name](urls(engine_name), name="shop") as db:
        yield db
        db.rollback()
        with db.engine.begin() as connection:
            for table in (Child.__table__, Vote.__table__):
                table.drop(connection, checkfirst=True)
            for name in sa.inspect(connection).get_table_names():
                drop(connection, sa.Table(name, sa.MetaData()))


def read(db, name="votes", order="id"):
    """Return the rows of a table, as another connection sees them."""
    db.commit()
    quote = db.engine.dialect.identifier_preparer.quote_identifier
    with db.engine.connect() as connection:
        connection.execution_options(no_parameters=True)
        sql = f"SELECT * FROM {quote(name).replace('%%', '%')} ORDER BY {quote(order)}"
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def write_and_fail():
    to_table(FRAME, "votes")
    raise ZeroDivisionError


ROWS = [(1, "%'\"\\", 0.1), (2, None, None), (3, "", 2.5)]


class TestNew:
    """A table that is not there."""

    def test_rows(self, db):
        """NULL, empty text and special characters are what they were; the rows are committed with the block."""
        written = to_table(FRAME, "votes")

        assert written == Written("votes", "shop", 3)
        assert db.has_written
        assert read(db) == ROWS

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    @pytest.mark.parametrize("make", [pa.Table.from_pandas, pl.from_pandas, lambda frame: dd.from_pandas(frame, npartitions=2)])
    def test_frames(self, make, db):
        """Frames of Arrow, Polars and Dask are written as those of pandas."""
        with dask.config.set(scheduler="synchronous"):
            assert to_table(make(FRAME), "votes").rows == 3

        assert read(db) == ROWS

    def test_structure(self, db):
        """Keys, indexes and types are as wished."""
        to_table(FRAME, "votes", keys="id", indexes=["ratio", ("name", "id")], types={"name": models.Varchar(max_length=30)})

        (found,) = db.discover(include=("votes",)).tables
        assert found.primary_key.columns == ("id",)
        assert found.by_name["name"].type.length == 30
        indexes = sa.inspect(db.connection()).get_indexes("votes")
        assert sorted(tuple(index["column_names"]) for index in indexes) == [("name", "id"), ("ratio",)]

    def test_odd_names(self, db):
        """Quotes, percent signs, blanks and capitals in names are themselves."""
        to_table(pd.DataFrame({'a "b" 100%': [1], "select": ["x"], "é:p": [2]}), 'odd `t` "50%"')

        assert read(db, 'odd `t` "50%"', "select") == [(1, "x", 2)]

    def test_empty(self, db):
        """A frame without rows makes a table without rows."""
        assert to_table(FRAME.iloc[:0], "votes").rows == 0

        assert read(db) == []

    def test_rolled_back(self, engine_name, urls, db):
        """With a block that fails nothing is written; where making a table commits, that table is there, complete."""
        with pytest.raises(ZeroDivisionError), DRIVERS[engine_name](urls(engine_name)):
            write_and_fail()

        assert sa.inspect(db.connection()).has_table("votes") is not db.dialect.has_transactional_ddl

    def test_failed_load(self, db):
        """When a row is refused there is no table, and nothing aside."""
        with pytest.raises(DatabaseError, match="duplicate key"):
            to_table(pd.DataFrame({"id": [1, 1]}), "votes", keys="id")

        assert sa.inspect(db.connection()).get_table_names() == []

    def test_types(self, db):
        """Each type becomes the column that a model of the same field has, and a model reads it."""
        frame = pd.DataFrame([{"id": 1, **ROW}, {"id": 2}])
        to_table(frame, "vote", keys="id", types={"mood": models.Varchar(max_length=9)})
        db.commit()

        found = Vote.select("price", "day", "clock", "at", "seen", "guid", "doc", "raw").where(id=1).one()

        assert tuple(found) == tuple(ROW[name] for name in ("price", "day", "clock", "at", "seen", "guid", "doc", "raw"))
        assert Vote.select().where(id=2, name=None, raw=None).exists()


class TestThere:
    """A table that is there already."""

    def test_fail(self, db):
        """It is an error, unless something else is said."""
        to_table(FRAME, "votes")

        with pytest.raises(TableExists, match=r"table 'votes' exists already in database 'shop' \(if_exists='append'"):
            to_table(FRAME, "votes")

    def test_append(self, db):
        """Rows are added to the table of a model, by the names of columns; numbers of new rows go on behind them."""
        db.create_tables(Vote, Child)
        frame = pd.DataFrame([{"id": 41, **ROW}, {"id": 42, "mood": "happy"}])

        to_table(frame[reversed(frame.columns)], Vote, if_exists="append")
        new = Vote(name="new")
        new.save()

        row = Vote.select().where(id=41).one()
        assert {name: getattr(row, name) for name in ROW if name != "address"} == {name: ROW[name] for name in ROW if name != "address"}
        assert str(row.address) == ROW["address"]
        assert new.id == 43

    def test_append_frame(self, db):
        """What as_df() gave goes back as it was."""
        db.create_tables(Vote, Child)
        Vote(**ROW).save()
        Vote(mood="happy").save()
        frame = Vote.select().as_df(decimals="exact")

        to_table(frame.assign(id=frame.id + 2), Vote, if_exists="append")

        pd.testing.assert_frame_equal(Vote.select().where(id__gt=2).as_df(decimals="exact").drop(columns="id"), frame.drop(columns="id"))

    def test_append_all_or_none(self, db):
        """When one row is refused none is added, and the block goes on."""
        to_table(FRAME, "votes", keys="id")
        db.commit()

        with pytest.raises(DatabaseError, match="duplicate key"):
            to_table(FRAME.assign(id=[7, 8, 1]), "votes", if_exists="append")

        assert read(db) == ROWS

    def test_append_other_columns(self, db):
        """Columns that differ are told, all of them; a column that may be empty may be missing."""
        db.create_tables(Vote, Child)

        both = "the table has no 'nme'; the frame has no 'vote_id', which must have a value"
        with pytest.raises(InputError, match=re.escape(f"different columns: {both}")):
            to_table(pd.DataFrame({"nme": [1]}), Child, if_exists="append")
        with pytest.raises(InputError, match=r"(?i)'day' is date there and boolean here"):
            to_table(pd.DataFrame({"day": [True]}), Vote, if_exists="append")

    def test_replace_rows(self, db):
        """With the same columns the table stays: key, indexes, comments, what refers to it; only its rows are others."""
        db.create_tables(Vote, Child)
        Vote(name="old").save()
        db.commit()
        before = db.discover(include=("vote",)).fingerprint

        to_table(Vote.select().as_df().assign(name="new"), Vote, if_exists="replace")

        assert [row.name for row in Vote.select().all()] == ["new"]
        assert db.discover(include=("vote",)).fingerprint == before

    def test_replace_table(self, db):
        """With other columns a new table is swapped in; key, indexes and comments of what is still there are kept, the rest is told."""
        to_table(FRAME, "votes", keys="id", indexes=["ratio", ("name", "id")], types={"name": models.Varchar(max_length=9)})
        db.commit()

        written = to_table(FRAME[["id", "ratio"]], "votes", if_exists="replace")

        (found,) = db.discover(include=("votes",)).tables
        assert [note for note in written.notes if "not kept" in note] == list(written.notes)
        assert len(written.notes) == 1
        assert (list(found.by_name), found.primary_key.columns) == (["id", "ratio"], ("id",))
        assert [index["column_names"] for index in sa.inspect(db.connection()).get_indexes("votes")] == [["ratio"]]
        assert read(db) == [(1, 0.1), (2, None), (3, 2.5)]

    def test_replace_is_unseen(self, db):
        """Until it is complete nobody sees it: when it fails, the old rows are there."""
        to_table(FRAME, "votes", keys="id")
        db.commit()

        for frame in (FRAME.assign(id=1), FRAME.assign(id=1)[["id"]]):
            with pytest.raises(DatabaseError):
                to_table(frame, "votes", if_exists="replace")

        assert read(db) == ROWS
        assert sa.inspect(db.connection()).get_table_names() == ["votes"]

    def test_replace_referred(self, db):
        """A table that others refer to keeps its columns."""
        db.create_tables(Vote, Child)
        vote = Vote(name="a")
        vote.save()
        Child(vote=vote).save()
        db.commit()

        with pytest.raises(QaplaError):
            to_table(FRAME, Vote, if_exists="replace")

        assert Vote.select().one().name == "a"

    def test_view(self, db):
        """A view is no table."""
        db.session.execute(sa.text("CREATE VIEW seen AS SELECT 1 AS id"))

        with pytest.raises(NotOffered, match="'seen' is a view"):
            to_table(FRAME, "seen", if_exists="append")
        db.session.execute(sa.text("DROP VIEW seen"))


class TestDask:
    """Frames of Dask."""

    @pytest.fixture(autouse=True)
    def threads(self):
        """Let two partitions be written at the same time."""
        with dask.config.set(scheduler="threads", num_workers=2):
            yield

    def test_append_and_replace(self, db):
        """Partitions are added, or put in place of rows, all at once; the table keeps its types and counts on."""
        db.create_tables(Vote, Child)
        frame = dd.from_pandas(pd.DataFrame({"id": range(10, 20), "mood": ["happy"] * 10}), npartitions=3)
        db.commit()

        assert to_table(frame, Vote, if_exists="append").rows == 10
        assert to_table(frame.assign(id=frame.id + 90), Vote, if_exists="append").rows == 10
        new = Vote(mood="so so")
        new.save()
        db.commit()

        assert (Vote.select().where(mood="happy").count(), new.id) == (20, 110)
        assert len(sa.inspect(db.engine).get_table_names()) == 2

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_failed_partition(self, db):
        """When a partition fails nothing has happened, and it is told which one."""
        to_table(FRAME, "votes", keys="id")
        db.commit()
        frame = dd.from_pandas(FRAME, npartitions=3)
        frame = frame.map_partitions(lambda part: part.assign(ratio="x") if 2 in set(part.id) else part, meta=FRAME)

        with pytest.raises(PartitionFailed, match="partition 1 could not be written into database 'shop': "):
            to_table(frame, "votes", if_exists="replace")

        assert read(db) == ROWS
        assert sa.inspect(db.engine).get_table_names() == ["votes"]

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_written_twice(self, db, monkeypatch):
        """A partition whose worker died after its commit is in the table once."""
        monkeypatch.setattr("qapla.database.frames.distributed.write_part", lambda *given: [write_part(*given) for _ in range(2)][1])

        assert to_table(dd.from_pandas(FRAME, npartitions=2), "votes").rows == 3

        assert read(db) == ROWS

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_from_distributed(self, db):
        """A frame that was read from a database goes into another table, without being in one place."""
        to_table(FRAME, "vote", keys="id")
        db.commit()

        class Old(models.Model):
            __tablename__ = "vote"
            metadata = sa.MetaData()
            name = models.Text(null=True)
            ratio = models.Float(null=True)

        to_table(Old.select().as_distributed_df(rows_per_partition=1), "votes")

        assert read(db) == ROWS


class TestRefused:
    """Bad input, on one engine where all are the same."""

    def test_no_schema(self, db):
        """A schema that is not there is named."""
        with pytest.raises(NotFound, match="database 'shop' has no schema 'nope'"):
            to_table(FRAME, "votes", schema="nope")

    def test_not_bound(self):
        """Somebody has to open a database."""
        with pytest.raises(NotBound):
            to_table(FRAME, "votes")

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"if_exists": "Replace"}, "if_exists 'Replace' is not known"),
            ({"name": ""}, "table '' has no name"),
            ({"keys": ["nme"]}, "no column 'nme' .*did you mean 'name'"),
            ({"indexes": [("name", "ide")]}, "no column 'ide'"),
            ({"types": {"x": sa.Text()}}, "no column 'x'"),
            ({"keys": ["name"]}, "column 'name' is part of the key, and has NULLs"),
            ({"using": 7}, "a int is no database"),
            ({"frame": FRAME[[]]}, "without columns"),
            ({"frame": FRAME.assign(Name=1)}, "columns 'name' and 'Name' are one column"),
            ({"frame": OBJECTS}, "column 'x' has objects"),
            ({"frame": dd.from_pandas(FRAME, npartitions=1).id}, "to_frame"),
        ],
        ids=["if_exists", "name", "key", "index", "type", "null", "using", "nothing", "capitals", "objects", "series"],
    )
    def test_wrong(self, options, said, sqlite_path):
        """What is wrong is said, and nothing is made."""
        with Sqlite(sqlite_path) as db:
            with pytest.raises(InputError, match=said):
                to_table(**{"frame": FRAME, "name": "votes", **options})
            assert sa.inspect(db.connection()).get_table_names() == []

    def test_long_name(self, db):
        """A name that the engine would cut off is refused."""
        if db.dialect.longest_name is None:
            to_table(FRAME, "x" * 200)
            return
        with pytest.raises(InputError, match=r"has a name of 64 bytes|has a name of 128 characters"):
            to_table(FRAME, ("é" * 32 if db.dialect.name_unit == "bytes" else "x" * 128))

    def test_infinity(self, db):
        """An infinite number is refused where there is none."""
        frame = pd.DataFrame({"id": [1.0, np.inf]})
        if db.dialect.has_infinity:
            to_table(frame, "votes")
            assert read(db) == [(1.0,), (np.inf,)]
            return
        with pytest.raises(ValueRefused, match="column 'id' has an infinite number, which MariaDB cannot hold"):
            to_table(frame, "votes")

    def test_out_of_range(self, db):
        """A number that the column cannot hold is refused with the engine's words, and a NUL with ours."""
        db.create_tables(Vote, Child)
        if db.dialect.has_strict_types:
            with pytest.raises(QaplaError):
                to_table(pd.DataFrame({"price": [Decimal("99999999999.99")]}), Vote, if_exists="append")
        with pytest.raises(ValueRefused, match="column 'name' has a text with a NUL"):
            to_table(pd.DataFrame({"name": ["a\0b"]}), Vote, if_exists="append")

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"price": [Decimal("1.10"), Decimal("1.005")]}, "'price' has a number with more than 12 digits, 2 of them behind the point"),
            ({"price": [Decimal("99999999999.99")]}, "'price' has a number with more than 12 digits, 2 of them behind the point"),
            ({"name": ["a", "b" + " " * 40]}, "'name' has a text that is longer than 40 characters"),
        ],
    )
    def test_room_of_a_column(self, values, said, db):
        """What a column has no room for is refused, and not rounded, cut, or kept nevertheless."""
        db.create_tables(Vote, Child)

        with pytest.raises(ValueRefused, match=f"column {said}"):
            to_table(pd.DataFrame(values), Vote, if_exists="append")

        assert Vote.select().count() == 0

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_digits(self, db):
        """A decimal with more digits than SQLite keeps is refused, with its column, also in a new table."""
        for digits in ("9" * 16 + ".1", "9" * 50 + ".1"):
            with pytest.raises(ValueRefused, match=r"column 'a': '9+\.1' has more than 15 digits"):
                to_table(pd.DataFrame({"a": [Decimal(digits)]}), "votes")

    def test_days_of_old(self, db):
        """Days before year 1 and after 9999 are written to PostgreSQL as they are; elsewhere they are refused with their column."""
        days = pa.array([-735_600, -719_163, 0, None, 6_585_000], pa.int32()).cast(pa.date32())  # 46 BC, 1 BC, 1970, none, 19999
        moments = days.cast(pa.timestamp("us"))
        zoned = moments.cast(pa.timestamp("us", "UTC"))
        for column, type_ in ((days, sa.Date()), (moments, sa.DateTime()), (zoned, sa.DateTime(timezone=True))):
            frame = pa.table({"day": column})
            if not db.dialect.has_copy:
                with pytest.raises(ValueRefused, match="column 'day' has a day before year 1 or after 9999"):
                    to_table(frame, "votes", if_exists="replace")
                continue
            to_table(frame, "votes", if_exists="replace")
            statement = sa.select(sa.column("day", type_)).select_from(sa.table("votes"))
            found = read_table(statement, db.engine, connection=db.connection())

            assert found.column("day").combine_chunks().equals(column)

    def test_wished_length(self, db):
        """A text that is too long for the type that was wished is refused, and there is no table."""
        with pytest.raises(ValueRefused, match="column 'name' has a text that is longer than 3 characters"):
            to_table(FRAME.assign(name=["a", None, "toolong"]), "votes", types={"name": models.Char(max_length=3)})

        assert sa.inspect(db.connection()).get_table_names() == []

    def test_durations(self, db):
        """Durations are a type of PostgreSQL; elsewhere they are refused with what to write."""
        frame = pd.DataFrame({"took": pd.to_timedelta([90, None], "s")})
        if not db.dialect.has_intervals:
            with pytest.raises(NotOffered, match="total_seconds"):
                to_table(frame, "votes")
            return
        to_table(frame, "votes")
        assert read(db, order="took") == [(dt.timedelta(seconds=90),), (None,)]

    def test_pending(self, db):
        """What is not committed yet is neither committed on the quiet nor waited for."""
        db.create_tables(Vote, Child)
        db.commit()
        Vote(name="new").save()

        with pytest.raises(Conflict, match="not committed"):
            to_table(dd.from_pandas(FRAME, npartitions=1), "votes")
        if not db.dialect.has_transactional_ddl:
            with pytest.raises(Conflict, match="would commit"):
                to_table(FRAME, "votes")


def test_engine_and_connection(fresh_database):
    """Without models: through an engine, which commits, or a connection, whose transaction goes on."""
    engine = sa.create_engine(fresh_database)
    assert to_table(FRAME, "votes", using=engine).rows == 3
    with engine.connect() as connection:
        to_table(FRAME.assign(id=[7, 8, 9]), "votes", using=connection, if_exists="append")
        connection.rollback()
        found = connection.execute(sa.text("SELECT count(*) FROM votes")).scalar_one()

    assert found == 3
    with pytest.raises(TableExists):
        to_table(FRAME, "votes", using=engine)
    engine.dispose()
