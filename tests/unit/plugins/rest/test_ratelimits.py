"""Requests of one caller within a minute."""

from __future__ import annotations

from typing import Any

import pytest

from qapla.errors import AccessError
from qapla.plugins.rest import ratelimits
from qapla.plugins.rest.ratelimits import MemoryStore, RedisStore, check, name_address


class App:
    """An application without Redis."""

    def find(self, key: str) -> None:
        """Find nothing."""


class Broken:
    """A Redis that does not answer, and counts how often it is asked."""

    asked = 0

    def pipeline(self, **_: Any) -> Any:
        """Fail."""
        self.asked += 1
        raise ConnectionError


def test_refuses_what_is_too_much() -> None:
    """Beyond the limit it is 429, with the seconds until there is room; another caller, or database, has its own."""
    app: Any = App()
    for _ in range(3):
        check(app, "shop", "a", 3, lambda: 1000.0)

    with pytest.raises(AccessError) as caught:
        check(app, "shop", "a", 3, lambda: 1000.0)
    check(app, "shop", "b", 3, lambda: 1000.0)
    check(app, "other", "a", 3, lambda: 1000.0)

    assert (caught.value.status, caught.value.code, caught.value.headers) == (429, "QAPLA429", {"Retry-After": "40"})


def test_slides() -> None:
    """Of the minute before as much counts as is less than sixty seconds ago; after two nothing does."""
    app: Any = App()
    for _ in range(10):
        check(app, "shop", "a", 10, lambda: 599.0)

    with pytest.raises(AccessError):
        check(app, "shop", "a", 10, lambda: 600.0)
    check(app, "shop", "a", 10, lambda: 630.0)
    for _ in range(10):
        check(app, "shop", "a", 10, lambda: 780.0)


def test_waiting_as_long_as_is_said_is_enough() -> None:
    """However often it was tried in between, and whatever part of the limit is from the minute before."""
    for first, limit in ((1000.0, 60), (1019.9, 3), (1040.0, 1)):
        app: Any = App()
        now = [first]
        for turn in range(200):
            try:
                check(app, "shop", "a", limit, lambda now=now: now[0])
            except AccessError as refused:
                now[0] += int(refused.headers["Retry-After"])
                check(app, "shop", "a", limit, lambda now=now: now[0])
            now[0] += (turn % 7) / 10


def test_forgets_the_oldest() -> None:
    """Memory is bounded, however many addresses there are."""
    store = MemoryStore(size=2)
    for name in ("a", "b", "c"):
        store.count(name, 1)

    assert store.count("a", 1) == (0, 1)
    assert store.count("c", 1) == (0, 2)


def test_goes_on_without_redis() -> None:
    """A Redis that is away is asked again only after a while, and stops nobody."""
    broken, now = Broken(), [0.0]
    store = RedisStore(lambda: broken, lambda: now[0])

    assert [store.count("a", 1), store.count("a", 1)] == [(0, 1), (0, 2)]
    assert broken.asked == 1
    now[0] = ratelimits.AWAY_S
    assert (store.count("a", 1), broken.asked) == ((0, 3), 2)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_names_an_address(address: str, name: str) -> None:
    """One subscriber has a whole network of IPv6."""
    assert name_address(address) == name
