"""What rows can be sent as."""

from __future__ import annotations

import io
import json
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from .conftest import Client

ORDERS = "/api/shop/order"
WITHOUT_NULLS = {"Accept": "application/vnd.pgrst.array+json;nulls=stripped"}
ARROW = {"Accept": "application/vnd.apache.arrow.stream"}
PARQUET = {"Accept": "application/vnd.apache.parquet"}


def read_arrow(body: bytes) -> pa.Table:
    """Return the table of an Arrow stream, checked in full."""
    table = pa.ipc.open_stream(body).read_all()
    table.validate(full=True)
    return table


def read_parquet(body: bytes) -> pa.Table:
    """Return the table of a Parquet file."""
    return pq.read_table(io.BytesIO(body))


class TestWithoutNulls:
    """nulls=stripped"""

    def test_leaves_out_keys_with_null(self, web: Client) -> None:
        """At the top and in related rows; digits stay."""
        url = f"{ORDERS}?select=id,total,note,customer(name,mail)&order=id&limit=3"
        answer = web.get(url, headers=WITHOUT_NULLS)

        assert answer.headers["Content-Type"] == "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8"
        rows = answer.json
        assert ["note" in row for row in rows] == [True, False, True]
        assert rows[2]["customer"] == {"name": "Bo"}
        assert [row["total"] for row in json.loads(answer.text, parse_float=Decimal)][1] == Decimal("99.99")

    def test_strips_one_object(self, web: Client) -> None:
        """Exactly one row, and the row of a URL, whose tag is that of the whole row."""
        accept = {"Accept": "application/vnd.pgrst.object+json;nulls=stripped"}
        one = web.get(f"{ORDERS}?id=eq.4&select=id,customer_id", headers=accept)
        row, whole = web.get(f"{ORDERS}/4?select=id,customer_id", headers=accept), web.get(f"{ORDERS}/4?select=id,customer_id")

        assert one.headers["Content-Type"] == "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8"
        assert one.json == row.json == {"id": 4}
        assert row.headers["ETag"] == whole.headers["ETag"]
        web.get(f"{ORDERS}?select=id", headers=accept, status=406)

    def test_pages_by_key_go_on(self, web: Client) -> None:
        """The cursor knows the place of a row whose NULL is not shown."""
        first = web.get(f"{ORDERS}?select=id,customer_id&order=customer_id.nullsfirst&limit=1", headers=WITHOUT_NULLS)
        following = first.headers["Link"].split(">")[0].lstrip("<")

        assert first.json == [{"id": 4}]
        assert web.get(following, headers=WITHOUT_NULLS).json == [{"id": 1, "customer_id": 1}]

    def test_streams_long_lists(self, fresh_web: Client) -> None:
        """Without a limit, as many as there are."""
        fresh_web.post_json("/api/shop/log", [{"text": None, "size": number} for number in range(1200)])

        answer = fresh_web.get("/api/shop/log", headers=WITHOUT_NULLS)

        assert sorted(row["size"] for row in answer.json) == list(range(1200))
        assert {key for row in answer.json for key in row} == {"size"}

    def test_comes_back_from_writes(self, fresh_web: Client) -> None:
        """Of what was written."""
        headers = {**WITHOUT_NULLS, "Prefer": "return=representation"}
        many = fresh_web.post_json("/api/shop/customer", [{"name": "Di"}], headers=headers, status=201)
        accept = {"Accept": "application/json;nulls=stripped"}
        one = fresh_web.patch_json("/api/shop/customer/1?select=id,mail", {"mail": None}, headers=accept)

        assert [sorted(row) for row in many.json] == [["id", "is_good", "name"]]
        assert one.json == {"id": 1}


class TestArrow:
    """application/vnd.apache.arrow.stream"""

    def test_has_the_types_of_the_columns(self, web: Client) -> None:
        """Numbers, moments and NULLs as they are; SQLite says no more than that a number is one."""
        is_strict = web.served.schema.engine != "sqlite"

        answer = web.get(f"{ORDERS}?order=id", headers=ARROW)

        table = read_arrow(answer.body)
        assert answer.headers["Content-Type"] == "application/vnd.apache.arrow.stream"
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="order.arrows"')
        assert table.schema.field("id").type == (pa.int32() if is_strict else pa.int64())
        assert table.schema.field("total").type == (pa.decimal128(12, 2) if is_strict else pa.float64())
        assert table.schema.field("note").type == pa.string()
        assert table.column("total").to_pylist()[1] == (Decimal("99.99") if is_strict else 99.99)
        assert table.column("note").to_pylist() == ["first", None, 'a,b "c"', ""]
        assert table.column("placed_at").to_pylist()[:3] == [datetime(2024, 1, 2, 3, 4, 5), datetime(2024, 1, 3), None]
        assert table.column("settled").to_pylist()[:2] == [date(2024, 2, 1), None]

    def test_nests_related_rows(self, web: Client) -> None:
        """To one a struct, to many a list of structs, spread ones columns of the row."""
        url = f"{ORDERS}?select=id,customer(name,is_good),line(product,amount),...customer(mail)&order=id&line.order=product"
        table = read_arrow(web.get(url, headers=ARROW).body)

        assert table.column_names == ["id", "customer", "line", "mail"]
        assert table.schema.field("customer").type.field("is_good").type == pa.bool_()
        assert table.column("customer").to_pylist()[2:] == [{"name": "Bo", "is_good": True}, None]
        assert table.column("line").to_pylist()[0] == [{"product": "a,b/c", "amount": 1}, {"product": "pen", "amount": 2}]
        assert table.column("line").to_pylist()[3] == []
        assert table.column("mail").to_pylist() == ["ada@example.org", "ada@example.org", None, None]

    def test_types_aggregates(self, web: Client) -> None:
        """Counts are integers, averages texts with all digits (of SQLite doubles), a sum has the digits of its column."""
        is_strict = web.served.schema.engine != "sqlite"

        table = read_arrow(web.get(f"{ORDERS}?select=count(),id.avg(),total.sum(),note.max()", headers=ARROW).body)

        assert [table.schema.field(name).type for name in ("count", "avg", "max")] == [
            pa.int64(), pa.string() if is_strict else pa.float64(), pa.string(),
        ]  # fmt: skip
        assert [float(table.column(name).to_pylist()[0]) for name in ("count", "avg")] == [4, 2.5]
        assert float(table.column("sum").to_pylist()[0]) == 180.49

    def test_no_rows_have_columns(self, web: Client) -> None:
        """A stream without a batch still says what it would hold."""
        table = read_arrow(web.get(f"{ORDERS}?id=eq.0&select=id,note", headers=ARROW).body)

        assert (table.num_rows, table.column_names) == (0, ["id", "note"])

    def test_says_which_rows_came(self, web: Client) -> None:
        """Range, total and the next page, as for JSON."""
        answer = web.get(f"{ORDERS}?select=id&order=id", headers={**ARROW, "Range": "1-2", "Prefer": "count=exact"}, status=206)

        assert answer.headers["Content-Range"] == "1-2/4"
        assert 'rel="next"' in answer.headers["Link"]
        assert read_arrow(answer.body).column("id").to_pylist() == [2, 3]

    def test_streams_batches(self, fresh_web: Client) -> None:
        """A long list, with its total and its place."""
        fresh_web.post_json("/api/shop/log", [{"text": "x", "size": number} for number in range(2500)])

        answer = fresh_web.get("/api/shop/log?offset=100", headers={**ARROW, "Prefer": "count=exact"}, status=206)

        assert read_arrow(answer.body).num_rows == 2400
        assert answer.headers["Content-Range"] == "100-2499/2500"
        assert "Link" not in answer.headers

    def test_long_windows_lead_on(self, fresh_web: Client) -> None:
        """What is too long for one piece says how to go on where the rows were counted."""
        fresh_web.post_json("/api/shop/log", [{"text": "x", "size": number} for number in range(2500)])

        answer = fresh_web.get("/api/shop/log?limit=1100&order=size", headers={"Accept": "text/csv", "Prefer": "count=exact"}, status=206)
        following = answer.headers["Link"].split(">")[0].lstrip("<")

        assert answer.headers["Content-Range"] == "0-1099/2500"
        assert fresh_web.get(following, headers={"Accept": "text/csv"}).text.splitlines()[1] == "x,1100"

    @pytest.mark.parametrize("accept", ["text/csv", "application/x-ndjson", "application/vnd.apache.arrow.stream"])
    def test_streams_that_are_cut_lead_on(self, fresh_web: Client, accept: str) -> None:
        """Also where nobody has counted: by a limit, by ``db_max_rows``, but not where the last row has come."""
        fresh_web.post_json("/api/shop/log", [{"text": "x", "size": number} for number in range(2500)])

        def follow(query: str, **options: int) -> str | None:
            fresh_web.serve(fresh_web.served, **options)
            return fresh_web.get(f"/api/shop/log?order=size{query}", headers={"Accept": accept}).headers.get("Link", "").partition(";")[0]

        assert follow("&limit=1100") == "</api/shop/log?order=size&limit=1100&offset=1100>"
        assert follow("", db_max_rows=1200) == "</api/shop/log?order=size&limit=1200&offset=1200>"
        assert follow("&limit=1300&offset=5", db_max_rows=1200) == "</api/shop/log?order=size&limit=1300&offset=1205>"
        assert [follow("&limit=2500"), follow("&offset=1300", db_max_rows=1200), follow("")] == [""] * 3

    def test_a_cell_of_another_type_is_no_silent_null(self, rest_application: Client, written_shops: Any) -> None:
        """SQLite lets a text be in a column of integers: told by name, and there as text."""
        from .conftest import fill_shop

        served = written_shops["sqlite"]
        fill_shop(served)
        rest_application.serve(served)
        with served.bulkhead.transaction() as transaction:
            from qapla.database.statement import Statement

            transaction.execute(Statement("INSERT INTO log VALUES ('x', 'many')"))

        refused = rest_application.get("/api/shop/log", headers=ARROW, status=400)
        answer = rest_application.get("/api/shop/log?select=size::text", headers=ARROW)

        assert refused.json["code"] == "QAPLA100"
        assert "'size' has a value that int64 cannot hold" in refused.json["message"]
        assert read_arrow(answer.body).column("size").to_pylist() == ["many"]

    def test_needs_its_library(self, sqlite_web: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """406 with the extra that installs it."""
        monkeypatch.setattr("qapla.plugins.rest.rowformats.find_spec", lambda name: None)

        answer = sqlite_web.get(ORDERS, headers=ARROW, status=406)

        assert answer.json["code"] == "QAPLA100"
        assert "qapla[arrow]" in answer.json["hint"]


class TestParquet:
    """application/vnd.apache.parquet"""

    def test_is_a_file_of_the_same_rows(self, web: Client) -> None:
        """The same table as the Arrow stream."""
        url = f"{ORDERS}?select=id,total,note,placed_at,customer(name),line(product,amount)&order=id"
        answer = web.get(url, headers=PARQUET)

        assert answer.headers["Content-Type"] == "application/vnd.apache.parquet"
        assert 'filename="order.parquet"' in answer.headers["Content-Disposition"]
        assert read_parquet(answer.body).to_pylist() == read_arrow(web.get(url, headers=ARROW).body).to_pylist()

    def test_has_row_groups(self, fresh_web: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """Rows are written group by group."""
        monkeypatch.setattr("qapla.database.query.arrow.GROUP_ROWS", 1000)
        fresh_web.post_json("/api/shop/log", [{"text": "x", "size": number} for number in range(2500)])

        file = pq.ParquetFile(io.BytesIO(fresh_web.get("/api/shop/log", headers=PARQUET).body))

        assert file.metadata.num_rows == 2500
        assert file.metadata.num_row_groups > 1


class TestWrittenRows:
    """Prefer: return=representation"""

    def test_come_back_as_csv(self, fresh_web: Client) -> None:
        """With the header of what was asked for."""
        headers = {"Accept": "text/csv", "Prefer": "return=representation"}
        rows = [{"name": "Di", "mail": None}, {"name": 'E "e"', "mail": ""}]

        answer = fresh_web.post_json("/api/shop/customer?select=name,mail", rows, headers=headers, status=201)

        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.text == 'name,mail\nDi,\n"E ""e""",""\n'

    def test_come_back_as_lines(self, fresh_web: Client) -> None:
        """Changed and removed rows, too."""
        headers = {"Accept": "application/x-ndjson", "Prefer": "return=representation"}

        changed = fresh_web.patch_json(f"{ORDERS}?id=in.(1,3)&select=id,total", {"total": 1.5}, headers=headers)
        removed = fresh_web.delete("/api/shop/customer?id=eq.99", headers=headers)

        assert sorted(json.loads(line)["id"] for line in changed.text.splitlines()) == [1, 3]
        assert removed.body == b""

    def test_are_not_refused_once_they_are_written(self, fresh_web: Client) -> None:
        """A format that may find a cell it cannot hold is 406 before anything happens."""
        headers = {**ARROW, "Prefer": "return=representation"}

        fresh_web.post_json("/api/shop/customer", {"name": "Di"}, headers=headers, status=406)
        fresh_web.post_json("/api/shop/customer", {"name": "Ed"}, headers={**ARROW, "Prefer": "return=minimal"}, status=201)

        assert [row["name"] for row in fresh_web.get("/api/shop/customer?select=name&id=gt.3").json] == ["Ed"]

    def test_one_row_is_no_csv(self, fresh_web: Client) -> None:
        """The URL of a row gives an object."""
        fresh_web.patch_json("/api/shop/customer/1", {"name": "X"}, headers={"Accept": "text/csv"}, status=406)

        assert fresh_web.get("/api/shop/customer/1").json["name"] == "Ada"


class TestHeaders:
    """Which rows came"""

    @pytest.mark.parametrize("accept", ["text/csv", "application/x-ndjson"])
    def test_lines_say_which_rows_came(self, web: Client, accept: str) -> None:
        """As JSON does."""
        answer = web.get(f"{ORDERS}?select=id&order=id&limit=2&offset=1", headers={"Accept": accept, "Prefer": "count=exact"}, status=206)

        assert answer.headers["Content-Range"] == "1-2/4"
        assert 'rel="next"' in answer.headers["Link"]
        web.get(f"{ORDERS}?offset=9", headers={"Accept": accept, "Prefer": "count=exact"}, status=416)
