"""The benchmark of introspection, in short: it runs, and we are no slower than SQLAlchemy."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from qapla.testing.servers import ENGINE_NAMES

PATH = Path(__file__).parents[4] / "benchmarks" / "introspection.py"


@pytest.fixture(scope="module")
def introspection() -> ModuleType:
    """Give the benchmark as a module."""
    spec = importlib.util.spec_from_file_location("introspection_benchmark", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)


    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("engine_name", ENGINE_NAMES)
def test_no_slower_than_reflection(introspection: ModuleType, engine_name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With sixty tables inspection takes no longer than ``MetaData.reflect``; both lines are printed with their peak memory."""
    ratio = introspection.compare(engine_name, tables=60, rounds=5)

    assert ratio >= 1
    assert "MiB at the peak" in capsys.readouterr().out
