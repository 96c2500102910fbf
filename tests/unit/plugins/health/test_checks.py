"""qapla.plugins.health.checks: ask everything, wait for nobody too long"""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from qapla.plugins.health.checks import Health, Probe


def fail():
    """Fail."""
    raise ConnectionError("on purpose")


@pytest.fixture
def hanging():
    """Give a check that hangs until the end of the test, and how often it began."""
    gate, begun = threading.Event(), []

    def check():
        begun.append(1)
        gate.wait(10)

    yield check, begun
    gate.set()


def test_everything_is_well():
    """What a check returns is not looked at: it has not raised."""
    health = Health()
    health.add("moon", lambda: False)

    report = health.run()

    assert (report.is_ready, report.as_text()) == (True, "ok\nmoon ok\n")


def test_who_raises_has_failed(caplog):
    """One word tells it, the log the kind of error, and neither its text."""
    health = Health()
    health.add("broker", fail)
    health.add("moon", lambda: None)

    report = health.run()

    assert report.as_json() == {"status": "not ready", "checks": {"broker": "failed", "moon": "ok"}}
    assert "ConnectionError" in caplog.text
    assert "on purpose" not in caplog.text


def test_not_required():
    """What the application can do without is told, and changes nothing."""
    health = Health()
    health.add("broker", fail, required=False)

    report = health.run()

    assert (report.is_ready, report.as_text()) == (True, "ok\nbroker failed\n")


def test_deadline_is_for_all_together(hanging):
    """Many that hang cost no more time than one."""
    health = Health(deadline_s=0.2)
    for number in range(50):
        health.add(f"slow {number}", hanging[0])
    begun = time.monotonic()

    report = health.run()

    assert time.monotonic() - begun < 5  # of ten, one after the other
    assert {outcome.word for outcome in report.outcomes} == {"late"}
    assert not report.is_ready


def test_who_hangs_is_asked_once(hanging):
    """A supervisor that asks every second does not pile up threads."""
    health = Health(deadline_s=0.05)
    health.add("slow", hanging[0])

    threads = set(threading.enumerate())
    for _ in range(5):
        health.run()

    new = set(threading.enumerate()) - threads
    assert [thread.name for thread in new if thread.name.startswith("health")] == ["health-slow"]


def test_adding_again_replaces():
    """A name has one check."""
    health = Health()
    health.add("broker", fail)
    health.add("broker", lambda: None)

    assert health.run().is_ready


def test_found_checks_come_by_themselves():
    """What is found at a run is asked, and stays as it was added where it is known."""
    health = Health(find=lambda: [Probe("main", fail, True), Probe("moon", fail, True)])
    health.add("moon", lambda: None)

    assert health.run().as_json()["checks"] == {"main": "failed", "moon": "ok"}


def test_no_thread_is_left(monkeypatch):
    """A process that can start no thread at the moment is not ready; it is as soon as it can."""
    health = Health()
    health.add("moon", lambda: None)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        report = health.run()

    assert report.outcomes[0].word == "failed"
    assert health.run().is_ready


def test_whoever_leaves_in_another_way_has_failed():
    """Also who raises what is no ``Exception``: else the answer would be awaited for ever."""
    health = Health(deadline_s=5)
    health.add("moon", sys.exit)

    assert health.run().outcomes[0].word == "failed"


def test_forked_while_a_check_hangs(hanging):
    """A child asks by itself: the thread that its parent waits for does not live there."""
    check, _ = hanging
    parent, health = os.getpid(), Health(deadline_s=0.2)
    health.add("moon", lambda: check() if os.getpid() == parent else None)
    assert health.run().outcomes[0].word == "late"

    child = os.fork()
    if child == 0:
        health._deadline_s = 30
        os._exit(0 if health.run().is_ready else 1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0


def refuse(thread):
    """Refuse to start *thread*, as the system does."""
    raise RuntimeError("can't start new thread")
