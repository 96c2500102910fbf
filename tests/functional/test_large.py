"""``benchmarks/large.py``, short: many rows over a real server, and a client that goes away in the middle of them."""

from __future__ import annotations

import importlib.util
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "large.py"
ROWS = 200_000


@pytest.fixture(scope="module")
def large() -> Iterator[Any]:
    """Return the benchmark."""
    spec = importlib.util.spec_from_file_location("benchmarks_large", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def serving(large: Any) -> Iterator[Any]:
    """Give the database, a server over it, and the handler that copies."""
    with make_database("postgresql") as url, large.serve_all(url, ROWS) as everything:
        yield everything


class TestPostgresql:
    """Two hundred thousand rows"""

    def test_the_last_page_is_as_fast_as_the_first(self, large: Any, serving: Any) -> None:
        """By key, the middle of many."""
        first, last = large.measure_pages(serving[1], ROWS, 1)

        assert last < 3 * first  # on a busy machine; the benchmark asks for 2

    def test_an_estimated_total_reads_no_rows(self, large: Any, serving: Any) -> None:
        """A few blocks for the page, whatever the size of the table."""
        assert large.count_blocks(serving[0]) < 50

    @pytest.mark.parametrize("format", ["json", "csv", "ndjson", "arrow", "parquet"])
    def test_exports_in_constant_memory(self, large: Any, serving: Any, format: str) -> None:
        """Less than what the rows take, in each format."""
        done = large.export(serving[1], format, ROWS)

        assert done.size > ROWS * 5
        assert done.peak_mib < 48

    def test_keeps_up_with_copy(self, large: Any, serving: Any) -> None:
        """A list of 100,000 rows takes the server no more CPU than passing on COPY does, by far."""
        speed = large.measure_speed(serving[1], serving[2], 5)

        assert speed.ours_cpu_s < 1.5 * speed.copy_cpu_s
        assert speed.ratio > 0.4  # of a noisy moment; the benchmark asks for 0.7

    def test_an_export_has_every_row(self, serving: Any) -> None:
        """The number of rows in the headers is the number of lines."""
        answer = serving[1].get("/api/big/reading?select=id", "text/csv", Prefer="count=exact")

        assert answer.headers["content-range"] == f"0-{ROWS - 1}/{ROWS}"
        assert answer.size == len("id\n") + sum(len(str(number)) + 1 for number in range(1, ROWS + 1))


SESSIONS = {
    "postgresql": "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
    " AND backend_type = 'client backend'",
    "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND command = 'Query' AND id <> connection_id()",
}
MANY = {
    "postgresql": "CREATE TABLE many AS SELECT n AS id, repeat('x', 200) AS note FROM generate_series(1, 150000) AS n",
    "mariadb": "CREATE TABLE many AS SELECT seq AS id, repeat('x', 200) AS note FROM seq_1_to_150000",
}


def count_open(url: Any, engine: str) -> int:
    """Return how many statements or transactions are going on in the database, besides the one that asks."""
    asking = create_engine(url, poolclass=NullPool)
    with asking.connect() as connection:
        return int(connection.execute(text(SESSIONS[engine])).scalar_one())


@pytest.fixture(scope="module")
def many(make_lazydb: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, dict[str, URL]]]:
    """Give a lazydb and, by engine, the URLs of databases with more rows than lines and buffers hold."""
    with ExitStack() as stack:
        urls = {engine: stack.enter_context(make_database(engine)) for engine in MANY}
        for engine, url in urls.items():
            with create_engine(url, poolclass=NullPool).begin() as connection:
                connection.execute(text(MANY[engine]))
        addresses = [url.set(drivername=engine).render_as_string(hide_password=False) for engine, url in urls.items()]
        home = tmp_path_factory.mktemp("many")
        yield stack.enter_context(make_lazydb(home).serving(*addresses, "--anonymous", "read")), urls


@pytest.mark.parametrize("engine", MANY)
def test_a_client_that_goes_away_ends_the_statement(engine: str, many: tuple[Any, dict[str, URL]]) -> None:
    """At the next piece that cannot be sent; while it only reads slowly, the server waits with it."""
    server, url = many[0], many[1][engine]
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(f"GET /api/{url.database}/many HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        time.sleep(0.5)
        assert count_open(url, engine) == 1

    gone = time.monotonic()
    while count_open(url, engine):
        assert time.monotonic() < gone + 10, "the statement goes on"
        time.sleep(0.05)
