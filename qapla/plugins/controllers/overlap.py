"""Tell which routes can never be reached, because one before them takes every one of their addresses.

Pyramid asks routes in the order in which they are declared: with ``/choices/{id}`` before ``/choices/new``, the second is dead. Whether one
pattern takes all addresses of another is tried out: on addresses made of samples for each placeholder.
"""

from __future__ import annotations

import itertools
import re
from functools import cache
from typing import Any

from pyramid.urldispatch import Route

# What a placeholder may stand for; one with an expression of its own gets those that it accepts.
SAMPLES = (
    *("1", "42", "2026", "-3", "a", "A", "new", "some-thing", "some_thing", "x.y", "a1", "1a", "é", "a b", "~", "2026-11-21"),
    *("cafe", "deadbeef", "en", "en_GB", "12.5", "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "report.pdf", "user@example.org"),
)
REMAINDERS = ("", "a", "a/b")
LIMIT = 1000
_PLACEHOLDER = re.compile(r"\{([a-zA-Z][^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")


def is_shadowed(pattern: str, by: str) -> bool:
    """Tell whether the route *by*, asked first, takes every address of *pattern*."""
    addresses = samples(pattern)
    match = _matcher(by)
    return bool(addresses) and all(match(address) is not None for address in addresses)


@cache
def samples(pattern: str) -> tuple[str, ...]:
    """Return addresses that *pattern* matches; none when there is a placeholder that no sample fits."""
    parts: list[tuple[str, ...]] = []
    path, star, _ = pattern.partition("*") if re.search(r"\*\w*$", pattern) else (pattern, "", "")
    end = 0
    for found in _PLACEHOLDER.finditer(path):
        parts.append((path[end : found.start()],))
        expression = found[1].partition(":")[2] or "[^/]+"
        parts.append(tuple(sample for sample in SAMPLES if re.fullmatch(expression, sample)))
        end = found.end()
    parts.append((path[end:],))
    if star:
        parts.append(REMAINDERS)
    made = ("".join(chosen) for chosen in itertools.product(*parts))
    match = _matcher(pattern)
    addresses = (f"/{address.lstrip('/')}" for address in itertools.islice(made, LIMIT))
    return tuple(address for address in addresses if match(address) is not None)


@cache
def _matcher(pattern: str) -> Any:
    return Route("", pattern).match
