"""Tokens of keyset paging."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qapla.database.query.cursor import read_cursor, write_cursor
from qapla.database.query.description import Cursor, Order, Path
from qapla.errors import QueryError

ORDER = (Order(Path("a"), descending=True), Order(Path("b")))
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8"))


@given(st.lists(plain, max_size=4), st.booleans())
def test_a_token_holds_its_cursor(values, backward):
    """What is written is read again, in letters that a URL takes as they are."""
    cursor = Cursor(ORDER, tuple(values), backward=backward)

    token = write_cursor(cursor)

    assert token.replace("-", "").replace("_", "").isalnum()
    assert read_cursor(token, ORDER) == cursor


@pytest.mark.parametrize("token", ["", "!", "abc", "é", "bnVsbA", "W10", "WzFd", "e30", "W1tdLCAwXQ"])
def test_what_is_no_token_is_refused(token):
    """Rubbish is 400, never 500."""
    with pytest.raises(QueryError, match="is not a cursor"):
        read_cursor(token, ORDER)


def test_a_token_of_another_order_is_refused():
    """The values of one order say nothing in another."""
    token = write_cursor(Cursor(ORDER, (1, 2)))

    with pytest.raises(QueryError, match="another order"):
        read_cursor(token, ORDER[::-1])


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(token):
    """There is no text that breaks it."""
    with suppress(QueryError):
        read_cursor(token, ORDER)
