"""Status and headers that functions of the database choose."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pyramid.response import Response

from qapla.database.local import Said
from qapla.errors import QaplaError
from qapla.plugins.rest.overrides import apply, read_headers, read_status


def said(status: str | None = None, headers: Any = None) -> Said:
    """Return what a function has said."""
    found = Said()
    found.status, found.headers = status, json.dumps(headers) if headers is not None else None
    return found


def test_take_the_place_of_ours() -> None:
    """What a function says counts; several of one name stay several."""
    response = Response(b"{}", headerlist=[("Content-Type", "application/json"), ("Cache-Control", "private")])

    apply(said("418", [{"cache-control": "no-store"}, {"Set-Cookie": "a=1"}, {"Set-Cookie": "b=2"}, {"X-Name": "bö"}]), response)

    assert response.status_int == 418
    assert [value for name, value in response.headerlist if name.lower() == "cache-control"] == ["no-store"]
    assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
    assert response.headers["X-Name"].encode("latin-1").decode() == "bö"
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("more", "policy"), [({}, "sandbox allow-"), ({"content-security-policy": "default-src 'none'"}, "default-src 'none'")]
)
def test_pages_have_an_origin_of_their_own(more: dict[str, str], policy: str) -> None:
    """A script in one is not a script of the admin, unless the function says what it may."""
    response = Response(b"<b>hello</b>", headerlist=[("Content-Type", "application/json")])

    apply(said(headers=[{"content-type": "text/html"}, *({name: value} for name, value in more.items())]), response)

    assert response.headers.getall("Content-Type") == ["text/html"]
    assert [value.startswith(policy) for value in response.headers.getall("Content-Security-Policy")] == [True]


@pytest.mark.parametrize("status", ["204", "205", "304"])
def test_leave_no_body_where_there_must_be_none(status: str) -> None:
    """A server that sends one breaks the next answer on the line."""
    response = Response(b"[1]", headerlist=[("Content-Type", "application/json"), ("Content-Length", "3")])

    apply(said(status), response)

    assert (response.body, "Content-Length" in response.headers) == (b"", False)


@pytest.mark.parametrize(
    "headers",
    [
        "no json",
        '{"X-A": "b"}',
        '[["X-A", "b"]]',
        '[{"X-A": "b", "X-B": "c"}]',
        "[{}]",
        '[{"X-A": 1}]',
        '[{"X A": "b"}]',
        '[{"": "b"}]',
        '[{"X-A": "b\\r\\nSet-Cookie: c=d"}]',
        '[{"X-A\\r\\nX-B": "b"}]',
        '[{"X-A": "b\\u0000"}]',
        '[{"Content-Length": "1"}]',
        '[{"transfer-encoding": "chunked"}]',
        "[" * 5000,
    ],
)
def test_are_refused_where_they_are_no_headers(headers: str) -> None:
    """500 PGRST111: no function ends a header, or an answer, before its time."""
    with pytest.raises(QaplaError) as caught:
        read_headers(headers)

    assert (caught.value.status, caught.value.code) == (500, "PGRST111")


@pytest.mark.parametrize("status", ["", "abc", "99", "600", "1000", "٢٠٠", "200 OK", "-200"])
def test_are_refused_where_they_are_no_status(status: str) -> None:
    """500 PGRST112."""
    with pytest.raises(QaplaError) as caught:
        read_status(status)

    assert (caught.value.status, caught.value.code) == (500, "PGRST112")
