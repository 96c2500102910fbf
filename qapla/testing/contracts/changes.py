"""The part of the contract of engines about writes: what comes back, what stands against them, upserts."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from qapla.database.catalog import Served
from qapla.database.query.description import (
    ALL_COLUMNS,
    Compare,
    Delete,
    Embed,
    Field,
    Insert,
    OnConflict,
    Order,
    Path,
    Query,
    Selection,
    Update,
)
from qapla.database.schema.description import TableName
from qapla.driver.table_read import TableReadDriver
from qapla.driver.table_write import TableWriteDriver
from qapla.errors import DatabaseError, QaplaError, QueryError
from qapla.ports import ALL_RIGHTS
from qapla.testing.contracts import goods
from qapla.testing.contracts.base import EngineFixtures

Add = Callable[..., Any]


class ChangeContract(EngineFixtures):
    """What a write does."""

    @pytest.fixture
    def desk(self, written_desk: Served) -> Served:
        """Serve tables that may be written; they are empty when a test begins."""
        writer = TableWriteDriver(written_desk, ALL_RIGHTS)
        for table in goods.DESK_TABLES:
            writer.delete(Delete(self.name(written_desk, table)))
        return written_desk

    @pytest.fixture
    def writer(self, desk: Served) -> TableWriteDriver:
        """Write with all rights."""
        return TableWriteDriver(desk, ALL_RIGHTS)

    @pytest.fixture
    def add(self, desk: Served) -> Add:
        """Return a function that inserts rows, which all have the same keys, and gives them as they came back."""

        def add(table: str, *rows: dict[str, object], **parts: Any) -> Any:
            values = tuple(tuple(row.values()) for row in rows)
            written = TableWriteDriver(desk, ALL_RIGHTS).insert(
                Insert(self.name(desk, table), tuple(rows[0]), values, returning=ALL_COLUMNS, **parts)
            )
            assert written.body is not None
            return json.loads(written.body, parse_float=Decimal)

        return add

    def name(self, served: Served, table: str) -> TableName:
        """Return the full name of a table."""
        return TableName(served.schema.default_schema, table)

    def rows(self, served: Served, table: str) -> list[dict[str, Any]]:
        """Return all rows of a table."""
        columns = served.schema.by_name[self.name(served, table)].identity.columns
        query = Query(self.name(served, table), order=tuple(Order(Path(column)) for column in columns))
        return TableReadDriver(served, ALL_RIGHTS).page(query).rows()

    def test_gives_back_what_was_written(self, add: Add) -> None:
        """The row comes back as a list shows it, with what the database made."""
        [customer] = add("customer", {"name": "Ada"})

        [order] = add(
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

    def test_takes_back_what_it_gave(self, add: Add) -> None:
        """A row that was read can be written again, unchanged, and means the same."""
        [customer] = add("customer", {"name": "Ada"})
        order = {"customer_id": customer["id"], "total": Decimal("0.10"), "paid": False, "made_at": "1999-12-31T00:00:00", "note": "7"}
        [first] = add("orders", order)
        again = {key: value for key, value in first.items() if key not in ("id", "twice")}

        [second] = add("orders", again)

        assert {**second, "id": 0} == {**first, "id": 0}

    def test_keeps_the_order_of_many_rows(self, add: Add) -> None:
        """Rows come back in the order in which they were sent, whatever their keys."""
        numbers = [7, 3, 900, 1]

        found = add("customer", *({"id": number, "name": f"n{number}"} for number in numbers))

        assert [row["id"] for row in found] == numbers

    def test_is_all_or_nothing(self, desk: Served, writer: TableWriteDriver) -> None:
        """One broken row among thousands, and nothing is kept."""
        people = tuple((f"n{number}",) for number in range(1500))

        with pytest.raises(DatabaseError) as caught:
            writer.insert(Insert(self.name(desk, "customer"), ("name",), (*people, ("n3",))))

        assert (caught.value.code, caught.value.status) == ("23505", 409)
        assert self.rows(desk, "customer") == []
        assert writer.insert(Insert(self.name(desk, "customer"), ("name",), people)).count == 1500

    def test_gives_embeds(self, desk: Served, add: Add) -> None:
        """What comes back may hold related rows."""
        [customer] = add("customer", {"name": "Ada"})
        select = Selection((Field(Path("total")), Embed("customer", select=Selection((Field(Path("name")),)))))
        insert = Insert(self.name(desk, "orders"), ("customer_id", "total"), ((customer["id"], 5),), returning=select)

        written = TableWriteDriver(desk, ALL_RIGHTS).insert(insert)

        assert json.loads(written.body or b"") == [{"total": 5, "customer": {"name": "Ada"}}]

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
    def test_refuses_what_cannot_be_written(self, add: Add, table: str, row: dict[str, object], code: str, status: int) -> None:
        """What cannot be written is refused with the same code and status on every engine."""
        with pytest.raises(QaplaError) as caught:
            add(table, row)

        assert (caught.value.code, caught.value.status) == (code, status)

    def test_names_the_broken_check(self, add: Add) -> None:
        """A check that fails is 23514; whatever the engine names of it is in the error."""
        [customer] = add("customer", {"name": "Ada"})

        with pytest.raises(DatabaseError) as caught:
            add("orders", {"customer_id": customer["id"], "total": -1})

        assert (caught.value.code, caught.value.status) == ("23514", 400)

    def test_upsert_merges(self, add: Add) -> None:
        """A row with the same key is changed, and the others are new."""
        add("customer", {"id": 1, "name": "Ada", "city": "Oslo"})

        found = add("customer", {"id": 2, "name": "Bob"}, {"id": 1, "name": "Eda"}, on_conflict=OnConflict("merge"))

        assert [(row["id"], row["name"], row["city"]) for row in found] == [(2, "Bob", "Kopenhagen"), (1, "Eda", "Oslo")]

    def test_upsert_ignores(self, desk: Served, add: Add) -> None:
        """A row with the same key stays as it is and does not come back."""
        add("customer", {"id": 1, "name": "Ada"})

        found = add("customer", {"id": 1, "name": "Eda"}, {"id": 2, "name": "Bob"}, on_conflict=OnConflict("ignore"))

        assert [row["name"] for row in found] == ["Bob"]
        assert [row["name"] for row in self.rows(desk, "customer")] == ["Ada", "Bob"]

    def test_upsert_goes_by_named_columns_only(self, add: Add) -> None:
        """A clash with another key than the named one is an error, on every engine."""
        add("customer", {"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"})

        [found] = add("customer", {"name": "Ada", "city": "Rom"}, on_conflict=OnConflict("merge", ("name",)))
        with pytest.raises(DatabaseError) as caught:
            add("customer", {"id": 3, "name": "Bob"}, on_conflict=OnConflict("ignore"))

        assert (found["id"], found["city"]) == (1, "Rom")
        assert caught.value.code == "23505"

    def test_upsert_needs_a_key(self, add: Add) -> None:
        """Columns that are not unique tell nothing apart: 42P10."""
        with pytest.raises(QueryError) as caught:
            add("customer", {"name": "Ada"}, on_conflict=OnConflict("merge", ("city",)))

        assert caught.value.code == "42P10"

    def test_update_changes_what_the_filter_names(self, desk: Served, add: Add, writer: TableWriteDriver) -> None:
        """Only those rows change, and they come back."""
        add("customer", {"name": "Ada"}, {"name": "Bob"})
        city = Selection((Field(Path("city")),))
        update = Update(self.name(desk, "customer"), (("city", "100% o'clock"),), equal("name", "Bob"), returning=city)

        written = writer.update(update)

        assert (written.count, json.loads(written.body or b"")) == (1, [{"city": "100% o'clock"}])
        assert [row["city"] for row in self.rows(desk, "customer")] == ["Kopenhagen", "100% o'clock"]

    def test_update_follows_a_changed_key(self, desk: Served, add: Add, writer: TableWriteDriver) -> None:
        """The row comes back by its new key."""
        add("customer", {"id": 1, "name": "Ada"})

        written = writer.update(Update(self.name(desk, "customer"), (("id", 77),), equal("id", "1"), returning=ALL_COLUMNS))

        assert written.keys == (("77",),)
        assert json.loads(written.body or b"")[0]["name"] == "Ada"

    def test_update_counts_rows_that_stay_the_same(self, desk: Served, add: Add, writer: TableWriteDriver) -> None:
        """A row that already was like that counts as changed."""
        add("customer", {"name": "Ada"})

        assert writer.update(Update(self.name(desk, "customer"), (("name", "Ada"),), equal("name", "Ada"))).count == 1

    def test_delete_gives_back_what_was_there(self, desk: Served, add: Add, writer: TableWriteDriver) -> None:
        """Deleted rows come back as they were, with their embeds."""
        [customer] = add("customer", {"name": "Ada"})
        add("orders", {"customer_id": customer["id"], "total": 1}, {"customer_id": customer["id"], "total": 2})
        select = Selection((Field(Path("total")), Embed("customer", select=Selection((Field(Path("name")),)))))

        written = writer.delete(Delete(self.name(desk, "orders"), equal("total", "2"), returning=select))

        assert (written.count, json.loads(written.body or b"")) == (1, [{"total": 2, "customer": {"name": "Ada"}}])
        assert len(self.rows(desk, "orders")) == 1

    def test_delete_is_stopped_by_rows_that_point_here(self, desk: Served, add: Add, writer: TableWriteDriver) -> None:
        """A foreign key that does not cascade stands in the way: 23503."""
        [customer] = add("customer", {"name": "Ada"})
        [order] = add("orders", {"customer_id": customer["id"]})
        add("line", {"order_id": order["id"], "place": "a", "amount": 1})

        with pytest.raises(DatabaseError) as caught:
            writer.delete(Delete(self.name(desk, "orders")))

        assert (caught.value.code, caught.value.status) == ("23503", 409)


def equal(column: str, text: str) -> Compare:
    """Return the condition column = text."""
    return Compare(Path(column), "eq", text)
