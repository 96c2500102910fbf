"""What only PostgreSQL has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qapla.database.query.description import Aggregate, Compare, Embed, Exists, Field, Order, Path, Query, Selection, Window
from qapla.database.statement import Statement
from qapla.driver.table_read import TableReadDriver
from qapla.errors import NotOffered, QaplaError, QueryError
from qapla.ports import READ_RIGHTS
from qapla.testing.served import serve, table_name
from qapla.testing.servers import make_database

SCRIPT = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE thing (id integer PRIMARY KEY, tags text[], span int4range, data jsonb, words tsvector, body text, mood mood);
INSERT INTO thing VALUES (1, '{a,b}', '[1,5)', '{"a": {"b": [1, 2.50]}, "c": null}',
    to_tsvector('english', 'fat cats'), 'fat cats ran', 'happy');
INSERT INTO thing VALUES (2, '{b,c}', '[5,9)', '{"a": 5}',
    to_tsvector('english', 'thin dogs'), 'thin dogs sat', 'sad');
"""


@pytest.fixture(scope="module")
def reader():
    """Two things with columns of PostgreSQL's own types."""
    with make_database("postgresql") as url, serve(url, SCRIPT) as served:
        yield TableReadDriver(served, READ_RIGHTS)


@pytest.mark.parametrize(
    ("compare", "expected"),
    [
        (Compare(Path("tags"), "cs", "{a}"), [1]),
        (Compare(Path("tags"), "cd", "{b,c,d}"), [2]),
        (Compare(Path("tags"), "ov", "{a,c}"), [1, 2]),
        (Compare(Path("data"), "cs", '{"a": 5}'), [2]),
        (Compare(Path("span"), "cs", "[2,3)"), [1]),
        (Compare(Path("span"), "sl", "[5,6)"), [1]),
        (Compare(Path("span"), "sr", "[1,5)"), [2]),
        (Compare(Path("span"), "nxr", "[1,6)"), [1]),
        (Compare(Path("span"), "nxl", "[2,3)"), [2]),
        (Compare(Path("span"), "adj", "[5,9)"), [1]),
        (Compare(Path("words"), "fts", "cat", argument="english"), [1]),
        (Compare(Path("body"), "plfts", "dog sit", argument="english"), []),
        (Compare(Path("body"), "phfts", "fat cats"), [1]),
        (Compare(Path("body"), "wfts", "cats or dogs", argument="english"), [1, 2]),
        (Compare(Path("data", ("a",)), "eq", "5"), [2]),
        (Compare(Path("data", ("a", "b", 1), as_text=True), "eq", "2.50"), [1]),
        (Compare(Path("data", ("a", "b", -1)), "gt", "2"), [1]),
        (Compare(Path("mood"), "gt", "sad"), [1]),
        (Compare(Path("mood"), "eq", "ok"), []),
    ],
)
def test_operators(reader, compare, expected):
    """Arrays, ranges, JSON, text search and enums compare by their own operators."""
    table = table_name(reader.served, "thing")

    page = reader.page(Query(table, Selection((Field(Path("id")),)), compare, (Order(Path("id")),)))

    assert [row["id"] for row in page.rows()] == expected


COMPUTED = """
CREATE TABLE "Odd people" (id integer PRIMARY KEY, a text, b text);
INSERT INTO "Odd people" VALUES (1, 'Ada', 'L'), (2, 'Bo', 'M'), (3, 'Cy', 'A');
CREATE FUNCTION full_name("Odd people") RETURNS text LANGUAGE sql STABLE AS 'SELECT $1.b || '' '' || $1.a';
CREATE FUNCTION other(integer) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1::text';
"""


@pytest.fixture(scope="module")
def people():
    """A table with a computed field."""
    with make_database("postgresql") as url, serve(url, COMPUTED) as served:
        yield TableReadDriver(served, READ_RIGHTS)


class TestComputedFields:
    """A function that takes a row is a field of it."""

    def test_is_chosen_filtered_sorted_and_grouped_by(self, people):
        """Like any column, in a page with a window and a cursor, too; it is not among ``*``."""
        table, name = table_name(people.served, "Odd people"), Path("full_name")
        select = Selection((Field(Path("id")), Field(name, alias="n")))

        page = people.page(Query(table, select, Compare(name, "neq", "L Ada"), (Order(name),), Window(1)))
        after = people.page(Query(table, select, Compare(name, "neq", "L Ada"), (Order(name),), Window(1, after=page.last)))
        groups = people.page(Query(table, Selection((Field(name), Aggregate("count"))), Compare(Path("id"), "eq", "1")))

        assert page.rows() == [{"id": 3, "n": "A Cy"}]
        assert after.rows() == [{"id": 2, "n": "M Bo"}]
        assert groups.rows() == [{"full_name": "L Ada", "count": 1}]
        assert people.page(Query(table, window=Window(1))).rows() == [{"id": 1, "a": "Ada", "b": "L"}]

    def test_needs_the_right_to_the_function(self, people):
        """Who may not call it may not read it."""

        class Tables(type(READ_RIGHTS)):
            def allows(self, operation, schema, name, column=None):
                return operation != "execute" and super().allows(operation, schema, name, column)

        reader = TableReadDriver(people.served, Tables(READ_RIGHTS.operations))

        with pytest.raises(QaplaError, match="permission denied for function full_name"):
            reader.page(Query(table_name(people.served, "Odd people"), Selection((Field(Path("full_name")),))))

    def test_is_a_function_of_this_very_row(self, people):
        """One that takes something else is no field."""
        with pytest.raises(QueryError, match="does not exist"):
            people.page(Query(table_name(people.served, "Odd people"), Selection((Field(Path("other")),))))


RELATED = """
CREATE TABLE town (id integer PRIMARY KEY, name text);
CREATE TABLE house (id integer PRIMARY KEY, town_id integer);
CREATE INDEX ON house (town_id);
CREATE TABLE log (line text);
INSERT INTO town VALUES (1, 'Rome'), (2, 'Oslo'), (3, 'Bern');
INSERT INTO house SELECT n, n % 2 + 1 FROM generate_series(1, 5) AS n;
CREATE FUNCTION houses(town) RETURNS SETOF house LANGUAGE sql STABLE AS 'SELECT * FROM house WHERE town_id = $1.id';
CREATE FUNCTION town(house) RETURNS SETOF town ROWS 1 LANGUAGE sql STABLE AS 'SELECT * FROM town WHERE id = $1.town_id';
CREATE FUNCTION logged(house) RETURNS text LANGUAGE sql AS 'INSERT INTO log VALUES (''seen'') RETURNING line';
CREATE FUNCTION logged_towns(house) RETURNS SETOF town LANGUAGE sql AS 'INSERT INTO log VALUES (''seen''); SELECT * FROM town';
"""


@pytest.fixture(scope="module")
def towns():
    """Two tables without a foreign key, related by functions, over a connection that takes writes."""
    with make_database("postgresql") as url, serve(url, RELATED, writable=True) as served:
        yield TableReadDriver(served, READ_RIGHTS)


class TestComputedRelationships:
    """A function that takes a row and gives rows of a table is a relation."""

    def test_has_a_cursor_a_count_and_a_stream(self, towns):
        """As any related row."""
        house, town = table_name(towns.served, "house"), table_name(towns.served, "town")
        inner = Embed("town", select=Selection((Field(Path("name")),)), where=Compare(Path("name"), "eq", "Oslo"), join="inner")
        query = Query(house, Selection((Field(Path("id")), inner)), order=(Order(Path("name"), embed="town"),), window=Window(2))

        page = towns.page(query)
        after = towns.page(replace(query, window=Window(2, after=page.last)))
        many = Query(town, Selection((Field(Path("id")), Embed("houses", select=Selection((Aggregate("count"),))))))

        assert [row["id"] for row in (*page.rows(), *after.rows())] == [1, 3, 5]
        assert after.rows()[0]["town"] == {"name": "Oslo"}
        assert towns.count(query) == 3
        assert b"".join(towns.stream(many, "ndjson")).splitlines() == [
            b'{"id":%d,"houses":[{"count":%d}]}' % pair for pair in ((1, 2), (2, 3), (3, 0))
        ]

    @pytest.mark.parametrize(("table", "name", "condition"), [("town", "houses", "town_id = t0.id"), ("house", "town", "id = t0.town_id")])
    def test_is_as_fast_as_its_query(self, towns, table, name, condition):
        """What the function asks becomes part of the statement, which uses indexes: it is never called by itself."""
        statement = towns.plan(Query(table_name(towns.served, table), Selection((Embed(name),)))).statement
        with towns.served.bulkhead.transaction() as transaction:
            transaction.execute(Statement("SET LOCAL enable_seqscan = off"))
            plan = "\n".join(row[0] for row in transaction.execute(Statement(f"EXPLAIN {statement.sql}", statement.values)).rows)

        assert "Function Scan" not in plan
        assert f"Index Cond: ({condition})" in plan

    @pytest.mark.parametrize("item", [Field(Path("logged")), Embed("logged_towns")])
    def test_writes_nothing_when_it_is_read(self, towns, item):
        """A function of a row that may write, a computed field as well, runs where it cannot: in pages, counts and streams."""
        house = table_name(towns.served, "house")
        where = Compare(Path("logged"), "eq", "seen") if isinstance(item, Field) else Exists("logged_towns")
        for ask in (towns.page, towns.count, lambda query: list(towns.stream(query, "json"))):
            with pytest.raises(QaplaError) as raised:
                ask(Query(house, Selection((item,)), where))
            assert raised.value.code == "25006"

        assert towns.page(Query(table_name(towns.served, "log"))).rows() == []


def test_casts(reader):
    """A cast of the closed list is the database's own."""
    select = Selection((Field(Path("id"), cast="text"), Field(Path("data", ("a", "b", 0), as_text=True), cast="int", alias="n")))

    page = reader.page(Query(table_name(reader.served, "thing"), select, Compare(Path("id"), "eq", "1")))

    assert page.rows() == [{"id": "1", "n": 1}]


def test_types_that_cannot_be_compared_are_named():
    """QAPLA100 with what to do instead, which works; and no order."""
    types = ("xml", "point", "polygon")
    columns = ", ".join(f"c_{type} {type}" for type in types)
    with make_database("postgresql") as url, serve(url, f"CREATE TABLE odd (id integer PRIMARY KEY, {columns});\n") as served:
        reader, table = TableReadDriver(served, READ_RIGHTS), table_name(served, "odd")
        for column in (f"c_{type}" for type in types):
            for operator, operand in (("eq", "1"), ("neq", "1"), ("gt", "1"), ("in", ("1",)), ("isdistinct", "1")):
                with pytest.raises(NotOffered, match=column) as raised:
                    reader.page(Query(table, where=Compare(Path(column), operator, operand)))
                assert raised.value.hint == f"compare its text: {column}::text"
            with pytest.raises(QueryError, match="has no order"):
                reader.page(Query(table, order=(Order(Path(column)),)))

            assert reader.page(Query(table, where=Compare(Path(column), "is", "null"))).rows() == []
            assert reader.page(Query(table, where=Compare(Path(column), "eq", "1", cast="text"))).rows() == []
