"""Whatever arrives at the real server, however malformed, is answered with less than 500 and leaves it standing."""

from __future__ import annotations

import re
import socket
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_S = 8
JSON = b"Content-Type: application/json\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, make_home: Any) -> Iterator[Any]:
    """Serve one small table that anybody may write."""
    path = tmp_path_factory.mktemp("small") / "small.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, at TIMESTAMP, amount NUMERIC, data JSON, raw BLOB)")
        connection.execute("INSERT INTO t (id, name) VALUES (1, 'a')")
    with make_home().serving(f"sqlite:///{path}", "--name", "small", "--writable", "--anonymous", "write") as server:
        yield server


def ask(server: Any, line: bytes, headers: bytes = b"", body: bytes = b"", host: bytes | None = None) -> int:
    """Send a request as it stands; return the status, 0 where the server closed the connection without a word."""
    named = b"Host: 127.0.0.1:%d\r\n" % server.port if host is None else host
    answer = b""
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, timeout=LIMIT_S) as connection, suppress(ConnectionError):  # refused before all was sent
        connection.sendall(line + b"\r\n" + named + headers + b"\r\n" + body)
        while b"\r\n" not in answer and (piece := connection.recv(65536)):
            answer += piece
    found = re.match(rb"HTTP/1\.[01] (\d+)", answer)
    return int(found[1]) if found else 0


def post(path: bytes, headers: bytes, body: bytes) -> tuple[bytes, bytes, bytes]:
    return (
        b"POST " + path + b" HTTP/1.1",
        headers + (b"" if b"ength" in headers or b"ncoding" in headers else b"Content-Length: %d\r\n" % len(body)),
        body,
    )


REQUESTS: list[tuple[tuple[bytes, ...], set[int]]] = [
    *(
        ((f"{method} {path} HTTP/1.1".encode(),), {200, 204, 303, 404, 405})
        for method in ("OPTIONS", "TRACE", "BREW", "get", "PUT", "CONNECT")
        for path in ("/api/small/t", "/admin/small/t", "/", "/healthz", "/api/")
    ),
    *(
        ((b"GET " + path + b" HTTP/1.1",), {400, 404})
        for path in (
            b"/%ff",
            b"/\xff",
            b"/api/small/%ff",
            b"/api/small/t?id=eq.%ff",
            b"/api/small/t?id=eq.\xff",
            b"/api/small/%00",
            b"/admin/small/%ff",
            b"/api/%00/t",
            b"/api/small/t x",
            b"//evil.example/",
        )
    ),
    *(
        ((b"GET /admin/-/static/" + path + b" HTTP/1.1",), {404})
        for path in (b"vendor/../../../../etc/passwd", b"vendor/%2e%2e%2f%2e%2e%2fetc/passwd", b"vendor/%00", b"vendor/" + b"a" * 5000)
    ),
    ((b"GET /api/small/t?name=eq." + b"a" * 1_000_000 + b" HTTP/1.1",), {414, 431}),
    ((b"GET /api/small/t HTTP/1.1", b"X-Long: " + b"a" * 1_000_000 + b"\r\n"), {431}),
    ((b"GET /api/small/t HTTP/1.1", b"".join(b"X-%d: a\r\n" % number for number in range(2000))), {431}),
    ((b"GET /admin/ HTTP/1.1", b"Cookie: session=" + b"a" * 100_000 + b"\r\n"), {303, 431}),
    ((b"GET /admin/ HTTP/1.1", b'Cookie: \xff\xfe=;;; =; session=\x80\x81; theme="\r\n'), {303, 400}),
    ((b"GET /api/small/t HTTP/1.1", b"Authorization: Bearer \xff\r\n"), {401}),
    (
        (b"GET /api/small/t HTTP/1.1", b'Prefer: \xff=;"\\\r\nRange: \xff\r\nAccept: \xff\r\nIf-None-Match: \xff\r\nOrigin: \xff\r\n'),
        {200, 206, 400, 406},
    ),
    ((b"GET /api/small/t HTTP/1.1", b"", b"", b"Host: evil.example\r\n"), {400}),
    ((b"GET /api/small/t HTTP/1.1", b"", b"", b"Host: localhost\r\nHost: evil.example\r\n"), {400}),
    ((b"GET /api/small/t HTTP/1.1", b"", b"", b"Host: local\x00host\r\n"), {400}),
    ((b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",), {0, 400}),
    *(
        (post(b"/api/small/t", JSON + length, b"{}"), {400, 413})
        for length in (
            b"Content-Length: -5\r\n",
            b"Content-Length: x\r\n",
            b"Content-Length: 2\r\nContent-Length: 5\r\n",
            b"Content-Length: 99999999999\r\n",
            b"Content-Length: " + b"9" * 30 + b"\r\n",
        )
    ),
    (post(b"/api/small/t", JSON + b"Transfer-Encoding: chunked\r\n", b"zz\r\n{}\r\n0\r\n\r\n"), {400}),
    (post(b"/api/small/t", JSON + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), {400}),
    (post(b"/api/small/t", JSON + b"Transfer-Encoding: gzip\r\n", b"abc"), {400}),
    (post(b"/api/small/t", JSON, b"[" * 100_000), {400, 413}),
    (post(b"/api/small/t", JSON, b'{"id": 1e999999999}'), {400}),
    (post(b"/api/small/t", JSON, b'{"id": ' + b"9" * 5000 + b"}"), {400}),
    *(
        (post(b"/admin/-/login", kind, b"name=%ff&a"), {400, 403, 415})
        for kind in (
            JSON,
            FORM,
            b"Content-Type: multipart/form-data\r\n",
            b"Content-Type: multipart/form-data; boundary=\r\n",
            b"Content-Type: application/x-www-form-urlencoded; charset=klingon\r\n",
        )
    ),
    (post(b"/admin/-/login", FORM + b"Content-Length: 99999999999\r\n", b"a=b"), {413}),
    (post(b"/admin/-/login", FORM, b"a&" * 20_000), {413}),
]


@pytest.mark.parametrize(("request_parts", "expected"), REQUESTS, ids=[str(place) for place in range(len(REQUESTS))])
def test_is_refused_in_time(served: Any, request_parts: tuple[bytes, ...], expected: set[int]) -> None:
    """A status below 500, of those that fit."""
    assert ask(served, *request_parts) in expected


def test_half_of_a_file_is_not_written(served: Any) -> None:
    """An upload that breaks off writes nothing, whichever way its length was announced."""
    kind = b"Content-Type: text/csv\r\n"
    chunked = ask(served, *post(b"/api/small/t", kind + b"Transfer-Encoding: chunked\r\n", b"c\r\nname\nhalf\nx\n\r\nzz\r\n"))
    with socket.create_connection(("127.0.0.1", served.port), timeout=LIMIT_S) as connection:
        connection.sendall(b"POST /api/small/t HTTP/1.1\r\nHost: localhost\r\n" + kind + b"Content-Length: 5000\r\n\r\nname\nhalf\n")

    with served.client() as client:
        assert chunked == 411
        assert client.get("/api/small/t?name=eq.half").json() == []


def test_a_line_break_in_a_target_splits_no_header(served: Any) -> None:
    """The page to go to after a login is one of ours."""
    with served.client() as client:
        answer = client.get("/admin/-/login?next=%0d%0aX-Evil:%201")

    assert "X-Evil" not in answer.headers
    assert answer.status_code < 500


WORDS = st.sampled_from(
    [
        "id",
        "name",
        "at",
        "amount",
        "data",
        "raw",
        "eq.",
        "neq.",
        "gt.",
        "in.(",
        ")",
        "(",
        ",",
        ".",
        ":",
        "::",
        "->",
        "->>",
        '"',
        "\\",
        "*",
        "!",
        "...",
        "not.",
        "and=",
        "or=",
        "select=",
        "order=",
        "limit=",
        "offset=",
        "after=",
        "is.",
        "like.",
        "null",
        "count()",
        "sum()",
        "t(",
        "nullslast",
        "desc",
        "1",
        "-1",
        "1e999",
        "NaN",
        "9999999999999999999999",
        "%00",
        "\u202e",
        "😀",
        "&",
        "=",
        "?",
        "#",
        "/",
        "[]",
        "{}",
        "true",
        "2024-02-30",
        "'x'",
    ]
)
TEXTS = st.lists(st.one_of(WORDS, st.text(max_size=4)), max_size=12).map("".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=8
)
BODIES = st.one_of(
    st.binary(max_size=60),
    TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")),
    VALUES.map(lambda value: repr(value).encode("utf-8", "surrogatepass")),
)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    query=TEXTS,
    key=TEXTS,
    body=BODIES,
    method=st.sampled_from(["GET", "POST", "PATCH", "PUT", "DELETE"]),
    kind=st.sampled_from(["application/json", "text/csv", "application/x-www-form-urlencoded"]),
)
def test_nothing_is_a_server_error(served: Any, client: Any, query: str, key: str, body: bytes, method: str, kind: str) -> None:
    """Any path, any query and any body, on the API and below the admin."""
    path = quote(key, safe="/,", errors="surrogatepass") if len(key) % 3 == 0 else ""
    text = quote(query, safe="=&().,:*!-", errors="surrogatepass")
    headers = {"Content-Type": kind, "Prefer": "tx=rollback"}
    for address in (f"/api/small/t/{path}?{text}", f"/admin/small/t/{path}?{text}"):
        answer = client.request(method, address.replace("/?", "?"), content=body or None, headers=headers)
        assert answer.status_code < 500, (method, address, body, answer.text)


@pytest.fixture(scope="module")
def client(served: Any, ugly: Any) -> Iterator[Any]:
    """Give the module a client that is logged in to the admin."""
    with ugly.logged_in(served) as made:
        yield made
