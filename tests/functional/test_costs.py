"""``benchmarks/framework.py``, short: both sides of every comparison answer, and what takes too much is said"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

PATH = Path(__file__).parents[2] / "benchmarks" / "framework.py"


@pytest.fixture
def framework(monkeypatch):
    """Give the benchmark as a module."""
    spec = importlib.util.spec_from_file_location("benchmarks_framework", PATH)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_every_comparison(framework, postgresql_url):
    """Few requests tell nothing about time; they tell that everything is measured."""
    found = framework.run(make_url(postgresql_url).set(drivername="postgresql+psycopg"), requests=3, rounds=2, starts=1)

    assert [(one.name, one.most) for one in found] == [("an empty view", 1.15), ("one SELECT", 1.10), ("a command's start", 1.50)]
    assert all(one.ours_us > 0 and one.other_us > 0 for one in found)


def test_too_much_is_said(framework):
    """The line of a comparison has a verdict."""
    much = framework.compare("x", lambda: 1.2, lambda: 1.0, 3, 1.15)
    little = framework.compare("x", lambda: 1.1, lambda: 1.0, 3, 1.15)

    assert str(much).endswith("TOO MUCH")
    assert str(little).endswith("(at most 1.15)")
