"""Reading over REST, on each engine."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from qapla.testing.statements import at_most

if TYPE_CHECKING:
    from tests.functional.rest.conftest import Client

ORDERS = "/api/shop/order"


def exact(answer: Any) -> Any:
    """Return the JSON of *answer* with exact numbers."""
    return json.loads(answer.body, parse_float=Decimal)


def ids(answer: Any) -> list[int]:
    """Return the ids of the rows."""
    return [row["id"] for row in answer.json]


class TestLists:
    """GET /api/{database}/{table}"""

    def test_answers_rows_with_exact_values(self, web: Client) -> None:
        """Every value as the contract writes it, the same on each engine."""
        answer = web.get(f"{ORDERS}?order=id")

        assert exact(answer)[0] == {
            "id": 1, "customer_id": 1, "total": Decimal("10.50"), "note": "first",
            "placed_at": "2024-01-02T03:04:05", "settled": "2024-02-01",
        }  # fmt: skip
        assert ids(answer) == [1, 2, 3, 4]
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert answer.headers["Content-Range"] == "0-3/*"

    def test_costs_one_statement(self, web: Client) -> None:
        """Whatever its size, and with embeds."""
        with at_most(1, web.served):
            web.get(f"{ORDERS}?select=id,customer(name),line(*)&limit=2")

    def test_answers_booleans(self, web: Client) -> None:
        """0 and 1 of SQLite and MariaDB are false and true."""
        assert [row["is_good"] for row in web.get("/api/shop/customer").json] == [True, True, True]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("total=gt.10.50", [2, 4]),
            ("total=lte.10.5", [1, 3]),
            ("note=is.null", [2]),
            ("note=not.is.null", [1, 3, 4]),
            ("note=eq.", [4]),
            ("id=in.(1,3,99)", [1, 3]),
            ("id=in.()", []),
            ("note=like.f*", [1]),
            ("note=like.F*", []),
            ("note=ilike.F*", [1]),
            ('note=eq.a,b "c"', [3]),
            ("or=(id.eq.1,and(total.gte.70,total.lt.99))", [1, 4]),
            ("not.or=(id.eq.1,id.eq.2)", [3, 4]),
            ("customer_id=neq.1", [3]),
            ("customer_id=isdistinct.1", [3, 4]),
            ("placed_at=gte.2024-01-03", [2]),
            ("settled=eq.2024-02-01", [1]),
            ("id=eq(any).{1,2}", [1, 2]),
        ],
    )
    def test_filters(self, web: Client, query: str, expected: list[int]) -> None:
        """Operators mean the same on each engine."""
        assert sorted(ids(web.get(f"{ORDERS}?select=id&{quote(query, safe='=&')}"))) == expected

    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            ("total.desc,id", [2, 4, 1, 3]),
            ("customer_id,id", [1, 2, 3, 4]),
            ("customer_id.desc,id", [4, 3, 1, 2]),
            ("customer_id.nullsfirst,id.desc", [4, 2, 1, 3]),
            ("customer(name).desc.nullslast,id", [3, 1, 2, 4]),
        ],
    )
    def test_orders(self, web: Client, order: str, expected: list[int]) -> None:
        """NULL comes last when ascending, first when descending, unless the order says so."""
        assert ids(web.get(f"{ORDERS}?select=id&order={order}")) == expected

    def test_embeds_in_both_directions(self, web: Client) -> None:
        """One object for a to-one relation, a list for a to-many one."""
        answer = web.get(f"{ORDERS}?select=id,customer(name),line(product,amount)&id=in.(1,4)&order=id&line.order=product")

        assert answer.json == [
            {"id": 1, "customer": {"name": "Ada"}, "line": [{"product": "a,b/c", "amount": 1}, {"product": "pen", "amount": 2}]},
            {"id": 4, "customer": None, "line": []},
        ]

    def test_filters_by_embeds(self, web: Client) -> None:
        """``!inner`` and null filters choose among the rows themselves."""
        assert ids(web.get(f"{ORDERS}?select=id,customer!inner(name)&customer.name=eq.Ada&order=id")) == [1, 2]
        assert ids(web.get(f"{ORDERS}?select=id,line()&line=is.null&order=id")) == [3, 4]

    def test_uses_aliases_and_odd_names(self, web: Client) -> None:
        """A column may be called anything and come under another name."""
        assert web.get(f"{ORDERS}?select=nr:id&limit=1&order=id").json == [{"nr": 1}]
        name = quote('odd/name, "x"')
        assert web.get(f"/api/shop/{name}?select=%22a%20b%22&%22select%22=eq.x").json == []

    def test_reads_views(self, web: Client) -> None:
        """A view is a table that may not be written."""
        assert sorted(ids(web.get("/api/shop/big"))) == [2, 4]


class TestPaging:
    """limit, offset, Range, Content-Range, Link"""

    def test_counts_exactly(self, web: Client) -> None:
        """206 when there are more rows, 200 when these are all."""
        some = web.get(f"{ORDERS}?limit=2&offset=1", headers={"Prefer": "count=exact"})
        every = web.get(ORDERS, headers={"Prefer": "count=exact"})

        assert (some.status_int, some.headers["Content-Range"], some.headers["Preference-Applied"]) == (206, "1-2/4", "count=exact")
        assert (every.status_int, every.headers["Content-Range"]) == (200, "0-3/4")

    def test_takes_a_range(self, web: Client) -> None:
        """``Range: 1-2`` is the second and third row."""
        answer = web.get(f"{ORDERS}?order=id", headers={"Range-Unit": "items", "Range": "1-2"})

        assert ids(answer) == [2, 3]
        assert answer.headers["Content-Range"] == "1-2/*"

    def test_refuses_what_lies_behind_the_end(self, web: Client) -> None:
        """416 PGRST103."""
        answer = web.get(f"{ORDERS}?offset=9", headers={"Prefer": "count=exact"}, status=416)

        assert answer.json["code"] == "PGRST103"
        assert answer.headers["Content-Range"] == "*/4"

    def test_links_nowhere_from_no_rows(self, web: Client) -> None:
        """``limit=0`` has no next page, in any format."""
        for accept in ("application/json", "text/csv"):
            answer = web.get(f"{ORDERS}?select=id&limit=0", headers={"Accept": accept})
            assert (answer.headers["Content-Range"], "Link" in answer.headers) == ("*/*", False)

    def test_links_through_all_pages(self, web: Client) -> None:
        """``rel="next"`` leads to every row once, in the order asked for, and then ends."""
        seen, url = [], f"{ORDERS}?select=id&order=customer_id.desc,id&limit=1"
        for _ in range(9):
            answer = web.get(url)
            seen += ids(answer)
            found = re.match(r'<([^>]+)>; rel="next"', answer.headers.get("Link", ""))
            if not found:
                break
            url = found[1]

        assert seen == [4, 3, 1, 2]

    def test_links_by_offset_without_a_key(self, fresh_web: Client) -> None:
        """A table without a key goes on by offset."""
        fresh_web.post_json("/api/shop/log", [{"text": "a", "size": 1}, {"text": "a", "size": 1}, {"text": "b", "size": 2}])

        answer = fresh_web.get("/api/shop/log?limit=2")

        assert "offset=2" in answer.headers["Link"]

    def test_refuses_a_cursor_of_another_order(self, web: Client) -> None:
        """400, never the wrong rows."""
        link = web.get(f"{ORDERS}?order=total&limit=1").headers["Link"]
        token = re.search(r"after=([^>&]+)", link)[1]  # type: ignore[index]

        web.get(f"{ORDERS}?order=note&limit=1&after={token}", status=400)
        web.get(f"{ORDERS}?order=total&limit=1&after=nonsense", status=400)

    def test_keeps_the_row_cap(self, web: Client) -> None:
        """``db_max_rows`` cuts what a request gets; Link goes on."""
        web.serve(web.served, db_max_rows=2)
        answer = web.get(f"{ORDERS}?order=id")

        assert ids(answer) == [1, 2]
        assert 'rel="next"' in answer.headers["Link"]

    def test_head_has_the_headers_only(self, web: Client) -> None:
        """HEAD is GET without a body."""
        answer = web.head(f"{ORDERS}?limit=2", headers={"Prefer": "count=exact"})

        assert answer.headers["Content-Range"] == "0-1/4"
        assert answer.body == b""


class TestFormats:
    """Accept"""

    def test_answers_one_object(self, web: Client) -> None:
        """Or 406 PGRST116 when there is another number of rows."""
        accept = {"Accept": "application/vnd.pgrst.object+json"}

        assert web.get("/api/shop/customer?id=eq.1&select=id", headers=accept).json == {"id": 1}
        refused = web.get("/api/shop/customer", headers=accept, status=406)
        assert refused.json["code"] == "PGRST116"
        assert refused.json["details"] == "The result contains 3 rows"

    def test_streams_csv(self, web: Client) -> None:
        """CSV tells NULL from the empty text."""
        answer = web.get(f"{ORDERS}?select=id,total,note&order=id", headers={"Accept": "text/csv"})

        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        lines = answer.text.replace("\r\n", "\n").splitlines()
        assert (lines[0], lines[2]) == ("id,total,note", "2,99.99,")
        assert lines[3].endswith(',"a,b ""c"""')
        assert lines[4].endswith(',""')

    def test_streams_ndjson(self, web: Client) -> None:
        """One row per line."""
        answer = web.get(f"{ORDERS}?select=id&order=id", headers={"Accept": "application/x-ndjson"})

        assert [json.loads(line) for line in answer.text.splitlines()] == [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}]

    def test_streams_a_list_without_a_limit(self, fresh_web: Client) -> None:
        """A long list comes whole, without a limit."""
        fresh_web.post_json("/api/shop/log", [{"text": "x", "size": number} for number in range(2500)])

        answer = fresh_web.get("/api/shop/log?select=size")

        assert sorted(row["size"] for row in answer.json) == list(range(2500))

    @pytest.mark.parametrize("accept", ["application/xml", "application/geo+json", "image/png"])
    def test_refuses_other_formats_by_name(self, web: Client, accept: str) -> None:
        """406, with what there is."""
        answer = web.get(ORDERS, headers={"Accept": accept}, status=406)

        assert accept in answer.json["message"] or "GeoJSON" in answer.json["message"]
        assert "application/json" in answer.json["hint"] or "PostGIS" in answer.json["hint"]


class TestRows:
    """GET /api/{database}/{table}/{key}"""

    def test_answers_one_object(self, web: Client) -> None:
        """The row as an object, with a strong ETag."""
        answer = web.get(f"{ORDERS}/2?select=id,customer(name)")

        assert answer.json == {"id": 2, "customer": {"name": "Ada"}}
        assert re.fullmatch(r'"[0-9a-f-]+"', answer.headers["ETag"])

    def test_reads_composite_and_quoted_keys(self, web: Client) -> None:
        """Values in key order, in quotes where they hold what separates."""
        assert web.get("/api/shop/line/1,pen").json["amount"] == 2
        key = quote('1,"a,b/c"', safe="")
        assert web.get(f"/api/shop/line/{key}").json["amount"] == 1

    def test_answers_304(self, web: Client) -> None:
        """When ``If-None-Match`` names the tag."""
        tag = web.get(f"{ORDERS}/1").headers["ETag"]

        answer = web.get(f"{ORDERS}/1", headers={"If-None-Match": tag}, status=304)
        assert answer.body == b""
        web.get(f"{ORDERS}/1", headers={"If-None-Match": '"other"'}, status=200)

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("order/99", 404),
            ("order/x", 400),
            ("order/1,2", 404),
            ("order/1?id=eq.1", 400),
            ("order/1?limit=1", 400),
            ("log/1", 404),
            ("orders", 404),
            ("line/1", 404),
        ],
    )
    def test_says_what_is_wrong_with_a_url(self, web: Client, path: str, status: int) -> None:
        """No such row, no such table, no key, a filter in the wrong place."""
        answer = web.get(f"/api/shop/{path}", status=status)

        assert set(answer.json) == {"code", "message", "details", "hint"}
