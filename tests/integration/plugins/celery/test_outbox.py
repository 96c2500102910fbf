"""``celery:outbox``: what is committed is sent, whoever is killed meanwhile; what is rolled back is not"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from qapla.testing import processes

SENDER = """
    import os, signal, sys
    from HARBOUR.app import main
    from HARBOUR.tasks import count, load

    app = main.run_command()
    send = app["celery"].send_task

    def die(*arguments, **options):
        if sys.argv[1] == "after":
            send(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    app["celery"].send_task = die
    with app.scope() as scope:
        session = scope["database"]["main"]
        count(session, "passed")
        load.delay_after_commit("tide")
        session.commit()
"""


@pytest.fixture(autouse=True)
def _outbox(monkeypatch):
    monkeypatch.setenv("HARBOUR_OUTBOX", "1")


def left(harbour):
    """Return how many messages are in the outbox."""
    with harbour.app["database"]["main"].session() as session:
        return session.execute(text("SELECT count(*) FROM qapla_outbox")).scalar_one()


@pytest.mark.parametrize(("when", "engine"), [("before", "mariadb"), ("after", "postgresql"), ("after", "sqlite")])
def test_the_sender_is_killed(harbour, when):
    """Killed between its commit and the message, or between the message and its removal: the task is done, and once."""
    source = textwrap.dedent(SENDER).replace("HARBOUR", harbour.package)
    sender = subprocess.run([sys.executable, "-W", "ignore", "-c", source, when], capture_output=True, text=True)
    assert sender.returncode == -signal.SIGKILL, sender.stderr
    assert left(harbour) == 1

    harbour.start_worker()

    harbour.wait_until(lambda: left(harbour) == 0 and harbour.count("tide"))
    harbour.wait_until_idle()
    assert (harbour.count("tide"), harbour.count("passed")) == (1, 1)


class TestBrokerAway:
    """The broker is killed, and comes back."""

    @pytest.fixture
    def broker(self):
        """Give the folder of a Redis of its own, which runs as another user."""
        with tempfile.TemporaryDirectory(prefix="qapla-") as folder:
            os.chmod(folder, 0o755)
            yield Path(folder) / "server"

    @pytest.fixture
    def broker_url(self, broker):
        """Give its URL."""
        yield processes.start_redis(broker, os.getpid())
        processes.stop(broker)

    def test_work_is_committed_meanwhile(self, harbour, tasks, broker):
        """Whoever commits notices nothing but a short wait; what was rolled back leaves no message."""
        processes.kill(broker)
        begin = time.monotonic()
        for _ in range(2):
            with harbour.app.scope() as scope:
                session = scope["database"]["main"]
                tasks.count(session, "passed")
                tasks.load.delay_after_commit("tide")
                session.commit()
                tasks.note.delay_after_commit("ebb")
                session.rollback()
        assert time.monotonic() - begin < 15
        assert left(harbour) == 2
        harbour.start_worker()
        harbour.wait_until(lambda: "messages wait in the outbox" in harbour.log() or "Cannot connect to redis" in harbour.log())

        processes.start_again(broker)

        harbour.wait_until(lambda: left(harbour) == 0 and harbour.count("tide") == 2)
        harbour.wait_until_idle()
        assert (harbour.count("passed"), harbour.count("ebb")) == (2, 0)


@pytest.mark.parametrize("place", ["publishing", "published"])
def test_a_worker_is_killed_while_it_publishes(harbour, tasks, place):
    """A task that sends another one with its commit: both are done, and once."""
    harbour.stop_at(place)
    harbour.start_worker()
    tasks.pass_on.delay("tide")

    harbour.kill(place)

    harbour.wait_until(lambda: left(harbour) == 0 and harbour.count("tide"))
    harbour.wait_until_idle()
    assert (harbour.count("passed"), harbour.count("tide")) == (1, 1)
