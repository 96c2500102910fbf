"""Nothing grows: ``benchmarks/soak.py``, short."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SOAK = Path(__file__).parents[3] / "benchmarks" / "soak.py"


@pytest.fixture
def soak() -> Iterator[Any]:
    """Return the benchmark."""
    spec = importlib.util.spec_from_file_location("benchmarks_soak", SOAK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_leaves_nothing_behind(soak: Any) -> None:
    """Thirty databases that came and went leave no connection, no thread, no file and no memory."""
    soaked = soak.soak("postgresql", 30, 300)

    assert soaked.rounds == 30
    assert soaked.after.connections == 0
    assert soaked.after.threads < soaked.before.threads + 30  # the server's own threads come as they are needed, with their files
    assert soaked.after.files < soaked.before.files + 30
    assert soaked.after.memory_kib < soaked.before.memory_kib + 8 * 1024
