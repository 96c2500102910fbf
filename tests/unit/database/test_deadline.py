"""What is late is cut off, once; what ends in time is not."""

from __future__ import annotations

import time

from qapla.database import deadline


def test_cancels_what_is_late() -> None:
    """The function is called, and whoever ends the watch afterwards learns of it."""
    calls: list[float] = []
    number = deadline.watch(time.monotonic() + 0.05, lambda: calls.append(time.monotonic()))

    until = time.monotonic() + 3
    while not calls and time.monotonic() < until:
        time.sleep(0.02)

    assert len(calls) == 1
    assert deadline.unwatch(number)


def test_leaves_alone_what_ended() -> None:
    """Nothing is called after the end of a watch."""
    calls: list[int] = []
    number = deadline.watch(time.monotonic() + 0.15, lambda: calls.append(1))

    assert not deadline.unwatch(number)

    time.sleep(0.4)
    assert calls == []
