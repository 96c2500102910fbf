"""The part of the contract of engines about reads: a ``Query`` with filters, embeds and aggregates has the same answer everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from qapla.database.catalog import Served
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
from qapla.driver.table_read import Page, TableReadDriver
from qapla.errors import DatabaseError, QueryError, ValueRefused
from qapla.ports import READ_RIGHTS
from qapla.testing.contracts.base import EngineFixtures
from qapla.testing.served import table_name
from qapla.testing.statements import at_most

Read = Callable[..., Page]


def fields(*names: str) -> tuple[Field, ...]:
    """Return columns for a selection."""
    return tuple(Field(Path(name)) for name in names)


def ids(page: Page) -> list[Any]:
    """Return the ids of the rows of a page."""
    return [row["id"] for row in page.rows()]


class ReadingFixtures(EngineFixtures):
    """What reads and pages have in common."""

    @pytest.fixture
    def read(self, shop: Served) -> Read:
        """Return a function that reads ``(table, …)``, as a ``Query`` takes it, and gives the page."""
        return lambda table, *parts, **more: TableReadDriver(shop, READ_RIGHTS).page(Query(table_name(shop, table), *parts, **more))


class QuestionContract(ReadingFixtures):
    """What a read finds, and how it looks."""

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
            (
                "client",
                Or((Compare(Path("id"), "eq", "1"), And((Compare(Path("id"), "gt", "1"), Compare(Path("vip"), "is", "null"))))),
                [1, 3],
            ),
            ("client", And(()), [1, 2, 3]),
            ("client", Or(()), []),
            ("client", Search(("BOB", "%_")), [2]),
            ("client", Search(("bob", "Ann")), []),
            ("client", Compare(Path("name"), "eq", "x' OR 1=1 --"), []),
        ],
    )
    def test_filters(self, read: Read, table: str, where: Any, expected: list[int]) -> None:
        """A filter keeps the rows that it says, NULL being neither true nor false."""
        page = read(table, where=where, order=(Order(Path("id")),))

        assert ids(page) == expected

    def test_select_renames_and_keeps_the_order(self, read: Read) -> None:
        """The names and their order are those that were asked for, whatever characters are in them."""
        select = Selection((Field(Path("name"), alias="n'\"\\%é"), *fields("id")))

        page = read("client", select, where=Compare(Path("id"), "eq", "1"))

        assert page.body.decode() == '[{"n\'\\"\\\\%é":"Ann","id":1}]'

    def test_selecting_nothing_gives_empty_objects(self, read: Read) -> None:
        """``select=`` with nothing in it is an object per row."""
        assert read("client", Selection(())).rows() == [{}, {}, {}]

    def test_embedding_is_one_statement(self, read: Read, shop: Served) -> None:
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

    def test_an_embed_has_its_own_filter_order_and_window(self, read: Read) -> None:
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

    def test_a_window_inside_an_embed_skips_rows(self, read: Read) -> None:
        """An offset inside an embed counts rows of the embed."""
        embed = Embed("orders", select=Selection(fields("id")), order=(Order(Path("id")),), window=Window(offset=1))

        page = read("client", Selection((*fields("id"), embed)), order=(Order(Path("id")),))

        assert page.rows() == [{"id": 1, "orders": [{"id": 2}]}, {"id": 2, "orders": []}, {"id": 3, "orders": []}]

    def test_existence_of_an_embed_filters(self, read: Read) -> None:
        """``orders=not.is.null`` keeps the rows that have some, also when nothing of them is shown."""
        select = Selection((*fields("id"), Embed("orders", select=Selection(()))))

        assert ids(read("client", select, where=Exists("orders"))) == [1, 2]
        assert read("client", select, where=Not(Exists("orders"))).rows() == [{"id": 3}]

    def test_spreading_puts_the_one_row_among_the_columns(self, read: Read) -> None:
        """``...client(name)`` gives columns, null where there is no client."""
        select = Selection((*fields("id"), Embed("client", spread=True, select=Selection((Field(Path("name"), alias="client"),)))))

        page = read("orders", select, order=(Order(Path("id"), descending=True),), window=Window(limit=2))

        assert page.rows() == [{"id": 4, "client": None}, {"id": 3, "client": 'bob "x" é😀'}]

    def test_a_table_is_embedded_in_itself(self, read: Read) -> None:
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

    def test_an_ambiguous_embed_lists_its_candidates(self, read: Read) -> None:
        """Two keys to one table are told apart by a hint; without one the answer is 300 with both."""
        with pytest.raises(QueryError) as caught:
            read("worker", Selection((Embed("worker"),)))

        assert (caught.value.status, caught.value.code) == (300, "PGRST201")
        assert [candidate["cardinality"] for candidate in caught.value.details] == ["one-to-many", "one-to-many"]

    def test_aggregates_group_by_what_stands_beside_them(self, read: Read) -> None:
        """``client_id, total.sum(), count()`` has one row per client, and counts groups."""
        select = Selection((*fields("client_id"), Aggregate("sum", Path("total")), Aggregate("count")))

        page = read("orders", select, order=(Order(Path("client_id")),), window=Window(limit=2), count="exact")

        assert page.rows() == [{"client_id": 1, "sum": Decimal("13.5"), "count": 2}, {"client_id": 2, "sum": Decimal("99.99"), "count": 1}]
        assert (page.total, page.more) == (3, True)

    def test_an_embed_can_be_counted(self, read: Read) -> None:
        """``orders(count())`` is the number of related rows."""
        select = Selection((*fields("id"), Embed("orders", alias="made", select=Selection((Aggregate("count"),)))))

        page = read("client", select, order=(Order(Path("id")),))

        assert [(row["id"], row["made"]) for row in page.rows()] == [(1, [{"count": 2}]), (2, [{"count": 1}]), (3, [{"count": 0}])]

    def test_a_row_is_found_by_its_key(self, shop: Served) -> None:
        """The values of the key, as text, find one row or none."""
        reader = TableReadDriver(shop, READ_RIGHTS)
        table = table_name(shop, "line")

        found = reader.find_row(table, ("order_id", "number"), ("1", "2"))

        assert found is not None
        assert json.loads(found) == {"order_id": 1, "number": 2, "what": "ink"}
        assert reader.find_row(table, ("order_id", "number"), ("1", "9")) is None

    def test_a_value_of_another_type_is_refused(self, read: Read) -> None:
        """``total=gt.abc`` is 400 22P02 on every engine."""
        with pytest.raises((ValueRefused, DatabaseError)) as caught:
            read("orders", where=Compare(Path("total"), "gt", "abc"))

        assert (caught.value.status, caught.value.code) == (400, "22P02")
