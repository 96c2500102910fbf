"""POST /api/{database}/-/batch: several requests as one transaction, on each engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.functional.rest.conftest import Client

BATCH = "/api/shop/-/batch"
BACK = {"Prefer": "return=representation"}


def post(id: str, path: str, body: Any, **headers: str) -> dict[str, Any]:
    """Return a request that inserts and gives back what it wrote."""
    return {"id": id, "method": "POST", "path": path, "headers": {**BACK, **headers}, "body": body}


def get(id: str, path: str, **headers: str) -> dict[str, Any]:
    """Return a request that reads."""
    return {"id": id, "method": "GET", "path": path, "headers": headers}


def send(web: Client, *requests: dict[str, Any], status: int = 200, **headers: str) -> Any:
    """Send a batch; return its answer."""
    return web.post_json(BATCH, {"requests": list(requests)}, headers=headers, status=status)


def count(web: Client, path: str) -> int:
    """Return how many rows there are."""
    return int(web.head(path, headers={"Prefer": "count=exact"}).headers["Content-Range"].split("/")[1])


class TestBatch:
    """What is kept, and what the requests see of each other."""

    def test_answers_each_request_in_its_order(self, fresh_web: Client) -> None:
        """Status, headers and body are those of the request alone; later ones see what earlier ones wrote."""
        answer = send(
            fresh_web,
            post("new", "/customer", {"name": "Di"}),
            get("list", "/customer?select=name&order=id&limit=9"),
            {"id": 3, "method": "PATCH", "path": "/customer?name=eq.Di", "body": {"mail": "d@x"}},
            get("one", "/customer?name=eq.Di&select=mail", Accept="application/vnd.pgrst.object+json"),
            {"id": "gone", "method": "DELETE", "path": "/line/1,pen"},
            {"id": "head", "method": "HEAD", "path": "/line", "headers": {"Prefer": "count=exact"}},
        )

        found = answer.json["responses"]
        assert [each["id"] for each in found] == ["new", "list", "3", "one", "gone", "head"]
        assert [each["status"] for each in found] == [201, 200, 204, 200, 204, 200]
        assert [row["name"] for row in found[1]["body"]] == ["Ada", "Bo", "Çelik", "Di"]
        assert (found[2]["body"], found[3]["body"], found[5]["body"]) == (None, {"mail": "d@x"}, None)
        assert found[5]["headers"]["Content-Range"] == "0-1/2"
        assert fresh_web.get("/api/shop/customer?name=eq.Di&select=mail").json == [{"mail": "d@x"}]

    def test_lets_a_request_refer_to_earlier_answers(self, fresh_web: Client) -> None:
        """In the body, in a filter and in the key of a row; an element of one is entered by itself."""
        answer = send(
            fresh_web,
            post("c", "/customer", {"name": 'a,"b" (c)', "mail": "m"}),
            post("o", "/order?select=id,customer(name)", {"customer_id": {"$ref": "c.id"}, "total": 3, "note": {"$ref": "c.0.name"}}),
            get("filter", "/customer?select=mail&name=eq.{$ref:c.name}"),
            get("list", "/customer?select=mail&name=in.(x,{$ref:c.name})"),
            get("row", "/order/{$ref:o.id}?select=note"),
            post("line", "/line", [{"order_id": {"$ref": "o.id"}, "product": {"$ref": "o.customer.name"}}]),
            get("key", "/line/{$ref:o.id},{$ref:line.product}"),
        )

        found = {each["id"]: each["body"] for each in answer.json["responses"]}
        assert found["o"][0]["customer"] == {"name": 'a,"b" (c)'}
        assert found["filter"] == found["list"] == [{"mail": "m"}]
        assert found["row"] == {"note": 'a,"b" (c)'}
        assert found["key"]["product"] == 'a,"b" (c)'

    def test_keeps_all_or_nothing(self, fresh_web: Client) -> None:
        """The one that was refused is named, with its status and its error; nothing of the others stays."""
        clash = post("2", "/customer", {"id": 1, "name": "again"})

        answer = send(fresh_web, post("1", "/customer", {"name": "Di"}), clash, get("3", "/line"), status=409)

        refused = answer.json["responses"]
        assert [(each["id"], each["status"]) for each in refused] == [("2", 409)]
        assert refused[0]["body"]["code"] == answer.json["code"] == "23505"
        assert set(answer.json) == {"code", "message", "details", "hint", "responses"}
        assert count(fresh_web, "/api/shop/customer") == 3

    def test_does_a_dry_run_of_the_whole(self, fresh_web: Client) -> None:
        """``Prefer: tx=rollback`` of the batch; one request alone cannot want it."""
        answer = send(fresh_web, post("1", "/customer", {"name": "Di"}), get("2", "/customer?name=eq.Di&select=name"), Prefer="tx=rollback")
        inner = send(fresh_web, post("1", "/customer", {"name": "Di"}, Prefer="tx=rollback"), status=400)

        assert answer.json["responses"][1]["body"] == [{"name": "Di"}]
        assert answer.headers["Preference-Applied"] == "tx=rollback"
        assert (inner.json["code"], inner.json["responses"][0]["id"]) == ("QAPLA100", "1")
        assert count(fresh_web, "/api/shop/customer") == 3

    def test_checks_preconditions_inside(self, fresh_web: Client) -> None:
        """``If-Match`` of a row's URL: 412 ends all of it."""
        tag = fresh_web.get("/api/shop/order/1").headers["ETag"]
        patch = {"method": "PATCH", "path": "/order/1", "headers": {"If-Match": tag}, "body": {"note": "x"}}

        send(fresh_web, {"id": "1", **patch}, {"id": "2", **patch}, status=412)
        assert fresh_web.get("/api/shop/order/1").json["note"] == "first"

        send(fresh_web, {"id": "1", **patch})
        assert fresh_web.get("/api/shop/order/1").json["note"] == "x"

    def test_takes_the_other_formats(self, fresh_web: Client) -> None:
        """CSV and forms are texts in the JSON; numbers keep their digits."""
        answer = send(
            fresh_web,
            post("csv", "/customer?select=name", "name,mail\na,b\nc,d\n", **{"Content-Type": "text/csv"}),
            post("big", "/log?select=size", {"text": "x", "size": 7}),
        )

        assert answer.json["responses"][0]["body"] == [{"name": "a"}, {"name": "c"}]

    @pytest.mark.parametrize(
        ("accept", "body"),
        [
            ("text/csv", "product,amount\nink,5\npen,2\n"),
            ("application/x-ndjson", '{"product":"ink","amount":5}\n{"product":"pen","amount":2}\n'),
        ],
    )
    def test_answers_other_formats_as_text(self, web: Client, accept: str, body: str) -> None:
        """CSV, and one JSON per line, come as the text that they are."""
        answer = send(web, get("1", "/line?select=product,amount&order=product&amount=gt.1", Accept=accept))

        assert answer.json["responses"][0]["body"] == body

    @pytest.mark.parametrize("accept", ["application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"])
    def test_refuses_an_answer_that_is_no_text(self, fresh_web: Client, accept: str) -> None:
        """406 PGRST107, and nothing is kept: JSON has no room for bytes."""
        answer = send(fresh_web, post("1", "/log", {"text": "x"}), get("2", "/line", Accept=accept), status=406)

        assert (answer.json["code"], [each["id"] for each in answer.json["responses"]]) == ("PGRST107", ["2"])
        assert "'2'" in answer.json["message"]
        assert count(fresh_web, "/api/shop/log") == 0

    def test_reads_on_a_connection_that_takes_no_writes(self, fresh_web: Client) -> None:
        """A batch of reads is fine there; a write in it is refused as it would be alone."""
        fresh_web.serve(fresh_web.served, writable=False)

        answer = send(fresh_web, get("1", "/line?select=product&order=product"), get("2", "/order/1?select=id"))
        refused = send(fresh_web, get("1", "/line"), post("2", "/customer", {"name": "x"}), status=405)

        assert answer.json["responses"][1]["body"] == {"id": 1}
        assert refused.json["code"] == "25006"

    def test_asks_the_rights_of_each(self, fresh_web: Client) -> None:
        """What the caller may not do alone is refused in a batch."""
        fresh_web.serve(fresh_web.served, anonymous="read")

        send(fresh_web, get("1", "/line"))
        refused = send(fresh_web, get("1", "/line"), post("2", "/customer", {"name": "x"}), status=401)
        fresh_web.serve(fresh_web.served, anonymous="none")
        send(fresh_web, get("1", "/line"), status=401)

        assert refused.json["responses"][0]["id"] == "2"


class TestLimits:
    """What a batch is not for."""

    @pytest.mark.parametrize(
        ("request_", "status", "word"),
        [
            ({"path": "/line", "headers": {"Authorization": "Bearer good"}}, 400, "Authorization"),
            ({"path": "/line", "headers": {"X\r\n": "x"}}, 400, "header"),
            ({"path": "/line", "headers": {"Accept": 1}}, 400, "header"),
            ({"path": "/line", "headers": []}, 400, "headers"),
            ({"path": "/-/batch", "method": "POST"}, 400, "-/batch"),
            ({"path": "/-/health"}, 400, "-/health"),
            ({"path": "/api/other/line"}, 404, "below the database"),
            ({"path": "http://localhost/api/shop/line"}, 400, "no path of this database"),
            ({"path": "//other/line"}, 400, "no path of this database"),
            ({"path": "/nope"}, 404, "nope"),
            ({"path": "/%ff"}, 400, "UTF-8"),
            ({"path": "/"}, 400, "no path"),
            ({"path": 1}, 400, "no path"),
            ({}, 400, "no path"),
            ({"path": "/line", "method": "OPTIONS"}, 400, "method"),
            ({"path": "/line/1,pen", "method": "POST", "body": {}}, 405, "POST"),
            ({"path": "/line", "url": "x"}, 400, "url"),
            ({"path": "/line", "id": "a.b"}, 400, "id"),
            ({"path": "/line?order_id=eq.{$ref:9.id}"}, 400, "9"),
            ({"path": "/customer", "method": "POST", "body": {"name": {"$ref": "first.nope"}}}, 400, "first.nope"),
            ({"path": "/customer", "method": "POST", "body": {"name": {"$ref": 7}}}, 400, "$ref"),
            ({"path": "/line", "method": "POST", "body": {"x": 1}, "headers": {"Content-Type": "text/csv"}}, 400, "text"),
        ],
    )
    def test_refuses_by_name(self, sqlite_web: Client, request_: dict[str, Any], status: int, word: str) -> None:
        """4xx, with the four parts of an error, and what it is about."""
        answer = send(sqlite_web, get("first", "/line?limit=1"), {"id": "x", **request_}, status=status)

        assert word in f"{answer.json['message']} {answer.json['hint']}"

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"5", b'{"requests": {}}', b'{"requests": [1]}', b'{"requests": [], "x": 1}', b'"\xff"']
    )
    def test_refuses_a_body_that_is_no_batch(self, sqlite_web: Client, body: bytes) -> None:
        """400 PGRST102."""
        answer = sqlite_web.post(BATCH, body, content_type="application/json", status=400)

        assert answer.json["code"] == "PGRST102"

    def test_limits_its_size(self, sqlite_web: Client) -> None:
        """How many, how large the question and the answer, which format, which names."""
        sqlite_web.post_json(BATCH, {"requests": [get(str(number), "/line") for number in range(1001)]}, status=413)
        sqlite_web.post(BATCH, b"requests", content_type="text/csv", status=415)
        assert "'1'" in send(sqlite_web, get("1", "/line"), get("1", "/line"), status=400).json["message"]
        assert send(sqlite_web).json == {"responses": []}

        sqlite_web.serve(sqlite_web.served, max_body_bytes=600)
        send(sqlite_web, *(get(str(number), "/line") for number in range(50)), status=413)
        send(sqlite_web, get("1", "/customer"), get("2", "/customer"), get("3", "/customer"), get("4", "/customer"), status=413)

    def test_has_one_deadline(self, sqlite_web: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """504, though no statement of it takes long."""
        monkeypatch.setattr("qapla.plugins.rest.batch.monotonic", lambda: 0.0)

        assert send(sqlite_web, get("1", "/line"), status=504).json["code"] == "57014"

    def test_is_described(self, sqlite_web: Client) -> None:
        """OpenAPI has it."""
        document = sqlite_web.get("/api/shop/", headers={"Accept": "application/json"}).json

        assert document["paths"]["/-/batch"]["post"]["operationId"] == "batch"

    def test_refuses_lists_that_are_streamed(self, sqlite_web: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """More rows than fit, without a limit."""
        monkeypatch.setattr("qapla.plugins.rest.reads.FIRST_ROWS", 2)

        for accept in ("application/json", "text/csv"):
            answer = send(sqlite_web, get("1", "/line?select=product", Accept=accept), status=400)
            assert (answer.json["code"], "limit" in answer.json["hint"]) == ("QAPLA100", True)
        send(sqlite_web, get("1", "/line?select=product,amount&limit=3"))
