"""Many rows of PostgreSQL over REST: long lists page by page, exports in constant memory, totals without a scan.

    python benchmarks/large.py [--rows 10000000] [--rounds 5] [--formats json,csv,ndjson,arrow,parquet] [--url URL]

The rows are made by the server. Printed are

* a page by key at the beginning and at the end of the list: the second must take no more than twice the time of the first;
* each export: seconds to the first byte, rows per second, and by how much the memory of the serving process grew at its peak, which
  must stay below 64 MiB;
* how many blocks an estimated total reads, by EXPLAIN;
* the first 100,000 rows, beside a WSGI handler that passes on ``COPY (SELECT row_to_json …) TO STDOUT`` through psycopg, under the
  same server, in turns: at least 0.7 of its requests per second.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import make_url

from qapla.database.query.description import Query, Window
from qapla.database.schema.description import TableName
from qapla.driver.table_read import TableReadDriver
from qapla.ports import READ_RIGHTS
from qapla.testing.catalogs import serve_url
from qapla.testing.processes import free_port
from qapla.testing.servers import make_database, outside_pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL

    from qapla.database.catalog import Served

TABLE = """
    CREATE TABLE reading (id bigint NOT NULL, sensor integer NOT NULL, taken_at timestamptz NOT NULL, value numeric(10,2), note text);
    INSERT INTO reading SELECT n, n % 1000, timestamptz '2020-01-01' + n * interval '1 second', (n * 37 % 100000) / 100.0,
        CASE WHEN n % 3 = 0 THEN 'note ' || n END FROM generate_series(1, {rows}::bigint) AS n;
    ALTER TABLE reading ADD PRIMARY KEY (id);
    CREATE INDEX ON reading (sensor, id);
    ANALYZE reading;
"""
ACCEPT = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
READINGS = "/api/big/reading"
PIECE = 2**20
PAGE_MOST = 2.0  # of the time of the first page
MEMORY_MOST_MIB = 64
BLOCKS_MOST = 500
SPEED_LEAST = 0.7
SPEED_ROWS = 100_000


@dataclass(frozen=True)
class Server:
    """A server that runs here: its port, and its process."""

    port: int
    pid: int

    def get(self, path: str, accept: str = "application/json", **headers: str) -> Answer:
        """Ask for *path*, read the answer to its end, and keep only what was measured."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        started = time.perf_counter()
        connection.request("GET", path, headers={"Accept": accept, **headers})
        answer = connection.getresponse()
        first = answer.read(1)
        first_s = time.perf_counter() - started
        size, start, end = len(first), first, b""
        while piece := answer.read(PIECE):
            size += len(piece)
            start = start + piece[:1000] if len(start) < 1000 else start
            end = piece[-100:]
        connection.close()
        if answer.status not in (200, 206):
            raise SystemExit(f"{path} is {answer.status}: {start.decode(errors='replace')}")
        return Answer(first_s, time.perf_counter() - started, size, end, {name.lower(): value for name, value in answer.getheaders()})

    def processes(self) -> list[int]:
        """Return the process and those below it."""
        return [self.pid, *_children(self.pid)]

    def cpu_s(self) -> float:
        """Return the CPU seconds of its processes so far."""
        ticks = 0
        for pid in self.processes():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mib(self, field: str) -> float:
        """Return the memory of its processes: ``VmRSS`` now, ``VmHWM`` at its peak."""
        lines = (line for pid in self.processes() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return sum(int(line.split()[1]) for line in lines if line.startswith(field + ":")) / 1024

    def forget_peak(self) -> None:
        """Let the peak be what it is now."""
        for pid in self.processes():
            Path(f"/proc/{pid}/clear_refs").write_text("5")


@dataclass(frozen=True)
class Answer:
    """What was measured of one answer."""

    first_s: float
    all_s: float
    size: int
    end: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Export:
    """An export: ``peak_mib`` is by how much the memory of the server grew."""

    format: str
    rows: int
    first_s: float
    all_s: float
    size: int
    peak_mib: float


@dataclass(frozen=True)
class Speed:
    """The first rows as a list, and the same by COPY: seconds of the middle round, and CPU seconds."""

    ours_s: float
    copy_s: float
    ours_cpu_s: float
    copy_cpu_s: float

    @property
    def ratio(self) -> float:
        """Return our requests per second as a share of those by COPY."""
        return self.copy_s / self.ours_s


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_children(int(child))]
    return found


# ------------------------------------------------------------------------------------------------ what is measured


def measure_pages(server: Server, rows: int, rounds: int) -> tuple[float, float]:
    """Return the seconds of the first page and of the last one, which a cursor leads to: the middle of many."""
    near_end = server.get(f"{READINGS}?order=sensor,id&sensor=eq.999&id=gte.{rows - 200_000}&limit=100")
    after = near_end.headers["link"].partition("after=")[2].partition(">")[0]
    first, last = f"{READINGS}?order=sensor,id&limit=100", f"{READINGS}?order=sensor,id&limit=100&after={after}"
    pairs = [(server.get(first).all_s, server.get(last).all_s) for _ in range(20 * rounds)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


def export(server: Server, format: str, rows: int) -> Export:
    """Read all rows in one format."""
    server.get(f"{READINGS}?limit=2000", ACCEPT[format])  # what is imported once is imported
    server.forget_peak()
    before = server.memory_mib("VmHWM")
    answer = server.get(READINGS, ACCEPT[format])
    return Export(format, rows, answer.first_s, answer.all_s, answer.size, server.memory_mib("VmHWM") - before)


def count_blocks(served: Served) -> int:
    """Return how many blocks the statements of a page with an estimated total read."""
    seen: list[Any] = []
    served.bulkhead.on_statement.append(seen.append)
    query = Query(TableName("public", "reading"), window=Window(limit=20), count="estimated")
    page = TableReadDriver(served, READ_RIGHTS).page(query)
    served.bulkhead.on_statement.remove(seen.append)
    assert page.total is not None
    blocks = 0
    with served.bulkhead.connection() as connection:
        for statement in seen:
            if statement.sql.startswith("EXPLAIN"):
                continue
            plan = connection.exec_driver_sql("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement.sql, statement.values).scalar_one()
            top = (json.loads(plan) if isinstance(plan, str | bytes) else plan)[0]["Plan"]
            blocks += top["Shared Hit Blocks"] + top["Shared Read Blocks"]
    return blocks


def measure_speed(ours: Server, copying: Server, rounds: int) -> Speed:
    """Read the same rows from both, in turns."""
    path = f"{READINGS}?id=lte.{SPEED_ROWS}"
    timed: list[list[tuple[float, float]]] = [[], []]
    for turn in range(rounds + 1):
        for side, server, target in ((0, ours, path), (1, copying, "/")):
            before = server.cpu_s()
            seconds = server.get(target).all_s
            if turn:  # the first one warms up
                timed[side].append((seconds, server.cpu_s() - before))
    middle = [median(pair[part] for pair in side) for side in timed for part in (0, 1)]
    return Speed(middle[0], middle[2], middle[1], middle[3])


# ------------------------------------------------------------------------------------------------ servers


def make_by_copy(url: str) -> Callable[..., Iterator[bytes]]:
    """Return a WSGI application that passes on what COPY gives, 1,000 rows at a time."""
    sql = f"COPY (SELECT row_to_json(r) FROM (SELECT * FROM reading WHERE id <= {SPEED_ROWS}) AS r) TO STDOUT"

    def application(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "application/x-ndjson")])
        rows: list[Any] = []
        with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor, cursor.copy(sql) as copy:
            for row in copy:
                rows.append(row)
                if len(rows) == 1000:
                    yield b"".join(rows)
                    rows.clear()
        yield b"".join(rows)

    return application


def load_by_copy() -> Callable[..., Iterator[bytes]]:
    """Make the application, in a worker."""
    return make_by_copy(sys.argv[3])


def serve_by_copy() -> None:
    """Serve it, with the settings of ``lazydb serve``: ``large.py by-copy PORT URL``."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    from qapla.serving import THREADS

    Granian(
        "by_copy",
        address="127.0.0.1",
        port=int(sys.argv[2]),
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=THREADS,
        backpressure=4 * THREADS,
        log_level=LogLevels.warning,
    ).serve(target_loader=load_by_copy, wrap_loader=False)


@contextmanager
def serving(arguments: list[str], port: int, path: str, **environment: str) -> Iterator[Server]:
    """Start a server and wait until it answers."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(arguments, env={**os.environ, **environment}, stdout=log, stderr=log)
        server = Server(port, process.pid)
        try:
            deadline = time.monotonic() + 60
            while not _answers(server, path):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise SystemExit(f"{arguments[:3]} does not answer:\n{log.read().decode()[-2000:]}")
                time.sleep(0.1)
            yield server
        finally:
            process.terminate()
            process.wait(30)


def _answers(server: Server, path: str) -> bool:
    try:
        server.get(path)
    except (OSError, http.client.HTTPException, SystemExit):
        return False
    return True


def plain(url: URL) -> str:
    """Return the URL as psycopg takes it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def serve_all(url: URL, rows: int) -> Iterator[tuple[Served, Server, Server]]:
    """Make the rows and give the database, a lazydb over it, and the handler that copies."""
    with psycopg.connect(plain(url), autocommit=True) as connection:
        for statement in TABLE.format(rows=rows).split(";"):
            connection.execute(statement)  # type: ignore[arg-type]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="qapla-large-"))
        served = serve_url(url, "big")
        stack.callback(served.bulkhead.close)
        ports = free_port(), free_port()
        lazydb = [str(Path(sys.executable).with_name("lazydb")), "serve", plain(url), "--name", "big", "--anonymous", "read"]
        lazydb += ["--port", str(ports[0]), "--log-level", "warning"]
        ours = stack.enter_context(serving(lazydb, ports[0], f"{READINGS}?limit=1", LAZYDB_HOME=folder))
        by_copy = [sys.executable, str(Path(__file__)), "by-copy", str(ports[1]), plain(url)]
        yield served, ours, stack.enter_context(serving(by_copy, ports[1], "/"))


def main() -> None:
    """Measure, print, and fail where something is too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--formats", default=",".join(ACCEPT))
    parser.add_argument("--url", help="of a PostgreSQL where databases may be made; one is started otherwise")
    options = parser.parse_args()
    if options.url:
        os.environ["QAPLA_TEST_POSTGRESQL_URL"] = options.url
    problems: list[str] = []
    with outside_pytest(), make_database("postgresql") as url, serve_all(make_url(url), options.rows) as (served, ours, copying):
        first, last = measure_pages(ours, options.rows, options.rounds)
        print(f"page by key, {options.rows:,} rows: first {first * 1000:.1f} ms, last {last * 1000:.1f} ms, ratio {last / first:.2f}")
        if last / first > PAGE_MOST:
            problems.append(f"the last page takes {last / first:.2f} times as long as the first")
        blocks = count_blocks(served)
        print(f"count=estimated: {blocks} blocks read")
        if blocks > BLOCKS_MOST:
            problems.append(f"an estimated total reads {blocks} blocks")
        for format in options.formats.split(","):
            done = export(ours, format, options.rows)
            print(
                f"export {format:8} first byte {done.first_s * 1000:6.0f} ms, {done.rows / done.all_s:9,.0f} rows/s, "
                f"{done.size / done.all_s / 2**20:6.1f} MiB/s, memory +{done.peak_mib:.1f} MiB"
            )
            if done.peak_mib > MEMORY_MOST_MIB:
                problems.append(f"the memory of an export as {format} grows by {done.peak_mib:.0f} MiB")
        speed = measure_speed(ours, copying, options.rounds)
        print(
            f"{SPEED_ROWS:,} rows: {speed.ours_s * 1000:.0f} ms, by COPY {speed.copy_s * 1000:.0f} ms, ratio {speed.ratio:.2f}; "
            f"CPU {speed.ours_cpu_s * 1000:.0f} and {speed.copy_cpu_s * 1000:.0f} ms, ratio {speed.copy_cpu_s / speed.ours_cpu_s:.2f}"
        )
        if speed.ratio < SPEED_LEAST:
            problems.append(f"{SPEED_ROWS:,} rows: {speed.ratio:.2f} is less than {SPEED_LEAST}")
    raise SystemExit("; ".join(problems) if problems else 0)


if __name__ == "__main__":
    serve_by_copy() if sys.argv[1:2] == ["by-copy"] else main()
