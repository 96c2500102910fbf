"""Arrow arrays from the values that drivers give: by the kind of the column, exactly, or not at all.

A driver gives text where another gives a number or a moment; every function here takes both. A value that the type cannot hold
(infinity in a timestamp, text in a number of SQLite) is a ``NotOffered`` that names column and database: nothing is changed or left out.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from qapla.database.frames.fields import known_type
from qapla.database.models.types import WIDE
from qapla.errors import NotOffered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from qapla.database.frames.fields import Field
    from qapla.database.schema.description import ColumnType, Kind

    Values = Sequence[Any]
    Build = Callable[[Values, pa.DataType], pa.Array]

CANNOT_HOLD = (pa.ArrowException, TypeError, ValueError, ArithmeticError, AttributeError)
OLDEST_DAY, LATEST_DAY = -2_440_589, 95_026_235  # of PostgreSQL's timestamps: 4714 BC, and Chrono's end, beyond which readers put infinity
MICROSECONDS_OF_DAY = 86_400_000_000
_ENDS_IN_ZONE = r":\d\d(\.\d+)?\s?([zZ]|[+-]\d\d(:?\d\d)?)$"
_NO_TEXT = pa.scalar(None, pa.string())


def build(values: Values, field: Field, database: str) -> pa.Array:
    """Return the array of some values of *field*; without a known type the one that Arrow finds.

    Raises:
        NotOffered: one of them is no value of its type.
    """
    try:
        if field.process is not None:
            values = [field.process(value) for value in values]
        if field.as_text:
            return _texts(values, pa.string())
        if field.arrow is None:
            return _guess(values)
        return _build(values, field.type, field.arrow)
    except CANNOT_HOLD as error:
        raise refuse(field, database) from error


def chunked(chunks: Sequence[pa.Array], field: Field, database: str) -> pa.ChunkedArray:
    """Return chunks as one column; where there are none, one of no values, which knows the values of an enum."""
    return pa.chunked_array(list(chunks) or [build([], field, database)], field.arrow)


def refuse(field: Field, database: str) -> NotOffered:
    """Return the error that a value of a column cannot be held."""
    hint = f"read it as text, with as_text={[field.name]!r}"
    return NotOffered(f"column {field.name!r} of database {database!r} has a value that {field.arrow} cannot hold", hint=hint)


def convert(found: pa.ChunkedArray, field: Field, database: str) -> pa.ChunkedArray:
    """Return what a reader of PostgreSQL gave as the type of *field*.

    Raises:
        NotOffered: one of its values is no value of that type, infinity among them.
    """
    try:
        if found.num_chunks == 0 and field.arrow is not None:
            return chunked([], field, database)
        if field.arrow is None or found.type == field.arrow:
            _check_moments(found)
            return found
        return _convert(found, field)
    except CANNOT_HOLD as error:
        raise refuse(field, database) from error


def _convert(found: pa.ChunkedArray, field: Field) -> pa.ChunkedArray:
    wanted = field.arrow
    if pa.types.is_dictionary(wanted):
        return pa.chunked_array([_words(chunk, field.type) for chunk in found.chunks], wanted)
    if pa.types.is_int64(found.type) and (pa.types.is_timestamp(wanted) or pa.types.is_time(wanted)):
        moments = found.cast(wanted)  # as microseconds
        _check_moments(moments)
        return moments
    if pa.types.is_int32(found.type) and pa.types.is_date(wanted):
        days = found.cast(wanted)
        _check_moments(days)
        return days
    _check_moments(found)
    if pa.types.is_string(found.type) and not _is_parsed(wanted):
        return pa.chunked_array([_build(chunk.to_pylist(), field.type, wanted) for chunk in found.chunks], wanted)
    return found.cast(wanted)


def _is_parsed(wanted: pa.DataType) -> bool:
    """Tell whether Arrow reads the type from text by itself, as PostgreSQL prints it."""
    return pa.types.is_integer(wanted) or pa.types.is_floating(wanted) or pa.types.is_decimal(wanted) or pa.types.is_large_string(wanted)


def _check_moments(found: pa.ChunkedArray) -> None:
    """Refuse infinity, which readers put at the ends of what a moment can be."""
    if pa.types.is_timestamp(found.type):
        ends = pc.min_max(found.cast(pa.int64()))
        day = MICROSECONDS_OF_DAY
    elif pa.types.is_date32(found.type):
        ends, day = pc.min_max(found.cast(pa.int32())), 1
    else:
        return
    smallest, largest = ends["min"].as_py(), ends["max"].as_py()
    if smallest is not None and not OLDEST_DAY * day <= smallest <= largest < (LATEST_DAY + 1) * day:
        raise ValueError("infinity")


# ------------------------------------------------------------------------------------------------ by kind


def _build(values: Values, type: ColumnType, arrow: pa.DataType) -> pa.Array:
    if pa.types.is_string(arrow) and type.kind not in ("uuid", "json"):
        return _texts(values, arrow)
    if pa.types.is_dictionary(arrow):
        return _words(values, type)
    if pa.types.is_list(arrow):
        return _lists(values, type, arrow)
    return _BUILD[type.kind](values, arrow)


def _guess(values: Values) -> pa.Array:
    """Return an array of the type that all values have; of texts where they have several."""
    try:
        return pa.array(values, from_pandas=False)
    except CANNOT_HOLD:
        return _texts(values, pa.string())


def _types(values: Values) -> set[type]:
    """Return the types that there are; by far the quickest look at many values."""
    return set(map(type, values))


def _booleans(values: Values, arrow: pa.DataType) -> pa.Array:
    if any(value not in (None, True, False, b"\0", b"\1") for value in values):
        raise ValueError("neither true nor false")
    return pa.array([None if value is None else value in (True, b"\1") for value in values], arrow)


def _integers(values: Values, arrow: pa.DataType) -> pa.Array:
    if _types(values) <= {int, NoneType}:
        return pa.array(values, arrow)
    return pa.array([_integer(value) for value in values], arrow)  # Arrow would cut the fraction off


def _integer(value: Any) -> int | None:
    """Return a whole number: the sum of integers is a decimal on some engines."""
    if value is None:
        return None
    if isinstance(value, str | bytes) or value != int(value):
        raise ValueError("not an integer")
    return int(value)


def _floats(values: Values, arrow: pa.DataType) -> pa.Array:
    if _types(values) <= {float, NoneType}:
        return pa.array(values, arrow)
    if any(isinstance(value, str | bytes) for value in values):
        raise ValueError("not a number")
    return pa.array([None if value is None else float(value) for value in values], arrow)


def _decimals(values: Values, arrow: pa.DataType) -> pa.Array:
    if pa.types.is_floating(arrow):
        return _floats([float(Decimal(value)) if isinstance(value, str) else value for value in values], arrow)
    return pa.array([_decimal(value, arrow.scale) for value in values], arrow)


def _decimal(value: Any, scale: int) -> Decimal | None:
    """Return a decimal; a double as it is printed, with as many digits behind the point as the column has."""
    if value is None or isinstance(value, Decimal):
        return value
    return Decimal(repr(value)).quantize(Decimal(1).scaleb(-scale), context=WIDE) if isinstance(value, float) else Decimal(value)


def _refuse_numbers(values: Values) -> None:
    """Refuse numbers, which Arrow would count from 1970."""
    if _types(values) & {int, float, bool}:
        raise TypeError("a number is no moment")


def _dates(values: Values, arrow: pa.DataType) -> pa.Array:
    _refuse_numbers(values)
    if str in _types(values):
        return pa.array(_isos(values), pa.string()).cast(arrow)
    return pa.array([value.date() if isinstance(value, datetime) else value for value in values], arrow)


def _isos(values: Values) -> Values:
    """Return moments as texts, as most of them are."""
    if _types(values) <= {str, NoneType}:
        return values
    return [value if value is None or isinstance(value, str) else str(value.isoformat()) for value in values]


def _times(values: Values, arrow: pa.DataType) -> pa.Array:
    """Read times of a day as moments of one: Arrow reads no other from text."""
    _refuse_numbers(values)
    if str in _types(values):
        moments = [None if value is None else f"1970-01-01T{value}" for value in values]
        return pa.array(moments, pa.string()).cast(pa.timestamp("us")).cast(arrow)
    return pa.array([_time(value) for value in values], arrow)


def _time(value: Any) -> Any:
    if not isinstance(value, timedelta):
        return value
    if not timedelta(0) <= value < timedelta(days=1):
        raise ValueError("no time of a day")
    return (datetime.min + value).time()


def _moments(values: Values, arrow: pa.DataType) -> pa.Array:
    _refuse_numbers(values)
    if str in _types(values):
        texts = pa.array(_isos(values), pa.string())
        if arrow.tz is None:
            return texts.cast(arrow)
        return _zoned(texts, arrow)
    return pa.array([_midnight(value) for value in values], arrow)


def _zoned(texts: pa.Array, arrow: pa.DataType) -> pa.Array:
    """Read moments with or without a zone; those without are in UTC."""
    try:
        return texts.cast(pa.timestamp("us")).cast(arrow)
    except pa.ArrowInvalid:
        has_zone = pc.match_substring_regex(texts, _ENDS_IN_ZONE)
        plain, zoned = pc.if_else(has_zone, _NO_TEXT, texts), pc.if_else(has_zone, texts, _NO_TEXT)
        return pc.coalesce(plain.cast(pa.timestamp("us")).cast(arrow), zoned.cast(arrow))


def _midnight(value: Any) -> Any:
    return datetime(value.year, value.month, value.day) if isinstance(value, date) and not isinstance(value, datetime) else value


def _uuids(values: Values, arrow: pa.DataType) -> pa.Array:
    return pa.array([None if value is None else _uuid(value) for value in values], arrow)


def _uuid(value: Any) -> str:
    if isinstance(value, bytes):
        return str(UUID(bytes=value) if len(value) == 16 else UUID(value.decode()))
    return str(value if isinstance(value, UUID) else UUID(value))


def _jsons(values: Values, arrow: pa.DataType) -> pa.Array:
    return pa.array([_json(value) for value in values], arrow)


def _json(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.decode() if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _binaries(values: Values, arrow: pa.DataType) -> pa.Array:
    return pa.array([value.encode() if isinstance(value, str) else value for value in values], arrow)


def _texts(values: Values, arrow: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, arrow)
    except (pa.ArrowException, TypeError):
        return pa.array([None if value is None else _text(value) for value in values], arrow)


def _text(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    if isinstance(value, timedelta):
        return _interval(value)
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _interval(value: timedelta) -> str:
    """Return an interval as PostgreSQL prints it: ``1 day -02:00:00.5`` has a sign for each part, so that days come out as they went in."""
    hours = timedelta(seconds=value.seconds, microseconds=value.microseconds)
    clock = (datetime.min + hours).time().isoformat()
    return f"{value.days} day{'s' if abs(value.days) != 1 else ''} {clock}" if value.days else clock


def _words(values: Any, type: ColumnType) -> pa.Array:
    """Return an array with the dictionary of the enum, and behind it what its values have besides."""
    texts = values if isinstance(values, pa.Array) else pa.array([_word(value) for value in values], pa.string())
    unknown = [word for word in pc.unique(texts).to_pylist() if word is not None and word not in type.values]
    words = pa.array([*type.values, *unknown], pa.string())
    return pa.DictionaryArray.from_arrays(pc.index_in(texts, words), words)


def _word(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(getattr(value, "name", value))


def _lists(values: Values, type: ColumnType, arrow: pa.DataType) -> pa.Array:
    if type.item is None:
        raise TypeError("no type of its elements is known")
    offsets: list[int] = [0]
    flat: list[Any] = []
    for value in values:
        if isinstance(value, str) or any(isinstance(item, list) for item in value or ()):
            raise TypeError("no list, or one of lists")
        flat.extend(value or ())
        offsets.append(len(flat))
    items = _build(flat, type.item, known_type(type.item) or arrow.value_type)
    mask = pa.array([value is None for value in values], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items, type=arrow, mask=mask)


_BUILD: Mapping[Kind, Build] = {
    "boolean": _booleans, "integer": _integers, "float": _floats, "decimal": _decimals, "date": _dates, "time": _times,
    "timestamp": _moments, "timestamp_tz": _moments, "uuid": _uuids, "json": _jsons, "binary": _binaries,
}  # fmt: skip
