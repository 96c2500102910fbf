"""``as_distributed_df``: the rows of ``as_df``, in partitions that any process reads, and nothing before it is computed."""

from __future__ import annotations

import operator
import pickle
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta

import dask
import pandas as pd
import pytest
import sqlalchemy as sa

from qapla.database import models
from qapla.database.drivers import Mariadb, Postgresql, Sqlite
from qapla.database.frames.expression import ReadPartitions
from qapla.database.frames.parts import make_statement
from qapla.database.models.reference import Reference
from qapla.errors import Conflict, DatabasesFailed, InputError, NotBound, NotOffered, PartitionFailed, QaplaError, QueryError
from qapla.testing.servers import ENGINE_NAMES, make_database

DRIVERS = {"sqlite": Sqlite, "postgresql": Postgresql, "mariadb": Mariadb}
COUNT = 60
NAMES = ["Ada", "ada", "%'\"", "çelik ", "日本"]


class Base(models.Model):
    """Models of this module."""

    __abstract__ = True
    metadata = sa.MetaData()


class Vote(Base):
    """A row with a number, a text, a moment, and gaps in all of them."""

    name = models.Varchar(max_length=40, null=True)
    votes = models.Integer(null=True)
    price = models.Decimal(12, 2, null=True)
    ratio = models.Float(null=True)
    is_good = models.Boolean(null=True)
    mood = models.Enum("happy", "so so", null=True)
    day = models.Date(null=True)
    at = models.DateTime(null=True)
    seen = models.Timestamp(null=True)


class Line(Base):
    """A row with a key of two columns."""

    order = models.Integer(primary_key=True)
    product = models.Varchar(max_length=20, primary_key=True)


class Seen(Base):
    """A view that cannot be read."""

    __tablename__ = "broken"

    id = models.PrimaryKey()


def rows(count=COUNT):
    start = datetime(2024, 1, 1)
    for number in range(count):
        if number % 7 == 0:
            yield {"name": None, "votes": None}
            continue
        yield {
            "name": NAMES[number % 5], "votes": number % 11 - 3, "price": number / 4, "ratio": number / 3,
            "is_good": number % 2 == 0, "mood": ["happy", "so so"][number % 2], "day": (start + timedelta(number)).date(),
            "at": start + timedelta(hours=number), "seen": (start + timedelta(hours=number)).astimezone(),
        }  # fmt: skip


@pytest.fixture(scope="module")
def filled():
    """Give a URL of one filled database per engine."""
    made = {}
    with ExitStack() as stack:

        def give(name):
            if name not in made:
                url = stack.enter_context(make_database(name)).render_as_string(hide_password=False)
                with DRIVERS[name](url) as db:
                    db.create_tables(Vote, Line)
                    for row in rows():
                        Vote(**row).save()
                    for number in range(20):
                        Line(order=number % 3, product=f"p{number}").save()
                made[name] = url
            return made[name]

        yield give


@pytest.fixture(autouse=True)
def one_thread():
    """Compute in this thread, which is the fastest for a few rows."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def whole(filled):
    """Give all rows of each engine's database, as a frame of pandas and as one of Dask."""
    made = {}

    def give(name):
        if name not in made:
            with DRIVERS[name](filled(name), name="votes"):
                made[name] = Vote.select().as_df(), Vote.select().as_distributed_df()
        return made[name]

    return give


@pytest.fixture
def opened(engine_name, filled):
    """Bind the filled database of each engine."""
    with DRIVERS[engine_name](filled(engine_name), name="votes") as db:
        yield db


@pytest.fixture
def files(tmp_path):
    """Give three SQLite files with three rows each."""
    paths = [tmp_path / f"shop{number}.sqlite" for number in range(3)]
    for place, path in enumerate(paths):
        with Sqlite(path) as db:
            db.create_table(Vote)
            for number in range(3):
                Vote(name=f"n{number}", votes=place * 10 + number).save()
    return paths


def same(frame, expected):
    """Tell whether two frames have the same rows in whatever order, and the same types."""
    found, wanted = (each.sort_values("id").reset_index(drop=True) for each in (frame, expected))
    pd.testing.assert_frame_equal(found, wanted)
    return True


def read_of(frame):
    """Return the expression that reads, once Dask has told it what is wanted."""
    (found,) = frame.expr.optimize(fuse=False).find_operations(ReadPartitions)
    return found


def sql_of(frame, bound):
    """Return the statement of the first partition."""
    read = read_of(frame)
    partition = read.operand("partitions_")[0]
    return str(make_statement(partition, read.columns, read.operand("conditions"), bound.engine))


class TestSameAsFrame:
    """On each engine the rows and types are those of as_df()."""

    def test_rows(self, opened):
        """Whole rows, in several partitions, which threads read side by side."""
        frame = Vote.select().as_distributed_df(rows_per_partition=15)

        assert frame.npartitions == 4
        assert dict(frame.dtypes) == dict(Vote.select().as_df().dtypes)
        assert same(frame.compute(scheduler="threads"), Vote.select().as_df())

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_question(self, opened):
        """Conditions, also on columns that are not selected, and selected columns; quotes and % are themselves."""
        queryset = Vote.select("id", "name").where(name__in=["%'\"", "日本"], votes__gt=0)

        frame = queryset.as_distributed_df(rows_per_partition=25)

        assert same(frame.compute(), queryset.as_df())

    def test_composite_key(self, opened):
        """A key of two columns is cut by both."""
        frame = Line.select().as_distributed_df(rows_per_partition=6)

        found = frame.compute()

        assert frame.npartitions >= 3
        assert sorted(zip(found.order, found["product"], strict=True)) == sorted((number % 3, f"p{number}") for number in range(20))

    def test_other_key(self, opened):
        """It may be cut by any column; rows without a value are in the first partition."""
        frame = Vote.select().as_distributed_df(rows_per_partition=25, key="at")

        assert same(frame.compute(), Vote.select().as_df())

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_exact(self, opened):
        """Options of as_df() mean the same here."""
        frame = Vote.select("id", "price", "at").as_distributed_df(rows_per_partition=20, decimals="exact", as_text=["at"])

        assert same(frame.compute(), Vote.select("id", "price", "at").as_df(decimals="exact", as_text=["at"]))

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_slice(self, opened):
        """A slice is one partition."""
        frame = Vote.select().orderby("-id")[5:10].as_distributed_df(rows_per_partition=2)

        assert frame.npartitions == 1
        assert frame.id.compute().tolist() == Vote.select().orderby("-id")[5:10].as_df().id.tolist()

    def test_divisions(self, opened):
        """With the key as index the divisions are known, and loc reads only partitions in which the rows can be."""
        frame = Vote.select().as_distributed_df(rows_per_partition=10, index="id")

        assert frame.known_divisions
        assert frame.divisions[0] == 1
        assert frame.divisions[-1] == COUNT
        assert frame.loc[3:5].npartitions == 1
        assert frame.loc[3:5].compute().index.tolist() == [3, 4, 5]
        assert frame.compute().index.tolist() == list(range(1, COUNT + 1))

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_index_without_divisions(self, opened):
        """Any column may be the index; of one that is not the key the divisions are not known."""
        frame = Vote.select("name", "votes").as_distributed_df(index="name", rows_per_partition=40)

        assert not frame.known_divisions
        assert frame.index.name == "name"
        assert len(frame.compute()) == COUNT


FILTERS = {
    "equal": lambda frame: frame.votes == 3,
    "unequal": lambda frame: frame.votes != 3,
    "unequal float": lambda frame: frame.ratio != 2.0,
    "turned": lambda frame: operator.lt(3, frame.votes),
    "float of integers": lambda frame: frame.votes > 2.5,
    "decimal": lambda frame: frame.price >= 3.25,
    "decimal equal": lambda frame: frame.price == 5.25,
    "float": lambda frame: frame.ratio <= 1 / 3,
    "collation": lambda frame: frame.name == "ada",
    "blank": lambda frame: frame.name == "çelik",
    "order of texts": lambda frame: frame.name > "B",
    "not equal text": lambda frame: frame.name != "Ada",
    "list": lambda frame: frame.name.isin(["Ada", "日本"]),
    "list of numbers": lambda frame: frame.votes.isin([1, 2]),
    "enum": lambda frame: frame.mood == "happy",
    "boolean": lambda frame: frame.is_good == True,  # noqa: E712
    "day": lambda frame: frame.day < pd.Timestamp("2024-01-20"),
    "moment": lambda frame: frame["at"] >= pd.Timestamp("2024-01-01 20:00"),
    "moment with zone": lambda frame: frame.seen < pd.Timestamp("2024-01-02", tz="Asia/Tokyo"),
    "present": lambda frame: frame.name.notnull(),
    "and": lambda frame: (frame.votes > 0) & (frame.name == "Ada"),
    "or": lambda frame: (frame.votes > 5) | (frame.name == "Ada") & (frame.ratio < 4),
    "not offered": lambda frame: (frame.votes > 0) & frame.name.str.startswith("A"),
    "nothing": lambda frame: frame.votes > 10**30,
}


# All on one engine; on the others those in which engines differ.
DIFFERENT = ("collation", "blank", "decimal", "float", "boolean", "moment", "moment with zone", "and")
CASES = [("postgresql", name) for name in FILTERS] + [(engine, name) for engine in ("sqlite", "mariadb") for name in DIFFERENT]


@pytest.mark.parametrize(("engine_name", "name"), CASES)
def test_filter(name, engine_name, whole):
    """A filter means on every engine what it means to pandas, whatever of it reaches the database."""
    expected, frame = whole(engine_name)

    kept = frame[FILTERS[name](frame)].compute()

    assert same(kept, expected[FILTERS[name](expected).fillna(False)])


class TestTold:
    """What reaches the database."""

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_columns(self, opened):
        """Only columns that are wanted are read."""
        frame = Vote.select().as_distributed_df()

        assert read_of(frame.votes.sum()).columns == ["votes"]
        assert "question.votes" in sql_of(frame.votes.sum(), opened)
        assert "question.price" not in sql_of(frame.votes.sum(), opened)

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_filter(self, opened):
        """A comparison is a condition of the statement; the column it is about need not be among those that are wanted."""
        frame = Vote.select().as_distributed_df()

        sql = sql_of(frame[(frame.votes > 3) & (frame.name == "Ada")][["id"]], opened)

        assert "question.votes >" in sql
        assert "question.name =" in sql

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_filter_left_over(self, opened):
        """Of a filter that is offered in part, that part is told; the rest is Dask's."""
        frame = Vote.select().as_distributed_df()

        kept = frame[(frame.votes > 3) & (frame.name.str.len() > 2)]

        assert "question.votes >" in sql_of(kept, opened)
        assert "Filter" in str(kept.expr.optimize(fuse=False).tree_repr())

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_count(self, opened):
        """len() counts rows in the database."""
        frame = Vote.select().where(votes__gt=0).as_distributed_df(rows_per_partition=20)

        assert len(frame) == Vote.select().where(votes__gt=0).count()
        assert read_of(frame.index.size).columns == []


class TestNothingRead:
    """Before something is computed, only statistics are asked."""

    @pytest.mark.parametrize("engine_name", ["postgresql"])
    def test_broken_view(self, opened):
        """A view that fails when a row is read is a frame, until somebody computes; then the error names database and range."""
        opened.session.execute(sa.text("CREATE VIEW broken AS SELECT id / (id - id) AS id FROM vote"))
        opened.commit()

        frame = Seen.select().as_distributed_df()

        with pytest.raises(PartitionFailed, match=r"partition of 'broken' in database 'votes' \(all rows\): division by zero"):
            frame.compute()

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_range_of_failure(self, opened):
        """A partition that fails tells its database and its range of keys, and no SQL."""
        opened.create_table(Gone)
        for _ in range(9):
            Gone().save()
        opened.commit()
        frame = Gone.select().as_distributed_df(rows_per_partition=3)
        opened.drop_table(Gone)
        opened.commit()

        with pytest.raises(PartitionFailed, match=r"partition of 'gone' in database 'votes' \(.*id.*\)") as caught:
            frame.partitions[1].compute()

        assert "SELECT" not in str(caught.value)
        assert pickle.loads(pickle.dumps(caught.value)).message == caught.value.message


class Gone(models.Model):
    """A table that is dropped under way."""

    metadata = sa.MetaData()


class TestSeveral:
    """Over several databases."""

    def test_column(self, files):
        """Rows say which database they are from; the frame outlives the block in which it was made."""
        with ExitStack() as stack:
            for path in files:
                stack.enter_context(Sqlite(path))
            frame = Vote.select("votes").as_distributed_df()

        found = frame.compute()

        assert list(found.columns) == ["votes", "database"]
        assert found.groupby("database", observed=True).votes.sum().to_dict() == {"shop0": 3, "shop1": 33, "shop2": 63}
        assert list(found.database.dtype.categories) == ["shop0", "shop1", "shop2"]

    def test_filter_on_database(self, files):
        """A database that a filter leaves out is not opened."""
        with ExitStack() as stack:
            for path in files:
                stack.enter_context(Sqlite(path))
            frame = Vote.select().as_distributed_df()
        files[0].write_bytes(b"no database at all, but some bytes of another kind" * 100)

        with pytest.raises(PartitionFailed, match="shop0"):
            frame.compute()
        assert frame[frame.database != "shop0"].votes.sum().compute() == 96
        assert len(frame[frame.database.isin(["shop1"])]) == 3

    def test_different_engines(self, filled):
        """Databases of different engines are one frame."""
        with ExitStack() as stack:
            for name in ENGINE_NAMES:
                stack.enter_context(DRIVERS[name](filled(name), name=name))
            frame = Vote.select().as_distributed_df(rows_per_partition=20)
            expected = Vote.select().as_df()

        found = frame.compute()

        order = ["database", "id"]
        pd.testing.assert_frame_equal(found.sort_values(order).reset_index(drop=True), expected.sort_values(order).reset_index(drop=True))

    def test_slice_of_databases(self, files):
        """The second part of a slice chooses databases; a slice of nothing is a frame of no rows."""
        with ExitStack() as stack:
            for path in files:
                stack.enter_context(Sqlite(path))
            some = Vote.select("votes")[0:2, 1:3].as_distributed_df()
            nothing = Vote.select("votes")[5:5].as_distributed_df()

        assert sorted(some.votes.compute()) == [10, 11, 20, 21]
        assert len(nothing.compute()) == 0
        assert list(nothing.columns) == ["votes", "database"]


class TestRefused:
    """Bad input."""

    def test_other_columns(self, files):
        """A database in which a column is missing is named at once, with what differs; so is one without the table."""
        with Sqlite(files[1]) as db:
            db.session.execute(sa.text("ALTER TABLE vote DROP COLUMN votes"))
        with Sqlite(files[0]), Sqlite(files[1]), pytest.raises(DatabasesFailed, match=r"1 of 2 databases did not answer: 'shop1': .*votes"):
            Vote.select().as_distributed_df()
        with Sqlite(files[0]), pytest.raises(QaplaError, match="broken"):
            Seen.select().as_distributed_df()

    def test_memory(self):
        """A database in memory is nowhere else."""
        with Sqlite(":memory:") as db:
            db.create_table(Vote)
            db.commit()
            with pytest.raises(NotOffered, match="is in memory"):
                Vote.select().as_distributed_df()

    def test_no_database(self):
        """Somebody has to open a database."""
        with pytest.raises(NotBound):
            Vote.select().as_distributed_df()

    def test_table_without_key(self, files):
        """A table without a key is not cut, unless columns are named, or one partition is wished."""

        class Log(sa.orm.DeclarativeBase):
            pass

        table = sa.Table("vote", Log.metadata, sa.Column("votes", sa.Integer), sa.Column("name", sa.String))
        mapped = type("Keyless", (Log,), {"__table__": table, "__mapper_args__": {"primary_key": [table.c.votes]}})
        from qapla.database.models.queryset import QuerySet

        with Sqlite(files[0]):
            with pytest.raises(QueryError, match=r"table 'vote' has no key to be cut by .*rows_per_partition=None"):
                QuerySet(mapped).as_distributed_df()
            assert len(QuerySet(mapped).as_distributed_df(rows_per_partition=None)) == 3
            assert QuerySet(mapped).as_distributed_df(key="votes", rows_per_partition=1).npartitions == 3

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"rows_per_partition": 0}, "rows_per_partition 0"),
            ({"rows_per_partition": True}, "rows_per_partition True"),
            ({"key": "vote"}, "no field 'vote' to be cut by .*did you mean 'votes'"),
            ({"index": "nme"}, "no column is called 'nme'.*did you mean 'name'"),
            ({"as_text": ["nme"]}, "'nme'"),
            ({"decimals": "some"}, "'some'"),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_options(self, options, said, files):
        """A wrong option is told, with what was meant."""
        with Sqlite(files[0]), pytest.raises(InputError, match=said):
            Vote.select().as_distributed_df(**options)

    def test_order(self, files):
        """An order would be lost; so it is refused with what to do instead."""
        with Sqlite(files[0]), pytest.raises(QueryError, match="sort_values"):
            Vote.select().orderby("votes").as_distributed_df()

    def test_unknown_type(self, files):
        """An expression without a type is refused, since a frame has types before it is read."""
        with Sqlite(files[0]):
            with pytest.raises(QueryError, match=r"'size' is of a type that is not known.*as_text"):
                Vote.select(sa.func.length(Vote.name).label("size")).as_distributed_df()
            typed = Vote.select(sa.func.length(Vote.name, type_=sa.Integer).label("size")).as_distributed_df()
        assert typed["size"].sum().compute() == 6

    def test_distinct(self, files):
        """Distinct rows of several databases are Dask's to find."""
        with Sqlite(files[0]), Sqlite(files[1]), pytest.raises(NotOffered, match="drop_duplicates"):
            Vote.select("name").distinct().as_distributed_df()

    def test_uncommitted(self, files):
        """What is not committed yet would be left out; so it is refused."""
        with Sqlite(files[0]) as db:
            Vote(name="new").save()
            with pytest.raises(Conflict, match="not committed"):
                Vote.select().as_distributed_df()
            db.commit()
            assert len(Vote.select().as_distributed_df()) == 4


def test_no_password(filled):
    """What is printed has no password; a database that settings or lazydb name takes none into the graph at all."""
    url = sa.make_url(filled("postgresql")).set(password="s3cr:t%/").render_as_string(hide_password=False)
    with Postgresql(url) as db:
        frame = Vote.select().as_distributed_df()
        db.source = replace(db.source, reference=Reference("settings", "main"))
        named = Vote.select().as_distributed_df()

    partitions = frame.expr.operand("partitions_")
    assert "s3cr" not in f"{partitions!r} {partitions[0]} {frame!r} {frame.expr.tree_repr()}"
    assert b"s3cr" not in pickle.dumps(named.expr)
    assert named.expr.operand("partitions_")[0].reference == Reference("settings", "main")
