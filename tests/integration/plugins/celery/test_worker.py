"""A real worker on a real broker"""

from __future__ import annotations

import signal
import subprocess

import pytest


def test_many_tasks_in_processes_that_were_forked(harbour, tasks):
    """Each is done once, in a scope of its own, though a connection was open before the fork; the application stops with the worker."""
    worker = harbour.start_worker(count=3)
    for _ in range(30):
        tasks.note.delay("tide")

    harbour.wait_until(lambda: harbour.count("tide") == 30)
    harbour.wait_until_idle()
    worker.send_signal(signal.SIGTERM)
    worker.wait(20)

    assert (harbour.folder / harbour.package / "stopped").exists()
    assert "Traceback" not in harbour.log()


def test_what_fails_is_rolled_back_and_logged(harbour, tasks):
    """The log has the id of the task; a task that would part its work from its receipt fails."""
    harbour.start_worker()

    failed = tasks.forget.delay("tide")
    tasks.hasty.delay("ebb")

    harbour.wait_until(lambda: "hasty" in harbour.log())
    harbour.wait_until_idle()
    assert (harbour.count("tide"), harbour.count("ebb")) == (0, 0)
    assert f"forget[{failed.id}] raised unexpected: ValueError('tide')" in harbour.log()
    assert "its session is committed with the receipt, when the task ends (take the commit out" in harbour.log()


def test_a_task_that_hangs_is_ended(harbour, tasks):
    """It has failed, its work is rolled back, and the next one is done."""
    harbour.stop_at("middle")
    harbour.start_worker()
    tasks.load.delay("tide")
    harbour.wait_for("middle")
    tasks.load.delay("ebb")

    harbour.wait_until(lambda: harbour.count("ebb") == 1)
    harbour.wait_until_idle()

    assert harbour.count("tide") == 0
    assert "SoftTimeLimitExceeded" in harbour.log()


def test_beat(harbour, monkeypatch):
    """A schedule is a setting like any other."""
    monkeypatch.setenv("HARBOUR_BEAT", "1")
    harbour.start_worker()
    harbour.start([*harbour.qapla, "beat", "--schedule", str(harbour.folder / "schedule")])

    harbour.wait_until(lambda: harbour.count("ebb") >= 2)


@pytest.mark.parametrize("engine", ["sqlite"])
def test_every_command_of_celery(harbour, monkeypatch):
    """``qapla celery`` passes on what it is told, ``--help``, too; a setting that is wrong is one line."""
    helped = subprocess.run([*harbour.qapla, "worker", "--help"], capture_output=True, text=True)
    monkeypatch.setenv("QAPLA__CELERY__TASK_TIMELIMIT", "3")
    refused = subprocess.run([*harbour.qapla, "report"], capture_output=True, text=True)

    assert "--concurrency" in helped.stdout
    assert refused.returncode == 1
    assert refused.stderr.startswith("qapla: setting 'celery:task_timelimit' in environment variable")
    assert refused.stderr.endswith("(did you mean 'task_time_limit'?)\n")
