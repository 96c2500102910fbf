"""Rounds of register, use and remove on one running server, and what is left behind: connections, threads, file handles, memory.

    python benchmarks/soak.py [--rounds 1000] [--seconds 300] [--engine postgresql|mariadb|sqlite]

Each round registers a database in the registry, as a command beside the server does, reads and writes over REST, and removes it. Some
rounds go on at once: a server looks at its registry once a second. Printed are the figures of the serving process after a warm-up and
at the end; they shall be the same.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from qapla.testing import servers
from qapla.testing.oddities import run_script
from qapla.testing.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = "CREATE TABLE thing (id integer PRIMARY KEY, name varchar(20));\nINSERT INTO thing VALUES (1, 'one');\n"
WAIT_S = 15
AT_ONCE = 10
WARM_UP = 40  # rounds until everything that is loaded once is loaded
CLOSED_WITHIN_S = 6  # what was removed is closed in every process within 5 s


@dataclass(frozen=True)
class Figures:
    """What a process has."""

    connections: int  # to the database
    threads: int
    files: int
    memory_kib: int


@dataclass(frozen=True)
class Soaked:
    """What was measured."""

    rounds: int
    seconds: float
    before: Figures
    after: Figures


@contextmanager
def serving(home: Path) -> Iterator[tuple[str, int]]:
    """Serve an empty lazydb; yield its URL and the process that answers."""
    port = free_port()
    environment = {**os.environ, "LAZYDB_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", "from lazydb.commands import main; main()", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(url), WAIT_S * 4)
        yield url, worker_of(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    """Tell whether the server is up."""
    try:
        return httpx.get(f"{url}/healthz", trust_env=False, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def worker_of(pid: int) -> int:
    """Return the child of *pid* that has loaded most: the one that answers."""
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return max([pid, *children], key=resident_kib)


def resident_kib(pid: int) -> int:
    """Return the memory of a process."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


def measure(pid: int, database: Any) -> Figures:
    """Return the figures of the process *pid*."""
    status = Path(f"/proc/{pid}/status").read_text()
    threads = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Threads"))
    return Figures(count_connections(database), threads, len(os.listdir(f"/proc/{pid}/fd")), resident_kib(pid))


def measure_at_rest(pid: int, database: Any) -> Figures:
    """Return the figures when what was removed is closed, or should be by far."""
    time.sleep(CLOSED_WITHIN_S)
    with suppress(TimeoutError):
        wait_for(lambda: count_connections(database) == 0, WAIT_S)
    return measure(pid, database)


def count_connections(url: Any) -> int:
    """Return how many connections the server of a database has to it, but for the one that asks."""
    from sqlalchemy import NullPool, create_engine

    sql = {
        "postgresql": "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'",
        "mysql": "SELECT count(*) - 1 FROM information_schema.processlist WHERE db = database()",
        "mariadb": "SELECT count(*) - 1 FROM information_schema.processlist WHERE db = database()",
    }.get(url.get_backend_name())
    if sql is None:
        return 0
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(sql).scalar_one())


def wait_for(condition: Any, limit_s: float) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {limit_s} s")
        time.sleep(0.02)


def soak(engine: str, rounds: int, seconds: float) -> Soaked:
    """Register, use and remove a database *rounds* times, or as often as fits into *seconds*."""
    with tempfile.TemporaryDirectory() as folder, servers.make_database(engine) as url:
        run_script(url, TABLE)
        home = Path(folder)
        with serving(home) as (address, pid), httpx.Client(base_url=address, trust_env=False, timeout=30) as client, changing(home) as app:
            begin, done = time.monotonic(), 0
            before = None
            while done < rounds + WARM_UP and time.monotonic() - begin < seconds:
                use(app, client, url, [f"soak-{done + number}" for number in range(AT_ONCE)])
                done += AT_ONCE
                if done == WARM_UP:
                    before = measure_at_rest(pid, url)
            assert before is not None
            return Soaked(done - WARM_UP, time.monotonic() - begin, before, measure_at_rest(pid, url))


@contextmanager
def changing(home: Path) -> Iterator[Any]:
    """Yield a second process's view of the registry, which is where databases are registered and removed."""
    from lazydb.application import LazydbApplication

    registry = next(path for path in home.rglob("*") if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3")
    key = (home / "secret.key").read_text().strip()
    app = LazydbApplication().run_tests({"db:main:url": f"sqlite:///{registry}", "lazydb:home": str(home), "lazydb:secret_key": key})
    try:
        yield app
    finally:
        app.stop()


def use(app: Any, client: httpx.Client, url: Any, names: list[str]) -> None:
    """One round for each of *names*."""
    for name in names:
        app["connections"].add(spec_of(url), name=name, settings={"anonymous": "write", "writable": True})
    for name in names:
        wait_for(lambda name=name: client.get(f"/api/{name}/thing").status_code == 200, WAIT_S)
        assert client.get(f"/api/{name}/thing?id=eq.1").json() == [{"id": 1, "name": "one"}]
        assert client.post(f"/api/{name}/thing", json={"id": 2, "name": "two"}, headers={"Prefer": "tx=rollback"}).status_code == 201
        assert client.get(f"/api/{name}/thing", headers={"Accept": "text/csv"}).text == "id,name\n1,one\n"
        app["connections"].remove(name)
    for name in names:
        wait_for(lambda name=name: client.get(f"/api/{name}/thing").status_code == 404, WAIT_S)


def spec_of(url: Any) -> Any:
    """Return what a person would type for a test database."""
    from qapla.database.spec import from_fields

    if url.get_backend_name() == "sqlite":
        return from_fields({"engine": "sqlite", "path": url.database})
    engine = "mysql" if url.get_backend_name() == "mariadb" else url.get_backend_name()
    return from_fields({"engine": engine, "host": url.host, "port": url.port, "user": url.username, "database": url.database})


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--engine", choices=servers.ENGINE_NAMES, default="postgresql")
    given = parser.parse_args()
    with servers.outside_pytest():
        print(json.dumps(asdict(soak(given.engine, given.rounds, given.seconds)), indent=2))


if __name__ == "__main__":
    main()
