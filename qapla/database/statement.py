"""One statement, ready for a driver: what ``query.compile`` makes and a ``Bulkhead`` runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qapla.database.schema.description import ColumnType


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


@dataclass(frozen=True, slots=True)
class Sheet:
    """One of the results that a procedure gives: its columns by name and type, as far as the driver knows it, and its rows."""

    columns: tuple[tuple[str, ColumnType], ...]
    rows: list[tuple[object, ...]]
