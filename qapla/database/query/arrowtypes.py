"""The Arrow type of each cell of an answer, by the schema, and how an array of it is made of JSON values.

| kind of column | Arrow |
|---|---|
| boolean; integers; floats | bool; integers of the column's own width, signed or not; float32, float64 |
| decimals whose digits are known | decimal128, decimal256 beyond 38 digits; others, averages among them, text, since any digits may come |
| date, time, timestamp | date32, time64[us], timestamp[us]; with a zone in UTC |
| enum | a dictionary of its values |
| bytes | binary |
| arrays; related rows | lists; structs, lists of structs |
| all others, JSON and intervals among them | text, as JSON shows them |

Where an engine lets any column hold anything (SQLite), integers are int64, and decimals the doubles that the file holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from qapla.database.dialects import get_engine
from qapla.database.query.casts import TYPES
from qapla.database.query.computed import get_column
from qapla.database.query.printing import Number, print_value
from qapla.database.query.render import DECIMAL, TEXT, ref_type
from qapla.database.query.shape import AggregateCell, Cell, Columns, EmbedCell
from qapla.database.schema.description import ColumnType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from qapla.database.query.shape import AnyCell, Read
    from qapla.database.schema.description import DatabaseSchema, Kind, Table

    Build = Callable[[list[Any]], pa.Array]

INTEGERS: Mapping[str, pa.DataType] = {
    "tinyint": pa.int8(), "smallint": pa.int16(), "int2": pa.int16(), "year": pa.int16(),
    "mediumint": pa.int32(), "int": pa.int32(), "integer": pa.int32(), "int4": pa.int32(),
}  # fmt: skip
UNSIGNED: Mapping[str, pa.DataType] = {
    "tinyint": pa.uint8(), "smallint": pa.uint16(), "mediumint": pa.uint32(), "int": pa.uint32(), "integer": pa.uint32(),
    "bigint": pa.uint64(),
}  # fmt: skip
SINGLE = frozenset({"real", "float4", "float"})  # FLOAT is one of MariaDB's; PostgreSQL has no type of that name
SIMPLE: Mapping[Kind, pa.DataType] = {
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamp_tz": pa.timestamp("us", "UTC"),
}
WORD = re.compile(r"[a-z]+[0-9]?")
SAFE_INTEGER = 2**53  # up to it every integer is a double
COUNT = ColumnType("integer", "bigint")
MEAN = ColumnType("float", "double precision")


@dataclass(frozen=True, slots=True)
class ArrowColumn:
    """One column of an answer.

    ``raw`` is the type that Arrow's own reader of JSON gives it, before it is cast to ``type`` where that differs; None: it cannot read
    such values. ``is_nested``: they may be objects or arrays, in which digits must stay numbers.
    """

    name: str
    type: pa.DataType
    build: Build
    sql_type: str = ""
    is_nested: bool = False
    raw: pa.DataType | None = None


def list_columns(read: Read, schema: DatabaseSchema) -> list[ArrowColumn]:
    """Return the columns of *read*; of two with one name the last counts, as in JSON."""
    is_strict = get_engine(schema.engine).has_strict_types
    table = schema.by_name[read.table]
    found: dict[str, ArrowColumn] = {}
    for cell in read.cells:
        for column in _columns(cell, table, schema, is_strict):
            found[column.name] = column
    return list(found.values())


def arrow_type(type: ColumnType, is_strict: bool = True) -> pa.DataType:
    """Return the type of Arrow that the values of a column have; ``is_strict``: the column holds values of its own type only."""
    return _column("", type, is_strict).type


def _columns(cell: AnyCell, table: Table, schema: DatabaseSchema, is_strict: bool) -> list[ArrowColumn]:
    if isinstance(cell, Columns):
        types = [(name, TEXT if cell.preview is not None else table.by_name[name].type) for name in cell.names]
        return [_column(name, type, is_strict) for name, type in types]
    if isinstance(cell, Cell):
        type = TEXT if cell.preview is not None else ref_type(cell.ref, get_column(schema, table, cell.ref.column).type)
        return [_column(cell.key, type, is_strict)]
    if isinstance(cell, AggregateCell):
        return [_column(cell.key, _aggregate_type(cell, table, schema), is_strict)]
    inner = list_columns(cell.read, schema)
    is_many = cell.relation.kind != "to_one"
    if isinstance(cell, EmbedCell):
        return [_related(cell.key, inner, is_many)]
    return [_list_of(column) if is_many else column for column in inner]


def _aggregate_type(cell: AggregateCell, table: Table, schema: DatabaseSchema) -> ColumnType:
    if cell.cast is not None:
        return TYPES[cell.cast]
    if cell.ref is None or cell.function == "count":
        return COUNT
    type = ref_type(cell.ref, get_column(schema, table, cell.ref.column).type)
    if cell.function == "avg":
        is_exact = type.kind in ("integer", "decimal") and get_engine(schema.engine).has_strict_types
        return DECIMAL if is_exact else type if type.kind == "interval" else MEAN
    if cell.function == "sum" and type.kind == "integer":
        return COUNT
    if cell.function == "sum" and type.kind == "decimal" and type.precision is not None:
        return ColumnType("decimal", type.name, precision=38, scale=type.scale)
    return type


# ------------------------------------------------------------------------------------------------ types


def _column(name: str, type: ColumnType, is_strict: bool) -> ArrowColumn:
    kind = type.kind
    if kind == "array" and type.item is not None and is_strict:
        item = _column(name, type.item, is_strict)
        return ArrowColumn(name, pa.list_(item.type), partial(_lists, item), type.name, is_nested=True)
    if kind == "integer":
        return _parsed(name, _integer(type.name.lower()) if is_strict else pa.int64(), type)
    if kind == "float":
        single = is_strict and _word(type.name.lower()) in SINGLE
        return _parsed(name, pa.float32() if single else pa.float64(), type)
    if kind == "decimal":
        found = _decimal(type) if is_strict else pa.float64()
        if found is not None:
            return _parsed(name, found, type) if is_strict else ArrowColumn(name, found, _doubles, type.name)
    if kind == "time" and not type.name.lower().endswith(("with time zone", "timetz")):
        return ArrowColumn(name, pa.time64("us"), _times, type.name)
    if kind in SIMPLE:
        return _parsed(name, SIMPLE[kind], type)
    if kind == "boolean":
        return ArrowColumn(name, pa.bool_(), _booleans, type.name, raw=pa.bool_())
    if kind == "enum" and type.values and is_strict:
        return ArrowColumn(name, pa.dictionary(pa.int32(), pa.string()), partial(_words, type.values), type.name)
    if kind == "binary":
        return ArrowColumn(name, pa.binary(), _bytes, type.name)
    if kind == "json":
        return ArrowColumn(name, pa.string(), _jsons, type.name, is_nested=True)
    is_nested = kind in ("array", "composite", "geometry", "unknown")
    return ArrowColumn(name, pa.string(), _texts, type.name, is_nested, None if is_nested else pa.string())


def _parsed(name: str, arrow: pa.DataType, type: ColumnType) -> ArrowColumn:
    raw = pa.string() if pa.types.is_temporal(arrow) else arrow  # JSON has moments as texts, and numbers as numbers
    return ArrowColumn(name, arrow, partial(_parse, arrow), type.name, raw=raw)


def _word(text: str) -> str:
    found = WORD.match(text)
    return found[0] if found else ""


def _integer(text: str) -> pa.DataType:
    is_unsigned = "unsigned" in text or "zerofill" in text
    return (UNSIGNED if is_unsigned else INTEGERS).get(_word(text), pa.int64())


def _decimal(type: ColumnType) -> pa.DataType | None:
    if type.precision is None or not 0 <= (type.scale or 0) <= type.precision <= 76:
        return None
    return (pa.decimal128 if type.precision <= 38 else pa.decimal256)(type.precision, type.scale or 0)


def _related(name: str, inner: Sequence[ArrowColumn], is_many: bool) -> ArrowColumn:
    if not inner:  # Parquet has no struct without fields
        return ArrowColumn(name, pa.string(), _jsons, is_nested=True)
    fields = [pa.field(column.name, column.type, metadata={"sql_type": column.sql_type}) for column in inner]
    column = ArrowColumn(name, pa.struct(fields), partial(_structs, inner, fields), is_nested=True)
    return _list_of(column) if is_many else column


def _list_of(column: ArrowColumn) -> ArrowColumn:
    return ArrowColumn(column.name, pa.list_(column.type), partial(_lists, column), column.sql_type, is_nested=True)


# ------------------------------------------------------------------------------------------------ arrays


def _parse(type: pa.DataType, values: list[Any]) -> pa.Array:
    return pa.array(values, pa.string()).cast(type)


def _doubles(values: list[Any]) -> pa.Array:
    if any(len(value) > 15 and value.lstrip("-").isdigit() and abs(int(value)) > SAFE_INTEGER for value in values if value is not None):
        raise ValueError("an integer is no double")
    return _parse(pa.float64(), values)


def _times(values: list[Any]) -> pa.Array:
    """Read times of a day as moments of one: Arrow reads no other."""
    moments = [None if value is None else "1970-01-01T" + value for value in values]
    return pa.array(moments, pa.string()).cast(pa.timestamp("us")).cast(pa.time64("us"))


def _booleans(values: list[Any]) -> pa.Array:
    return pa.array(values, pa.bool_())


def _texts(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowException, TypeError, UnicodeError):
        return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else print_value(value)
    return text.encode("utf-8", "replace").decode()


def _jsons(values: list[Any]) -> pa.Array:
    return pa.array([None if value is None else print_value(value).encode("utf-8", "replace").decode() for value in values], pa.string())


def _bytes(values: list[Any]) -> pa.Array:
    return pa.array([None if value is None else _from_hex(value) for value in values], pa.binary())


def _from_hex(value: str) -> bytes:
    if isinstance(value, Number) or not value.startswith("\\x"):
        raise ValueError("no bytes")
    return bytes.fromhex(value[2:])


def _words(known: tuple[str, ...], values: list[Any]) -> pa.Array:
    """Return an array with the dictionary of the enum, and behind it what was added to the enum since the schema was read."""
    places = {word: place for place, word in enumerate(known)}
    codes = [None if value is None else places.setdefault(value, len(places)) for value in values]
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(list(places), pa.string()))


def _lists(item: ArrowColumn, values: list[Any]) -> pa.Array:
    offsets: list[int | None] = []
    flat: list[Any] = []
    for value in values:
        offsets.append(None if value is None else len(flat))
        if value is not None:
            if not isinstance(value, list):
                raise TypeError("no list")
            flat.extend(value)
    offsets.append(len(flat))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), item.build(flat), type=pa.list_(item.type))


def _structs(inner: Sequence[ArrowColumn], fields: Sequence[pa.Field], values: list[Any]) -> pa.Array:
    arrays = [column.build([None if value is None else value.get(column.name) for value in values]) for column in inner]
    mask = pa.array([value is None for value in values], pa.bool_())
    return pa.StructArray.from_arrays(arrays, fields=list(fields), mask=mask)
