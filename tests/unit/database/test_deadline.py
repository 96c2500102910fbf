"""What is late is cut off, once; what ends in time is not."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

from qapla.database import deadline

if TYPE_CHECKING:
    import pytest

WITHIN_S = 30


def wait_for(calls: list[str]) -> None:
    """Wait until there is one."""
    until = time.monotonic() + WITHIN_S
    while not calls and time.monotonic() < until:
        time.sleep(0.02)


def test_cancels_what_is_late() -> None:
    """The function is called, and whoever ends the watch afterwards learns of it."""
    calls: list[str] = []
    number = deadline.watch(time.monotonic() + 0.05, lambda: calls.append("late"))

    wait_for(calls)

    assert calls == ["late"]
    assert deadline.unwatch(number)


def test_leaves_alone_what_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is called after the end of a watch."""
    now = [time.monotonic()]
    calls: list[str] = []
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep))
    number = deadline.watch(now[0] + 1, lambda: calls.append("ended"))

    assert not deadline.unwatch(number)

    deadline.watch(now[0] + 1, lambda: calls.append("late"))
    now[0] += 2
    wait_for(calls)
    assert calls == ["late"]
