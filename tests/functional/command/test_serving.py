"""``lazydb serve`` as a process: workers, restarts, databases that are down, how it stops."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import httpx

from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from pathlib import Path

SEEN_S = GONE_S = 20.0  # a second, or five until what was removed answers no more, and the requests that find it out


def seconds_until(condition: Any, limit_s: float) -> float:
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < limit_s
        time.sleep(0.05)
    return time.monotonic() - begin


def statuses(server: Any, path: str, times: int = 12) -> set[int]:
    """Ask over connections of their own, so that every worker gets some."""

    def ask() -> int:
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status

    return {ask() for _ in range(times)}


def test_every_worker_sees_a_change(lazydb: Any, chinook: Path) -> None:
    """A database added by another process answers in all workers soon, and one removed is gone, without restart."""
    with lazydb.serving("--workers", "2") as server:
        before = statuses(server, "/api/shop/Genre")
        added = lazydb.run("add", f"sqlite:///{chinook}", "--name", "shop", "--anonymous", "read")
        seconds_until(lambda: statuses(server, "/api/shop/Genre", 4) == {200}, SEEN_S)
        everywhere = statuses(server, "/api/shop/Genre")
        lazydb.run("remove", "shop", "--yes")
        seconds_until(lambda: statuses(server, "/api/shop/Genre", 4) == {404}, GONE_S)

    assert (before, added.returncode, everywhere) == ({404}, 0, {200})


def test_killed_server_comes_back(lazydb: Any, chinook: Path) -> None:
    """After ``kill -9`` nothing holds the port, and everything that was registered is there."""
    with lazydb.serving(f"sqlite:///{chinook}", "--name", "shop", "--anonymous", "read") as server:
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(10)

        def is_free() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", server.port)) != 0

        seconds_until(is_free, 20)
    with lazydb.serving() as again:
        answer = httpx.get(f"{again.url}/api/shop/Genre", trust_env=False, timeout=30)

    assert answer.status_code == 200


def test_database_that_is_down_stops_nobody(lazydb: Any, chinook: Path) -> None:
    """A registered database that is gone at start answers 503; the others are served."""
    with make_database("postgresql") as url:
        added = lazydb.run("add", url.set(drivername="postgresql").render_as_string(False), "--name", "gone", "--anonymous", "read")
        assert added.returncode == 0, added.stderr
    with lazydb.serving(f"sqlite:///{chinook}", "--name", "shop", "--anonymous", "read") as server:
        shop = httpx.get(f"{server.url}/api/shop/Genre", trust_env=False, timeout=30)
        ready = httpx.get(f"{server.url}/readyz", trust_env=False, timeout=30)
        health = httpx.get(f"{server.url}/api/gone/-/health", trust_env=False, timeout=15)

    assert (shop.status_code, ready.status_code, health.status_code) == (200, 200, 503)


def test_request_under_way_is_finished(lazydb: Any, tmp_path: Path) -> None:
    """SIGTERM lets a long answer end in whole, and then the process is gone."""
    rows = 100_000  # more than the buffers below hold, and sent within the grace on a busy machine, too
    few = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)])
    path = tmp_path / "long.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE line (id INTEGER PRIMARY KEY, text TEXT)")
        connection.executemany("INSERT INTO line VALUES (?, ?)", ((number, f"line {number}") for number in range(rows)))
    with lazydb.serving(f"sqlite:///{path}", "--anonymous", "read") as server, server.client(transport=few) as client:
        with client.stream("GET", "/api/long/line", headers={"Accept": "text/csv"}) as answer:
            parts = answer.iter_bytes()
            body = next(parts)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            body += b"".join(parts)
        code = server.process.wait(60)

    assert body.count(b"\n") >= rows
    assert code == 0


def test_log_is_json_with_the_request(lazydb: Any) -> None:
    """Where nobody watches, each line of the log is an object, and one about a request has the id that the answer had."""
    with lazydb.serving() as server:
        answer = httpx.get(f"{server.url}/api/", trust_env=False, timeout=30)
        seconds_until(lambda: "/api/" in server.log, 20)
        entries = [json.loads(line) for line in server.log.splitlines()]

    found = next(entry for entry in entries if entry.get("path") == "/api/")
    assert found["request_id"] == answer.headers["X-Request-Id"]
    assert found["status"] == "200"


def test_links_are_below_the_root_path(lazydb: Any, chinook: Path) -> None:
    """Behind a proxy that puts lazydb elsewhere, links lead there."""
    with lazydb.serving(f"sqlite:///{chinook}", "--anonymous", "read", "--root-path", "/db") as server:
        answer = httpx.get(f"{server.url}/db/api/chinook/Genre?limit=1", trust_env=False, timeout=30)

    assert answer.links["next"]["url"].startswith("/db/api/chinook/Genre?")


def test_port_in_use(lazydb: Any) -> None:
    """A second server on the same port is refused in a sentence."""
    with lazydb.serving() as server:
        second = lazydb.run("serve", "--port", str(server.port))

    assert second.returncode == 1
    assert f"port {server.port} is in use" in second.stderr
    assert "Traceback" not in second.stderr


def test_open_door_needs_an_admin_with_a_password(lazydb: Any) -> None:
    """Nobody else's machine is let in before somebody can lock the door."""
    refused = lazydb.run("serve", "--host", "0.0.0.0", "--port", "1")
    lazydb.run("user", "add", "ada", "--password-stdin", stdin="correct horse battery\n")
    allowed = lazydb.run("serve", "--host", "203.0.113.1", "--port", "6543")

    assert refused.returncode == 1
    assert "no admin has a password" in refused.stderr
    assert "not an address of this machine" in allowed.stderr


def test_link_logs_in_once(lazydb: Any) -> None:
    """The printed link logs in the first who follows it, and nobody after that."""
    with lazydb.serving() as server:
        link = server.output.split("once: ")[1].split()[0]
        with server.client(follow_redirects=True) as first, server.client(follow_redirects=True) as second:
            inside = first.get(link)
            page = first.get("/admin/")
            outside = second.get(link)

    assert (inside.status_code, page.status_code, outside.status_code) == (200, 200, 410)
    assert "/admin/-/login" not in str(page.url)


def test_demo_does_what_it_prints(lazydb: Any) -> None:
    """Each of the three lines that the demo prints works as it stands, and the second start finds the data."""
    with lazydb.serving(command="demo") as server:
        lines = [line.strip() for line in server.output.splitlines()]
        browser = next(line for line in lines if line.endswith("in a browser")).split()[0]
        page = httpx.get(browser, headers={"Accept": "text/html"}, trust_env=False, timeout=30)
        curl, python = (next(line for line in lines if line.startswith(word)) for word in ("curl", "python3"))
        environment = {**lazydb.environment, "no_proxy": "127.0.0.1"}
        outputs = [subprocess.run(line, shell=True, capture_output=True, text=True, env=environment).stdout for line in (curl, python)]
        count = httpx.get(f"{server.url}/api/flights/flights?select=count()", trust_env=False, timeout=30).json()
        one = httpx.get(f"{server.url}/api/flights/flights/2013-01-01T10:00:00,UA,1545?select=dest", trust_env=False, timeout=30)
    [path] = lazydb.home.rglob("flights.sqlite")
    before = path.stat().st_ino
    with lazydb.serving(command="demo"):
        pass

    assert page.status_code == 200
    assert "flights" in page.text
    assert len(json.loads(outputs[0])) == 3
    assert "BQN" in outputs[1]
    assert count == [{"count": 336776}]
    assert one.status_code == 200
    assert path.stat().st_ino == before, "what is made anew is another file"
