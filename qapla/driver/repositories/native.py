"""Fields as values of a store that has types of its own, so that its other users can read and index them.

Text, numbers, booleans and null become what the store has for them; what it could not give back exactly is kept as bytes, the JSON itself.
No field is bytes otherwise: bytes of an entity are text in its document.
"""

from __future__ import annotations

import json
import re
from typing import Any

INT64 = range(-(2**63), 2**63)
NAME = re.compile(r"[^$.\0][^.\0]*")  # of a field of an object that every store takes


def to_native(text: bytes, depth: int = 0) -> Any:
    """Return the value of a field.

    Args:
        depth: how many levels of arrays and objects the store holds.
    """
    value = json.loads(text)
    return value if _holds(value, depth) else text


def to_text(value: Any) -> bytes:
    """Return the field that a value was made of.

    Raises:
        TypeError: it was made of none.
    """
    return value if type(value) is bytes else json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _holds(value: Any, depth: int) -> bool:
    if isinstance(value, list):
        return depth > 0 and all(_holds(item, depth - 1) for item in value)
    if isinstance(value, dict):
        return depth > 0 and all(NAME.fullmatch(name) and _holds(item, depth - 1) for name, item in value.items())
    return not isinstance(value, int) or value in INT64
