"""TableWriteDriver on every engine: what is written, what comes back, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from qapla.database.bulkhead import make_bulkhead_from_url
from qapla.database.catalog import Options, Served
from qapla.database.query.description import (
    ALL_COLUMNS,
    MISSING,
    Compare,
    Delete,
    Embed,
    Field,
    Insert,
    OnConflict,
    Path,
    Selection,
    TextValue,
    Update,
)
from qapla.database.schema.description import TableName
from qapla.database.schema.inspect import inspect
from qapla.driver.table_write import TableWriteDriver
from qapla.errors import (
    AccessError,
    DatabaseError,
    NotFound,
    NotOffered,
    PreconditionFailed,
    QaplaError,
    QueryError,
    ReadOnly,
    ValueRefused,
)
from qapla.ports import ALL_RIGHTS, FixedRights
from qapla.testing import servers

TABLES = {
    "sqlite": """
        CREATE TABLE customer (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL UNIQUE, city VARCHAR(40) DEFAULT 'Kopenhagen');
        CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer (id) ON DELETE CASCADE,
            total DECIMAL(12,2) CHECK (total >= 0), paid BOOLEAN, made_at TIMESTAMP, note JSON, twice INTEGER AS (customer_id * 2));
        CREATE TABLE line (order_id INTEGER NOT NULL REFERENCES orders (id), place VARCHAR(10) NOT NULL, amount INTEGER,
            PRIMARY KEY (order_id, place));
        CREATE TABLE log (word VARCHAR(40));
        CREATE VIEW names AS SELECT name FROM customer
    """,
    "postgresql": """
        CREATE TABLE customer (id serial PRIMARY KEY, name varchar(40) NOT NULL UNIQUE, city varchar(40) DEFAULT 'Kopenhagen');
        CREATE TABLE orders (id serial PRIMARY KEY, customer_id integer NOT NULL REFERENCES customer (id) ON DELETE CASCADE,
            total numeric(12,2) CHECK (total >= 0), paid boolean, made_at timestamp, note json,
            twice integer GENERATED ALWAYS AS (customer_id * 2) STORED);
        CREATE TABLE line (order_id integer NOT NULL REFERENCES orders (id), place varchar(10) NOT NULL, amount integer,
            PRIMARY KEY (order_id, place));
        CREATE TABLE log (word varchar(40));
        CREATE VIEW names AS SELECT DISTINCT name FROM customer
    """,
    "mariadb": """
        CREATE TABLE customer (id integer AUTO_INCREMENT PRIMARY KEY, name varchar(40) NOT NULL UNIQUE,
            city varchar(40) DEFAULT 'Kopenhagen');
        CREATE TABLE orders (id integer AUTO_INCREMENT PRIMARY KEY, customer_id integer NOT NULL,
            total decimal(12,2) CHECK (total >= 0), paid boolean, made_at datetime(6), note json, twice integer AS (customer_id * 2),
            FOREIGN KEY (customer_id) REFERENCES customer (id) ON DELETE CASCADE);
        CREATE TABLE line (order_id integer NOT NULL, place varchar(10) NOT NULL, amount integer,
            PRIMARY KEY (order_id, place), FOREIGN KEY (order_id) REFERENCES orders (id));
        CREATE TABLE log (word varchar(40));
        CREATE VIEW names AS SELECT DISTINCT name FROM customer
    """,
}
OPTIONS = Options(writable=True)


@pytest.fixture(scope="module", params=servers.ENGINE_NAMES)
def shop(request: pytest.FixtureRequest) -> Iterator[Served]:
    """Serve a small shop on each engine."""
    with servers.make_database(request.param) as url:
        bulkhead = make_bulkhead_from_url(url, "shop", OPTIONS)
        with bulkhead.connection() as connection:
            for statement in TABLES[request.param].split(";"):
                connection.exec_driver_sql(statement)
            schema = inspect(connection)
        yield Served("shop", schema, OPTIONS, bulkhead)
        bulkhead.close()


@pytest.fixture(autouse=True)
def _empty(shop: Served) -> None:
    writer = TableWriteDriver(shop, ALL_RIGHTS)
    for table in ("line", "orders", "customer", "log"):
        writer.delete(Delete(name(shop, table)))


@pytest.fixture
def writer(shop: Served) -> TableWriteDriver:
    """Write with all rights."""
    return TableWriteDriver(shop, ALL_RIGHTS)


def name(shop: Served, table: str) -> TableName:
    """Return the full name of a table."""
    return TableName(shop.schema.default_schema, table)


def add(shop: Served, table: str, *rows: dict[str, object], **parts: Any) -> Any:
    """Insert rows that all have the same keys and return them."""
    insert = Insert(name(shop, table), tuple(rows[0]), tuple(tuple(row.values()) for row in rows), returning=ALL_COLUMNS, **parts)
    written = TableWriteDriver(shop, ALL_RIGHTS).insert(insert)
    assert written.body is not None
    return json.loads(written.body, parse_float=Decimal)


def rows(shop: Served, table: str) -> list[dict[str, Any]]:
    """Return all rows of a table."""
    from qapla.database.query.description import Order, Query
    from qapla.driver.table_read import TableReadDriver

    columns = shop.schema.by_name[name(shop, table)].identity.columns
    query = Query(name(shop, table), order=tuple(Order(Path(column)) for column in columns))
    return TableReadDriver(shop, ALL_RIGHTS).page(query).rows()


def equal(column: str, text: str) -> Compare:
    """Return the condition column = text."""
    return Compare(Path(column), "eq", text)


class TestInsert:
    """insert"""

    def test_gives_back_what_was_written(self, shop: Served) -> None:
        """The row comes back as a list shows it, with what the database made."""
        [customer] = add(shop, "customer", {"name": "Ada"})

        [order] = add(
            shop,
            "orders",
            {
                "customer_id": customer["id"],
                "total": Decimal("12.50"),
                "paid": True,
                "made_at": "2024-02-29T23:59:58.25",
                "note": {"a": [1, None]},
            },
        )

        assert customer == {"id": customer["id"], "name": "Ada", "city": "Kopenhagen"}
        assert order["total"] == Decimal("12.5")
        assert order["paid"] is True
        assert order["made_at"].startswith("2024-02-29T23:59:58.25")
        assert order["note"] == {"a": [1, None]}
        assert order["twice"] == 2 * customer["id"]

    def test_takes_back_what_it_gave(self, shop: Served) -> None:
        """A row that was read can be written again, unchanged, and means the same."""
        [customer] = add(shop, "customer", {"name": "Ada"})
        order = {"customer_id": customer["id"], "total": Decimal("0.10"), "paid": False, "made_at": "1999-12-31T00:00:00", "note": "7"}
        [first] = add(shop, "orders", order)
        again = {key: value for key, value in first.items() if key not in ("id", "twice")}

        [second] = add(shop, "orders", again)

        assert {**second, "id": 0} == {**first, "id": 0}

    def test_keeps_the_order_of_many_rows(self, shop: Served) -> None:
        """Rows come back in the order in which they were sent, whatever their keys."""
        numbers = [7, 3, 900, 1]

        found = add(shop, "customer", *({"id": number, "name": f"n{number}"} for number in numbers))

        assert [row["id"] for row in found] == numbers

    def test_is_all_or_nothing(self, shop: Served, writer: TableWriteDriver) -> None:
        """One broken row among thousands, and nothing is kept."""
        people = tuple((f"n{number}",) for number in range(1500))

        with pytest.raises(DatabaseError) as caught:
            writer.insert(Insert(name(shop, "customer"), ("name",), (*people, ("n3",))))

        assert (caught.value.code, caught.value.status) == ("23505", 409)
        assert rows(shop, "customer") == []
        assert writer.insert(Insert(name(shop, "customer"), ("name",), people)).count == 1500

    def test_gives_ragged_rows_defaults_or_null(self, shop: Served) -> None:
        """A column that a row does not mention is NULL, and its default when defaults are asked for."""
        table = name(shop, "customer")
        people = (("Ada", MISSING), ("Bob", "Roskilde"), ("Cy", MISSING))
        writer = TableWriteDriver(shop, ALL_RIGHTS)

        writer.insert(Insert(table, ("name", "city"), people, missing_default=True))
        writer.insert(Insert(table, ("name", "city"), (("Di", MISSING),)))

        assert [(row["name"], row["city"]) for row in rows(shop, "customer")] == [
            ("Ada", "Kopenhagen"),
            ("Bob", "Roskilde"),
            ("Cy", "Kopenhagen"),
            ("Di", None),
        ]

    def test_reads_text_by_the_column(self, shop: Served) -> None:
        """A cell of a CSV is read by its column; a JSON string is a text."""
        [customer] = add(shop, "customer", {"name": "Ada"})
        cells = {"customer_id": str(customer["id"]), "paid": "t", "note": "[1]", "total": "3"}

        [order] = add(shop, "orders", {column: TextValue(text) for column, text in cells.items()})

        assert (order["paid"], order["note"], order["total"]) == (True, [1], Decimal(3))

    def test_gives_embeds(self, shop: Served) -> None:
        """What comes back may hold related rows."""
        [customer] = add(shop, "customer", {"name": "Ada"})
        select = Selection((Field(Path("total")), Embed("customer", select=Selection((Field(Path("name")),)))))
        insert = Insert(name(shop, "orders"), ("customer_id", "total"), ((customer["id"], 5),), returning=select)

        written = TableWriteDriver(shop, ALL_RIGHTS).insert(insert)

        assert json.loads(written.body or b"") == [{"total": 5, "customer": {"name": "Ada"}}]

    def test_dry_run_keeps_nothing(self, shop: Served, writer: TableWriteDriver) -> None:
        """keep=False executes, checks and answers, and rolls back."""
        insert = Insert(name(shop, "customer"), ("name",), (("Ada",),), returning=ALL_COLUMNS)

        written = writer.insert(insert, keep=False)

        assert json.loads(written.body or b"")[0]["name"] == "Ada"
        assert rows(shop, "customer") == []

    def test_takes_tables_without_a_key(self, shop: Served, writer: TableWriteDriver) -> None:
        """Rows that cannot be told apart can be written, and the statement gives them back itself."""
        insert = Insert(name(shop, "log"), ("word",), (("a",), ("a",)))

        written = writer.insert(insert)
        again = writer.insert(replace(insert, returning=ALL_COLUMNS))
        gone = writer.delete(Delete(name(shop, "log"), equal("word", "a"), returning=ALL_COLUMNS))

        assert (written.count, written.keys) == (2, ())
        assert json.loads(again.body or b"") == [{"word": "a"}] * 2
        assert json.loads(gone.body or b"") == [{"word": "a"}] * 4

    def test_changed_rows_without_a_key_come_back_or_it_is_said(self, shop: Served, writer: TableWriteDriver) -> None:
        """MariaDB's UPDATE gives nothing back: there it is refused by name, before anything changes."""
        writer.insert(Insert(name(shop, "log"), ("word",), (("a",),)))
        update = Update(name(shop, "log"), (("word", "b"),), equal("word", "a"), returning=ALL_COLUMNS)

        if shop.schema.engine == "mariadb":
            with pytest.raises(NotOffered):
                writer.update(update)
            assert rows(shop, "log") == [{"word": "a"}]
        else:
            assert json.loads(writer.update(update).body or b"") == [{"word": "b"}]

    def test_many_rows_come_back_in_their_order(self, shop: Served) -> None:
        """A large bulk looks like a small one, and takes a few statements."""
        counted: list[object] = []
        people = tuple((number, f"n{number}", "Köln") for number in range(700, 0, -1))
        insert = Insert(name(shop, "customer"), ("id", "name", "city"), people, returning=ALL_COLUMNS)
        shop.bulkhead.on_statement.append(counted.append)

        written = TableWriteDriver(shop, ALL_RIGHTS).insert(insert)

        shop.bulkhead.on_statement.clear()
        assert [tuple(row.values()) for row in json.loads(written.body or b"")] == list(people)
        assert len(written.keys) == 700
        assert len(counted) == (2 if shop.schema.engine != "sqlite" else 702)

    @pytest.mark.parametrize(
        ("table", "row", "code", "status"),
        [
            ("customer", {"name": None}, "23502", 400),
            ("customer", {"nmae": "Ada"}, "PGRST204", 400),
            ("customer", {"name": "\ud800"}, "22021", 400),
            ("orders", {"customer_id": 12345}, "23503", 409),
            ("orders", {"customer_id": 1, "twice": 3}, "428C9", 400),
            ("orders", {"customer_id": "x"}, "22P02", 400),
            ("orders", {"customer_id": 2**80}, "22003", 400),
            ("orders", {"customer_id": Decimal("1.5")}, "22P02", 400),
            ("orders", {"customer_id": 10**3999}, "22003", 400),
            ("orders", {"total": "NaN or so"}, "22P02", 400),
            ("orders", {"paid": "perhaps"}, "22P02", 400),
            ("orders", {"paid": [True]}, "22P02", 400),
            ("names", {"name": "Ada"}, "25006", 405),
        ],
    )
    def test_refuses(self, shop: Served, table: str, row: dict[str, object], code: str, status: int) -> None:
        """What cannot be written is refused with the same code and status on every engine."""
        with pytest.raises(QaplaError) as caught:
            add(shop, table, row)

        assert (caught.value.code, caught.value.status) == (code, status)

    def test_names_the_broken_check(self, shop: Served) -> None:
        """A check that fails is 23514; whatever the engine names of it is in the error."""
        [customer] = add(shop, "customer", {"name": "Ada"})

        with pytest.raises(DatabaseError) as caught:
            add(shop, "orders", {"customer_id": customer["id"], "total": -1})

        assert (caught.value.code, caught.value.status) == ("23514", 400)

    def test_bad_times_are_refused(self, shop: Served) -> None:
        """A date that is none is 22007, one that does not exist 22008."""
        [customer] = add(shop, "customer", {"name": "Ada"})

        for text, code in [("yesterdayish", "22007"), ("2023-02-29T00:00:00", "22008"), ("2023-01-01T25:00:00", "22008")]:
            with pytest.raises(QaplaError) as caught:
                add(shop, "orders", {"customer_id": customer["id"], "made_at": text})
            assert (caught.value.code, caught.value.status) == (code, 400)


class TestOnConflict:
    """insert with on_conflict"""

    def test_merges(self, shop: Served) -> None:
        """A row with the same key is changed, and the others are new."""
        add(shop, "customer", {"id": 1, "name": "Ada", "city": "Oslo"})

        found = add(shop, "customer", {"id": 2, "name": "Bob"}, {"id": 1, "name": "Eda"}, on_conflict=OnConflict("merge"))

        assert [(row["id"], row["name"], row["city"]) for row in found] == [(2, "Bob", "Kopenhagen"), (1, "Eda", "Oslo")]

    def test_ignores(self, shop: Served) -> None:
        """A row with the same key stays as it is and does not come back."""
        add(shop, "customer", {"id": 1, "name": "Ada"})

        found = add(shop, "customer", {"id": 1, "name": "Eda"}, {"id": 2, "name": "Bob"}, on_conflict=OnConflict("ignore"))

        assert [row["name"] for row in found] == ["Bob"]
        assert [row["name"] for row in rows(shop, "customer")] == ["Ada", "Bob"]

    def test_goes_by_named_columns_only(self, shop: Served) -> None:
        """A clash with another key than the named one is an error, on every engine."""
        add(shop, "customer", {"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"})

        [found] = add(shop, "customer", {"name": "Ada", "city": "Rom"}, on_conflict=OnConflict("merge", ("name",)))
        with pytest.raises(DatabaseError) as caught:
            add(shop, "customer", {"id": 3, "name": "Bob"}, on_conflict=OnConflict("ignore"))

        assert (found["id"], found["city"]) == (1, "Rom")
        assert caught.value.code == "23505"

    def test_needs_a_key(self, shop: Served) -> None:
        """Columns that are not unique tell nothing apart: 42P10."""
        with pytest.raises(QueryError) as caught:
            add(shop, "customer", {"name": "Ada"}, on_conflict=OnConflict("merge", ("city",)))

        assert caught.value.code == "42P10"


class TestUpdate:
    """update"""

    def test_changes_what_the_filter_names(self, shop: Served, writer: TableWriteDriver) -> None:
        """Only those rows change, and they come back."""
        add(shop, "customer", {"name": "Ada"}, {"name": "Bob"})

        written = writer.update(
            Update(name(shop, "customer"), (("city", "100% o'clock"),), equal("name", "Bob"), returning=Selection((Field(Path("city")),)))
        )

        assert (written.count, json.loads(written.body or b"")) == (1, [{"city": "100% o'clock"}])
        assert [row["city"] for row in rows(shop, "customer")] == ["Kopenhagen", "100% o'clock"]

    def test_follows_a_changed_key(self, shop: Served, writer: TableWriteDriver) -> None:
        """The row comes back by its new key."""
        add(shop, "customer", {"id": 1, "name": "Ada"})

        written = writer.update(Update(name(shop, "customer"), (("id", 77),), equal("id", "1"), returning=ALL_COLUMNS))

        assert written.keys == (("77",),)
        assert json.loads(written.body or b"")[0]["name"] == "Ada"

    def test_counts_rows_that_stay_the_same(self, shop: Served, writer: TableWriteDriver) -> None:
        """A row that already was like that counts as changed."""
        add(shop, "customer", {"name": "Ada"})

        assert writer.update(Update(name(shop, "customer"), (("name", "Ada"),), equal("name", "Ada"))).count == 1

    def test_changes_at_most_so_many(self, shop: Served, writer: TableWriteDriver) -> None:
        """More rows than max_affected, and nothing changes."""
        add(shop, "customer", {"name": "Ada"}, {"name": "Bob"})

        with pytest.raises(QueryError) as caught:
            writer.update(Update(name(shop, "customer"), (("city", "x"),), max_affected=1))
        with pytest.raises(QueryError):
            writer.delete(Delete(name(shop, "customer"), max_affected=1, returning=ALL_COLUMNS))

        assert (caught.value.code, caught.value.status) == ("PGRST124", 400)
        assert {row["city"] for row in rows(shop, "customer")} == {"Kopenhagen"}


class TestDelete:
    """delete"""

    def test_gives_back_what_was_there(self, shop: Served, writer: TableWriteDriver) -> None:
        """Deleted rows come back as they were, with their embeds."""
        [customer] = add(shop, "customer", {"name": "Ada"})
        add(shop, "orders", {"customer_id": customer["id"], "total": 1}, {"customer_id": customer["id"], "total": 2})
        select = Selection((Field(Path("total")), Embed("customer", select=Selection((Field(Path("name")),)))))

        written = writer.delete(Delete(name(shop, "orders"), equal("total", "2"), returning=select))

        assert (written.count, json.loads(written.body or b"")) == (1, [{"total": 2, "customer": {"name": "Ada"}}])
        assert len(rows(shop, "orders")) == 1

    def test_is_stopped_by_rows_that_point_here(self, shop: Served, writer: TableWriteDriver) -> None:
        """A foreign key that does not cascade stands in the way: 23503."""
        [customer] = add(shop, "customer", {"name": "Ada"})
        [order] = add(shop, "orders", {"customer_id": customer["id"]})
        add(shop, "line", {"order_id": order["id"], "place": "a", "amount": 1})

        with pytest.raises(DatabaseError) as caught:
            writer.delete(Delete(name(shop, "orders")))

        assert (caught.value.code, caught.value.status) == ("23503", 409)


class TestOneRow:
    """update_row, delete_row, replace_row, row_tag"""

    def test_changes_only_what_was_seen(self, shop: Served, writer: TableWriteDriver) -> None:
        """With the tag that was seen the row changes; with an old one it does not: 412."""
        [customer] = add(shop, "customer", {"name": "Ada"})
        table, key = name(shop, "customer"), (str(customer["id"]),)
        tag = writer.row_tag(table, key)

        writer.update_row(table, key, {"name": "Eda"}, expect=(tag,))

        with pytest.raises(PreconditionFailed):
            writer.update_row(table, key, {"name": "Oda"}, expect=(tag,))
        with pytest.raises(PreconditionFailed):
            writer.delete_row(table, key, expect=(tag,))
        assert [row["name"] for row in rows(shop, "customer")] == ["Eda"]

    def test_takes_composite_keys(self, shop: Served, writer: TableWriteDriver) -> None:
        """A key of two columns names one row."""
        [customer] = add(shop, "customer", {"name": "Ada"})
        [order] = add(shop, "orders", {"customer_id": customer["id"]})
        add(shop, "line", *({"order_id": order["id"], "place": place, "amount": 1} for place in ("a", "b,/")))
        key = (str(order["id"]), "b,/")

        written = writer.update_row(name(shop, "line"), key, {"amount": 5, "place": "c"}, returning=ALL_COLUMNS)
        writer.delete_row(name(shop, "line"), (str(order["id"]), "a"))

        assert written.keys == ((str(order["id"]), "c"),)
        assert rows(shop, "line") == [{"order_id": order["id"], "place": "c", "amount": 5}]

    def test_a_row_that_is_gone_is_404(self, shop: Served, writer: TableWriteDriver) -> None:
        """Somebody has deleted it meanwhile."""
        table = name(shop, "customer")

        for act in (
            lambda: writer.update_row(table, ("99",), {"name": "x"}),
            lambda: writer.update_row(table, ("99",), {}, returning=ALL_COLUMNS),
            lambda: writer.update_row(table, ("99",), {"name": "x"}, expect=("a",)),
            lambda: writer.delete_row(table, ("99",)),
            lambda: writer.row_tag(table, ("99",)),
        ):
            with pytest.raises(NotFound):
                act()

    def test_put_creates_and_replaces(self, shop: Served, writer: TableWriteDriver) -> None:
        """PUT makes the row be exactly this: what is not said gets its default."""
        table = name(shop, "customer")

        first = writer.replace_row(table, ("5",), {"id": 5, "name": "Ada", "city": "Oslo"}, returning=ALL_COLUMNS)
        second = writer.replace_row(table, ("5",), {"name": "Eda"}, returning=ALL_COLUMNS)

        assert (first.created, second.created) == (True, False)
        assert json.loads(second.body or b"") == [{"id": 5, "name": "Eda", "city": "Kopenhagen"}]

    def test_put_minds_its_key_and_its_conditions(self, shop: Served, writer: TableWriteDriver) -> None:
        """Another key in the body, a row that must not or must be there: refused."""
        table = name(shop, "customer")
        add(shop, "customer", {"id": 1, "name": "Ada"})

        with pytest.raises(QueryError) as caught:
            writer.replace_row(table, ("5",), {"id": 6, "name": "Ada"})
        with pytest.raises(PreconditionFailed):
            writer.replace_row(table, ("1",), {"name": "Eda"}, must_create=True)
        with pytest.raises(PreconditionFailed):
            writer.replace_row(table, ("2",), {"name": "Eda"}, expect=("a",))

        assert caught.value.code == "PGRST115"
        assert [row["name"] for row in rows(shop, "customer")] == ["Ada"]


class TestDependents:
    """dependents"""

    def test_says_what_goes_along_and_what_stands_in_the_way(self, shop: Served, writer: TableWriteDriver) -> None:
        """Orders go with their customer; lines hold an order, and so the customer."""
        [ada, bob] = add(shop, "customer", {"name": "Ada"}, {"name": "Bob"})
        orders = add(shop, "orders", *({"customer_id": person["id"]} for person in (ada, ada, bob)))
        add(shop, "line", *({"order_id": order["id"], "place": "a"} for order in orders))

        found = writer.dependents(name(shop, "customer"), (str(ada["id"]),))

        assert [(each.table.name.name, each.effect, each.count, each.depth) for each in found] == [
            ("orders", "deleted", 2, 1),
            ("line", "blocking", 2, 2),
        ]

    def test_hides_numbers_of_tables_that_may_not_be_read(self, shop: Served) -> None:
        """Who may not read the orders learns that they exist, not how many there are."""
        [ada] = add(shop, "customer", {"name": "Ada"})

        class Some(FixedRights):
            def allows(self, operation: Any, schema: str | None, table: str, column: str | None = None) -> bool:
                return table == "customer"

        found = TableWriteDriver(shop, Some(frozenset())).dependents(name(shop, "customer"), (str(ada["id"]),))

        assert {each.count for each in found} == {None}


class TestRights:
    """What nobody, or not everybody, may do"""

    def test_read_only_connections_take_nothing(self, shop: Served) -> None:
        """405 25006, whoever asks."""
        served = replace(shop, options=Options(writable=False))

        with pytest.raises(ReadOnly) as caught:
            TableWriteDriver(served, ALL_RIGHTS).insert(Insert(name(shop, "customer"), ("name",), (("Ada",),)))

        assert (caught.value.code, caught.value.status) == ("25006", 405)

    def test_each_operation_needs_its_right(self, shop: Served) -> None:
        """Somebody who may only read gets 403; nobody known 401."""
        insert = Insert(name(shop, "customer"), ("name",), (("Ada",),))

        for rights, status in [(FixedRights(frozenset({"select"})), 403), (FixedRights(frozenset(), authenticated=False), 401)]:
            with pytest.raises(AccessError) as caught:
                TableWriteDriver(shop, rights).insert(insert)
            assert (caught.value.code, caught.value.status) == ("42501", status)

    def test_what_comes_back_needs_the_right_to_read(self, shop: Served) -> None:
        """Who may only insert gets nothing back, and is told before anything is written."""
        writer = TableWriteDriver(shop, FixedRights(frozenset({"insert"})))
        insert = Insert(name(shop, "customer"), ("name",), (("Ada",),))

        with pytest.raises(AccessError):
            writer.insert(replace(insert, returning=ALL_COLUMNS))

        assert writer.insert(insert).count == 1

    def test_sqlite_refuses_what_it_would_round(self, shop: Served) -> None:
        """A number that SQLite's double cannot hold is refused; elsewhere it is rounded to the column's scale."""
        [customer] = add(shop, "customer", {"name": "Ada"})
        row = {"customer_id": customer["id"], "total": Decimal("1.2345678901234567890123")}

        if shop.schema.engine == "sqlite":
            with pytest.raises(ValueRefused) as caught:
                add(shop, "orders", row)
            assert caught.value.code == "22003"
        else:
            assert add(shop, "orders", row)[0]["total"] == Decimal("1.23")
