"""qapla.driver.repositories.sql: a database behind the memory, on each engine"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

import pytest
from morfdict import Paths
from psycopg import errors
from sqlalchemy import Float, MetaData, String, Text, create_engine, insert
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from qapla.database import Database
from qapla.driver.repositories.keys import make_key
from qapla.driver.repositories.sql import SQLFallbackDataSource
from qapla.driver.repositories.table import entity_table
from qapla.errors import EntityDamaged, EntityRefused, ModelError, QaplaError, StoreUnavailable
from qapla.settings import Settings
from qapla.testing.contracts.fallback import FallbackSourceContract
from qapla.testing.contracts.terms import TermsContract
from qapla.testing.servers import ENGINE_NAMES, make_database


class Base(DeclarativeBase):
    pass


EXACT = String(40).with_variant(mysql.VARCHAR(40, charset="utf8mb4", collation="utf8mb4_nopad_bin"), "mysql", "mariadb")


class Thing(Base):
    __tablename__ = "thing"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    place: Mapped[str] = mapped_column(EXACT, primary_key=True)
    amount: Mapped[float | None] = mapped_column(Float(53))
    note: Mapped[str | None] = mapped_column(Text)
    more: Mapped[str | None] = mapped_column(String(10), default="kept")


@contextmanager
def open_database(url):
    database = Database("main")
    database.configure(Settings({"db": {"main": {"url": url.render_as_string(hide_password=False)}}}), Paths())
    try:
        yield database
    finally:
        database.dispose()


@pytest.fixture(scope="module", params=ENGINE_NAMES)
def database(request):
    with make_database(request.param) as url, open_database(url) as database:
        yield database


@pytest.fixture(scope="module")
def runner(database):
    """One event loop for the tests of an engine: opening connections is slow"""
    with asyncio.Runner() as runner:
        yield runner
        runner.run(database.aclose())


class OnDatabase(FallbackSourceContract):
    """What is common: the table is made, and empty at first"""

    model = None
    asynchronous = True

    @pytest.fixture
    def source(self, database, runner):
        self.runner = runner
        source = SQLFallbackDataSource(database, self.model, asynchronous=self.asynchronous)
        self.wait(source.create_table())
        self.wait(source.create_terms())
        with database.transaction() as session:
            session.execute(source._rows.table.delete())
        return source

    def wait(self, asked):
        return self.runner.run(asked)


class TestTableAwaited(TermsContract, OnDatabase):
    """The automatic table, by a driver that awaits"""


class TestTableInThreads(OnDatabase):
    """The automatic table, by a driver that does not"""

    asynchronous = False


class TestModelAwaited(TermsContract, OnDatabase):
    """A mapped class"""

    model = Thing


@pytest.fixture
def sqlite(tmp_path):
    with make_database("sqlite") as url, open_database(url) as database:
        yield database


KEY = make_key("thing", ("id",), ("x",))


def test_what_tells_rows_apart_comes_first_in_the_key():
    """Right after a bulk load, without statistics, PostgreSQL would else compare every row of a repository with every key asked for."""
    assert [column.name for column in entity_table(MetaData()).primary_key] == ["key", "repository"]


def test_missing_table_is_told_with_what_to_do(database):
    """A table that is not there is named, with the two ways to get it."""
    source = SQLFallbackDataSource(database, table=entity_table(MetaData(), "qapla_nowhere"))

    with pytest.raises(QaplaError, match="create_table") as caught:
        asyncio.run(source.get_many([KEY]))

    assert "SELECT" not in str(caught.value)


def test_database_that_is_away_is_told():
    """A server that nobody listens on is a StoreUnavailable, never a missing entity."""
    with open_database(create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none").url) as database:
        for asynchronous in (True, False):
            with pytest.raises(StoreUnavailable, match="'main'"):
                asyncio.run(SQLFallbackDataSource(database, asynchronous=asynchronous).get_many([KEY]))


def test_table_belongs_to_the_models_that_it_is_added_to(sqlite):
    """The table can be one of an application's own metadata, for its migrations."""
    metadata = MetaData()
    table = entity_table(metadata, "kept")
    metadata.create_all(sqlite.engine)
    source = SQLFallbackDataSource(sqlite, table=table)

    asyncio.run(source.put_many([(KEY, {"id": b'"x"'})]))

    assert asyncio.run(source.get_many([KEY])) == [{"id": b'"x"'}]
    assert list(metadata.tables) == ["kept"]


def test_long_key_is_refused(sqlite):
    """A key that the table cannot hold is refused before anything is written."""
    source = SQLFallbackDataSource(sqlite)
    asyncio.run(source.create_table())
    long = make_key("thing", ("id",), ("ä" * 601,))

    with pytest.raises(EntityRefused, match="600"):
        asyncio.run(source.put_many([(KEY, {}), (long, {})]))

    assert asyncio.run(source.get_many([KEY])) == [None]


def test_row_that_is_no_document_is_told(sqlite):
    """What somebody else has written into the table is damaged, not missing."""
    source = SQLFallbackDataSource(sqlite)
    asyncio.run(source.create_table())
    with sqlite.transaction() as session:
        session.execute(insert(source._rows.table).values(repository="thing", key="x", data="[1"))

    with pytest.raises(EntityDamaged, match="'thing:x'"):
        asyncio.run(source.get_many([KEY]))


@pytest.mark.parametrize(
    ("attrs", "fields", "said"),
    [(("id", "place"), ("id", "place", "amuont"), "did you mean 'amount'"), (("id",), ("id",), "may be there twice")],
)
def test_model_that_does_not_fit_is_told(sqlite, attrs, fields, said):
    """A field without a place, and a key that is not unique, are told before anything is kept."""
    with pytest.raises(ModelError, match=said):
        SQLFallbackDataSource(sqlite, Thing).check("thing", attrs, fields)


def test_other_columns_are_left_alone(sqlite):
    """A column that the entity does not have keeps its value, and has its default at first."""
    source = SQLFallbackDataSource(sqlite, Thing)
    asyncio.run(source.create_table())
    source.check("thing", ("id", "place"), ("id", "place", "note"))
    key = make_key("thing", ("id", "place"), (1, "a"))

    for note in (b'"x"', b'"y"'):
        asyncio.run(source.put_many([(key, {"id": b"1", "place": b'"a"', "note": note})]))

    with sqlite.session() as session:
        assert [(row.note, row.more) for row in session.query(Thing)] == [("y", "kept")]


@pytest.mark.parametrize(("failure", "code"), [("DiskFull", "53100"), ("OutOfMemory", "53200"), ("ReadOnlySqlTransaction", "25006")])
def test_database_that_takes_no_writes(failure, code):
    """A full disk, no memory left, a standby: the database has answered, and takes no writes now."""
    database = Database("main")
    database.configure(Settings({"db": {"main": {"url": "postgresql://db.example.org/shop"}}}), Paths())
    said = getattr(errors, failure)("secret")

    found = SQLFallbackDataSource(database)._as_ours(DBAPIError("INSERT", {"data": "secret"}, said))

    assert isinstance(found, StoreUnavailable)
    assert (found.answered, found.code) == (True, code)
    assert "secret" not in str(found)
