"""TableReadDriver on live databases: the same question has the same answer on every engine."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from qapla.database.query.cursor import read_cursor, write_cursor
from qapla.database.query.description import (
    Aggregate,
    And,
    Compare,
    Embed,
    Exists,
    Field,
    Not,
    Or,
    Order,
    Path,
    Query,
    Search,
    Selection,
    Window,
)
from qapla.driver.table_read import TableReadDriver
from qapla.errors import DatabaseError, NotOffered, QueryError, ValueRefused
from qapla.ports import READ_RIGHTS
from qapla.testing.served import serve, table_name
from qapla.testing.servers import make_database
from qapla.testing.statements import at_most

TYPES = {
    "sqlite": {"text": "text", "flag": "boolean", "moment": "timestamp", "yes": "1", "no": "0"},
    "postgresql": {"text": "text", "flag": "boolean", "moment": "timestamp", "yes": "true", "no": "false"},
    "mariadb": {"text": "varchar(80)", "flag": "tinyint(1)", "moment": "datetime", "yes": "1", "no": "0"},
}
SHOP = """
CREATE TABLE client (id integer PRIMARY KEY, name {text} NOT NULL, vip {flag}, note {text});
CREATE TABLE orders (id integer PRIMARY KEY, client_id integer, total numeric(10,2), made {moment},
    FOREIGN KEY (client_id) REFERENCES client (id));
CREATE TABLE line (order_id integer NOT NULL, number integer NOT NULL, what {text}, PRIMARY KEY (order_id, number),
    FOREIGN KEY (order_id) REFERENCES orders (id));
CREATE TABLE tag (id integer PRIMARY KEY, label {text});
CREATE TABLE order_tag (order_id integer NOT NULL, tag_id integer NOT NULL, PRIMARY KEY (order_id, tag_id),
    FOREIGN KEY (order_id) REFERENCES orders (id), FOREIGN KEY (tag_id) REFERENCES tag (id));
CREATE TABLE worker (id integer PRIMARY KEY, name {text}, boss_id integer, deputy_id integer,
    CONSTRAINT boss_fk FOREIGN KEY (boss_id) REFERENCES worker (id), CONSTRAINT deputy_fk FOREIGN KEY (deputy_id) REFERENCES worker (id));
INSERT INTO client VALUES (1, 'Ann', {yes}, NULL), (2, 'bob "x" é😀', {no}, '50%_off'), (3, 'Cy', NULL, '');
INSERT INTO orders VALUES (1, 1, 10.50, '2024-01-02 03:04:05'), (2, 1, 3, NULL);
INSERT INTO orders VALUES (3, 2, 99.99, '2024-01-02 03:04:06'), (4, NULL, NULL, NULL);
INSERT INTO line VALUES (1, 1, 'pen'), (1, 2, 'ink'), (3, 1, 'desk');
INSERT INTO tag VALUES (1, 'red'), (2, 'blue');
INSERT INTO order_tag VALUES (1, 1), (1, 2), (3, 2);
INSERT INTO worker VALUES (1, 'Eve', NULL, NULL), (2, 'Dan', 1, NULL), (3, 'Flo', 1, 2);
"""


STEPS = (("s", "x"), ("t", "true"), (0, "7"))


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def shop(request):
    """A small shop on each engine."""
    with make_database(request.param) as url, serve(url, SHOP.format(**TYPES[request.param])) as served:
        yield served


@pytest.fixture
def read(shop):
    """Return a function that reads ``(table, …)`` and gives the page."""
    return lambda table, *parts, **more: TableReadDriver(shop, READ_RIGHTS).page(Query(table_name(shop, table), *parts, **more))


def fields(*names):
    return tuple(Field(Path(name)) for name in names)


def ids(page):
    return [row["id"] for row in page.rows()]


@pytest.mark.parametrize(
    ("table", "where", "expected"),
    [
        ("client", Compare(Path("id"), "eq", "2"), [2]),
        ("client", Compare(Path("name"), "neq", "Ann"), [2, 3]),
        ("orders", Compare(Path("total"), "gt", "10.5"), [3]),
        ("orders", Compare(Path("total"), "gte", "10.5"), [1, 3]),
        ("orders", Compare(Path("total"), "lt", "10.50"), [2]),
        ("orders", Compare(Path("made"), "lte", "2024-01-02T03:04:05"), [1]),
        ("client", Compare(Path("name"), "like", "A*"), [1]),
        ("client", Compare(Path("name"), "like", "a*"), []),
        ("client", Compare(Path("name"), "like", "_nn"), [1]),
        ("client", Compare(Path("note"), "like", r"50\%\_*"), [2]),
        ("client", Compare(Path("name"), "like", "*[n]*"), []),
        ("client", Compare(Path("name"), "ilike", "a%N"), [1]),
        ("client", Compare(Path("name"), "ilike", "*X*É"), []),
        ("client", Compare(Path("name"), "ilike", '*"X" É*'), [2]),
        ("client", Search(("É",)), [2]),
        ("client", Search(("e",)), []),
        ("client", Compare(Path("name"), "like", ("A*", "C*"), "any"), [1, 3]),
        ("client", Compare(Path("name"), "like", ("*n", "A*"), "all"), [1]),
        ("client", Compare(Path("id"), "in", ("1", "3", "9")), [1, 3]),
        ("client", Compare(Path("id"), "in", ()), []),
        ("client", Not(Compare(Path("id"), "in", ())), [1, 2, 3]),
        ("client", Compare(Path("vip"), "is", "true"), [1]),
        ("client", Compare(Path("vip"), "is", "false"), [2]),
        ("client", Compare(Path("vip"), "is", "unknown"), [3]),
        ("client", Compare(Path("vip"), "eq", "true"), [1]),
        ("client", Compare(Path("note"), "is", "null"), [1]),
        ("client", Compare(Path("note"), "is", "not_null"), [2, 3]),
        ("client", Compare(Path("note"), "eq", ""), [3]),
        ("client", Compare(Path("note"), "isdistinct", ""), [1, 2]),
        ("client", Not(Compare(Path("note"), "eq", "")), [2]),
        ("client", Or((Compare(Path("id"), "eq", "1"), And((Compare(Path("id"), "gt", "1"), Compare(Path("vip"), "is", "null"))))), [1, 3]),
        ("client", And(()), [1, 2, 3]),
        ("client", Or(()), []),
        ("client", Search(("BOB", "%_")), [2]),
        ("client", Search(("bob", "Ann")), []),
        ("client", Compare(Path("name"), "eq", "x' OR 1=1 --"), []),
    ],
)
def test_filters(read, table, where, expected):
    """A filter keeps the rows that it says, NULL being neither true nor false."""
    page = read(table, where=where, order=(Order(Path("id")),))

    assert ids(page) == expected


def test_regular_expressions(read, shop):
    """``match`` takes a regular expression where the engine has them, and is refused by name where not."""
    where = Compare(Path("name"), "imatch", "^a.n$")

    if shop.schema.engine == "sqlite":
        with pytest.raises(NotOffered, match="'imatch' is not offered by SQLite"):
            read("client", where=where)
    else:
        assert ids(read("client", where=where)) == [1]


def test_select_renames_and_keeps_the_order(read):
    """The names and their order are those that were asked for, whatever characters are in them."""
    select = Selection((Field(Path("name"), alias="n'\"\\%é"), *fields("id")))

    page = read("client", select, where=Compare(Path("id"), "eq", "1"))

    assert page.body.decode() == '[{"n\'\\"\\\\%é":"Ann","id":1}]'


def test_selecting_nothing_gives_empty_objects(read):
    """``select=`` with nothing in it is an object per row."""
    assert read("client", Selection(())).rows() == [{}, {}, {}]


def test_embedding_is_one_statement(read, shop):
    """To one, to many, many to many and a count beside them: one statement, however deep."""
    select = Selection(
        (
            *fields("id"),
            Embed("client", select=Selection(fields("name", "vip"))),
            Embed("tag", alias="tags", select=Selection(fields("label")), order=(Order(Path("label")),)),
            Embed("line", select=Selection((*fields("what"), Embed("orders", select=Selection(fields("total")))))),
        )
    )

    with at_most(1, shop):
        page = read("orders", select, window=Window(limit=2), count="exact")

    assert page.total == 4
    assert page.rows() == [
        {
            "id": 1,
            "client": {"name": "Ann", "vip": True},
            "tags": [{"label": "blue"}, {"label": "red"}],
            "line": [{"what": "pen", "orders": {"total": Decimal("10.5")}}, {"what": "ink", "orders": {"total": Decimal("10.5")}}],
        },
        {"id": 2, "client": {"name": "Ann", "vip": True}, "tags": [], "line": []},
    ]


def test_an_embed_has_its_own_filter_order_and_window(read):
    """What is said about an embed changes the embed, and with ``!inner`` also which rows there are."""
    embed = Embed(
        "orders",
        join="inner",
        select=Selection(fields("id")),
        where=Compare(Path("total"), "gt", "2"),
        order=(Order(Path("total"), descending=True),),
        window=Window(limit=1),
    )

    page = read("client", Selection((*fields("id"), embed)), order=(Order(Path("id")),))

    assert page.rows() == [{"id": 1, "orders": [{"id": 1}]}, {"id": 2, "orders": [{"id": 3}]}]


def test_a_window_inside_an_embed_skips_rows(read):
    """An offset inside an embed counts rows of the embed."""
    embed = Embed("orders", select=Selection(fields("id")), order=(Order(Path("id")),), window=Window(offset=1))

    page = read("client", Selection((*fields("id"), embed)), order=(Order(Path("id")),))

    assert page.rows() == [{"id": 1, "orders": [{"id": 2}]}, {"id": 2, "orders": []}, {"id": 3, "orders": []}]


def test_existence_of_an_embed_filters(read):
    """``orders=not.is.null`` keeps the rows that have some, also when nothing of them is shown."""
    select = Selection((*fields("id"), Embed("orders", select=Selection(()))))

    assert ids(read("client", select, where=Exists("orders"))) == [1, 2]
    assert read("client", select, where=Not(Exists("orders"))).rows() == [{"id": 3}]


def test_spreading_puts_the_one_row_among_the_columns(read):
    """``...client(name)`` gives columns, null where there is no client."""
    select = Selection((*fields("id"), Embed("client", spread=True, select=Selection((Field(Path("name"), alias="client"),)))))

    page = read("orders", select, order=(Order(Path("id"), descending=True),), window=Window(limit=2))

    assert page.rows() == [{"id": 4, "client": None}, {"id": 3, "client": 'bob "x" é😀'}]


def test_a_table_is_embedded_in_itself(read):
    """A key's column or constraint means the one, the table's name with it the many."""
    boss = Embed("boss_id", alias="boss", select=Selection(fields("name")))
    team = Embed("worker", hint="boss_id", select=Selection(fields("id")))
    select = Selection((*fields("id"), boss, team))

    page = read("worker", select, order=(Order(Path("id")),))

    assert page.rows() == [
        {"id": 1, "boss": None, "worker": [{"id": 2}, {"id": 3}]},
        {"id": 2, "boss": {"name": "Eve"}, "worker": []},
        {"id": 3, "boss": {"name": "Eve"}, "worker": []},
    ]


def test_an_ambiguous_embed_lists_its_candidates(read):
    """Two keys to one table are told apart by a hint; without one the answer is 300 with both."""
    with pytest.raises(QueryError) as caught:
        read("worker", Selection((Embed("worker"),)))

    assert (caught.value.status, caught.value.code) == (300, "PGRST201")
    assert [candidate["cardinality"] for candidate in caught.value.details] == ["one-to-many", "one-to-many"]


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


def test_aggregates_group_by_what_stands_beside_them(read):
    """``client_id, total.sum(), count()`` has one row per client, and counts groups."""
    select = Selection((*fields("client_id"), Aggregate("sum", Path("total")), Aggregate("count")))

    page = read("orders", select, order=(Order(Path("client_id")),), window=Window(limit=2), count="exact")

    assert page.rows() == [{"client_id": 1, "sum": Decimal("13.5"), "count": 2}, {"client_id": 2, "sum": Decimal("99.99"), "count": 1}]
    assert (page.total, page.more) == (3, True)


def test_an_embed_can_be_counted(read):
    """``orders(count())`` is the number of related rows."""
    page = read("client", Selection((*fields("id"), Embed("orders", select=Selection((Aggregate("count"),))))), order=(Order(Path("id")),))

    assert page.rows() == [{"id": 1, "orders": [{"count": 2}]}, {"id": 2, "orders": [{"count": 1}]}, {"id": 3, "orders": [{"count": 0}]}]


@pytest.mark.parametrize(
    "order",
    [
        (),
        (Order(Path("total")),),
        (Order(Path("total"), descending=True),),
        (Order(Path("total"), nulls="first"),),
        (Order(Path("total"), descending=True, nulls="last"),),
        (Order(Path("client_id")), Order(Path("total"), descending=True)),
        (Order(Path("made"), descending=True, nulls="last"), Order(Path("client_id"), nulls="first")),
        (Order(Path("name"), descending=True, embed="client"), Order(Path("total"))),
    ],
)
def test_keyset_pages_are_the_list(read, order):
    """Walking forward and back by cursors shows every row once, in the order of the whole list, with NULLs and in any direction."""
    whole = ids(read("orders", order=(*order, Order(Path("id"), descending=bool(order) and order[-1].descending))))

    forward, page = [], read("orders", order=order, window=Window(limit=1))
    while True:
        forward.extend(ids(page))
        if not page.more:
            break
        cursor = read_cursor(write_cursor(page.last), order)
        page = read("orders", order=order, window=Window(limit=1, after=cursor))
    back = ids(page)
    while page.first is not None:
        page = read("orders", order=order, window=Window(limit=1, after=page.first))
        back[:0] = ids(page)

    assert forward == whole
    assert back == whole


def test_keyset_pages_by_a_composite_key(read):
    """A key of two columns is a place like any other, also where the rows do not show it."""
    first = read("line", Selection(fields("what")), window=Window(limit=2))

    second = read("line", Selection(fields("what")), window=Window(limit=2, after=first.last))

    assert [row["what"] for row in first.rows() + second.rows()] == ["pen", "ink", "desk"]
    assert (first.more, second.more) == (True, False)


def test_a_page_costs_one_statement_that_is_compiled_once(read, shop):
    """The second request of a shape, with other values, adds nothing to the cache."""
    read("orders", where=Compare(Path("total"), "gt", "1"), window=Window(limit=2), count="exact")
    known = len(shop.statements)

    with at_most(1, shop):
        page = read("orders", where=Compare(Path("total"), "gt", "10"), window=Window(limit=1), count="exact")

    assert len(shop.statements) == known
    assert (ids(page), page.total, page.more) == ([1], 2, True)


def test_a_count_does_not_need_rows(read):
    """Behind the last row the page is empty and the total still right."""
    page = read("orders", window=Window(limit=2, offset=10), count="exact")

    assert (page.body, page.count_rows, page.total, page.more) == (b"[]", 0, 4, False)


def test_estimates_are_numbers(read):
    """``planned`` and ``estimated`` give a number on every engine, exact where nothing else is known."""
    for mode in ("planned", "estimated"):
        page = read("client", where=Compare(Path("id"), "gt", "1"), window=Window(limit=1), count=mode)

        assert isinstance(page.total, int)


def test_streams_print_the_same_rows(read, shop):
    """JSON, lines and CSV hold what a page holds; NULL and the empty text differ in CSV."""
    reader = TableReadDriver(shop, READ_RIGHTS)
    query = Query(table_name(shop, "client"), Selection(fields("id", "name", "vip", "note")), order=(Order(Path("id")),))
    page = reader.page(query)

    whole = b"".join(reader.stream(query, "json", size_rows=2))
    lines = b"".join(reader.stream(query, "ndjson", size_rows=2)).decode().splitlines()
    csv = b"".join(reader.stream(query, "csv", size_rows=2)).decode()

    assert whole == page.body
    assert [json.loads(line) for line in lines] == page.rows()
    assert csv == 'id,name,vip,note\n1,Ann,true,\n2,"bob ""x"" é😀",false,50%_off\n3,Cy,,""\n'


def test_an_empty_stream_is_well_formed(shop):
    """No row: an empty array, no line, a header."""
    reader = TableReadDriver(shop, READ_RIGHTS)
    query = Query(table_name(shop, "tag"), where=Or(()), window=Window(limit=5))

    assert b"".join(reader.stream(query, "json")) == b"[]"
    assert b"".join(reader.stream(query, "ndjson")) == b""
    assert b"".join(reader.stream(query, "csv")) == b"id,label\n"


def test_a_stream_keeps_to_its_limit(shop):
    """``limit`` holds for a stream as for a page."""
    reader = TableReadDriver(shop, READ_RIGHTS)
    query = Query(table_name(shop, "orders"), Selection(fields("id")), order=(Order(Path("id")),), window=Window(limit=3))

    assert json.loads(b"".join(reader.stream(query, "json", size_rows=2))) == [{"id": 1}, {"id": 2}, {"id": 3}]


def test_a_stream_that_fails_fails_before_the_first_byte(shop):
    """What is wrong with the question is an ordinary error, not a broken answer."""
    with pytest.raises(QueryError, match="nope does not exist"):
        TableReadDriver(shop, READ_RIGHTS).stream(Query(table_name(shop, "tag"), Selection(fields("nope"))), "csv")


def test_a_row_is_found_by_its_key(shop):
    """The values of the key, as text, find one row or none."""
    reader = TableReadDriver(shop, READ_RIGHTS)
    table = table_name(shop, "line")

    assert json.loads(reader.find_row(table, ("order_id", "number"), ("1", "2"))) == {"order_id": 1, "number": 2, "what": "ink"}
    assert reader.find_row(table, ("order_id", "number"), ("1", "9")) is None


def test_a_value_of_another_type_is_refused(read):
    """``total=gt.abc`` is 400 22P02 on every engine."""
    with pytest.raises((ValueRefused, DatabaseError)) as caught:
        read("orders", where=Compare(Path("total"), "gt", "abc"))

    assert (caught.value.status, caught.value.code) == (400, "22P02")


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
