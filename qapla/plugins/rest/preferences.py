"""Read the ``Prefer`` header (RFC 7240) and say in ``Preference-Applied`` what was honoured."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from qapla.errors import QueryError
from qapla.plugins.rest import zones

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qapla.database.catalog import Served

# What a request may prefer, in the order in which it is confirmed: the name, its values (None: see _is_valid), and the methods for which
# it means something.
_READS = frozenset({"GET", "HEAD"})
_WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
_CALLS = frozenset({"CALL"})  # a POST that calls a function
PREFERENCES: dict[str, tuple[tuple[str, ...] | None, frozenset[str]]] = {
    "resolution": (("merge-duplicates", "ignore-duplicates"), frozenset({"POST"})),
    "missing": (("default", "null"), frozenset({"POST", "PATCH", "PUT"})),
    "return": (("minimal", "headers-only", "representation"), _WRITES),
    "count": (("exact", "planned", "estimated"), _READS | _WRITES | _CALLS),
    "tx": (("commit", "rollback"), _WRITES | _CALLS),
    "handling": (("strict", "lenient"), _READS | _WRITES | _CALLS),
    "timezone": (None, _READS | _WRITES | _CALLS),
    "max-affected": (None, frozenset({"PATCH", "DELETE"}) | _CALLS),
}
_ITEM = re.compile(r"""\s*([^\s=,;"]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^,;"]*)))?\s*(?:;[^,]*)?(?:,|$)""")
_COUNT = re.compile(r"\d{1,18}")


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a request prefers; None where it says nothing."""

    resolution: str | None = None
    returned: str | None = None
    count: str | None = None
    missing: str | None = None
    handling: str | None = None
    tx: str | None = None
    timezone: str | None = None
    max_affected: int | None = None
    applied: tuple[str, ...] = ()

    @property
    def applied_header(self) -> str:
        """Return the value of ``Preference-Applied``; empty when nothing was asked that is honoured."""
        return ", ".join(self.applied)

    def without(self, name: str) -> Preferences:
        """Return these without one that has no meaning here, so that it does not count as applied."""
        left = tuple([text for text in self.applied if not text.startswith(f"{name}=")])
        return self if len(left) == len(self.applied) else replace(self, applied=left)


NO_PREFERENCES = Preferences()
MAX_CACHED = 200  # characters of a header that is remembered; none that names a time zone, which the database knows


def parse_preferences(header: str | None, method: str, *, tx_override: bool = True, served: Served | None = None) -> Preferences:
    """Return what the ``Prefer`` header asks for in a request with *method*, which is ``CALL`` for a function that is called by POST.

    What is unknown or not valid is passed over, unless ``handling=strict`` is among it. The first of two values of one name counts.

    Args:
        tx_override: whether the connection lets a caller choose how a transaction ends.
        served: the database that is asked which time zones there are; without it only UTC is known.

    Raises:
        QueryError: PGRST122, handling is strict and something is not valid.
    """
    if not header:
        return NO_PREFERENCES
    if len(header) > MAX_CACHED or "timezone" in header.lower():
        return _parse(header, method, tx_override, served)
    return _parse_cached(header, method, tx_override)


def _parse(header: str, method: str, tx_override: bool, served: Served | None = None) -> Preferences:
    found: dict[str, str] = {}
    invalid: list[str] = []
    for name, value, text in _split(header):
        known = PREFERENCES.get(name)
        if known is None or not _is_valid(name, value, known[0], served) or (name == "tx" and not tx_override):
            invalid.append(text)
        else:
            found.setdefault(name, value)
    if found.get("handling") == "strict" and invalid:
        details = f"Invalid preferences: {', '.join(invalid)}"
        raise QueryError("Invalid preferences given with handling=strict", code="PGRST122", details=details)
    honoured = {name: value for name, value in found.items() if method in PREFERENCES[name][1]}
    if honoured.get("max-affected") and honoured.get("handling") != "strict":
        del honoured["max-affected"]  # as PostgREST: it counts with handling=strict only
    return _make(honoured)


_parse_cached = lru_cache(maxsize=256)(_parse)


def _make(honoured: dict[str, str]) -> Preferences:
    affected = honoured.get("max-affected")
    return Preferences(
        resolution=honoured.get("resolution"),
        returned=honoured.get("return"),
        count=honoured.get("count"),
        missing=honoured.get("missing"),
        handling=honoured.get("handling"),
        tx=honoured.get("tx"),
        timezone=honoured.get("timezone"),
        max_affected=int(affected) if affected else None,
        applied=tuple(f"{name}={honoured[name]}" for name in PREFERENCES if name in honoured),
    )


def _split(header: str) -> Iterable[tuple[str, str, str]]:
    place = 0
    while place < len(header):
        found = _ITEM.match(header, place)
        if not found or found.end() == place:
            rest = header[place:].strip(" ,\t")
            if rest:
                yield "", "", rest[:100]
            return
        place = found.end()
        value = (found[3] or "").strip() if found[2] is None else re.sub(r"\\(.)", r"\1", found[2])
        yield found[1].lower(), value or "", found[0].strip(" ,\t")[:100]


def _is_valid(name: str, value: str, values: tuple[str, ...] | None, served: Served | None) -> bool:
    if values is not None:
        return value in values
    if name == "max-affected":
        return bool(_COUNT.fullmatch(value))
    return value.upper() in zones.UTC_NAMES if served is None else zones.is_known(served, value)
