"""Requests leave no connection behind: ``benchmarks/four_databases.py``, short."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "four_databases.py"


@pytest.fixture
def four_databases():
    """Return the benchmark."""
    spec = importlib.util.spec_from_file_location("benchmarks_four_databases", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_as_many_connections_at_the_end_as_at_the_start(four_databases, capfd):
    """Whatever way each request ends, in whichever thread of whichever process; none is left when the application stops."""
    soaked = four_databases.soak(1_000)

    assert (soaked.requests, soaked.failed_processes, capfd.readouterr().out) == (1_000, 0, "")
    assert soaked.before == soaked.after == dict.fromkeys(four_databases.NAMES, 1)
    assert soaked.stopped == dict.fromkeys(four_databases.NAMES, 0)
