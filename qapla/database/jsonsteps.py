"""Steps into JSON for SQLite, whose paths find a key only as it is spelled in the file: ``"é"`` may stand there as ``"\\u00e9"``."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from qapla.database.query.printing import Number, print_value

_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number)
MISSING = object()


def find(text: Any, steps: str) -> str | None:
    """Return the JSON of what *steps*, a JSON array of keys and indexes, lead to; None where there is nothing."""
    found = _walk(text, steps)
    return None if found is MISSING else print_value(found)


def find_text(text: Any, steps: str) -> str | None:
    """Return the same as text: a string without its quotes, None for null."""
    found = _walk(text, steps)
    if found is MISSING or found is None:
        return None
    return str(found) if isinstance(found, str) else print_value(found)


def _walk(text: Any, steps: str) -> Any:
    try:
        found = _DECODER.decode(str(text))
    except (ValueError, RecursionError):
        return MISSING
    for step in _read_steps(steps):
        if isinstance(found, list):
            is_there = isinstance(step, int) and -len(found) <= step < len(found)
        else:
            is_there = isinstance(found, dict) and step in found
        if not is_there:
            return MISSING
        found = found[step]
    return found


@lru_cache(maxsize=256)
def _read_steps(steps: str) -> tuple[str | int, ...]:
    return tuple(json.loads(steps))
