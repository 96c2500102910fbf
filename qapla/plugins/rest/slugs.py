"""Names of tables and columns as the keys of an OpenAPI document, and generators of clients, can have them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ENDINGS = ("", "new", "change", "rows")  # of the schemas of one table: a generator makes OrderNew of order.new and of order_new
RESERVED = frozenset({"error"})


def make_slug(name: str) -> str:
    """Return *name* as the keys of a document allow it; what had to be replaced is told apart by a short hash."""
    slug = re.sub(r"[^A-Za-z0-9_-]+", "_", name)
    is_plain = slug == name and slug not in RESERVED and any(map(str.isalnum, slug))
    return slug if is_plain else _with_hash(slug, name)


def make_slugs(names: Iterable[str]) -> Mapping[str, str]:
    """Return the slug of each name; those that a generator would take for one another get a hash, too."""
    slugs = {name: make_slug(name) for name in names}
    counts = Counter(ended for slug in slugs.values() for ended in _ended(slug))
    return {
        name: _with_hash(slug, name) if slug == name and any(counts[ended] > 1 for ended in _ended(slug)) else slug
        for name, slug in slugs.items()
    }


def fold(name: str) -> str:
    """Return what of *name* a generator is sure to keep."""
    return re.sub(r"[\W_]", "", name.lower()) or name


def _ended(slug: str) -> list[str]:
    return [fold(slug) + ending for ending in ENDINGS]


def _with_hash(slug: str, name: str) -> str:
    return f"{slug}_{hashlib.blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=3).hexdigest()}"
