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
    Insert,
    OnConflict,
    Path,
    TextValue,
    Update,
)
from qapla.database.schema.description import TableName
from qapla.database.schema.inspect import inspect
from qapla.driver.table_write import TableWriteDriver
from qapla.errors import (
    AccessError,
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
from qapla.testing.contracts import goods

OPTIONS = Options(writable=True)


@pytest.fixture(scope="module", params=servers.ENGINE_NAMES)
def shop(request: pytest.FixtureRequest) -> Iterator[Served]:
    """Serve a small shop on each engine."""
    with servers.make_database(request.param) as url:
        goods.make_tables(url, goods.DESK)
        bulkhead = make_bulkhead_from_url(url, "shop", OPTIONS)
        with bulkhead.connection() as connection:
            schema = inspect(connection)
        yield Served("shop", schema, OPTIONS, bulkhead)
        bulkhead.close()


@pytest.fixture(autouse=True)
def _empty(shop: Served) -> None:
    writer = TableWriteDriver(shop, ALL_RIGHTS)
    for table in goods.DESK_TABLES:
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

    def test_a_large_upsert_takes_few_statements(self, shop: Served) -> None:
        """Hundreds of rows are looked for, and inserted, at once; on MariaDB only changed rows are one statement each."""
        people = tuple((number, f"n{number}") for number in range(900))
        upsert = Insert(name(shop, "customer"), ("id", "name"), people, on_conflict=OnConflict("ignore"))
        writer = TableWriteDriver(shop, ALL_RIGHTS)
        counted: list[object] = []
        shop.bulkhead.on_statement.append(counted.append)

        first = writer.insert(upsert)
        again = writer.insert(upsert)
        ignored, counted[:] = len(counted), []
        merged = writer.insert(replace(upsert, rows=people[:300], on_conflict=OnConflict("merge")))

        shop.bulkhead.on_statement.clear()
        assert (first.count, again.count, merged.count, merged.created) == (900, 0, 300, False)
        assert ignored <= 15
        assert len(counted) <= (310 if shop.schema.engine == "mariadb" else 5)

    def test_bad_times_are_refused(self, shop: Served) -> None:
        """A date that is none is 22007, one that does not exist 22008."""
        [customer] = add(shop, "customer", {"name": "Ada"})

        for text, code in [("yesterdayish", "22007"), ("2023-02-29T00:00:00", "22008"), ("2023-01-01T25:00:00", "22008")]:
            with pytest.raises(QaplaError) as caught:
                add(shop, "orders", {"customer_id": customer["id"], "made_at": text})
            assert (caught.value.code, caught.value.status) == (code, 400)


class TestUpdate:
    """update"""

    def test_changes_at_most_so_many(self, shop: Served, writer: TableWriteDriver) -> None:
        """More rows than max_affected, and nothing changes."""
        add(shop, "customer", {"name": "Ada"}, {"name": "Bob"})

        with pytest.raises(QueryError) as caught:
            writer.update(Update(name(shop, "customer"), (("city", "x"),), max_affected=1))
        with pytest.raises(QueryError):
            writer.delete(Delete(name(shop, "customer"), max_affected=1, returning=ALL_COLUMNS))

        assert (caught.value.code, caught.value.status) == ("PGRST124", 400)
        assert {row["city"] for row in rows(shop, "customer")} == {"Kopenhagen"}


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
