"""Which tables are wanted: include and exclude patterns, as a shell writes them.

A pattern is matched against the table's name and against ``schema.table``; capital letters count.
"""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qapla.database.schema.description import TableName


class Patterns:
    """Take a table when it matches an *include* pattern (or there are none) and no *exclude* pattern."""

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        self._include = {pattern: re.compile(translate(pattern)) for pattern in include}
        self._exclude = {pattern: re.compile(translate(pattern)) for pattern in exclude}
        self._used: set[str] = set()

    def take(self, name: TableName) -> bool:
        """Tell whether the table is wanted; patterns that matched are remembered."""
        if self._include and not self._matches(self._include, name):
            return False
        return not self._matches(self._exclude, name)

    @property
    def unused(self) -> tuple[str, ...]:
        """Return the patterns that matched no table so far, in their order: probably misspelt."""
        return tuple(pattern for pattern in (*self._include, *self._exclude) if pattern not in self._used)

    def _matches(self, patterns: dict[str, re.Pattern[str]], name: TableName) -> bool:
        found = [pattern for pattern, compiled in patterns.items() if compiled.match(name.name) or compiled.match(str(name))]
        self._used.update(found)
        return bool(found)
