"""The yardstick of ``rest.py``: a WSGI application for three URLs, with the SQL that lazydb runs and nothing around it.

A pool of psycopg connections in autocommit, statements prepared, JSON printed by the database and passed on as bytes. Started as a
server of its own: ``python benchmarks/handwritten.py PORT URL STATEMENTS.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from queue import LifoQueue
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable

POOL = 5  # as many as a connection of lazydb has
HEADERS_OF_ROWS = ("Content-Type", "application/json; charset=utf-8")


class BytesLoader(psycopg.adapt.Loader):
    """Give JSON and text as the bytes that came."""

    def load(self, data: Any) -> bytes:
        """Return the bytes."""
        return bytes(data)


def make_application(url: str, statements: dict[str, tuple[str, list[Any]]]) -> Callable[..., list[bytes]]:
    """Return the application: a path and query string for each statement."""
    pool: LifoQueue[psycopg.Connection] = LifoQueue()
    for _ in range(POOL):
        connection = psycopg.connect(url, autocommit=True)
        connection.prepare_threshold = 0
        for name in ("text", "json", "jsonb", "varchar"):
            connection.adapters.register_loader(name, BytesLoader)
        pool.put(connection)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        found = statements.get(f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}")
        if found is None:
            start_response("404 Not Found", [("Content-Length", "0")])
            return [b""]
        sql, values = found
        connection = pool.get()
        try:
            rows = connection.execute(sql, values, prepare=True).fetchall()
        finally:
            pool.put(connection)
        if environ["PATH_INFO"].count("/") > 3:
            body = rows[0][0]
        else:
            body = b"[" + b",".join([row[0] for row in rows[:20]]) + b"]"
        start_response("200 OK", [HEADERS_OF_ROWS, ("Content-Length", str(len(body)))])
        return [body]

    return application


def load() -> Callable[..., list[bytes]]:
    """Make the application, in a worker."""
    return make_application(sys.argv[2], json.loads(Path(sys.argv[3]).read_text()))


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
