"""Functions that every connection to SQLite has from us, for what its own cannot do exactly."""

from __future__ import annotations

import re
from typing import Any

_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:[Tt ](?P<minute>\d\d:\d\d)(?P<second>:\d\d)?(?P<fraction>\.\d+)?)?\s?(?:[Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)


def real_text(value: float) -> str:
    """Return a real as JSON, every digit right; SQLite's own ``printf`` is off by one in the last of them now and then."""
    if value in (float("inf"), float("-inf")):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    return repr(value)


def lower(value: Any) -> Any:
    """Return a text in lower case, of every alphabet; SQLite's own function knows the letters a to z.

    It comes as bytes: of a text that is not UTF-8 SQLite would make no argument, but an error.
    """
    return value.decode("utf-8", "replace").lower() if isinstance(value, bytes) else value


def plain_moment(value: Any) -> Any:
    """Return a date or a time stamp, in whichever of its usual forms a file has it, in the one form in which all can be compared.

    That is ``2024-01-02 03:04:05.678``: a space, no zone, a fraction only where there is one. Other values come back as they are.
    """
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    fraction = (found["fraction"] or "").rstrip("0").rstrip(".")
    return f"{found['day']} {found['minute'] or '00:00'}{found['second'] or ':00'}{fraction}"
