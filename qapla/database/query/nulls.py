"""Leave out of JSON every key whose value is null, at any depth, as ``json_strip_nulls`` of PostgreSQL does; nulls in arrays stay."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from qapla.database.query.printing import Number, clean, print_value
from qapla.errors import DatabaseError

if TYPE_CHECKING:
    from qapla.database.query.printing import Body


class Pairs(tuple[tuple[str, Any], ...]):
    """The keys and values of an object in their order, those that are there twice included."""

    __slots__ = ()


def strip_nulls(body: Body) -> bytes:
    """Return the JSON of a row, or of several, without its nulls.

    Raises:
        DatabaseError: it is nested deeper than Python reads (54001).
    """
    try:
        return _print(_DECODER.decode(clean(body).decode())).encode("utf-8", "replace")
    except RecursionError:
        hint = "leave that column out, or take the nulls, too"
        raise DatabaseError("a value is nested deeper than can be taken apart", code="54001", status=400, hint=hint) from None


def _without_nulls(pairs: list[tuple[str, Any]]) -> Pairs:
    return Pairs(pair for pair in pairs if pair[1] is not None)


def _print(value: Any) -> str:
    if isinstance(value, Pairs):
        return "{" + ",".join([f"{json.dumps(key, ensure_ascii=False)}:{_print(item)}" for key, item in value]) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_print, value)) + "]"
    return print_value(value)


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, object_pairs_hook=_without_nulls)
