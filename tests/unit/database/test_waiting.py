"""qapla.database.waiting: calls that nobody can interrupt"""

from __future__ import annotations

import threading

import pytest

from qapla.database.waiting import call_within


@pytest.mark.parametrize("seconds", [None, 30.0])
def test_gives_the_answer(seconds: float | None) -> None:
    """A call that is in time gives what it gives, also None."""
    assert call_within(seconds, lambda: None, name="asked") is None


@pytest.mark.parametrize("seconds", [None, 30.0])
def test_raises_what_the_call_raises(seconds: float | None) -> None:
    """Any exception comes through, also one that is no Exception."""

    def panic() -> None:
        raise BaseException("panicked")

    with pytest.raises(BaseException, match="panicked"):
        call_within(seconds, panic, name="asked")


def test_leaves_behind_what_is_late() -> None:
    """A call that takes longer goes on by itself, in a thread that keeps no process from ending."""
    may_end, ended = threading.Event(), threading.Event()
    running: list[threading.Thread] = []

    def work() -> None:
        running.append(threading.current_thread())
        may_end.wait(30)
        ended.set()

    with pytest.raises(TimeoutError):
        call_within(0.05, work, name="asked")

    assert [(thread.name, thread.daemon) for thread in running] == [("asked", True)]
    may_end.set()
    assert ended.wait(30)
