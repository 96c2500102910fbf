"""``benchmarks/rest.py``, short: everything is asked and measured, and the handler that is written by hand answers as we do."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MODULES = ("rest", "wrk", "bases", "bases.asks", "bases.start")


@pytest.fixture
def rest(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Give the benchmark as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("rest")
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is a Debian package")
def test_asks_for_everything(rest: ModuleType, postgresql_url: str) -> None:
    """Answers are looked at before anything is measured; a second tells nothing about limits."""
    works = ["row by key", "update"]

    found = rest.run(rest.make_url(postgresql_url), [rest.BY_HAND], seconds=1, rounds=1, connections=2, works=works)

    assert [one.work for one in found] == works
    assert all(one.ours.per_second > 0 and one.theirs.per_second > 0 for one in found)


def test_says_what_is_too_little(rest: ModuleType) -> None:
    """The line of a comparison has a verdict."""
    fast, slow = rest.Measured(900, 200), rest.Measured(1000, 100)

    assert str(rest.Compared("20 rows", rest.BY_HAND, fast, slow)).endswith("at least 0.7")
    assert str(rest.Compared("20 rows", "sandman2", fast, slow)).endswith("TOO LITTLE")


def test_every_base_is_asked_for_what_it_can(rest: ModuleType) -> None:
    """The same names of work everywhere; reads everywhere."""
    ours = list(rest.ASKS[rest.OURS]())

    for name, asks in rest.ASKS.items():
        assert [work for work in ours if work in asks()] == list(asks()), name
        assert {"row by key", "20 rows", "filter, sort, page"} <= asks().keys()
