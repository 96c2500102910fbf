"""The Test of a connection, against real servers and against what only looks like one."""

from __future__ import annotations

import gc
import socket
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from qapla.database import connect
from qapla.database.catalog import Options
from qapla.database.check import Checked, check
from qapla.database.spec import ConnectionSpec, from_fields
from qapla.errors import ConfigurationError
from qapla.testing import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import URL

FIELDS = {"host": "127.0.0.1", "user": "nobody", "password": "geheim", "database": "nothing"}


def spec_of(url: URL, **changed: object) -> ConnectionSpec:
    """Return the spec of a test database, with some fields changed."""
    if url.get_backend_name() == "sqlite":
        return from_fields({"engine": "sqlite", "path": url.database})
    fields = {"engine": url.get_backend_name(), "host": url.host, "port": url.port, "user": url.username, "database": url.database}
    return from_fields({**fields, "password": url.password, **changed})


@contextmanager
def listener(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """Listen on a port, *answer* every connection, and keep it open unless the answer closes it."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=20) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    accepted.append(server.accept()[0])
                    answer(accepted[-1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connected in accepted:
        connected.close()


def failure(checked: Checked) -> tuple[str, str]:
    """Return name and message of the step that failed."""
    assert checked.failure is not None
    assert not checked.ok
    return checked.failure.name, checked.failure.message


def test_a_good_database_passes_every_step(fresh_database: URL) -> None:
    """Each step has a time and says what it found; the schema comes with it."""
    checked = check(spec_of(fresh_database))

    is_file = fresh_database.get_backend_name() == "sqlite"
    names = ["file", "catalog", "privileges"] if is_file else ["resolve", "tcp", "tls", "login", "catalog", "privileges"]
    assert [step.name for step in checked.steps] == names
    assert all(step.ok and step.seconds >= 0 and step.message for step in checked.steps)
    assert checked.schema is not None
    assert checked.latency_s is not None


def test_privileges_are_told(sqlite_path: Path) -> None:
    """The last step says what the account could write, and that writing is off."""
    with sqlite3.connect(sqlite_path) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    connection.close()
    spec = ConnectionSpec("sqlite", path=str(sqlite_path))

    said = "1 can be read, 1 could be written by this account"
    assert check(spec).steps[-1].message == f"{said}; writing is switched off here"
    assert check(spec, Options(writable=True)).steps[-1].message == said


@pytest.mark.parametrize("engine_name", ["postgresql", "mariadb"])
@pytest.mark.parametrize(
    ("changed", "step", "message"),
    [
        ({"database": "nothing-there"}, "login", "database 'nothing-there' does not exist"),
        ({"user": "nobody_x", "password": "geheim"}, "login", "user 'nobody_x' "),
        ({"port": 1}, "tcp", "nothing listens on 127.0.0.1:1: the connection is refused"),
        ({"host": "nowhere.invalid"}, "resolve", "host 'nowhere.invalid' is not known"),
        ({"host": "169.254.169.254"}, "resolve", "it is a link-local or metadata address"),
    ],
)
def test_the_cause_is_said_in_words(fresh_database: URL, changed: dict[str, object], step: str, message: str) -> None:
    """A wrong database, login, port or host ends the Test at its step, with the cause and without the password."""
    checked = check(spec_of(fresh_database, **changed))

    name, said = failure(checked)
    assert name == step
    assert message in said
    assert "geheim" not in repr(checked)


@pytest.mark.parametrize("engine_name", ["postgresql", "mariadb"])
def test_missing_tls_is_refused_only_where_it_must_be(fresh_database: URL) -> None:
    """A server without TLS passes with ``prefer``, said aloud, and fails with ``require``."""
    preferred, required = check(spec_of(fresh_database)), check(spec_of(fresh_database, sslmode="require"))

    tls = preferred.steps[2]
    if tls.message.startswith("TLS"):
        pytest.skip("this server offers TLS")
    assert "in the clear" in tls.message
    assert failure(required) == ("tls", "the server offers no TLS")


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # oracledb drops its socket without closing it
@pytest.mark.parametrize("engine", ["postgresql", "mariadb", "mysql", "oracle"])
@pytest.mark.parametrize("sslmode", ["prefer", "disable"])
def test_a_silent_listener_is_given_up(engine: str, sslmode: str) -> None:
    """Whatever takes connections and says nothing fails within its timeout, and the whole Test within ten seconds."""
    with listener(lambda connected: None) as port:
        started = time.monotonic()

        checked = check(from_fields({**FIELDS, "engine": engine, "port": port, "connect_timeout": 1, "sslmode": sslmode}), budget_s=2.5)

    took_s = time.monotonic() - started
    for thread in threading.enumerate():
        if thread.name == "check":
            thread.join(30)
    gc.collect()
    assert took_s < 9  # the steps by themselves would take longer, or for ever
    assert failure(checked)[0] in ("tls", "login")


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x00" * 200, b"\xff" * 200])
def test_another_server_is_told_apart(engine: str, said: bytes) -> None:
    """A listener that is no such server fails at once, whatever it sends."""

    def answer(connected: socket.socket) -> None:
        with suppress(OSError):
            connected.sendall(said)
        connected.close()

    with listener(answer) as port:
        checked = check(from_fields({**FIELDS, "engine": engine, "port": port}), budget_s=5)

    assert failure(checked)[0] == "tls"


def test_mariadb_refusing_to_talk_is_quoted() -> None:
    """An error in place of the greeting is shown."""
    packet = b"\xff\x10\x04#08004Too many connections"

    def answer(connected: socket.socket) -> None:
        connected.sendall(len(packet).to_bytes(3, "little") + b"\0" + packet)
        connected.close()

    with listener(answer) as port:
        checked = check(from_fields({**FIELDS, "engine": "mariadb", "port": port}))

    assert "Too many connections" in failure(checked)[1]


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """A file that was replaced by something else fails in its first step."""
    path = tmp_path / "text.sqlite"
    path.write_text("hello, this is not a database at all")

    checked = check(ConnectionSpec("sqlite", path=str(path)))

    assert failure(checked) == ("file", f"file {str(path)!r} is not a SQLite database")


def test_a_damaged_file_is_an_answer_not_a_crash(tmp_path: Path) -> None:
    """A file with the right header and garbage behind it fails while the catalog is read."""
    path = tmp_path / "damaged.sqlite"
    path.write_bytes(b"SQLite format 3\x00" + b"\x10\x00\x01\x01\x00\x40\x20\x20" + b"\xee" * 4096)

    assert failure(check(ConnectionSpec("sqlite", path=str(path))))[0] == "catalog"


@pytest.mark.parametrize(("engine", "extra"), [("postgresql", "postgresql"), ("mariadb", "mysql"), ("oracle", "oracle")])
def test_a_missing_driver_names_its_extra(engine: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the driver the Test says which extra to install."""

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(connect, "import_module", missing)
    url = servers.get_server_url("postgresql").rpartition("@")[2].partition("/")[0]
    host, _, port = url.partition(":")

    with pytest.raises(ConfigurationError, match=rf"qapla\[{extra}\]"):
        connect.make_engine(from_fields({**FIELDS, "engine": engine}))
    if engine == "postgresql":
        checked = check(from_fields({**FIELDS, "engine": engine, "host": host, "port": port}))
        assert checked.failure is not None
        assert checked.failure.hint == "pip install 'qapla[postgresql]'"
