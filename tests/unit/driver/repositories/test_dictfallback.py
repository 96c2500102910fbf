"""qapla.driver.repositories.dictfallback"""

from __future__ import annotations

import pytest

from qapla.driver import DictFallbackDataSource
from qapla.testing.contracts.terms import TermsContract


class TestDict(TermsContract):
    """A dict behind the memory"""

    @pytest.fixture
    def source(self):
        return DictFallbackDataSource()
