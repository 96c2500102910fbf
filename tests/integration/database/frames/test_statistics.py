"""Where tables are cut, by what each engine knows of them."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest
from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, String, Table, Uuid, create_engine, event, insert, select, text

from qapla.database.frames.partitions import cut
from qapla.database.frames.question import freeze
from qapla.database.frames.ranges import is_in
from qapla.database.frames.statistics import find_bounds
from qapla.testing.servers import make_database

COUNT = 600
SIZE = 100
WORDS = ["Äpfel", "apfel", "Zebra", "%", "'", "straße", "STRASSE", "日本", "_", "é"]
DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}
ANALYZE = {"postgresql": "ANALYZE {}", "mariadb": "ANALYZE TABLE {}", "sqlite": "ANALYZE {}"}


def gaps(number):
    return (number if number < COUNT // 2 else number * 1_000_000_007,)


KEYS = {
    "integer": ([("id", BigInteger)], lambda number: (number + 1,)),
    "gaps": ([("id", BigInteger)], gaps),
    "text": ([("name", String(60))], lambda number: (f"{WORDS[number % 10]}{number:05}",)),
    "uuid": ([("id", Uuid())], lambda number: (uuid.uuid5(uuid.NAMESPACE_OID, str(number)),)),
    "moment": ([("at", DateTime())], lambda number: (datetime(2024, 1, 1) + timedelta(hours=number),)),
    "composite": ([("order", Integer), ("product", String(20))], lambda number: (number // 150, f"p{number % 150}")),
    "even composite": ([("order", Integer), ("line", Integer)], lambda number: (number // 2, number % 2)),
}


@pytest.fixture(scope="module")
def engines():
    """Give one database per engine to all tests here, with a table for each sort of key."""
    made = {}
    with ExitStack() as stack:

        def give(name):
            if name not in made:
                url = stack.enter_context(make_database(name))
                engine = create_engine(url.set(drivername=DRIVERS[name]))
                stack.callback(engine.dispose)
                made[name] = engine, fill(engine)
            return made[name]

        yield give


def fill(engine):
    metadata = MetaData()
    tables = {
        sort: Table(sort, metadata, *(Column(name, type, primary_key=True, autoincrement=False) for name, type in columns))
        for sort, (columns, _) in KEYS.items()
    }
    metadata.create_all(engine)
    with engine.begin() as connection:
        for sort, (columns, make) in KEYS.items():
            rows = [dict(zip([name for name, _ in columns], make(number), strict=True)) for number in range(COUNT)]
            connection.execute(insert(tables[sort]), rows)
    return tables


def parts_of(engine, keyed, bounds):
    """Return how many rows there are in each range, and all of their keys."""
    columns = list(keyed.columns)
    question = freeze(select(keyed), [column.name for column in columns], columns, engine)
    counts, keys = [], []
    with engine.connect() as connection:
        for each in cut([column.name for column in columns], bounds):
            source = question.as_subquery()
            conditions = is_in([source.c[key.name] for key in question.keys], each)
            found = connection.execute(question.select([column.name for column in columns], conditions, source)).all()
            counts.append(len(found))
            keys += [tuple(row) for row in found]
    return counts, keys


@pytest.mark.parametrize("analyzed", [False, True], ids=["fresh", "analyzed"])
@pytest.mark.parametrize("sort", KEYS)
def test_every_row_once(engine_name, sort, analyzed, engines):
    """Whatever the key is, each row is in one partition, and none of them is much larger than wished."""
    engine, tables = engines(engine_name)
    keyed = tables[sort]
    with engine.begin() as connection:
        if analyzed:
            name = engine.dialect.identifier_preparer.format_table(keyed)
            connection.execute(text(ANALYZE[engine_name].format(name)))

        bounds = find_bounds(connection, keyed, list(keyed.columns), SIZE)

    counts, keys = parts_of(engine, keyed, bounds)
    assert len(keys) == COUNT
    assert set(keys) == {KEYS[sort][1](number) for number in range(COUNT)}
    assert len(counts) >= COUNT / SIZE - 1
    assert max(counts) <= 2 * SIZE


def test_histogram_reads_no_row(engines):
    """On PostgreSQL the histogram is enough: only the catalog is asked."""
    engine, tables = engines("postgresql")
    statements = []
    with engine.begin() as connection:
        connection.execute(text("ANALYZE text"))
        event.listen(connection, "before_cursor_execute", lambda *seen: statements.append(seen[2]))

        bounds = find_bounds(connection, tables["text"], list(tables["text"].columns), SIZE)

    assert len(bounds) == COUNT / SIZE - 1
    assert len(statements) == 3
    assert all("FROM pg_catalog.pg_" in sql and "SAMPLE" not in sql for sql in statements)


@pytest.mark.parametrize("count", [0, 1])
def test_small_table(engine_name, count, engines):
    """An empty table and one of a single row are one partition."""
    engine, _ = engines(engine_name)
    small = Table(f"small_{count}", MetaData(), Column("id", Integer, primary_key=True))
    small.create(engine)
    with engine.begin() as connection:
        connection.execute(insert(small), [{"id": number} for number in range(count)] or [{"id": -1}])
        if not count:
            connection.execute(small.delete())

        bounds = find_bounds(connection, small, list(small.columns), 1)

    counts, _ = parts_of(engine, small, bounds)
    assert counts == [count]


def test_view(engine_name, engines):
    """A view has no statistics: it is one partition, and is not read to find out more."""
    engine, _ = engines(engine_name)
    with engine.begin() as connection:
        connection.execute(text("CREATE VIEW seen AS SELECT 1 / 0 AS id"))

        bounds = find_bounds(connection, Table("seen", MetaData(), Column("id", Integer, primary_key=True)), [Column("id", Integer)], 1)

    assert bounds == []


def test_missing_table(engine_name, engines):
    """A table that is not there is one partition, which says so when it is read; SQLite, MariaDB and PostgreSQL alike."""
    engine, _ = engines(engine_name)
    with engine.connect() as connection:
        bounds = find_bounds(connection, Table("gone", MetaData(), Column("id", Integer, primary_key=True)), [Column("id", Integer)], 1)

    assert bounds == []
