"""Writing over REST, on each engine."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from tests.functional.rest.conftest import Client

CUSTOMERS = "/api/shop/customer"
ORDERS = "/api/shop/order"
LINES = "/api/shop/line"
BACK = {"Prefer": "return=representation"}


def count(web: Client, path: str) -> int:
    """Return how many rows there are."""
    return int(web.head(path, headers={"Prefer": "count=exact"}).headers["Content-Range"].split("/")[1])


class TestInsert:
    """POST /api/{database}/{table}"""

    def test_inserts_one_object(self, fresh_web: Client) -> None:
        """201 without a body, unless the row is asked for."""
        plain = fresh_web.post_json(CUSTOMERS, {"name": "Di"}, status=201)
        back = fresh_web.post_json(f"{CUSTOMERS}?select=name,is_good", {"name": "Ed"}, headers=BACK, status=201)

        assert (plain.body, plain.headers["Content-Range"]) == (b"", "*/*")
        assert back.json == [{"name": "Ed", "is_good": True}]
        assert back.headers["Preference-Applied"] == "return=representation"

    def test_names_the_new_row(self, fresh_web: Client) -> None:
        """``return=headers-only`` gives its Location."""
        answer = fresh_web.post_json(CUSTOMERS, {"name": "Di"}, headers={"Prefer": "return=headers-only"}, status=201)

        found = fresh_web.get(answer.headers["Location"])
        assert [row["name"] for row in found.json] == ["Di"]
        assert answer.headers["Location"].startswith(f"{CUSTOMERS}?id=eq.")

    def test_inserts_many_or_none(self, fresh_web: Client) -> None:
        """One bad row keeps all of them out."""
        fresh_web.post_json(CUSTOMERS, [{"name": "a", "mail": "x"}, {"name": "b", "mail": "x"}], status=409)
        assert count(fresh_web, CUSTOMERS) == 3

        answer = fresh_web.post_json(CUSTOMERS, [{"name": "a"}, {"name": "b"}], headers={"Prefer": "return=representation, count=exact"})
        assert [row["name"] for row in answer.json] == ["a", "b"]
        assert answer.headers["Content-Range"] == "*/2"

    def test_embeds_what_was_written(self, fresh_web: Client) -> None:
        """``select=`` with embeds works on new rows."""
        answer = fresh_web.post_json(f"{ORDERS}?select=total,customer(name)", {"customer_id": 2, "total": 5}, headers=BACK)

        assert json.loads(answer.body, parse_float=Decimal)[0]["customer"] == {"name": "Bo"}

    def test_takes_rows_that_differ_with_columns(self, fresh_web: Client) -> None:
        """Without ``columns=`` all objects have the same keys; with it what is missing is NULL, or the default."""
        rows = [{"order_id": 3, "product": "a", "x": 1}, {"order_id": 3, "product": "b", "amount": 7}]
        fresh_web.post_json(LINES, rows, status=400)

        headers = {"Prefer": "return=representation, missing=default"}
        answer = fresh_web.post_json(f"{LINES}?columns=order_id,product,amount", rows, headers=headers)

        assert [row["amount"] for row in answer.json] == [1, 7]

    def test_takes_csv(self, fresh_web: Client) -> None:
        """An empty cell is NULL, quotes make it the empty text."""
        body = 'id,note,total\n10,"",1.50\n11,,"2.25"\n12,"a ""b"",\nc",3\n'
        fresh_web.post(ORDERS, body.encode(), content_type="text/csv", status=201)

        rows = fresh_web.get(f"{ORDERS}?select=note,total&id=gte.10&order=id")
        assert json.loads(rows.body, parse_float=str) == [
            {"note": "", "total": "1.50"}, {"note": None, "total": "2.25"}, {"note": 'a "b",\nc', "total": "3.00"},
        ] or fresh_web.served.schema.engine == "sqlite"  # fmt: skip
        assert [row["note"] for row in rows.json] == ["", None, 'a "b",\nc']

    def test_takes_back_the_csv_it_gave(self, fresh_web: Client) -> None:
        """What goes out can be sent back in unchanged."""
        csv = fresh_web.get(f"{ORDERS}?order=id", headers={"Accept": "text/csv"})
        before = fresh_web.get(f"{ORDERS}?order=id").body
        fresh_web.delete(f"{ORDERS}?id=gte.1", status=204)

        fresh_web.post(ORDERS, csv.body, content_type="text/csv", status=201)

        assert fresh_web.get(f"{ORDERS}?order=id").body == before

    def test_takes_a_form(self, fresh_web: Client) -> None:
        """``application/x-www-form-urlencoded`` is one row."""
        fresh_web.post(CUSTOMERS, "name=D%C3%AD+x&mail=d", content_type="application/x-www-form-urlencoded", status=201)

        assert fresh_web.get(f"{CUSTOMERS}?mail=eq.d&select=name").json == [{"name": "Dí x"}]

    def test_upserts(self, fresh_web: Client) -> None:
        """By the primary key, or by the columns that ``on_conflict`` names."""
        merge = {"Prefer": "resolution=merge-duplicates, return=representation"}
        ignore = {"Prefer": "resolution=ignore-duplicates, return=representation"}

        both = fresh_web.post_json(CUSTOMERS, [{"id": 1, "name": "New"}, {"id": 9, "name": "Nine"}], headers=merge, status=201)
        old = fresh_web.post_json(f"{CUSTOMERS}?on_conflict=mail", {"name": "Cy", "mail": "c@example.org"}, headers=merge, status=200)
        none = fresh_web.post_json(CUSTOMERS, {"id": 2, "name": "Not"}, headers=ignore, status=201)
        fresh_web.post_json(CUSTOMERS, [], headers=merge, status=200)

        names = {row["id"]: row["name"] for row in fresh_web.get(CUSTOMERS).json}
        assert names == {1: "New", 2: "Bo", 3: "Cy", 9: "Nine"}
        assert [[row["id"] for row in answer.json] for answer in (both, old, none)] == [[1, 9], [3], []]
        assert both.headers["Preference-Applied"] == "resolution=merge-duplicates, return=representation"

    def test_tells_a_clash_with_another_key(self, fresh_web: Client) -> None:
        """A conflict is about the columns that were named; another unique column is an error, and nothing is written."""
        rows = [{"id": 8, "name": "new", "mail": "n"}, {"id": 2, "name": "changed", "mail": "ada@example.org"}]

        for resolution in ("merge-duplicates", "ignore-duplicates"):
            rows[1]["id"] = 2 if resolution == "merge-duplicates" else 7
            answer = fresh_web.post_json(CUSTOMERS, rows, headers={"Prefer": f"resolution={resolution}"}, status=409)
            assert answer.json["code"] == "23505"

        assert count(fresh_web, CUSTOMERS) == 3

    def test_does_not_write_one_row_twice(self, fresh_web: Client) -> None:
        """21000 for two rows with one key in one upsert; ignored, the first of them stays."""
        twins = [{"id": 8, "name": "one"}, {"id": 8, "name": "two"}]

        refused = fresh_web.post_json(CUSTOMERS, twins, headers={"Prefer": "resolution=merge-duplicates"}, status=400)
        fresh_web.post_json(CUSTOMERS, twins, headers={"Prefer": "resolution=ignore-duplicates"}, status=201)

        assert refused.json["code"] == "21000"
        assert fresh_web.get(f"{CUSTOMERS}/8").json["name"] == "one"

    def test_upserts_into_tables_without_a_key(self, fresh_web: Client) -> None:
        """There the preference has no meaning, and is not confirmed."""
        headers = {"Prefer": "resolution=merge-duplicates, return=minimal"}
        answer = fresh_web.post_json("/api/shop/log", {"text": "x"}, headers=headers, status=201)

        assert answer.headers["Preference-Applied"] == "return=minimal"

    def test_orders_what_comes_back(self, fresh_web: Client) -> None:
        """``order=`` is that of the rows in the answer, by related rows, too, for each kind of write."""
        upsert = {"Prefer": "resolution=merge-duplicates, return=representation"}
        rows = [{"id": 2, "customer_id": 3}, {"id": 9, "customer_id": 1}, {"id": 1, "customer_id": 2}]

        written = fresh_web.post_json(f"{ORDERS}?select=id,customer(name)&order=customer(name).desc", rows, headers=upsert)
        changed = fresh_web.patch_json(f"{ORDERS}?select=id&order=id.desc&id=lt.4", {"note": "x"}, headers=BACK)
        removed = fresh_web.delete(f"{LINES}?order=amount.desc&order_id=lt.9", headers=BACK)

        assert [row["id"] for row in written.json] == [2, 1, 9]
        assert [row["id"] for row in changed.json] == [3, 2, 1]
        assert [row["amount"] for row in removed.json] == [5, 2, 1]

    def test_does_a_dry_run(self, fresh_web: Client) -> None:
        """``tx=rollback``: everything is checked and answered, nothing kept."""
        headers = {"Prefer": "tx=rollback, return=representation"}

        answer = fresh_web.post_json(CUSTOMERS, {"name": "Di"}, headers=headers, status=201)
        fresh_web.post_json(CUSTOMERS, {"name": None}, headers=headers, status=400)
        fresh_web.delete(f"{LINES}?order_id=eq.1", headers=headers, status=200)

        assert answer.json[0]["name"] == "Di"
        assert "tx=rollback" in answer.headers["Preference-Applied"]
        assert (count(fresh_web, CUSTOMERS), count(fresh_web, LINES)) == (3, 3)

    @pytest.mark.parametrize(
        ("table", "row", "status", "code"),
        [
            ("customer", {"id": 1, "name": "x"}, 409, "23505"),
            ("customer", {"name": None}, 400, "23502"),
            ("order", {"customer_id": 99}, 409, "23503"),
            ("order", {"total": -1}, 400, "23514"),
            ("order", {"total": "ten"}, 400, "22P02"),
            ("order", {"id": 2**70}, 400, "22003"),
            ("order", {"settled": "2024-02-30"}, 400, "22008"),
            ("customer", {"nam": "x"}, 400, "PGRST204"),
        ],
    )
    def test_says_which_constraint_does_not_hold(self, fresh_web: Client, table: str, row: dict[str, Any], status: int, code: str) -> None:
        """The same SQLSTATE and status on each engine."""
        answer = fresh_web.post_json(f"/api/shop/{table}", row, status="*")

        assert (answer.status_int, answer.json["code"]) == (status, code)
        assert answer.headers["Proxy-Status"] == f"PostgREST; error={code}"


class TestUpdateAndDelete:
    """PATCH and DELETE /api/{database}/{table}"""

    def test_changes_what_the_filters_name(self, fresh_web: Client) -> None:
        """204, or the changed rows."""
        fresh_web.patch_json(f"{ORDERS}?id=eq.1", {"note": "x"}, status=204)
        answer = fresh_web.patch_json(f"{ORDERS}?total=lt.50&select=id,note", {"note": "y"}, headers=BACK, status=200)

        assert sorted(row["id"] for row in answer.json) == [1, 3]
        assert answer.headers["Content-Range"] == "0-1/*"
        assert {row["id"]: row["note"] for row in fresh_web.get(ORDERS).json} == {1: "y", 2: None, 3: "y", 4: ""}

    def test_removes_what_the_filters_name(self, fresh_web: Client) -> None:
        """204, or the removed rows."""
        answer = fresh_web.delete(f"{LINES}?product=eq.pen", headers=BACK, status=200)
        fresh_web.delete(f"{LINES}?order_id=eq.2", status=204)

        assert answer.json == [{"order_id": 1, "product": "pen", "amount": 2}]
        assert [row["product"] for row in fresh_web.get(LINES).json] == ["a,b/c"]

    def test_requires_a_filter(self, fresh_web: Client) -> None:
        """400 QAPLA101, unless the connection does not want one."""
        assert fresh_web.delete(LINES, status=400).json["code"] == "QAPLA101"
        assert fresh_web.patch_json(LINES, {"amount": 0}, status=400).json["code"] == "QAPLA101"

        fresh_web.serve(fresh_web.served, require_filter=False)
        fresh_web.delete(LINES, status=204)

    def test_keeps_to_max_affected(self, fresh_web: Client) -> None:
        """PGRST124 and nothing changed; it counts with handling=strict."""
        headers = {"Prefer": "handling=strict, max-affected=1"}

        answer = fresh_web.patch_json(f"{ORDERS}?id=in.(1,2)", {"note": "x"}, headers=headers, status=400)

        assert answer.json["code"] == "PGRST124"
        assert fresh_web.get(f"{ORDERS}?note=eq.x").json == []

    def test_keeps_to_one_object(self, fresh_web: Client) -> None:
        """``vnd.pgrst.object`` changes exactly one row, or none at all: 406."""
        headers = {**BACK, "Accept": "application/vnd.pgrst.object+json"}

        one = fresh_web.patch_json(f"{ORDERS}?id=eq.1&select=id", {"note": "x"}, headers=headers)
        two = fresh_web.patch_json(f"{ORDERS}?id=in.(1,2)", {"note": "z"}, headers=headers, status=406)

        assert one.json == {"id": 1}
        assert two.json["code"] == "PGRST116"
        assert fresh_web.get(f"{ORDERS}?note=eq.z").json == []

    @pytest.mark.parametrize("text", ["limit=1&order_id=eq.1", "offset=1&order_id=eq.1"])
    def test_refuses_what_it_would_have_to_ignore(self, fresh_web: Client, text: str) -> None:
        """A limit that did not limit would be worse than none."""
        fresh_web.delete(f"{LINES}?{text}", status=400)

    def test_puts_one_row_by_filters(self, fresh_web: Client) -> None:
        """PostgREST's PUT: 204, with the row 201 when new, 200 else; the filters are the primary key and nothing else."""
        path = f"{LINES}?order_id=eq.3&product=eq.cup"

        created = fresh_web.put_json(path, {"order_id": 3, "product": "cup", "amount": 4}, headers=BACK, status=201)
        fresh_web.put_json(path, {"order_id": 3, "product": "cup", "amount": 4}, headers=BACK, status=200)
        fresh_web.put_json(path, {"order_id": 3, "product": "cup"}, status=204)

        assert created.json == [{"order_id": 3, "product": "cup", "amount": 4}]
        assert fresh_web.put_json(f"{path}&limit=1", {"order_id": 3, "product": "cup"}, status=400).json["code"] == "PGRST114"

        assert fresh_web.get(f"{LINES}/3,cup").json["amount"] == 1
        assert fresh_web.put_json(f"{LINES}?order_id=eq.3", {"order_id": 3}, status=405).json["code"] == "PGRST105"
        other = {"order_id": 4, "product": "cup"}
        assert fresh_web.put_json(f"{LINES}?order_id=eq.3&product=eq.cup", other, status=400).json["code"] == "PGRST115"


class TestRowUrls:
    """PUT, PATCH and DELETE /api/{database}/{table}/{key}"""

    def test_changes_given_columns(self, fresh_web: Client) -> None:
        """The row comes back with the tag that GET gives."""
        answer = fresh_web.patch_json(f"{ORDERS}/1", {"note": "x"}, status=200)

        assert (answer.json["note"], answer.json["id"]) == ("x", 1)
        assert fresh_web.get(f"{ORDERS}/1").headers["ETag"] == answer.headers["ETag"]
        fresh_web.patch_json(f"{ORDERS}/1", {"note": "y"}, headers={"Prefer": "return=minimal"}, status=204)

    def test_refuses_a_lost_update(self, fresh_web: Client) -> None:
        """412 when the row is no longer the one that was read."""
        tag = fresh_web.get(f"{ORDERS}/1").headers["ETag"]
        fresh_web.patch_json(f"{ORDERS}/1", {"note": "theirs"})

        for method in ("PATCH", "PUT", "DELETE"):
            body = json.dumps({"note": "mine"}).encode() if method != "DELETE" else b""
            headers = {"If-Match": tag, "Content-Type": "application/json"}
            fresh_web.request(f"{ORDERS}/1", method=method, body=body, headers=headers, status=412)

        assert fresh_web.get(f"{ORDERS}/1").json["note"] == "theirs"
        tag = fresh_web.get(f"{ORDERS}/1").headers["ETag"]
        fresh_web.patch_json(f"{ORDERS}/1", {"note": "mine"}, headers={"If-Match": f'"other", {tag}'}, status=200)

    def test_replaces_or_creates(self, fresh_web: Client) -> None:
        """PUT sets what is not there back to its default; 201 with the Location when it is new."""
        changed = fresh_web.put_json(f"{ORDERS}/1", {"total": 7}, status=200)
        created = fresh_web.put_json(f"{ORDERS}/77", {"total": 8}, status=201)

        assert (changed.json["note"], changed.json["customer_id"]) == (None, None)
        assert created.json["id"] == 77
        assert created.headers["Location"] == f"{ORDERS}/77"
        fresh_web.put_json(f"{ORDERS}/77", {"total": 8}, headers={"If-None-Match": "*"}, status=412)
        fresh_web.put_json(f"{ORDERS}/78", {"total": 8}, headers={"If-Match": "*"}, status=412)

    def test_removes_one_row(self, fresh_web: Client) -> None:
        """204, then 404."""
        key = quote('1,"a,b/c"', safe="")

        fresh_web.delete(f"{LINES}/{key}", status=204)
        fresh_web.delete(f"{LINES}/{key}", status=404)
        fresh_web.patch_json(f"{LINES}/{key}", {"amount": 1}, status=404)

    def test_says_where_a_row_is_after_its_key_changed(self, fresh_web: Client) -> None:
        """Content-Location."""
        answer = fresh_web.patch_json(f"{LINES}/2,ink", {"product": "a/b"}, status=200)

        assert answer.headers["Content-Location"] == f"{LINES}/2,%22a/b%22" or "%2F" in answer.headers["Content-Location"]
        assert fresh_web.get(answer.headers["Content-Location"]).json["product"] == "a/b"


class TestReadOnly:
    """What takes no writes."""

    def test_refuses_writes_to_a_read_only_connection(self, fresh_web: Client) -> None:
        """405 25006 for every method, and Allow says so."""
        fresh_web.serve(fresh_web.served, writable=False)

        for method, path, body in (
            ("POST", CUSTOMERS, b'{"name":"x"}'),
            ("PATCH", f"{CUSTOMERS}?id=eq.1", b'{"name":"x"}'),
            ("DELETE", f"{LINES}?order_id=eq.1", b""),
            ("PUT", f"{CUSTOMERS}/1", b'{"name":"x"}'),
            ("PATCH", f"{CUSTOMERS}/1", b'{"name":"x"}'),
            ("DELETE", f"{LINES}/1,pen", b""),
        ):
            answer = fresh_web.request(path, method=method, body=body, headers={"Content-Type": "application/json"}, status=405)
            assert answer.json["code"] == "25006", (method, path)
        assert fresh_web.options(CUSTOMERS).headers["Allow"] == "GET, HEAD, OPTIONS"

    def test_refuses_writes_without_the_right(self, fresh_web: Client) -> None:
        """401 for anonymous callers who may only read."""
        fresh_web.serve(fresh_web.served, anonymous="read")

        assert fresh_web.post_json(CUSTOMERS, {"name": "x"}, status=401).json["code"] == "42501"
        fresh_web.post_json(CUSTOMERS, {"name": "x"}, headers={"Authorization": "Bearer good"}, status=201)
