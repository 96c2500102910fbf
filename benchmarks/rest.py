"""Reads over REST beside a hand-written WSGI handler, under the same server, in one run, on PostgreSQL.

Run: ``python benchmarks/rest.py [--seconds 3] [--rounds 3] [--connections 4]``; it needs ``wrk`` (a Debian package). lazydb runs as it is
served, ``lazydb serve URL --anonymous read``, without its access log. The other side is ``handwritten.py``: a pool of psycopg
connections and the very SQL that lazydb sends. Rounds alternate; the numbers are those of the middle round. A request of lazydb must
come to at least 0.35 of the requests per second of the other.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import psycopg

from qapla.database.query.description import Window
from qapla.driver.keys import find_target, key_condition
from qapla.driver.table_read import TableReadDriver
from qapla.plugins.rest.language import parse_query
from qapla.ports import READ_RIGHTS
from qapla.testing.catalogs import serve_url
from qapla.testing.servers import make_database, outside_pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

LEAST = 0.35
CASES = {
    "row by key": "orders/4711",
    "list of 20": "orders?order=id&limit=20",
    "list of 20, a filter": "orders?total=gt.500&order=id&limit=20",
    "20 rows, 2 embedded": "orders?select=id,total,placed_at,customer(id,name),line(product,amount)&order=id&limit=20",
}
TABLES = """
    CREATE TABLE customer (id integer PRIMARY KEY, name text NOT NULL, mail text, city text);
    CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer NOT NULL REFERENCES customer, total numeric(10,2) NOT NULL,
        placed_at timestamp NOT NULL, note text, is_paid boolean NOT NULL);
    CREATE TABLE line (order_id integer REFERENCES orders, number integer, product text NOT NULL, amount integer NOT NULL,
        PRIMARY KEY (order_id, number));
    INSERT INTO customer SELECT n, 'Customer ' || n, 'c' || n || '@example.org', 'City ' || n % 50 FROM generate_series(1, 1000) n;
    INSERT INTO orders SELECT n, n % 1000 + 1, (n * 37 % 100000) / 100.0, timestamp '2024-01-01' + n * interval '1 minute',
        CASE WHEN n % 3 = 0 THEN 'Note ' || n END, n % 2 = 0 FROM generate_series(1, 20000) n;
    INSERT INTO line SELECT n / 3 + 1, n % 3, 'Product ' || n % 100, n % 9 + 1 FROM generate_series(0, 59999) n;
    ANALYZE;
"""


@dataclass(frozen=True)
class Measured:
    """Requests per second, and microseconds of CPU per request in the server's processes."""

    per_second: float
    cpu_us: float


@dataclass(frozen=True)
class Server:
    """A server that runs: its port, and the process that we started."""

    port: int
    pid: int

    def cpu_s(self) -> float:
        """Return the CPU seconds of the process and its children so far."""
        ticks = 0
        for pid in (self.pid, *children(self.pid)):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def measure(self, path: str, seconds: int, connections: int) -> Measured:
        """Ask for *path* as often as it goes."""
        url = f"http://127.0.0.1:{self.port}{path}"
        before = self.cpu_s()
        done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", url], capture_output=True, text=True, check=True).stdout
        cpu = self.cpu_s() - before
        if "Non-2xx" in done or "Socket errors" in done:
            raise SystemExit(f"{url} failed under load:\n{done}")
        requests = int(re.search(r"(\d+) requests in", done)[1])  # type: ignore[index]
        per_second = float(re.search(r"Requests/sec:\s+([\d.]+)", done)[1])  # type: ignore[index]
        return Measured(per_second, cpu / requests * 1e6)


def children(pid: int) -> list[int]:
    """Return the processes below *pid*."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *children(int(child))]
    return found


def fill(url: URL) -> None:
    """Make the tables and their rows."""
    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute(TABLES)


def plain(url: URL) -> str:
    """Return the URL as psycopg takes it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def get_statements(url: URL) -> dict[str, tuple[str, list[Any]]]:
    """Return the SQL and values that lazydb sends for each case."""
    served = serve_url(url, "bench")
    found: dict[str, tuple[str, list[Any]]] = {}
    for target in CASES.values():
        path, _, text = target.partition("?")
        table, key = find_target(served.schema, path)
        query = parse_query(text, table.name)
        if key is not None:
            query = replace(query, where=key_condition(table, key), window=Window(1))
        seen: list[Any] = []
        served.bulkhead.on_statement[:] = [seen.append]
        TableReadDriver(served, READ_RIGHTS).page(query)
        found[f"/api/bench/{path}?{text}"] = (seen[0].sql, list(seen[0].values))
    served.bulkhead.close()
    return found


@contextmanager
def serving(arguments: list[str], port: int, path: str, **environment: str) -> Iterator[Server]:
    """Start a server and wait until it answers *path*."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(arguments, env={**os.environ, **environment}, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 30
            while not answers(port, path):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise SystemExit(f"{arguments[:3]} does not answer:\n{log.read().decode()[-2000:]}")
                time.sleep(0.1)
            yield Server(port, process.pid)
        finally:
            process.terminate()
            process.wait(15)


def answers(port: int, path: str) -> bool:
    """Tell whether *path* is answered with 200."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Measure, print, and fail when a ratio is too small."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=4, help="that ask at the same time")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not here: apt-get install wrk")
    with ExitStack() as stack:
        stack.enter_context(outside_pytest())
        url = stack.enter_context(make_database("postgresql"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qapla-bench-")))
        fill(url)
        statements = folder / "statements.json"
        statements.write_text(json.dumps(get_statements(url)))
        paths = {name: f"/api/bench/{target}" for name, target in CASES.items()}
        ports = free_port(), free_port()
        lazydb = [str(Path(sys.executable).with_name("lazydb")), "serve", plain(url), "--name", "bench", "--anonymous", "read"]
        lazydb += ["--port", str(ports[0]), "--log-level", "warning"]
        by_hand = [sys.executable, str(Path(__file__).with_name("handwritten.py")), str(ports[1]), plain(url), str(statements)]
        ours = stack.enter_context(serving(lazydb, ports[0], paths["row by key"], LAZYDB_HOME=str(folder / "home")))
        theirs = stack.enter_context(serving(by_hand, ports[1], paths["list of 20"]))
        worst = compare(ours, theirs, paths, options)
    raise SystemExit(0 if worst >= LEAST else f"{worst:.2f} is less than {LEAST}")


def compare(ours: Server, theirs: Server, paths: dict[str, str], options: argparse.Namespace) -> float:
    """Print one line per case; return the smallest ratio."""
    print(f"{'':24}{'requests/s':>24}{'ratio':>8}{'CPU per request, µs':>24}{'ratio':>8}")
    print(f"{'':24}{'lazydb':>12}{'by hand':>12}{'':8}{'lazydb':>12}{'by hand':>12}")
    worst = 1.0
    for name, path in paths.items():
        other = path if "?" in path else f"{path}?"
        for server, target in ((ours, path), (theirs, other)):
            server.measure(target, 1, options.connections)
        rounds = [
            (ours.measure(path, options.seconds, options.connections), theirs.measure(other, options.seconds, options.connections))
            for _ in range(options.rounds)
        ]
        speed = [median(pair[side].per_second for pair in rounds) for side in (0, 1)]
        cpu = [median(pair[side].cpu_us for pair in rounds) for side in (0, 1)]
        ratio = speed[0] / speed[1]
        worst = min(worst, ratio)
        print(f"{name:24}{speed[0]:12.0f}{speed[1]:12.0f}{ratio:8.2f}{cpu[0]:12.0f}{cpu[1]:12.0f}{cpu[0] / cpu[1]:8.2f}")
    return worst


if __name__ == "__main__":
    main()
