"""Include and exclude patterns choose tables."""

from __future__ import annotations

import pytest

from qapla.database.schema.description import TableName
from qapla.database.schema.patterns import Patterns


@pytest.mark.parametrize(
    ("include", "exclude", "taken"),
    [
        ((), (), True),
        (("order*",), (), True),
        (("sales.*",), (), True),
        (("Order*",), (), False),
        (("other",), (), False),
        ((), ("*",), False),
        (("order*",), ("*.orders",), False),
        ((), ("order",), True),
        (("order?",), (), True),
        (("[a-o]rders",), (), True),
    ],
)
def test_take(include: tuple[str, ...], exclude: tuple[str, ...], taken: bool) -> None:
    """A table is taken when an include pattern matches its name or schema.name, and no exclude pattern does."""
    assert Patterns(include, exclude).take(TableName("sales", "orders")) is taken


def test_unused_patterns_are_known() -> None:
    """A pattern that matched nothing is probably misspelt."""
    patterns = Patterns(["order*", "clients"], ["secret*"])

    patterns.take(TableName(None, "orders"))

    assert patterns.unused == ("clients", "secret*")
