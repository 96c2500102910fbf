"""TableReadDriver on live databases: what is not in the contract of engines, because engines or options differ."""

from __future__ import annotations

from decimal import Decimal

import pytest

from qapla.database.query.description import (
    Compare,
    Embed,
    Field,
    Order,
    Path,
    Query,
    Selection,
    Window,
)
from qapla.driver.table_read import TableReadDriver
from qapla.errors import DatabaseError
from qapla.ports import READ_RIGHTS
from qapla.testing.contracts import goods
from qapla.testing.served import serve, table_name
from qapla.testing.servers import make_database
from qapla.testing.statements import at_most

STEPS = (("s", "x"), ("t", "true"), (0, "7"))


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def shop(request):
    """A small shop on each engine."""
    with make_database(request.param) as url:
        goods.make_shop(url)
        with serve(url) as served:
            yield served


@pytest.fixture
def read(shop):
    """Return a function that reads ``(table, …)`` and gives the page."""
    return lambda table, *parts, **more: TableReadDriver(shop, READ_RIGHTS).page(Query(table_name(shop, table), *parts, **more))


def fields(*names):
    return tuple(Field(Path(name)) for name in names)


def ids(page):
    return [row["id"] for row in page.rows()]


def test_regular_expressions(read):
    """``imatch`` takes a regular expression, letter case ignored, on every engine."""
    assert ids(read("client", where=Compare(Path("name"), "imatch", "^a.n$"))) == [1]


def test_steps_into_json(engine_name):
    """``->`` gives JSON, ``->>`` text, and nothing where there is nothing, on every engine."""
    kind = {"sqlite": "json", "postgresql": "jsonb", "mariadb": "json"}[engine_name]
    script = (
        f"CREATE TABLE doc (id integer PRIMARY KEY, d {kind});\n"
        """INSERT INTO doc VALUES (1, '{"a": {"b c": [1, 2.50]}, "t": true, "n": null, "s": "x"}'), (2, '[7]'), (3, NULL);\n"""
    )
    select = Selection(
        (
            Field(Path("d", ("a", "b c", 1))),
            Field(Path("d", ("t",), as_text=True)),
            Field(Path("d", ("n",), as_text=True)),
            Field(Path("d", (0,)), alias="first"),
        )
    )

    with make_database(engine_name) as url, serve(url, script) as served:
        reader = TableReadDriver(served, READ_RIGHTS)
        table = table_name(served, "doc")
        rows = reader.page(Query(table, select, order=(Order(Path("id")),))).rows()
        found = [ids(reader.page(Query(table, where=Compare(Path("d", (step,), as_text=True), "eq", text)))) for step, text in STEPS]

    assert rows[0] | {"first": None} == {"b c": Decimal("2.50"), "t": "true", "n": None, "first": None}
    assert [row["first"] for row in rows[1:]] == [7, None]
    assert found == [[1], [1], [2]]


def test_a_page_costs_one_statement_that_is_compiled_once(read, shop):
    """The second request of a shape, with other values, adds nothing to the cache."""
    read("orders", where=Compare(Path("total"), "gt", "1"), window=Window(limit=2), count="exact")
    known = len(shop.statements)

    with at_most(1, shop):
        page = read("orders", where=Compare(Path("total"), "gt", "10"), window=Window(limit=1), count="exact")

    assert len(shop.statements) == known
    assert (ids(page), page.total, page.more) == ([1], 2, True)


def test_estimates_are_numbers(read):
    """``planned`` and ``estimated`` give a number on every engine, exact where nothing else is known."""
    for mode in ("planned", "estimated"):
        page = read("client", where=Compare(Path("id"), "gt", "1"), window=Window(limit=1), count=mode)

        assert isinstance(page.total, int)


def test_db_max_rows_limits_every_page(shop):
    """``db_max_rows`` is the most that a page has, whatever was asked for."""
    from dataclasses import replace

    small = replace(shop, options=replace(shop.options, db_max_rows=2), statements={})
    reader = TableReadDriver(small, READ_RIGHTS)

    page = reader.page(Query(table_name(shop, "orders"), window=Window(limit=3), count="exact"))

    assert (page.count_rows, page.total, page.more) == (2, 4, True)


def test_a_large_cell_does_not_break_a_list(mariadb_url):
    """MariaDB makes no text larger than a packet; such a row is printed here, and comes whole."""
    script = (
        "CREATE TABLE big (id integer PRIMARY KEY, b longblob, t longtext, j json);\n"
        "INSERT INTO big VALUES (1, repeat(x'00ff', 5000000), repeat('\"', 100), '[1.50]'), (2, NULL, 'small', NULL);\n"
    )
    with make_database("mariadb") as url, serve(url, script) as served:
        page = TableReadDriver(served, READ_RIGHTS).page(Query(table_name(served, "big"), window=Window(limit=1), count="exact"))

    (row,) = page.rows()
    assert row["b"] == "\\x" + "00ff" * 5000000
    assert row["t"] == '"' * 100
    assert row["j"] == [Decimal("1.50")]
    assert (page.total, page.more, page.last.values) == (2, True, (1,))


def test_an_array_that_is_cut_is_an_error(mariadb_url):
    """Embedded rows beyond a packet are refused, never left out in silence."""
    script = (
        "CREATE TABLE p (id integer PRIMARY KEY);\n"
        "CREATE TABLE c (id integer PRIMARY KEY, p_id integer, t longtext, FOREIGN KEY (p_id) REFERENCES p (id));\n"
        "INSERT INTO p VALUES (1);\n"
        "INSERT INTO c SELECT seq, 1, repeat('x', 6000000) FROM seq_1_to_4;\n"
    )
    with make_database("mariadb") as url, serve(url, script) as served:
        reader = TableReadDriver(served, READ_RIGHTS)
        query = Query(table_name(served, "p"), Selection((*fields("id"), Embed("c", select=Selection(fields("t"))))))

        with pytest.raises(DatabaseError, match="larger") as caught:
            reader.page(query)

    assert (caught.value.status, caught.value.code) == (400, "54000")


def test_deep_json_does_not_break_a_list(engine_name):
    """JSON that is nested deeper than Python reads is handed on, with a cursor beside it."""
    kind = {"sqlite": "json", "postgresql": "json", "mariadb": "longtext"}[engine_name]
    deep = "[" * 1500 + "]" * 1500
    script = f"CREATE TABLE deep (id integer PRIMARY KEY, j {kind});\nINSERT INTO deep VALUES (1, '{deep}'), (2, NULL);\n"

    with make_database(engine_name) as url, serve(url, script) as served:
        page = TableReadDriver(served, READ_RIGHTS).page(Query(table_name(served, "deep"), window=Window(limit=1)))

    assert deep in page.body.decode()
    assert str(page.last.values[0]) == "1"
