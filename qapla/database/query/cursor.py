"""Tokens of keyset paging: a ``Cursor`` as text for a URL, and back.

A token holds the values of one row in its order, and a mark of that order: with another order it means nothing and is refused. It is
not a secret and not signed: whoever may read the list may name any place in it.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from qapla.database.query.description import Cursor
from qapla.errors import QueryError

if TYPE_CHECKING:
    from qapla.database.query.description import Order

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))  # json.dumps would make one each time
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def write_cursor(cursor: Cursor) -> str:
    """Return *cursor* as a token of letters, digits, ``-`` and ``_``."""
    values = ",".join([str(value) if type(value) is int else _ENCODER.encode(value) for value in cursor.values])
    text = f'["{_mark(cursor.order)}",{int(cursor.backward)},{values}]' if values else f'["{_mark(cursor.order)}",{int(cursor.backward)}]'
    return b2a_base64(text.encode(), newline=False).rstrip(b"=").translate(_URL_SAFE).decode()


def read_cursor(token: str, order: tuple[Order, ...]) -> Cursor:
    """Return the cursor that *token* holds, for a query in this *order*.

    Raises:
        QueryError: it is no token, or one of another order.
    """
    try:
        mark, backward, *values = json.loads(urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)))
    except (ValueError, TypeError, RecursionError):
        raise _refuse(token, "is not a cursor") from None
    if not isinstance(mark, str) or backward not in (0, 1) or not all(_is_plain(value) for value in values):
        raise _refuse(token, "is not a cursor")
    if mark != _mark(order):
        raise _refuse(token, "was made for another order")
    return Cursor(order, tuple(values), backward=bool(backward))


def _refuse(token: str, what: str) -> QueryError:
    return QueryError(f"parameter 'after': {token[:60]!r} {what}", hint="take it from the Link header, with the same order")


def _is_plain(value: object) -> bool:
    return value is None or (isinstance(value, str | int | float) and value == value and value not in (float("inf"), float("-inf")))


@lru_cache(maxsize=256)
def _mark(order: tuple[Order, ...]) -> str:
    terms = [(term.path.column, term.path.steps, term.path.as_text, term.descending, term.nulls, term.embed) for term in order]
    return blake2b(repr(terms).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
