"""What tests ask whether something is left: ``leaves_nothing`` of conftest.py"""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROUNDS = 5


class Thing:
    """Something that is looked for."""


@pytest.fixture
def rest(tmp_path: Path) -> Iterator[dict[str, Callable[[], Any]]]:
    """Return what leaves a thread, a file or an object behind; all is over after the test."""
    end, things = threading.Event(), []
    with ExitStack() as stack:

        def start() -> None:
            thread = threading.Thread(target=end.wait, daemon=True)
            thread.start()
            stack.callback(thread.join)

        yield {
            "Thread": start,
            "file": lambda: stack.enter_context(closing((tmp_path / "x").open("w"))),
            "Thing": lambda: things.append(Thing()),
        }
        end.set()


@pytest.mark.parametrize("kind", ["Thread", "file", "Thing"])
def test_what_grows_is_told(leaves_nothing: Any, rest: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each round leaves is told with its kind and number, also while others of it end."""
    monkeypatch.setitem(leaves_nothing.__globals__, "GONE_WITHIN_S", 0.05)
    idle = [threading.Event() for _ in range(ROUNDS)]
    for each in idle:
        threading.Thread(target=each.wait, daemon=True).start()

    def work() -> None:
        rest[kind]()
        if idle:
            idle.pop().set()

    with pytest.raises(AssertionError, match=rf"{ROUNDS} rounds have left {{'{kind}': {ROUNDS}}}"):
        leaves_nothing(work, ROUNDS, Thing)


def test_what_comes_and_goes_is_none(leaves_nothing: Any, rest: Any) -> None:
    """What somebody else starts or ends meanwhile is none of it, and what is about to end is waited for."""
    rounds: list[threading.Timer] = []

    def work() -> None:
        if len(rounds) % 2:
            rest["Thread"]()
        rounds.append(threading.Timer(0.1, lambda: None))
        rounds[-1].start()

    leaves_nothing(work, ROUNDS)
