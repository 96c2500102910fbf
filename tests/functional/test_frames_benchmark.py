"""``benchmarks/frames.py``, short: both sides of every comparison give the same rows; a second tells nothing about limits."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "frames.py"


@pytest.fixture(scope="module")
def frames() -> Iterator[ModuleType]:
    """Give the benchmark as a module."""
    spec = importlib.util.spec_from_file_location("benchmarks_frames", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.usefixtures("postgresql_url")
def test_both_sides_give_the_same(frames: ModuleType) -> None:
    """Answers are compared before anything is said of times."""
    found = list(frames.run(2_000, 1, here=True))

    assert [one.comparison for one in found] == frames.COMPARISONS


def test_says_what_is_too_little(frames: ModuleType) -> None:
    """Time and memory both have to be kept."""
    wanted = frames.COMPARISONS[0]
    slow, fast, large = frames.Measured(10, 1000), frames.Measured(2, 100), frames.Measured(2, 900)

    assert str(frames.Compared(wanted, fast, slow)).endswith(" ok")
    assert str(frames.Compared(wanted, large, slow)).endswith("TOO LITTLE")
    assert str(frames.Compared(wanted, slow, slow)).endswith("TOO LITTLE")


def test_different_answers_end_it(frames: ModuleType) -> None:
    """A comparison of different things is none."""
    answers = iter([(1.0, 1.0, [1]), (1.0, 1.0, [2])])

    with pytest.raises(SystemExit, match="differ"):
        frames.compare(frames.COMPARISONS[0], [], 1, 1, lambda *asked: next(answers))
