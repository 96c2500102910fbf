"""The yardstick of ``rest.py``: a WSGI application for seven URLs, with the SQL that lazydb runs and as little as possible around it.

A pool of psycopg connections in autocommit, statements prepared, JSON printed by the database and passed on as bytes. Started as a
server of its own: ``python benchmarks/handwritten.py PORT URL STATEMENTS.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from queue import LifoQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable

POOL = 5  # as many as a connection of lazydb has
TYPE = ("Content-Type", "application/json; charset=utf-8")


class BytesLoader(psycopg.adapt.Loader):
    """Give JSON as the bytes that came."""

    def load(self, data: Any) -> bytes:
        """Return the bytes."""
        return bytes(data)


class Statements:
    """The statements by name; each is its SQL, its values, and the places of those among them that a request gives."""

    def __init__(self, url: str, statements: dict[str, tuple[str, list[Any], dict[str, int]]]) -> None:
        self._statements = statements
        self._pool: LifoQueue[psycopg.Connection] = LifoQueue()
        for _ in range(POOL):
            connection = psycopg.connect(url, autocommit=True)
            for name in ("json", "jsonb"):
                connection.adapters.register_loader(name, BytesLoader)
            self._pool.put(connection)

    def run(self, name: str, **given: Any) -> list[bytes]:
        """Return the rows of a statement, each as JSON."""
        sql, values, places = self._statements[name]
        if given:
            values = values.copy()
            for key, value in given.items():
                values[places[key]] = value
        connection = self._pool.get()
        try:
            rows = connection.execute(sql, values, prepare=True).fetchall()
        finally:
            self._pool.put(connection)
        return [row[0] for row in rows]


def make_application(statements: Statements) -> Callable[..., list[bytes]]:
    """Return the application."""
    run = statements.run

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        status, headers = "200 OK", [TYPE]
        if method == "GET" and path.startswith("/orders/"):
            rows = run("row by key", key=path[8:])
            if not rows:
                start_response("404 Not Found", [("Content-Length", "0")])
                return [b""]
            body = rows[0]
        elif method == "POST":
            note = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            status, body = "201 Created", array(run("insert", title=note["title"], body=note["body"], stars=note["stars"]))
        elif method == "PATCH":
            note = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            body = array(run("update", key=path[7:], title=note["title"], stars=note["stars"]))
        elif path == "/paid":
            asked = parse_qs(environ["QUERY_STRING"])
            body = array(run("filter, sort, page", total=asked["total"][0], offset=int(asked["offset"][0]))[:20])
        elif path == "/counted":
            rows = run("20 rows, total")
            headers.append(("Content-Range", f"0-19/{rows.pop().decode()}"))
            status, body = "206 Partial Content", array(rows[:20])
        else:
            body = array(run("20 rows, 2 embedded" if path == "/whole" else "20 rows")[:20])
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]

    return application


def array(rows: list[bytes]) -> bytes:
    """Return the rows as an array."""
    return b"[" + b",".join(rows) + b"]"


def load() -> Callable[..., list[bytes]]:
    """Make the application, in a worker."""
    return make_application(Statements(sys.argv[2], json.loads(Path(sys.argv[3]).read_text())))


def main() -> None:
    """Serve, with the settings of ``lazydb serve``."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    from qapla.serving import THREADS

    Granian(
        "handwritten",
        address="127.0.0.1",
        port=int(sys.argv[1]),
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=THREADS,
        backpressure=4 * THREADS,
        log_level=LogLevels.warning,
    ).serve(target_loader=load, wrap_loader=False)


if __name__ == "__main__":
    main()
