"""Compare entity tags: ``If-Match`` and ``If-None-Match`` (RFC 9110 §13.1)."""

from __future__ import annotations

import re

from qapla.errors import InputError

_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)')


def parse_tags(header: str) -> tuple[str, ...] | None:
    """Return the tags in the header, those of weak ones with ``W/`` in front; None for ``*``, which any row fits.

    Raises:
        InputError: it is not a list of tags in quotes.
    """
    if header.strip() == "*":
        return None
    tags, place = [], 0
    while place < len(header):
        found = _TAG.match(header, place)
        if not found:
            raise InputError(f"{header[:100]!r} is not a list of entity tags", hint='a tag stands in double quotes: If-Match: "…"')
        tags.append((found[1] or "") + found[2])
        place = found.end()
    return tuple(tags)


def is_unchanged(header: str | None, tag: str) -> bool:
    """Tell whether ``If-None-Match`` names *tag*, so that the answer is 304. Compares weakly, as RFC 9110 §13.1.2 says."""
    if not header:
        return False
    tags = parse_tags(header)
    return tags is None or any(given.removeprefix("W/") == tag for given in tags)
