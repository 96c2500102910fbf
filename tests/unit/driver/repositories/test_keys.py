"""qapla.driver.repositories.keys"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qapla.driver.repositories.keys import make_key, marker_of
from qapla.errors import EntityRefused

parts = st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=3)


class Size(Enum):
    SMALL = "s"


def text(*values):
    return make_key("thing", tuple("abc")[: len(values)], values).text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("john_doe",), "thing:john_doe"),
        ((7, UUID(int=1)), "thing:7:00000000-0000-0000-0000-000000000001"),
        ((Size.SMALL, date(2024, 1, 2), Decimal("1.50")), "thing:s:2024-01-02:1.50"),
        (("a:b", "%3A"), "thing:a%3Ab:%253A"),
        (("{x}", "\n\x00"), "thing:%7Bx%7D:%0A%00"),
        (("Grüße ☃",), "thing:Grüße ☃"),
    ],
    ids=str,
)
def test_text_of_key(values, expected):
    """Parts are joined by colons; what would be one is escaped."""
    assert text(*values) == expected


@settings(max_examples=50, deadline=None)
@given(parts, parts)
def test_different_keys_are_different_texts(one, other):
    """Two keys are the same text only if they are the same; no key is a marker of another."""
    assert (text(*one) == text(*other)) is (one == other)
    assert marker_of(text(*one)) != text(*other)


@pytest.mark.parametrize("wrong", [None, "", 1.5, True, b"x", ["a"], "\ud800"], ids=repr)
def test_part_that_is_none_is_refused(wrong):
    """An entity without key, or with one of another kind, is refused; the attribute is named."""
    with pytest.raises(EntityRefused, match="'a'"):
        text(wrong)
