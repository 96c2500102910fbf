"""Frames that come in: pandas, Polars and Arrow as one Arrow table, whose every column has one meaning.

What Arrow has no type for (UUIDs, addresses, lists and objects) is text beside its kind. NaN, NaT and NA are NULL. What no column of a
table could hold exactly is refused with the name of the column: a mixture of types, parts of a microsecond, complex numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from qapla.errors import InputError, NotOffered, ValueRefused

if TYPE_CHECKING:
    from qapla.database.schema.description import Kind

ADDRESSES = (IPv4Address, IPv4Interface, IPv6Address, IPv6Interface)
AS_TEXT = "make text of it: .astype(str)"
# What objects of pandas mean, the first that fits: datetime is a date, too, and bool an int.
MEANINGS: tuple[tuple[type | tuple[type, ...], Kind], ...] = (
    (bool, "boolean"), (int, "integer"), (float, "float"), (Decimal, "decimal"), (str, "text"), ((bytes, bytearray), "binary"),
    (datetime, "timestamp"), (date, "date"), (time, "time"), (timedelta, "interval"), (UUID, "uuid"), (ADDRESSES, "network"),
    ((list, tuple, dict), "json"),
)  # fmt: skip


@dataclass(frozen=True)
class Intake:
    """Rows to be written: ``kinds`` says what each column means."""

    table: pa.Table
    kinds: dict[str, Kind] = field(default_factory=dict)


def take_in(frame: Any) -> Intake:
    """Return *frame* as an Arrow table: one of pandas or Polars, a table, a record batch or a reader of Arrow.

    The index of a pandas frame is left out.

    Raises:
        InputError: it is no frame; a column has no name, or a name twice; a column has values of several types.
        NotOffered: a column is of a type that no engine has.
        ValueRefused: a value would lose something.
    """
    names, columns = _columns_of(frame)
    _check_names(names)
    found = [_take(name, column) for name, column in zip(names, columns, strict=True)]
    table = pa.table([column for column, _ in found], names=names) if names else pa.table({})
    return Intake(table, {name: kind for name, (_, kind) in zip(names, found, strict=True)})


def _columns_of(frame: Any) -> tuple[list[Any], list[Any]]:
    module = type(frame).__module__.partition(".")[0]
    if module == "pandas" and hasattr(frame, "columns"):
        return list(frame.columns), [frame.iloc[:, place] for place in range(len(frame.columns))]
    if module == "polars" and hasattr(frame, "columns" if hasattr(frame, "to_arrow") else "collect"):
        frame = _polars_table(frame.collect() if hasattr(frame, "collect") else frame)
    if isinstance(frame, pa.RecordBatchReader):
        frame = frame.read_all()
    if isinstance(frame, pa.Table | pa.RecordBatch):
        return list(frame.schema.names), list(frame.columns)
    hint = "a frame of pandas, Polars or Dask, or a table of Arrow"
    raise InputError(f"a {type(frame).__name__} is no frame that can be written", hint=hint)


def _polars_table(frame: Any) -> pa.Table:
    try:
        return frame.to_arrow()
    except pa.ArrowException as error:  # integers of 128 bits, which Arrow does not have
        name, type = next(((name, type) for name, type in frame.schema.items() if "Int128" in str(type)), ("?", "?"))
        raise NotOffered(f"column {name!r} is of type {str(type)!r}, which no table can hold", hint="cast it to another type") from error


def _check_names(names: Sequence[Any]) -> None:
    for name in names:
        if not isinstance(name, str) or not name or "\0" in name:
            hint = "name the columns: frame.columns = ['id', 'votes']"
            raise InputError(f"column {name!r} has no name that a table could have", hint=hint)
        if names.count(name) > 1:
            raise InputError(f"column {name!r} is there {names.count(name)} times", hint="give one of them another name")


def _take(name: str, column: Any) -> tuple[pa.ChunkedArray, Kind]:
    try:
        return _take_column(name, column)
    except UnicodeEncodeError as error:
        raise ValueRefused(f"column {name!r} has a text with half of a surrogate pair in it", code="22021") from error


def _take_column(name: str, column: Any) -> tuple[pa.ChunkedArray, Kind]:
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return _take_arrow(name, column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column]))
    if column.dtype == object:
        return _take_objects(name, column)
    kind = getattr(column.dtype, "kind", "O")
    if kind == "c" or type(column.dtype).__name__ in ("PeriodDtype", "IntervalDtype"):
        raise NotOffered(f"column {name!r} has values of type {str(column.dtype)!r}, which no table can hold", hint=AS_TEXT)
    if str(column.dtype).startswith("category"):
        column = column.astype(column.cat.categories.dtype) if column.cat.categories.dtype != "int64" else column.astype("Int64")
        return _take_column(name, column)
    found = pa.Array.from_pandas(column)
    is_days = kind == "M" and str(column.dtype) == "datetime64[s]"  # what as_df() makes of dates
    chunked = found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found])
    if is_days and pc.all(pc.equal(chunked.cast(pa.date32(), safe=False).cast(chunked.type), chunked), min_count=0).as_py():
        return chunked.cast(pa.date32(), safe=False), "date"
    return _take_arrow(name, chunked)


def _take_objects(name: str, column: Any) -> tuple[pa.ChunkedArray, Kind]:
    values = [None if missing else value for value, missing in zip(column, column.isna(), strict=True)]
    kinds: dict[Kind, type] = {}
    for value in values:
        if value is not None:
            kinds.setdefault(_kind_of(name, value), type(value))
    if len(kinds) > 1:
        shown = " and ".join(found.__name__ for found in kinds.values())
        raise InputError(f"column {name!r} has values of several types: {shown}", hint="make them one type: frame[name].astype(str)")
    kind = next(iter(kinds), None)
    if kind is None:
        return pa.chunked_array([pa.nulls(len(values))]), "unknown"
    if kind in ("uuid", "network"):
        return _texts([None if value is None else str(value) for value in values]), kind
    if kind == "json":
        return _texts([None if value is None else as_json(name, value) for value in values]), kind
    if kind == "timestamp" and len({value.tzinfo is None for value in values if value is not None}) > 1:
        raise InputError(f"column {name!r} has moments with and without a time zone", hint="give all of them one: .dt.tz_localize('UTC')")
    try:
        return _take_arrow(name, pa.chunked_array([pa.array(values, from_pandas=True)]))
    except (pa.ArrowException, OverflowError) as error:
        raise ValueRefused(f"column {name!r} has a value that no column can hold: {type(error).__name__}") from error


def _kind_of(name: str, value: Any) -> Kind:
    item = getattr(value, "tolist", None)  # values and arrays of numpy
    plain = item() if item is not None else value
    for types, kind in MEANINGS:
        if isinstance(plain, types):
            return kind
    raise NotOffered(f"column {name!r} has values of type {type(value).__name__!r}, which no table can hold", hint=AS_TEXT)


def as_json(name: str, value: Any) -> str:
    """Return *value* as JSON.

    Raises:
        ValueRefused: JSON has no such thing.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueRefused(f"column {name!r} has a value that JSON cannot say") from error


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Decimal | UUID | datetime | date | time | set | frozenset | Mapping):
        return str(value) if not isinstance(value, set | frozenset | Mapping) else list(value)
    raise TypeError(type(value).__name__)


def _texts(values: list[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


# ------------------------------------------------------------------------------------------------ Arrow


def _take_arrow(name: str, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Kind]:
    """Return a column as one of few types, and what it means."""
    if isinstance(column.type, pa.UuidType):
        return _texts([None if value is None else str(value) for value in column.to_pylist()]), "uuid"
    column, type = _plain_type(column)
    if pa.types.is_nested(type):
        lists = [None if value is None else as_json(name, dict(value) if pa.types.is_map(type) else value) for value in column.to_pylist()]
        return _texts(lists), "json"
    for is_one, wanted, kind in _TYPES:
        if is_one(type):
            try:
                return _whole(column.cast(wanted(type) if callable(wanted) else wanted or type), kind), kind
            except (pa.ArrowException, OverflowError) as error:
                said = f"column {name!r} has parts of a microsecond, or is out of range"
                raise ValueRefused(said, hint="round it: .dt.floor('us')") from error
    raise NotOffered(f"column {name!r} is of type {str(type)!r}, which no table can hold", hint="cast it to another type")


def _plain_type(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.DataType]:
    """Return a column without dictionaries, run lengths and types of somebody's own."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_run_end_encoded(column.type):
        column = pc.run_end_decode(column)
    return column, column.type


def _whole(column: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    """Return a column in which NaN is NULL."""
    if kind != "float" or not pc.any(pc.is_nan(column), min_count=0).as_py():
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


_TYPES: tuple[tuple[Any, Any, Kind], ...] = (
    (pa.types.is_null, None, "unknown"),
    (pa.types.is_boolean, None, "boolean"),
    (pa.types.is_integer, None, "integer"),
    (pa.types.is_float16, pa.float32(), "float"),
    (pa.types.is_floating, None, "float"),
    (pa.types.is_decimal, lambda type: (pa.decimal256 if type.precision > 38 else pa.decimal128)(type.precision, type.scale), "decimal"),
    (lambda type: pa.types.is_string(type) or pa.types.is_large_string(type) or pa.types.is_string_view(type), pa.large_string(), "text"),
    (lambda type: pa.types.is_binary(type) or pa.types.is_large_binary(type) or pa.types.is_binary_view(type), pa.large_binary(), "binary"),
    (pa.types.is_fixed_size_binary, pa.large_binary(), "binary"),
    (pa.types.is_date, pa.date32(), "date"),
    (pa.types.is_time, pa.time64("us"), "time"),
    (lambda type: pa.types.is_timestamp(type) and type.tz is not None, pa.timestamp("us", "UTC"), "timestamp_tz"),
    (pa.types.is_timestamp, pa.timestamp("us"), "timestamp"),
    (pa.types.is_duration, pa.duration("us"), "interval"),
)  # fmt: skip
