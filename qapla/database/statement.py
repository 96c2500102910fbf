"""One statement, ready for a driver: what ``query.compile`` makes and a ``Bulkhead`` runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL in the driver's own parameter style, and the values in the order of its placeholders.

    Identifiers in ``sql`` come from the introspected schema only; whatever a caller typed is in ``values``.
    """

    sql: str
    values: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What came back: rows as the driver gives them (empty for a statement without any), and how many rows it touched."""

    rows: list[tuple[object, ...]]
    count: int
    last_id: int | None = None
