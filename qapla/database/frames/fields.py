"""What the columns of a frame are: names and types, known before a row is read.

They come from the statement: what the values of each column mean, by the model's or the table's own types, the same on every engine.
Only where a statement says nothing (a literal piece of SQL) is the database asked, and where that does not know either (SQLite), the
values.

| kind of column | Arrow | pandas |
|---|---|---|
| boolean | bool | ``boolean`` |
| integer | int16, int32, int64 by its width, int64 on SQLite and for expressions | ``Int64`` |
| unsigned bigint | uint64 | ``UInt64`` |
| float, real | float64, float32 | ``float64``, ``float32`` |
| decimal | decimal128, decimal256 beyond 38 digits; text where its digits are not known | ``float64``; ``Decimal`` on wish |
| text, uuid, json, network, interval | text | ``str`` |
| enum | a dictionary of its values | ``category`` |
| date, timestamp | date32, timestamp[us] | ``datetime64[s]``, ``datetime64[us]`` |
| timestamp with zone | timestamp[us, UTC] | ``datetime64[us, UTC]`` |
| time | time64[us] | ``datetime.time`` |
| binary | binary | ``bytes`` |
| array | list | ``list`` |
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import sqlalchemy as sa

from qapla.database.models.columns import meaning_of
from qapla.database.query.arrowtypes import arrow_type
from qapla.database.schema.description import ColumnType
from qapla.errors import InputError, QueryError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy.engine.interfaces import Dialect

Decimals = Literal["exact", "float"]
TEXT = ColumnType("text", "text")
INTEGERS = {"smallinteger": pa.int16(), "smallint": pa.int16(), "int2": pa.int16(), "integer": pa.int32(), "int4": pa.int32(),
            "unsigned": pa.uint64()}  # fmt: skip
SINGLE = frozenset({"real", "float4"})


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a frame.

    ``arrow`` is None where nobody can know it before the values are there. ``process`` makes Python values of what the driver gives, for
    types of one's own that change values on their way.
    """

    name: str
    type: ColumnType
    arrow: pa.DataType | None
    is_column: bool = True  # of a table; not an expression, whose width is not known
    as_text: bool = False
    process: Callable[[Any], Any] | None = None


def list_fields(
    statement: Any,
    dialect: Dialect,
    *,
    names: Sequence[str] | None = None,
    decimals: Decimals = "exact",
    as_text: Collection[str] = (),
    is_strict: bool = True,
) -> list[Field]:
    """Return the fields of a SELECT.

    Args:
        names: what its columns are called, in order; without them as the database calls them.
        decimals: ``"float"``: the doubles next to them.
        as_text: names of columns that come as the engine prints them, whatever they hold.
        is_strict: the engine keeps values of a column's type only.

    Raises:
        QueryError: two columns have one name, or *as_text* names none of them.
        InputError: *decimals* is neither ``"exact"`` nor ``"float"``.
    """
    if decimals not in ("exact", "float"):
        raise InputError(f"decimals {decimals!r} is not known", hint='one of "exact", "float"')
    columns = list(statement.selected_columns)
    names = [_name_of(column, place) for place, column in enumerate(columns)] if names is None else list(names)
    _check_names(names, as_text)
    found = [_field(name, column, dialect, is_strict) for name, column in zip(names, columns, strict=True)]
    wanted = [as_float(field) if decimals == "float" else field for field in found]
    return [replace(field, arrow=pa.string(), as_text=True, process=None) if field.name in as_text else field for field in wanted]


def as_float(field: Field) -> Field:
    """Return the field with doubles where it has decimals."""
    return replace(field, arrow=pa.float64()) if field.type.kind == "decimal" else field


def check_count(fields: Sequence[Field], count: int) -> None:
    """Refuse a statement that has columns of which it does not know the names.

    Raises:
        QueryError: it has more of them than fields.
    """
    if len(fields) != count:
        hint = "write literal_column(…).label(name)"
        raise QueryError(f"the statement has {count} columns, and knows the names of {len(fields)}: there is text() among them", hint=hint)


def known_type(type: ColumnType, *, is_strict: bool = True, is_column: bool = True) -> pa.DataType | None:
    """Return the type of Arrow for the values of a column; None where there is nothing to know it from."""
    if type.kind == "unknown":
        return None
    if type.kind == "integer":
        return _integer(type.name) if is_strict and is_column else pa.int64()
    if type.kind == "float":
        return pa.float32() if type.name in SINGLE and is_strict else pa.float64()
    if type.kind == "array":
        item = known_type(type.item, is_strict=is_strict) if type.item is not None else None
        return pa.list_(item) if item is not None else pa.string()
    return arrow_type(type, True)


def _integer(name: str) -> pa.DataType:
    return INTEGERS.get(name, pa.int64())


def _field(name: str, column: Any, dialect: Dialect, is_strict: bool) -> Field:
    is_column = isinstance(column.element if isinstance(column, sa.Label) else column, sa.Column)
    plain = column.type.dialect_impl(dialect)
    type = meaning_of(column.type)
    if getattr(plain, "unsigned", False) and type.kind == "integer":
        type = replace(type, name="unsigned" if "bigint" in type.name else "biginteger")
    arrow = known_type(type, is_strict=is_strict, is_column=is_column)
    return Field(name, type, arrow, is_column, process=_process_of(column.type, dialect))


def _process_of(type: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what a type of one's own does with a value from the driver, unless it says that this changes nothing that a frame shows."""
    if not isinstance(type, sa.TypeDecorator) or getattr(type, "is_plain", False):
        return None
    if not type._has_result_processor and not isinstance(type, sa.Interval):
        inner: Any = type.impl_instance
        return _process_of(inner, dialect)
    found: Callable[[Any], Any] | None = type.dialect_impl(dialect).result_processor(dialect, None)
    return found


def _name_of(column: Any, place: int) -> str:
    name = getattr(column, "name", None)
    return str(name) if name and "%(" not in name else f"column_{place + 1}"


def _check_names(names: Sequence[str], as_text: Collection[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise QueryError(f"column {name!r} is there {names.count(name)} times", hint="give one of them another name, with .label(…)")
    for name in as_text:
        if name not in names:
            raise QueryError(f"no column is called {name!r}", code="42703", hint=nearest(name, names))
