"""qapla.testing.processes: servers of a test's own, which it may kill"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import NullPool, make_url, text
from sqlalchemy.exc import OperationalError

from qapla.database.database import open_engine
from qapla.testing import processes

if TYPE_CHECKING:
    from pathlib import Path

STARTS = {"postgresql": lambda folder: processes.start_postgresql(folder, os.getpid(), settings={"synchronous_commit": "on"})}
STARTS["mariadb"] = lambda folder: processes.start_mariadb(folder, os.getpid()) + "mysql"


@pytest.fixture
def folder():
    """Give a folder for servers, which are stopped afterwards."""
    with processes.server_folder() as folder:
        yield folder


@pytest.fixture
def ask():
    """Give a function that runs one statement on a new connection."""

    def run(url: str, sql: str) -> object:
        engine = open_engine(make_url(url), {"poolclass": NullPool, "pool_pre_ping": False})
        with engine.begin() as connection:
            result = connection.execute(text(sql))
            return result.scalar() if result.returns_rows else None

    return run


@pytest.mark.parametrize("engine_name", ["postgresql", "mariadb"])
def test_what_was_committed_survives_a_kill(folder: Path, ask, engine_name: str) -> None:
    """A killed server is gone at once, and comes back at its address with what was committed."""
    url = STARTS[engine_name](folder / "server")
    ask(url, "CREATE TABLE thing (id INTEGER)")
    ask(url, "INSERT INTO thing VALUES (1)")

    processes.kill(folder / "server")

    with pytest.raises(OperationalError):
        ask(url, "SELECT 1")
    processes.start_again(folder / "server")
    assert ask(url, "SELECT count(*) FROM thing") == 1


def test_ports_are_given_once() -> None:
    """Whoever asks for a port, in whatever process, gets another one; none of them is one that a connection begins at."""
    command = [sys.executable, "-c", "from qapla.testing.processes import free_port; print(*(free_port() for _ in range(50)))"]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    ports = [int(port) for each in asking for port in each.communicate()[0].split()]

    assert len(set(ports)) == 150
    assert set(ports) <= set(processes.PORTS)


def test_replica_follows_and_takes_no_writes(folder: Path, ask) -> None:
    """What the primary commits is soon on the replica."""
    url = processes.start_postgresql(folder / "primary", os.getpid())
    replica_url = processes.start_replica(folder / "replica", os.getpid(), url)

    ask(url, "CREATE TABLE thing (id INTEGER)")

    deadline = time.monotonic() + 10
    while ask(replica_url, "SELECT to_regclass('thing')") is None:
        assert time.monotonic() < deadline
    with pytest.raises(Exception, match="read-only"):
        ask(replica_url, "INSERT INTO thing VALUES (1)")
    assert ask(replica_url, "SELECT pg_is_in_recovery()") is True
