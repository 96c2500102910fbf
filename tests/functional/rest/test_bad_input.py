"""Whatever is malformed gets a 4xx that names the thing, never a 5xx, and changes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.functional.rest.conftest import Client

JSON = "application/json"
DEEP = b"[" * 200_000
BODIES = [
    (b"", JSON, 400),
    (b" ", JSON, 400),
    (b"{", JSON, 400),
    (b'{"name": "x"', JSON, 400),
    (b"nonsense", JSON, 400),
    (b"null", JSON, 400),
    (b"5", JSON, 400),
    (b'"text"', JSON, 400),
    (b"[1]", JSON, 400),
    (b'[{"name":"a"},{"mail":"b"}]', JSON, 400),
    (b'{"name":"a","name":"b"}', JSON, 400),
    (b'{"name": NaN}', JSON, 400),
    (b'{"name": Infinity}', JSON, 400),
    (b'{"id": 1e999999999}', JSON, 400),
    (b'{"id": ' + b"9" * 5000 + b', "name": "x"}', JSON, 400),
    (b'{"id": 1.5, "name": "x"}', JSON, 400),
    (b'{"name": "\\ud800"}', JSON, 400),
    (b'{"\\ud800": 1}', JSON, 400),
    (b'{"name": "a\\u0000b"}', JSON, None),
    (b'{"name": {"a": 1}}', JSON, 400),
    (b'{"name": ["a"]}', JSON, None),
    (b'{"is_good": "perhaps", "name": "x"}', JSON, 400),
    (b'{"name": "\xff"}', JSON, 400),
    (DEEP, JSON, 413),
    (b'{"name": ' + b'{"a":' * 100 + b"1" + b"}" * 101, JSON, 413),
    (b'{"name":"x"}', "application/json; charset=klingon", 415),
    (b'{"name":"x"}', "application/json; charset=utf-16", 415),
    (b'{"name":"x"}', "text/plain", 415),
    (b'{"name":"x"}', "multipart/form-data", 415),
    (b"--x--", "multipart/form-data; boundary=x", 415),
    (b"<a/>", "application/xml", 415),
    (b"", "text/csv", 400),
    (b'name\n"a', "text/csv", 400),
    (b"name,mail\na\n", "text/csv", 400),
    (b"name,name\na,b\n", "text/csv", 400),
    (b"name,\na,b\n", "text/csv", 400),
    (b"name\na\xff\n", "text/csv", 400),
    (b"nope\na\n", "text/csv", 400),
    (b"name=%ff", "application/x-www-form-urlencoded", 400),
    (b"name=%zz", "application/x-www-form-urlencoded", 400),
    (b"name", "application/x-www-form-urlencoded", 400),
    (b"name=a&name=b", "application/x-www-form-urlencoded", 400),
]
URLS = [
    ("?id=eq.%ff", 400),
    ("?id=eq.%zz", 400),
    ("?%ff=eq.1", 400),
    ("?id=eq.x", 400),
    ("?id=eq." + "9" * 5000, 400),
    ("?id=eq.1e999999999", 400),
    ("?id=eq.NaN", 400),
    ("?id=eq.%00", 400),
    ("?name=eq.%00", None),
    ("?nope=eq.1", 400),
    ("?id", 400),
    ("?id=1", 400),
    ("?select=nope", 400),
    ("?select=nope(id)", 400),
    ("?select=id,name,", 400),
    ("?order=nope", 400),
    ("?order=id.sideways", 400),
    ("?limit=-1", 416),
    ("?limit=x", 400),
    ("?limit=99999999999999999999", 400),
    ("?offset=-1", 416),
    ("?or=(id.eq.1", 400),
    ("?or=" + "(or" * 100 + "(id.eq.1)" + ")" * 100, 400),
    ("?or=" + "and(" * 100, 400),
    ("?columns=id", 400),
    ("?after=x", 400),
    ("?select=id%3A%3Anotatype", 400),
    ("?is_good=eq.maybe", 400),
    ("?id=in.(1,x)", 400),
    ("?select=" + "a(" * 50 + ")" * 50, 400),
    ("/%ff", 400),
    ("/1%00", 400),
    ("/", None),
]


class TestBodies:
    """POST with a body that cannot be read."""

    @pytest.mark.parametrize(("body", "content_type", "status"), BODIES, ids=[f"{body[:30]!r}-{kind[:24]}" for body, kind, _ in BODIES])
    def test_refuses_it(self, web: Client, body: bytes, content_type: str, status: int | None) -> None:
        """The four parts of an error, and no row."""
        answer = web.post("/api/shop/customer", body, content_type=content_type, headers={"Prefer": "tx=rollback"}, status="*")

        assert answer.status_int == status if status else answer.status_int < 500
        if status:
            assert set(answer.json) == {"code", "message", "details", "hint"}

    def test_limits_the_size_before_it_is_read(self, sqlite_web: Client) -> None:
        """413 by Content-Length alone, and for a body without one."""
        sqlite_web.serve(sqlite_web.served, max_body_bytes=100)

        sqlite_web.post("/api/shop/customer", b"x" * 101, content_type=JSON, status=413)

    def test_refuses_compressed_bodies(self, sqlite_web: Client) -> None:
        """415, by name."""
        answer = sqlite_web.post("/api/shop/customer", b"x", content_type=JSON, headers={"Content-Encoding": "gzip"}, status=415)

        assert "gzip" in answer.json["message"]

    def test_limits_the_number_of_rows(self, sqlite_web: Client) -> None:
        """413, whatever the format."""
        sqlite_web.serve(sqlite_web.served, max_rows_per_request=2)

        sqlite_web.post("/api/shop/customer", b'[{"name":"a"},{"name":"b"},{"name":"c"}]', content_type=JSON, status=413)
        sqlite_web.post("/api/shop/customer", b"name\na\nb\nc\n", content_type="text/csv", status=413)

    def test_refuses_a_body_that_ends_early(self, sqlite_web: Client) -> None:
        """What is cut off is not half taken."""
        headers = {"Content-Length": "500"}
        answer = sqlite_web.request("/api/shop/customer", method="POST", body=b'{"name":"x"}', headers=headers, status=400)

        assert answer.json["code"] == "PGRST102"


class TestUrls:
    """GET of a URL that cannot be read."""

    @pytest.mark.parametrize(("text", "status"), URLS, ids=[text[:40] for text, _ in URLS])
    def test_refuses_it(self, web: Client, text: str, status: int | None) -> None:
        """The four parts of an error."""
        answer = web.get(f"/api/shop/customer{text}", status="*")

        assert answer.status_int == status if status else answer.status_int < 500
        if status:
            assert set(json.loads(answer.body)) == {"code", "message", "details", "hint"}

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Range": "9-1"}, 416),
            ({"Range": "bytes=0-10"}, 200),
            ({"Range": "x"}, 200),
            ({"Accept": ";;;,,,q=x"}, 406),
            ({"Accept": "text/html, */*;q=0.1"}, 200),
            ({"Accept-Profile": "nope"}, 406),
            ({"Accept-Profile": "public"}, 200),
            ({"Prefer": "handling=strict, nonsense=1"}, 400),
            ({"Prefer": "nonsense=1; x, ,,="}, 200),
            ({"Prefer": "timezone=Jupiter/Red_Spot"}, 200),
            ({"Prefer": "handling=strict, timezone=Jupiter/Red_Spot"}, 400),
            ({"Authorization": "Bearer bad"}, 401),
        ],
    )
    def test_reads_headers_strictly_or_not_at_all(self, sqlite_web: Client, headers: dict[str, str], status: int) -> None:
        """What cannot be honoured is refused where the standard wants it."""
        answer = sqlite_web.get("/api/shop/customer", headers=headers, status="*")

        assert answer.status_int == status
        if status == 401:
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize("tag", ["x", '"a', 'W/"a" "b"'])
    def test_refuses_what_is_no_tag(self, sqlite_web: Client, tag: str) -> None:
        """A precondition is never passed over."""
        sqlite_web.delete("/api/shop/line/1,pen", headers={"If-Match": tag}, status=400)


class TestUnforeseen:
    """What nobody foresaw."""

    def test_becomes_a_500_with_an_id(self, sqlite_web: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        """No trace and no SQL in the answer; both in the log, under the same id."""

        def explode(*_arguments: object) -> None:
            raise ZeroDivisionError("SELECT secret")

        monkeypatch.setattr("qapla.plugins.rest.reads.choose_rows", explode)

        answer = sqlite_web.get("/api/shop/customer", status=500)

        assert b"SELECT" not in answer.body
        assert answer.json["details"]["request_id"] in caplog.text
