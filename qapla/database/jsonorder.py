"""JSON compared as PostgreSQL compares ``jsonb``: for engines that know JSON as text only.

null < strings < numbers < booleans < arrays < objects. Fewer elements come before more; numbers compare by value, strings by their
characters, keys of objects shorter ones first. An empty array comes before everything: a quirk of PostgreSQL, kept so that a list has
the same order everywhere.

Source: https://www.postgresql.org/docs/current/datatype-json.html, section 8.14.4.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

NULL, STRING, NUMBER, BOOLEAN, ARRAY, OBJECT = range(6)
MAX_REMEMBERED = 2048
_RANKS: dict[type, int] = {str: STRING, list: ARRAY, dict: OBJECT}


class NoJson(ValueError):
    """A text that is not JSON."""


def parse(text: str) -> Any:
    """Return the value of a JSON text, numbers as ``int`` or ``Decimal``.

    Raises:
        NoJson: it is none, or nested deeper than can be read.
    """
    try:
        return json.loads(text, parse_float=_read_number, parse_int=_read_number, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NoJson(text[:100]) from error


_parse = lru_cache(maxsize=MAX_REMEMBERED)(parse)


def compare_texts(left: str, right: str) -> int:
    """Return -1, 0 or 1 for two JSON texts; what is no JSON comes last, as text. It is the collation ``qapla_json`` of SQLite."""
    try:
        one = _parse(left)
    except NoJson:
        one = None
        left_is_json = False
    else:
        left_is_json = True
    try:
        other = _parse(right)
    except NoJson:
        return -1 if left_is_json else (left > right) - (left < right)
    return compare(one, other) if left_is_json else 1


def contains_text(whole: Any, part: Any) -> bool | None:
    """Tell whether one JSON text contains another, as ``@>`` does; None for NULL and for what is no JSON.

    A number may come as one: a column that is called JSON keeps the text ``5`` so.
    """
    if whole is None or part is None or isinstance(whole, bytes) or isinstance(part, bytes):
        return None
    try:
        return contains(_parse(str(whole)), _parse(str(part)))
    except NoJson:
        return None


def compare(left: Any, right: Any) -> int:
    """Return -1, 0 or 1."""
    empty = (left == [] and isinstance(left, list), right == [] and isinstance(right, list))
    if empty[0] != empty[1] and OBJECT not in (rank(left), rank(right)) and (rank(right) if empty[0] else rank(left)) != ARRAY:
        return -1 if empty[0] else 1
    return _compare(left, right)


def rank(value: Any) -> int:
    """Return the place of a value's type among the types."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOLEAN
    return _RANKS.get(type(value), NUMBER)


def _compare(left: Any, right: Any) -> int:
    one, other = rank(left), rank(right)
    if one != other:
        return -1 if one < other else 1
    if one == NULL:
        return 0
    if one < ARRAY:
        return (left > right) - (left < right)
    if len(left) != len(right):
        return -1 if len(left) < len(right) else 1
    if one == ARRAY:
        return next((found for pair in zip(left, right, strict=True) if (found := _compare(*pair))), 0)
    for (key, value), (their_key, theirs) in zip(_items(left), _items(right), strict=True):
        found = (_key_order(key) > _key_order(their_key)) - (_key_order(key) < _key_order(their_key)) or _compare(value, theirs)
        if found:
            return found
    return 0


def contains(whole: Any, part: Any) -> bool:
    """Tell whether *whole* contains *part*; an array contains a value that is one of its elements, at the top only."""
    if rank(part) < ARRAY:
        if isinstance(whole, list):
            return any(rank(each) < ARRAY and _compare(each, part) == 0 for each in whole)
        return rank(whole) < ARRAY and _compare(whole, part) == 0
    return _contains(whole, part)


def _contains(whole: Any, part: Any) -> bool:
    if rank(whole) != rank(part):
        return False
    if isinstance(part, dict):
        return all(key in whole and _contains(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return all(any(_contains(each, value) for each in whole) for value in part)
    return _compare(whole, part) == 0


def _items(value: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(value.items(), key=lambda item: _key_order(item[0]))


def _key_order(key: str) -> tuple[int, bytes]:
    encoded = key.encode("utf-8", "surrogatepass")
    return len(encoded), encoded


def _read_number(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation as error:
        raise ValueError(digits[:100]) from error


def _refuse(word: str) -> None:
    raise ValueError(word)
