"""Conditions of a Dask frame, ``frame[frame.votes > 3]``, as values: what pandas makes of a row, and what a database may leave out.

Both are asked. pandas decides, since the answer must not depend on whether a filter reached the database; the database is told a
condition that is true for every row that pandas would keep, as narrow as is safe: it may know a collation, a NaN or a rounding that
pandas does not. Where there is no such condition, it is told nothing and reads the row.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, DateTime, Double, Enum, Numeric, and_, literal, or_

from qapla.database.models.columns import meaning_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import ColumnElement

    from qapla.database.dialects import Engine
    from qapla.database.schema.description import ColumnType

COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
SAFE_INTEGER = 2**53  # up to it every integer is a double
LARGEST_INTEGER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Compare:
    """``frame.column <operator> value``; the value is one, no column."""

    column: str
    operator: str  # a key of COMPARE
    value: Any

    @property
    def columns(self) -> frozenset[str]:
        """Return the names of the columns that it looks at."""
        return frozenset({self.column})

    def keep(self, frame: Any) -> Any:
        """Return which rows of *frame* it keeps, as a column of booleans."""
        return COMPARE[self.operator](frame[self.column], self.value)

    def as_sql(self, source: Mapping[str, ColumnElement[Any]], engine: Engine) -> ColumnElement[bool] | None:
        """Return what is true for each row that it keeps, None where nothing is known to be."""
        return _compare(source[self.column], self.operator, self.value, engine)


@dataclass(frozen=True, slots=True)
class OneOf:
    """``frame.column.isin(values)``."""

    column: str
    values: tuple[Any, ...]

    @property
    def columns(self) -> frozenset[str]:
        """Return the names of the columns that it looks at."""
        return frozenset({self.column})

    def keep(self, frame: Any) -> Any:
        """Return which rows of *frame* it keeps."""
        return frame[self.column].isin(list(self.values))

    def as_sql(self, source: Mapping[str, ColumnElement[Any]], engine: Engine) -> ColumnElement[bool] | None:
        """Return what is true for each row that it keeps, None where nothing is known to be."""
        return _any([_compare(source[self.column], "==", value, engine) for value in self.values])


@dataclass(frozen=True, slots=True)
class Present:
    """``frame.column.notnull()``."""

    column: str

    @property
    def columns(self) -> frozenset[str]:
        """Return the names of the columns that it looks at."""
        return frozenset({self.column})

    def keep(self, frame: Any) -> Any:
        """Return which rows of *frame* it keeps."""
        return frame[self.column].notna()

    def as_sql(self, source: Mapping[str, ColumnElement[Any]], engine: Engine) -> ColumnElement[bool] | None:
        """Return what is true for each row that it keeps."""
        return source[self.column].is_not(None)


@dataclass(frozen=True, slots=True)
class Both:
    """``left & right``."""

    left: Condition
    right: Condition

    @property
    def columns(self) -> frozenset[str]:
        """Return the names of the columns that it looks at."""
        return self.left.columns | self.right.columns

    def keep(self, frame: Any) -> Any:
        """Return which rows of *frame* it keeps."""
        return self.left.keep(frame) & self.right.keep(frame)

    def as_sql(self, source: Mapping[str, ColumnElement[Any]], engine: Engine) -> ColumnElement[bool] | None:
        """Return what is true for each row that it keeps: of what one side says, too, where the other is not known."""
        found = [each for each in (self.left.as_sql(source, engine), self.right.as_sql(source, engine)) if each is not None]
        return and_(*found) if found else None


@dataclass(frozen=True, slots=True)
class Either:
    """``left | right``."""

    left: Condition
    right: Condition

    @property
    def columns(self) -> frozenset[str]:
        """Return the names of the columns that it looks at."""
        return self.left.columns | self.right.columns

    def keep(self, frame: Any) -> Any:
        """Return which rows of *frame* it keeps."""
        return self.left.keep(frame) | self.right.keep(frame)

    def as_sql(self, source: Mapping[str, ColumnElement[Any]], engine: Engine) -> ColumnElement[bool] | None:
        """Return what is true for each row that it keeps, None where that of one side is not known."""
        return _any([self.left.as_sql(source, engine), self.right.as_sql(source, engine)])


Condition = Compare | OneOf | Present | Both | Either


def _any(conditions: list[ColumnElement[bool] | None]) -> ColumnElement[bool] | None:
    """Return that one of *conditions* is true, None where there are none, or one of them is not known."""
    known = [each for each in conditions if each is not None]
    return or_(*known) if known and len(known) == len(conditions) else None


def _compare(column: ColumnElement[Any], sign: str, value: Any, engine: Engine) -> ColumnElement[bool] | None:
    meant = meaning_of(column.type)
    if sign == "!=":
        return None  # pandas keeps what is missing, or does not, by the type of the column
    if meant.kind in ("integer", "float") or (meant.kind == "decimal" and engine.has_strict_types):
        return _compare_number(column, sign, value, meant) if _is_number(value) and not _is_single(meant.name) else None
    if sign == "==":
        return _equals(column, value, meant, engine)
    return _compare_moment(column, sign, value, meant) if engine.has_strict_types else None


def _equals(column: ColumnElement[Any], value: Any, meant: ColumnType, engine: Engine) -> ColumnElement[bool] | None:
    """Compare with one value: a collation may find more than pandas does, but nothing less."""
    if meant.kind == "text" and isinstance(value, str):
        return column == literal(value, column.type) if not value.endswith(" ") else None  # CHAR(n) loses its blanks on the way
    if meant.kind == "enum" and value in meant.values and isinstance(column.type, Enum) and column.type.enum_class is None:
        return column == literal(value, column.type)
    if meant.kind == "boolean" and isinstance(value, bool) and "boolean" not in dict(engine.odd_cells):
        return column == literal(value, Boolean())
    return _compare_moment(column, "==", value, meant) if engine.has_strict_types else None


def _compare_moment(column: ColumnElement[Any], sign: str, value: Any, meant: ColumnType) -> ColumnElement[bool] | None:
    if isinstance(value, datetime):
        kinds = ("timestamp", "date") if value.tzinfo is None else ("timestamp_tz",)
        if meant.kind not in kinds or getattr(value, "nanosecond", False):
            return None
        moment = value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
        return COMPARE[sign](column, literal(moment, DateTime() if meant.kind == "date" else column.type))
    return None


def _compare_number(column: ColumnElement[Any], sign: str, value: Any, meant: ColumnType) -> ColumnElement[bool] | None:
    """Compare exactly what is an integer on both sides; else leave room for what is rounded to a double in the frame."""
    if meant.kind == "integer" and isinstance(value, int):
        return COMPARE[sign](column, literal(value, column.type)) if abs(value) <= LARGEST_INTEGER else None
    if not math.isfinite(value) or abs(value) > SAFE_INTEGER:
        return None
    below, above = (math.nextafter(float(value), to) for to in (-math.inf, math.inf))
    found = []
    if sign in ("==", ">", ">="):
        found.append(column > _number(below, meant))
    if sign in ("==", "<", "<="):
        found.append(column < _number(above, meant))
    return and_(*found)


def _number(value: float, meant: ColumnType) -> ColumnElement[Any]:
    return literal(value, Double()) if meant.kind == "float" else literal(Decimal(value), Numeric())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _is_single(name: str) -> bool:
    """Tell whether a column has floats of single precision, which compare as such in the frame, and as doubles in SQL."""
    return name.lower().split("(")[0].strip() in ("real", "float4", "float")
