"""Related rows among the columns of a row, and groups that reach across relations, on each engine."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from qapla.testing.statements import at_most

if TYPE_CHECKING:
    from tests.functional.rest.conftest import Client

ORDERS, CUSTOMERS, LINES = "/api/shop/order", "/api/shop/customer", "/api/shop/line"


class TestSpread:
    """...relation(columns)"""

    def test_gives_an_array_for_each_column_of_many_rows(self, web: Client) -> None:
        """All arrays are in one order, the one asked for; nobody related gives empty ones, and NULL stays in its place."""
        question = "select=name,...order(ids:id,notes:note,total)&order=id&order.order=id.desc"

        with at_most(1, web.served):
            answer = web.get(f"{CUSTOMERS}?{question}")

        assert answer.json == [
            {"name": "Ada", "ids": [2, 1], "notes": [None, "first"], "total": [99.99, 10.5]},
            {"name": "Bo", "ids": [3], "notes": ['a,b "c"'], "total": [0]},
            {"name": "Çelik", "ids": [], "notes": [], "total": []},
        ]

    def test_nests(self, web: Client) -> None:
        """Many in many are arrays of arrays, one in many is a value, an embed in many is an object or an array."""
        question = "select=name,...order(ids:id,...line(products:product),...customer(names:name),customer(name))&id=eq.1"

        answer = web.get(f"{CUSTOMERS}?{question}&order.order=id&order.line.order=product")

        assert answer.json == [
            {
                "name": "Ada", "ids": [1, 2], "products": [["a,b/c", "pen"], ["ink"]], "names": ["Ada", "Ada"],
                "customer": [{"name": "Ada"}, {"name": "Ada"}],
            }
        ]  # fmt: skip

    def test_takes_filters_and_windows(self, web: Client) -> None:
        """Those of an embed, and ``!inner``."""
        answer = web.get(f"{CUSTOMERS}?select=id,...order!inner(ids:id)&order.total=gt.1&order.order=id&order.limit=1&order=id")

        assert answer.json == [{"id": 1, "ids": [1]}]

    def test_refuses_aggregates_of_many(self, web: Client) -> None:
        """As PostgREST does, PGRST127."""
        answer = web.get(f"{CUSTOMERS}?select=name,...order(count())", status=400)

        assert answer.json["code"] == "PGRST127"


class TestGroups:
    """Aggregates beside embeds and spreads, and inside embeds"""

    @pytest.mark.parametrize(
        ("path", "question", "expected"),
        [
            (ORDERS, "select=customer(name),count()&customer_id=not.is.null", [
                {"customer": {"name": "Ada"}, "count": 2}, {"customer": {"name": "Bo"}, "count": 1}]),
            (ORDERS, "select=...customer(name),total.sum()&order=customer(name).desc.nullslast", [
                {"name": "Bo", "sum": 0}, {"name": "Ada", "sum": 110.49}, {"name": None, "sum": 70}]),
            (ORDERS, "select=customer_id,...customer(last:name.max())&order=customer_id", [
                {"customer_id": 1, "last": "Ada"}, {"customer_id": 2, "last": "Bo"}, {"customer_id": None, "last": None}]),
            (ORDERS, "select=...customer(id.sum())", [{"sum": 4}]),
            (LINES, "select=...order(...customer(name)),amount.sum()", [{"name": "Ada", "sum": 8}]),
            (CUSTOMERS, "select=name,order(customer_id,total.max(),count())&order=id", [
                {"name": "Ada", "order": [{"customer_id": 1, "max": 99.99, "count": 2}]},
                {"name": "Bo", "order": [{"customer_id": 2, "max": 0, "count": 1}]},
                {"name": "Çelik", "order": []}]),
            (CUSTOMERS, "select=name,order(note,count())&order=id&order.order=note.desc&order.limit=1&limit=1", [
                {"name": "Ada", "order": [{"note": None, "count": 1}]}]),
            (CUSTOMERS, "select=name,order(count)&order=id", [
                {"name": "Ada", "order": [{"count": 2}]},
                {"name": "Bo", "order": [{"count": 1}]},
                {"name": "Çelik", "order": [{"count": 0}]}]),
            (ORDERS, "select=line(product),count()&id=in.(3,4)", [{"line": [], "count": 2}]),
        ],
    )  # fmt: skip
    def test_reach_across_relations(self, web: Client, path: str, question: str, expected: list[object]) -> None:
        """An embed groups as a column does; what is spread is as good as a column of the row's own."""
        with at_most(1, web.served):
            answer = web.get(f"{path}?{quote(question, safe='=&')}")

        key = str if "order=" not in question else (lambda row: 0)
        assert sorted(answer.json, key=key) == sorted(expected, key=key)

    def test_are_counted(self, web: Client) -> None:
        """``count=exact`` is the number of groups."""
        answer = web.get(f"{ORDERS}?select=customer(name),count()&limit=1", headers={"Prefer": "count=exact"})

        assert answer.headers["Content-Range"] == "0-0/3"

    def test_refuse_an_order_by_what_they_do_not_have(self, web: Client) -> None:
        """A column that is not selected, also one of a related row."""
        for order in ("id", "customer(mail)"):
            answer = web.get(f"{ORDERS}?select=...customer(name),count()&order={order}", status=400)
            assert answer.json["code"] == "42803"
