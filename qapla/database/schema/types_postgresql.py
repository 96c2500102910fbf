"""The types of PostgreSQL as ``ColumnType``: base types, domains, enums, arrays, ranges and composites, however nested."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qapla.database.schema.description import ColumnType
from qapla.database.schema.kinds import POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

TYPES = """
WITH RECURSIVE used(oid) AS (
    SELECT unnest(%s::oid[])
    UNION
    SELECT next.oid
    FROM used
    JOIN pg_catalog.pg_type t ON t.oid = used.oid
    LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
    CROSS JOIN LATERAL unnest(ARRAY[t.typbasetype, CASE WHEN t.typcategory = 'A' THEN t.typelem END, r.rngsubtype]) AS next(oid)
    WHERE next.oid <> 0
)
SELECT t.oid::bigint, t.typname, t.typtype::text, t.typcategory::text, t.typelem::bigint, t.typbasetype::bigint, t.typtypmod,
    t.typnotnull, t.typdefault, coalesce(r.rngsubtype, 0)::bigint, t.typrelid::bigint, pg_catalog.format_type(t.oid, NULL),
    CASE WHEN t.typtype = 'e' THEN ARRAY(
        SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder
    ) END,
    pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname)
FROM used
JOIN pg_catalog.pg_type t ON t.oid = used.oid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
"""


@dataclass(frozen=True, slots=True)
class CatalogType:
    """A row of ``pg_type``, with what belongs to it."""

    oid: int
    name: str
    type: str
    category: str
    element: int
    base: int
    modifier: int
    not_null: bool
    default: str | None
    subtype: int
    relation: int
    printed: str
    labels: Sequence[str] | None
    full_name: str


class CatalogTypes:
    """Turns the ids of types into ``ColumnType``; equal ones are one object."""

    def __init__(self, rows: Iterable[Sequence[Any]] = ()) -> None:
        self.by_id = {row[0]: CatalogType(*row) for row in rows}
        self._made: dict[tuple[int, int, str | None], ColumnType] = {}

    def get_type(self, oid: int, modifier: int = -1, printed: str | None = None) -> ColumnType:
        """Return the type *oid*; *printed* is how the engine writes it with its modifier."""
        key = oid, modifier, printed
        if key not in self._made:
            self._made[key] = self._make(oid, modifier, printed)
        return self._made[key]

    def is_not_null(self, oid: int) -> bool:
        """Tell whether a domain, or one it stands on, refuses NULL."""
        found = self.by_id.get(oid)
        return found is not None and found.type == "d" and (found.not_null or self.is_not_null(found.base))

    def find_relation(self, oid: int) -> int | None:
        """Return the id of the table, or of the composite type, whose row type this is, or a domain on it; None for other types."""
        found = self.by_id.get(oid)
        if found is None:
            return None
        return self.find_relation(found.base) if found.type == "d" else found.relation or None

    def find_cast(self, oid: int) -> str | None:
        """Return the full name of a type whose values PostgreSQL has to make out of JSON: composites, and arrays of them."""
        found = self.by_id.get(oid)
        return found.full_name if found and found.printed != "record" and self.get_type(oid).is_composite else None

    def find_default(self, oid: int) -> str | None:
        """Return the default that a domain gives its columns."""
        found = self.by_id.get(oid)
        if found is None or found.type != "d":
            return None
        return found.default if found.default is not None else self.find_default(found.base)

    def _make(self, oid: int, modifier: int, printed: str | None) -> ColumnType:
        found = self.by_id.get(oid)
        if found is None:
            return ColumnType("unknown", printed or "unknown")
        name = printed or found.printed
        if found.type == "d":
            return replace(self.get_type(found.base, found.modifier), name=name)
        if found.type == "e":
            return ColumnType("enum", name, values=tuple(found.labels or ()))
        if found.type == "c" or found.name == "record":
            return ColumnType("composite", name)
        if found.type in "rm":
            return ColumnType("range", name, item=self.get_type(found.subtype) if found.subtype else None)
        if found.category == "A" and found.element:
            return ColumnType("array", name, item=self.get_type(found.element, modifier, name.removesuffix("[]")))
        return scalar(found.name, name, modifier)


def scalar(name: str, printed: str, modifier: int) -> ColumnType:
    """Return a base type; its modifier is decoded as the type's own ``typmodout`` does."""
    kind = POSTGRESQL.get(name, "unknown")
    if modifier < 0:
        return ColumnType(kind, printed)
    if name == "numeric":
        scale = (((modifier - 4) & 0x7FF) ^ 1024) - 1024  # eleven bits with a sign, since PostgreSQL 15
        return ColumnType(kind, printed, precision=((modifier - 4) >> 16) & 0xFFFF, scale=scale)
    if kind == "text":
        return ColumnType(kind, printed, length=modifier - 4)
    if kind == "bits":
        return ColumnType(kind, printed, length=modifier)
    if kind in ("time", "timestamp", "timestamp_tz"):
        return ColumnType(kind, printed, precision=modifier)
    return ColumnType(kind, printed)
