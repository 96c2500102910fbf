"""request.main in every ending of a request, behind a real server; what PostgreSQL sees is what counts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import httpx
import pytest
from sqlalchemy import NullPool, create_engine, text

from qapla.testing import servers
from qapla.testing.processes import free_port

APPLICATION = '''
import os
from pyramid.response import Response
from sqlalchemy import text
from qapla.database.application import DatabaseApplication
from qapla.database.database import Database

class Words(DatabaseApplication):
    class MetaConfig:
        settings_module = "lazydb.settings"
    def append_app_plugins(self):
        self.add_database_app([Database("main")])
    def append_web_plugins(self):
        self.add_database_web()
        for view in (endless, breaks, fails, subrequest, subrequest_fails, ready):
            self.config.add_route(view.__name__, f"/{view.__name__}")
            self.config.add_view(view, route_name=view.__name__)
        self.config.add_exception_view(show, context=ValueError)

def insert(request):
    request.main.execute(text("INSERT INTO word VALUES (:path)"), {"path": request.path})

def endless(request):
    """A download that only the client's going ends."""
    def body():
        insert(request)
        while True:
            yield request.main.scalar(text("SELECT repeat('x', 65536)")).encode()
    return Response(app_iter=body())

def breaks(request):
    """A download that fails in the middle."""
    def body():
        insert(request)
        yield b"begun"
        raise KeyError("in the middle")
    return Response(app_iter=body())

def fails(request):
    insert(request)
    raise ValueError("on purpose")

def show(error, request):
    """The exception view goes on with the same session, in which the work of the view is still to be seen."""
    return Response(f"{request.main.scalar(text('SELECT count(*) FROM word'))} and {error}", status=500)

def subrequest(request):
    insert(request)
    return request.invoke_subrequest(type(request).blank("/ready"))

def subrequest_fails(request):
    insert(request)
    return request.invoke_subrequest(type(request).blank("/fails"), use_tweens=True)

def ready(request):
    return Response(str(request.main.scalar(text("SELECT count(*) FROM word"))))

app = Words().run_uwsgi({"db:main:url": os.environ["DATABASE"]})
'''


@pytest.fixture(scope="module")
def database():
    """Give the URL of a database with one empty table."""
    with servers.make_database("postgresql") as url:
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE word (value TEXT)"))
        yield url


@pytest.fixture(scope="module")
def port(database, tmp_path_factory):
    """Give the port of a real server with the application."""
    folder, port = tmp_path_factory.mktemp("endings"), free_port()
    (folder / "words.py").write_text(APPLICATION)
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "--blocking-threads", "4", "words:app"]
    environment = {**os.environ, "DATABASE": database.render_as_string(hide_password=False)}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while not answers(port):
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def answers(port):
    """Tell whether the server does."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready", trust_env=False, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def open_transactions(database):
    """Return how many transactions are open in the database, but for the one that asks."""
    engine = create_engine(database, poolclass=NullPool)
    with engine.connect() as connection:
        sql = (
            "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
            " AND backend_type = 'client backend'"
        )
        return connection.execute(text(sql)).scalar()


def assert_all_is_over(database, port):
    """No transaction is left within a moment, and nothing was kept."""
    deadline = time.monotonic() + 10
    while open_transactions(database):
        assert time.monotonic() < deadline, "a session is open"
        time.sleep(0.05)
    assert httpx.get(f"http://127.0.0.1:{port}/ready", trust_env=False, timeout=30).text == "0"


def test_client_goes_away(database, port):
    """A client that closes in the middle of a download ends the session; what was written is rolled back."""
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 200")

    assert_all_is_over(database, port)


def test_streamed_answer_breaks(database, port):
    """An error in the body ends the session, too."""
    with suppress(httpx.HTTPError):  # whether the client is told is the server's affair
        httpx.get(f"http://127.0.0.1:{port}/breaks", trust_env=False, timeout=30)

    assert_all_is_over(database, port)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [("fails", 500, "1 and on purpose"), ("subrequest", 200, "0"), ("subrequest_fails", 500, "1 and on purpose")],
)
def test_other_endings(database, port, path, status, said):
    """Exception views see the work of the view; subrequests have a session of their own; nothing of it stays."""
    answer = httpx.get(f"http://127.0.0.1:{port}/{path}", trust_env=False, timeout=20)

    assert (answer.status_code, answer.text) == (status, said)
    assert_all_is_over(database, port)
