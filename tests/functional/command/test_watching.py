"""``lazydb serve`` under watch."""

from __future__ import annotations

from contextlib import closing
from http.client import HTTPConnection
from typing import Any


def get(server: Any, path: str) -> bytes:
    """Ask over a connection of its own, so that every worker gets some."""
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read()


def test_workers_answer_for_their_numbers_together(lazydb: Any) -> None:
    """Whichever worker is asked tells the requests of all of them."""
    with lazydb.serving("--workers", "2", LAZYDB_METRICS="1") as server:
        for _ in range(30):
            get(server, "/api/")
        shown = [get(server, "/metrics").decode() for _ in range(4)]

    expected = 'lazydb_http_requests_total{method="GET",route="/api/",status="200"} 30.0'
    assert [expected in text for text in shown] == [True] * 4, shown[0]
