"""``benchmarks/repository_faults.py``, short: one fault of the memory and one of the store behind it"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "repository_faults.py"


@pytest.fixture(scope="module")
def faults():
    """Give the benchmark as a module"""
    spec = importlib.util.spec_from_file_location("benchmarks_repository_faults", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def servers(faults):
    with faults.own_servers() as servers:
        yield servers


@pytest.mark.parametrize("name", ["memory with old data", "store out of reach", "callers in haste"])
def test_faults(faults, servers, name, monkeypatch):
    """No wrong answer, no lost write, every call in its time, and normal again within ten seconds."""
    monkeypatch.setattr(faults, "LIVES_S", 1.0)
    report = faults.try_fault(name, servers, 0.3, callers=4)

    print(report)
    assert report.wrong == []
    assert report.normal_after_s < faults.BACK_WITHIN_S
    assert len(report.times_s) > 10


def test_says_what_is_wrong(faults):
    """A wrong answer, a call without end and a store that does not come back are defects; a value that may be is none."""
    known = faults.Known()
    known.became("a", 1, 0)
    known.may_become("a", 2)
    known.became("b", 1, 0)
    known.became("b", None, 0)
    fine, wrong, slow, away = (faults.Report("x", [0.1], normal_after_s=1.0) for _ in range(4))
    wrong.wrong.append("a was 3")
    slow.times_s.append(60.0)
    away.normal_after_s = 11.0

    assert [known.allows("a", value) for value in (1, 2, None, 3)] == [True, True, False, False]
    assert [known.allows("b", value) for value in (None, 1)] == [True, False]
    known.is_rewound = True
    assert known.allows("b", 1)
    assert [report.is_well for report in (fine, wrong, slow, away)] == [True, False, False, False]
    assert str(fine).rstrip().endswith("ok")
    assert "DEFECT a was 3" in str(wrong)
