"""qapla.driver.repositories.redis"""

from __future__ import annotations

import pytest

from qapla.driver.repositories.redis import RedisMemoryDataSource
from qapla.testing.contracts.memory import MemorySourceContract


class TestRedis(MemorySourceContract):
    """Redis as memory"""

    @pytest.fixture
    def source(self, redis_url):
        return RedisMemoryDataSource(redis_url)
