"""Exports in the background on the real command: with a broker and a worker, and in the serving process that is killed."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

LONG = """
CREATE TABLE line (id INTEGER PRIMARY KEY, text TEXT);
INSERT INTO line WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i, '=line ' || i FROM n;
CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;
"""


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """Give the test a database with a table of some rows and a view whose rows never end."""
    path = tmp_path / "long.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(LONG)
    return path


@contextmanager
def log_in(server: Any) -> Iterator[httpx.Client]:
    """Give a browser that is logged in by the link that the server printed."""
    with server.client(follow_redirects=True) as client:
        client.get(server.output.split("once: ")[1].split()[0])
        yield client


def begin(client: httpx.Client, table: str) -> None:
    """Begin an export as its form does."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get(f"/admin/long/{table}").text)
    assert token is not None
    answer = client.post(f"/admin/long/-/export/{table}", data={"csrf_token": token[1], "format": "csv"})
    assert answer.status_code == 200, answer.text


def wait_for_page(client: httpx.Client, text: str) -> str:
    """Return the page of exports as soon as it says *text*."""
    until = time.monotonic() + 30
    while text not in (page := client.get("/admin/-/exports").text):
        assert time.monotonic() < until, page
        time.sleep(0.1)
    return page


@pytest.fixture
def start_worker(lazydb: Any, tmp_path: Path) -> Iterator[Callable[[dict[str, str]], None]]:
    """Give the test a function that starts ``lazydb worker``."""
    started: list[subprocess.Popen[bytes]] = []

    def start(environment: dict[str, str]) -> None:
        with (tmp_path / "worker.log").open("wb") as log:
            process = subprocess.Popen([*lazydb.command, "worker"], stdout=log, stderr=log, env={**lazydb.environment, **environment})
        started.append(process)

    yield start
    for process in started:
        process.terminate()
        process.wait(20)


def test_worker_makes_the_export(lazydb: Any, long: Path, redis_url: str, start_worker: Any) -> None:
    """With a broker an export waits until there is a worker, which writes the same file; a deleted one ends by itself."""
    environment = {"LAZYDB_BROKER_URL": re.sub(r"/\d*$", "/11", redis_url)}
    with lazydb.serving(f"sqlite:///{long}", "--name", "long", **environment) as server, log_in(server) as client:
        begin(client, "line")
        before = wait_for_page(client, "waiting")
        start_worker(environment)
        page = wait_for_page(client, "Download")
        found = re.search(r'href="(/admin/-/exports/[^"]+/file)"', page)
        assert found is not None
        answer = client.get(found[1])

        begin(client, "endless")
        running = wait_for_page(client, "being written")
        for path in re.findall(r'action="(/admin/-/exports/[^"]+/delete)"', running):
            client.post(path, data={"csrf_token": re.findall(r'name="csrf_token" value="([^"]+)"', running)[0]})
        folder = lazydb.home / "exports"
        until = time.monotonic() + 10
        while any(folder.iterdir()):
            assert time.monotonic() < until, list(folder.iterdir())
            time.sleep(0.1)

    assert "Download" not in before
    assert "5,000 rows, " in page
    assert answer.text.splitlines()[:2] == ["id,text", "1,'=line 1"]
    assert len(answer.text.splitlines()) == 5001


def test_killed_server_says_so(lazydb: Any, long: Path) -> None:
    """After ``kill -9`` in the middle of an export the next server says that it was stopped, and offers to start it again."""
    with lazydb.serving(f"sqlite:///{long}", "--name", "long") as server, log_in(server) as client:
        begin(client, "endless")
        wait_for_page(client, "being written")
        main = server.process.pid
        for pid in [main, *map(int, Path(f"/proc/{main}/task/{main}/children").read_text().split())]:
            os.kill(pid, signal.SIGKILL)
        server.process.wait(10)
    with closing(sqlite3.connect(lazydb.home / "registry.sqlite")) as connection, connection:
        connection.execute("UPDATE job SET beat_at = datetime(beat_at, '-1 minute')")  # which is what waiting does

    with lazydb.serving() as again, log_in(again) as client:
        page = wait_for_page(client, "the process was stopped before it was done")

    assert "Start again" in page
    assert "Download" not in page
