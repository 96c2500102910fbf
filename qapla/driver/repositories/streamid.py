"""Ids of the entries of a stream: milliseconds and a number, ``1526919030474-0``."""

from __future__ import annotations

import re
from typing import Any

ID = re.compile(r"(\d{1,20})(?:-(\d{1,20}))?", re.ASCII)
LARGEST = 2**64 - 1  # of each half of an id


def read_id(id: Any, other: int = 0) -> tuple[int, int]:
    """Return the two numbers of an id.

    Args:
        other: the second one, where the id has none.

    Raises:
        TypeError, ValueError: it is none.
    """
    if isinstance(id, bytes):
        id = id.decode("ascii", "replace")
    if isinstance(id, bool) or not isinstance(id, str | int):
        raise TypeError("ids of entries are text, '1526919030474-0', or milliseconds")
    if id == "*":
        raise ValueError("every entry has an id of its own, '1526919030474-0': it is the same in the memory and behind it")
    found = ID.fullmatch(str(id))
    if found is None:
        raise ValueError("an id of an entry is milliseconds and a number, '1526919030474-0'")
    first, second = int(found[1]), other if found[2] is None else int(found[2])
    if max(first, second) > LARGEST:
        raise ValueError("an id of an entry is too large")
    return first, second
