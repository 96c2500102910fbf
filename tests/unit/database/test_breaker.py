"""When a database is asked, and when not."""

from __future__ import annotations

import pytest

from qapla.database.breaker import Breaker


class Clock:
    """A clock that stands still unless it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Give a clock."""
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    """Give a breaker that has just opened, for one second."""
    made = Breaker(threshold=3, pause_s=1, longest_s=4, clock=clock)
    for _ in range(3):
        made.failed()
    return made


def test_opens_after_failures_in_a_row() -> None:
    """A success in between starts the count again."""
    breaker = Breaker(threshold=3)

    for report in (breaker.failed, breaker.failed, breaker.succeeded, breaker.failed, breaker.failed):
        report()

    assert breaker.state == "closed"
    assert breaker.allows()


def test_refuses_while_it_is_open(breaker: Breaker) -> None:
    """Nobody gets through, and everybody hears how long to wait."""
    assert breaker.state == "open"
    assert not breaker.allows()
    assert breaker.retry_after_s >= 1


def test_lets_one_try_when_the_pause_is_over(breaker: Breaker, clock: Clock) -> None:
    """The others are still refused, until the one reports."""
    clock.now = 1

    assert breaker.state == "half_open"
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    breaker.succeeded()
    assert (breaker.state, breaker.allows()) == ("closed", True)


def test_waits_longer_after_each_failed_try(breaker: Breaker, clock: Clock) -> None:
    """The pause doubles, up to the longest."""
    pauses = []
    for _ in range(4):
        opened = clock.now
        while not breaker.allows():
            clock.now += 0.5
        pauses.append(clock.now - opened)
        breaker.failed()

    assert pauses == [1, 2, 4, 4]


def test_forgets_who_never_reports(breaker: Breaker, clock: Clock) -> None:
    """A caller that died while trying does not close the door for ever."""
    clock.now = 1
    breaker.allows()

    clock.now = 60

    assert breaker.allows()
