"""qapla.driver.repositories.dictmemory"""

from __future__ import annotations

import pytest

from qapla.driver import DictMemoryDataSource
from qapla.testing.contracts.memory import MemorySourceContract


class TestDict(MemorySourceContract):
    """A dict as memory"""

    @pytest.fixture
    def source(self):
        return DictMemoryDataSource()


def test_expired_values_are_dropped():
    """What has expired and is never asked for again does not stay for ever."""
    now = [0.0]
    source = DictMemoryDataSource(clock=lambda: now[0])
    source.apply([("SET", f"k{index}", "x", "PX", 10) for index in range(100)])

    now[0] = 1.0
    source.apply([("EXISTS", "k")] * 2500)

    assert source._values == source._ends == {}
