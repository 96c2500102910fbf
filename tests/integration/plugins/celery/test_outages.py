"""The database is killed and comes back while tasks run"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from qapla.testing import processes


@pytest.fixture
def server():
    """Give the folder of a PostgreSQL of its own, which runs as another user."""
    with tempfile.TemporaryDirectory(prefix="qapla-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder) / "server"


@pytest.fixture
def database_url(server):
    """Give the URL of its database."""
    yield processes.start_postgresql(server, os.getpid())
    processes.stop(server)


def test_the_database_goes_away_and_comes_back(harbour, tasks, server):
    """A task in the middle of its transaction and those that come meanwhile are done when it is back, each once."""
    harbour.stop_at("middle")
    harbour.start_worker(count=2)
    tasks.load.delay("tide")
    harbour.wait_for("middle")

    processes.kill(server)
    harbour.let_go("middle")
    for _ in range(5):
        tasks.load.delay("tide")
        tasks.note.delay("ebb")
    harbour.wait_until(lambda: harbour.log().count("something that it needs is away") >= 11)
    processes.start_again(server)

    harbour.wait_until_idle()
    assert (harbour.count("tide"), harbour.count("ebb")) == (6, 5)
