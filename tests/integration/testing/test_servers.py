"""The servers that tests run on are tested by being used."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, text

from qapla.testing import servers

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import URL


def test_fresh_database_is_empty_and_usable(fresh_database: URL) -> None:
    """A fresh database takes tables and rows."""
    engine = create_engine(fresh_database)

    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE thing (id INTEGER PRIMARY KEY)"))
        connection.execute(text("INSERT INTO thing VALUES (1)"))
        found = connection.execute(text("SELECT count(*) FROM thing")).scalar_one()
    engine.dispose()

    assert found == 1


def test_database_goes_while_somebody_is_in_it(engine_name: str) -> None:
    """An open transaction does not keep a test database from being dropped."""
    with servers.make_database(engine_name) as url:
        engine = create_engine(url)
        connection = engine.connect()
        connection.execute(text("CREATE TABLE thing (id INTEGER PRIMARY KEY)"))
        connection.commit()
        connection.execute(text("SELECT * FROM thing"))

    assert True, "leaving the block did not wait for the transaction"
    connection.invalidate()
    engine.dispose()


def test_two_phase_commit_is_on(postgresql_url: str) -> None:
    """PostgreSQL takes prepared transactions."""
    engine = create_engine(postgresql_url.replace("postgresql:", "postgresql+psycopg:"))

    with engine.connect() as connection:
        found = connection.execute(text("SHOW max_prepared_transactions")).scalar_one()
    engine.dispose()

    assert int(found) > 0


def test_redis_answers(redis_url: str) -> None:
    """Redis answers PING."""
    host, _, port = redis_url.removeprefix("redis://").split("/")[0].partition(":")

    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"PING\r\n")
        answer = connection.recv(64)

    assert answer == b"+PONG\r\n"


def test_sqlite_path_is_a_database(sqlite_path: Path) -> None:
    """The empty SQLite file has its header already."""
    assert sqlite_path.read_bytes().startswith(b"SQLite format 3\0")
