"""Rights by table, operation, column and row: the same on every way to a row, on every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lazydb.scopes import OPERATIONS, ScopedRights, read_tables
from qapla.ports import FixedRights

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.functional.rest.conftest import Client

TOKEN = {"Authorization": "Bearer good"}
BACK = {**TOKEN, "Prefer": "return=representation"}


@pytest.fixture
def scoped(fresh_web: Client, monkeypatch: pytest.MonkeyPatch) -> tuple[Client, Callable[..., None]]:
    """Give a client, and what says which rights its token has."""
    policy = fresh_web.shop["policy"]
    before = policy.rights

    def give(base: str = "none", **tables: Any) -> None:
        schema = fresh_web.served.schema.default_schema
        found = read_tables({f"shop.{name}": right for name, right in tables.items()}, "shop")
        rights = ScopedRights(FixedRights(OPERATIONS[base]), FixedRights(frozenset()), found, schema)
        monkeypatch.setattr(policy, "rights", lambda identity, name: rights if identity.kind == "token" else before(identity, name))

    return fresh_web, give


MINE = {"right": "write", "rows": "customer_id=eq.1"}


class TestTables:
    """Which tables, operations and columns"""

    def test_opens_single_tables(self, scoped: Any) -> None:
        """Others are not there to be seen, in embeds neither."""
        web, give = scoped
        give(order="read")

        assert len(web.get("/api/shop/order", headers=TOKEN).json) == 4
        web.get("/api/shop/customer", headers=TOKEN, status=403)
        web.get("/api/shop/order?select=id,customer(name)", headers=TOKEN, status=403)
        web.get("/api/shop/order?customer=is.null&select=id,customer()", headers=TOKEN, status=403)
        web.delete("/api/shop/order?id=eq.1", headers=TOKEN, status=403)
        assert [table["name"] for table in web.get("/api/shop/-/schema", headers=TOKEN).json["tables"]] == ["order"]
        assert not [path for path in web.get("/api/shop/", headers=TOKEN).json["paths"] if path.startswith(("/customer", "/line"))]

    def test_tells_of_no_way_to_the_others(self, scoped: Any) -> None:
        """The document names the relations to what may be read, no other."""
        web, give = scoped
        give(order="read", line="read")

        rows = web.get("/api/shop/", headers=TOKEN).json["components"]["schemas"]

        assert [relation["table"] for relation in rows["order"]["x-relations"]] == ["line"]

    def test_opens_operations(self, scoped: Any) -> None:
        """Each by itself."""
        web, give = scoped
        give(log="select+insert")

        web.post_json("/api/shop/log", {"text": "x"}, headers=TOKEN, status=201)
        web.patch_json("/api/shop/log?size=is.null", {"text": "y"}, headers=TOKEN, status=403)
        web.delete("/api/shop/log?size=is.null", headers=TOKEN, status=403)

    @pytest.mark.parametrize(
        "query",
        ["select=total", "select=id&total=gt.1", "select=id&order=total", "select=total.sum()", "select=id,x:total", "total=is.null"],
    )
    def test_opens_columns(self, scoped: Any, query: str) -> None:
        """What may not be read may not be used either; all columns are those that may be read."""
        web, give = scoped
        give(order={"right": "write", "columns": ["id", "note"]})

        assert list(web.get("/api/shop/order?id=eq.1", headers=TOKEN).json[0]) == ["id", "note"]
        assert web.get(f"/api/shop/order?{query}", headers=TOKEN, status=403).json["code"] == "42501"
        web.patch_json("/api/shop/order?id=eq.1", {"total": 1}, headers=TOKEN, status=403)
        web.patch_json("/api/shop/order?id=eq.1", {"note": "x"}, headers=TOKEN, status=204)
        web.post_json("/api/shop/order", {"id": 77, "total": 1}, headers=TOKEN, status=403)
        described = web.get("/api/shop/-/schema/order", headers=TOKEN).json
        assert [column["name"] for column in described["columns"]] == ["id", "note"]
        assert described["foreign_keys"] == []
        assert "placed_at" not in web.get("/api/shop/", headers=TOKEN).text

    @pytest.mark.parametrize("path", ["order/1", "order?id=eq.1"])
    def test_keeps_what_put_may_not_set(self, scoped: Any, path: str) -> None:
        """A row that is replaced keeps the columns that its writer may not see and set; a new one has their defaults."""
        web, give = scoped
        give(order={"right": "write", "columns": ["id", "note"]}, customer={"right": "write", "columns": ["id", "name"]})

        web.put_json(f"/api/shop/{path}", {"id": 1}, headers=TOKEN)
        web.put_json("/api/shop/customer/77", {"name": "Di"}, headers=TOKEN, status=201)

        found = web.get("/api/shop/order/1?select=customer_id,total::text,note,settled").json
        assert found == {"customer_id": 1, "total": found["total"], "note": None, "settled": "2024-02-01"}
        assert found["total"].startswith("10.5")
        assert web.get("/api/shop/customer/77?select=mail,is_good").json == {"mail": None, "is_good": True}


class TestRows:
    """Which rows"""

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("order?select=id&order=id", [{"id": 1}, {"id": 2}]),
            ("order?select=id&id=eq.3", []),
            ("order?select=id&or=(id.eq.3,id.eq.1)", [{"id": 1}]),
            ("order?select=id&order=id&limit=1&offset=1", [{"id": 2}]),
            ("order?select=count()", [{"count": 2}]),
            (
                "customer?select=id,order(id)&id=in.(1,2)&order=id&order.order=id",
                [{"id": 1, "order": [{"id": 1}, {"id": 2}]}, {"id": 2, "order": []}],
            ),
            ("customer?select=id,order!inner()&order=id", [{"id": 1}]),
            ("customer?select=id,order(count())&id=eq.2", [{"id": 2, "order": [{"count": 0}]}]),
            ("line?select=product,...order(total)&order_id=eq.2", [{"product": "ink", "total": 99.99}]),
        ],
    )
    def test_are_all_there_are(self, scoped: Any, path: str, expected: Any) -> None:
        """Lists, filters, pages, aggregates and embeds know no others."""
        web, give = scoped
        give("read", order=MINE)

        answer = web.get(f"/api/shop/{path}", headers=TOKEN)

        assert answer.json == expected

    def test_are_counted_alone(self, scoped: Any) -> None:
        """A stream has them alone, and one that is somebody else's is not found."""
        web, give = scoped
        give("read", order=MINE)

        answer = web.get("/api/shop/order?limit=1", headers={**TOKEN, "Prefer": "count=exact"})
        assert answer.headers["Content-Range"] == "0-0/2"
        assert len(web.get("/api/shop/order?select=id", headers={**TOKEN, "Accept": "text/csv"}).text.split()) == 3
        web.get("/api/shop/order/3", headers=TOKEN, status=404)
        web.get("/api/shop/order/1", headers=TOKEN, status=200)

    def test_hide_their_own_column(self, scoped: Any) -> None:
        """The filter may be about what the caller may not read."""
        web, give = scoped
        give(order={**MINE, "columns": ["id"]})

        assert web.get("/api/shop/order?order=id", headers=TOKEN).json == [{"id": 1}, {"id": 2}]

    def test_are_all_that_is_written(self, scoped: Any) -> None:
        """Changing and removing passes over others; nothing is made, or changed into, what the caller does not have."""
        web, give = scoped
        give(order=MINE)

        assert web.patch_json("/api/shop/order?id=gt.0", {"note": "mine"}, headers=BACK).json[0]["customer_id"] == 1
        assert web.patch_json("/api/shop/order?id=eq.3", {"note": "x"}, headers=BACK).json == []
        web.patch_json("/api/shop/order/3", {"note": "x"}, headers=TOKEN, status=404)
        web.delete("/api/shop/order/4", headers=TOKEN, status=404)
        web.delete("/api/shop/order?id=eq.4", headers=TOKEN, status=204)
        two = [{"id": 8, "customer_id": 1}, {"id": 9, "customer_id": None}]
        for away in (
            web.patch_json("/api/shop/order?id=eq.1", {"customer_id": 2}, headers=TOKEN, status=403),
            web.patch_json("/api/shop/order/1", {"customer_id": 2}, headers=TOKEN, status=403),
            web.post_json("/api/shop/order", {"id": 8, "customer_id": 2}, headers=BACK, status=403),
            web.post_json("/api/shop/order", two, headers=TOKEN, status=403),
            web.put_json("/api/shop/order/8", {"customer_id": 2}, headers=TOKEN, status=403),
        ):
            assert away.json["code"] == "42501"
        assert web.post_json("/api/shop/order", {"id": 8, "customer_id": 1}, headers=BACK, status=201).json[0]["id"] == 8
        assert web.put_json("/api/shop/order/3", {"customer_id": 1}, headers=TOKEN, status=409).json["code"] == "23505"

        give("read")
        rows = web.get("/api/shop/order?select=id,customer_id,note&order=id", headers=TOKEN).json
        assert [(row["id"], row["customer_id"]) for row in rows] == [(1, 1), (2, 1), (3, 2), (4, None), (8, 1)]
        assert rows[2]["note"] == 'a,b "c"'

    def test_refuse_what_they_cannot_answer_for(self, scoped: Any) -> None:
        """An upsert could change a row of somebody else; without a key nobody finds the new row again."""
        web, give = scoped
        give(order=MINE, log={"right": "write", "rows": "size=eq.1"})
        merge = {**TOKEN, "Prefer": "resolution=merge-duplicates"}

        assert web.post_json("/api/shop/order", {"id": 3, "customer_id": 1}, headers=merge, status=400).json["code"] == "QAPLA100"
        assert web.post_json("/api/shop/log", {"size": 1}, headers=TOKEN, status=400).json["code"] == "QAPLA100"
