"""Databases that hang, go and come back, change under way; a server that is killed. The others are served as before."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import statistics
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import NullPool, create_engine

from qapla.testing.line import Line
from qapla.testing.oddities import run_script
from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_S = 10  # until a database in trouble has its 503 or 504, and until it is normal again after its return
TABLE = "CREATE TABLE thing (id integer PRIMARY KEY, name varchar(20));\nINSERT INTO thing VALUES (1, 'one');\n"


def get(client: Any, path: str) -> tuple[int, float]:
    """Return the status of an answer and the seconds until it."""
    begin = time.monotonic()
    return client.get(path).status_code, time.monotonic() - begin


def seconds_until(condition: Any, limit_s: float) -> float:
    """Wait for something to become true."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < limit_s
        time.sleep(0.1)
    return time.monotonic() - begin


@contextmanager
def two_databases(engine: str, home: Any, folder: Path, ugly: Any) -> Iterator[tuple[Any, Line, Any]]:
    """Serve a database over a line, and a file beside it."""
    path = folder / "file.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(TABLE)
    with make_database(engine) as url:
        run_script(url, TABLE)
        with Line(url.host, url.port) as line:
            far = ugly.target_of(url.set(port=line.port))
            done = home.run("add", far, "--name", "far", "--anonymous", "write", "--writable")
            assert done.returncode == 0, done.stderr
            with home.serving(f"sqlite:///{path}", "--name", "near", "--anonymous", "read") as server:
                yield server, line, url


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_a_database_in_trouble_stays_alone_in_it(engine: str, make_home: Any, tmp_path: Path, ugly: Any) -> None:
    """Silent or gone: 503 or 504 within 10 s however many ask, the other database as fast as before, all well within 10 s of its return."""
    with two_databases(engine, make_home(), tmp_path, ugly) as (server, line, _url), server.client() as client:
        assert get(client, "/api/far/thing")[0] == 200
        before = statistics.median(get(client, "/api/near/thing")[1] for _ in range(30))
        line.silence()
        troubled: list[tuple[int, float]] = []

        def bother() -> None:
            with server.client() as other:
                troubled.append(get(other, "/api/far/thing"))

        callers = [threading.Thread(target=bother) for _ in range(20)]
        for caller in callers:
            caller.start()
        during = [get(client, "/api/near/thing") for _ in range(50)]
        for caller in callers:
            caller.join()
        line.mend()
        seconds_until(lambda: get(client, "/api/far/thing")[0] == 200, LIMIT_S)
        line.cut()
        gone = get(client, "/api/far/thing")
        line.mend()
        seconds_until(lambda: get(client, "/api/far/thing")[0] == 200, LIMIT_S)

    assert {status for status, _ in troubled} <= {503, 504}
    assert max(seconds for _, seconds in troubled) < LIMIT_S
    assert {status for status, _ in during} == {200}
    assert statistics.median(seconds for _, seconds in during) < before * 3 + 0.5  # who waited for the other one would wait for seconds
    assert gone[0] == 503
    assert gone[1] < LIMIT_S


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_a_table_that_changes_under_way_is_a_clear_error(engine: str, make_home: Any, tmp_path: Path, ugly: Any) -> None:
    """A column that is dropped, a table that is gone: a 4xx that says so, and then what there is now, without anybody's doing."""
    with two_databases(engine, make_home(), tmp_path, ugly) as (server, _line, url), server.client() as client:
        assert client.get("/api/far/thing").json() == [{"id": 1, "name": "one"}]
        execute(url, "ALTER TABLE thing DROP COLUMN name")
        dropped = client.get("/api/far/thing")
        seconds_until(lambda: client.get("/api/far/thing").json() == [{"id": 1}], LIMIT_S)
        execute(url, "DROP TABLE thing")
        gone = client.get("/api/far/thing")
        seconds_until(lambda: client.get("/api/far/thing").json()["code"] == "PGRST205", LIMIT_S)

    assert 400 <= dropped.status_code < 500
    assert dropped.json()["code"] in {"42703", "PGRST204"}
    assert 400 <= gone.status_code < 500


def execute(url: Any, statement: str) -> None:
    """Run a statement beside lazydb."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_a_killed_server_leaves_no_half_of_a_write(engine: str, make_home: Any, tmp_path: Path, ugly: Any) -> None:
    """``kill -9`` in the middle of a bulk insert: every row is there, or none."""
    rows = 20_000
    body = json.dumps([{"id": number, "name": "x" * 20} for number in range(10, 10 + rows)])
    home = make_home()
    with two_databases(engine, home, tmp_path, ugly) as (server, _line, url):

        def insert() -> None:
            with contextlib.suppress(Exception), server.client() as client:
                client.post("/api/far/thing", content=body, headers={"Content-Type": "application/json"})

        writer = threading.Thread(target=insert)
        writer.start()
        time.sleep(0.7)
        workers = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        for process in (server.process.pid, *map(int, workers)):
            os.kill(process, signal.SIGKILL)
        writer.join(30)
        server.process.wait(10)
        time.sleep(1)  # the database notices
        found = []
        made = create_engine(url, poolclass=NullPool)
        with made.connect() as connection:
            found = list(connection.exec_driver_sql("SELECT count(*) FROM thing WHERE id >= 10").scalars())

    assert found[0] in {0, rows}


def test_a_registry_that_is_locked_stops_nobody(make_home: Any, tmp_path: Path) -> None:
    """While something holds the registry's file, what is registered is served; a change is refused in a sentence."""
    path, home = tmp_path / "shop.sqlite", make_home()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(TABLE)
    with home.serving(f"sqlite:///{path}", "--anonymous", "read") as server, server.client() as client:
        [registry] = [each for each in home.home.rglob("*") if each.is_file() and each.read_bytes()[:15] == b"SQLite format 3"]
        with closing(sqlite3.connect(registry, isolation_level=None)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            time.sleep(1.2)  # longer than the registry is believed without a look
            answers = [get(client, "/api/shop/thing") for _ in range(10)]
            refused = home.run("remove", "shop", "--yes")
        later = get(client, "/api/shop/thing")

    assert {status for status, _ in [*answers, later]} == {200}
    assert max(seconds for _, seconds in answers) < 2
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr


def test_one_of_two_gets_the_name(make_home: Any, tmp_path: Path) -> None:
    """Two processes that register the same name at once: one does, the other is told that it is taken."""
    home = make_home()
    assert home.run("list").returncode == 0  # the registry is made
    done: list[Any] = []
    for name in ("a", "b", "c"):
        with closing(sqlite3.connect(tmp_path / f"{name}.sqlite")) as connection, connection:
            connection.executescript(TABLE)
    adders = [
        threading.Thread(target=lambda name=name: done.append(home.run("add", f"sqlite:///{tmp_path}/{name}.sqlite", "--name", "same")))
        for name in ("a", "b", "c")
    ]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()

    assert sorted(each.returncode for each in done) == [0, 1, 1]
    assert all("'same'" in each.stderr and "Traceback" not in each.stderr for each in done if each.returncode)
