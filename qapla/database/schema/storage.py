"""The JSON form of a ``DatabaseSchema``: what the registry keeps, so that a start needs no introspection.

Made from the fields of the dataclasses in ``description``: values that equal a field's default are left out, so a field that is added
later reads from older JSON as its default. ``from_json(to_json(schema)) == schema``, always.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import cache
from hashlib import sha256
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from qapla.database.schema.description import DatabaseSchema, TableName
from qapla.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT = 1
Codec = tuple["Callable[[Any], Any]", "Callable[[Any], Any]"]


def to_json(schema: DatabaseSchema) -> str:
    """Return *schema* as JSON text."""
    encode, _ = codec(DatabaseSchema)
    return json.dumps({"format": FORMAT, **encode(schema)}, separators=(",", ":"), ensure_ascii=True)


def from_json(text: str) -> DatabaseSchema:
    """Return the schema that ``to_json`` wrote.

    Raises:
        InputError: it is not such a text, or a newer release wrote it.
    """
    try:
        data = json.loads(text)
        found = data.pop("format")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError("the saved schema cannot be read: it is not a description of a database") from error
    if found != FORMAT:
        raise InputError(f"the saved schema has format {found!r}, this release reads format {FORMAT}", hint="refresh the database's schema")
    _, decode = codec(DatabaseSchema)
    try:
        schema: DatabaseSchema = decode(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError("the saved schema cannot be read: parts are missing or unknown", hint="refresh the database's schema") from error
    return schema


def fingerprint(schema: DatabaseSchema) -> str:
    """Return a hash of all that *schema* says, but for estimates: two inspections of an unchanged database give the same."""
    encode, _ = codec(DatabaseSchema)
    data = encode(replace(schema, fingerprint=""))
    for table in data["tables"]:
        table.pop("row_estimate", None)
    return sha256(json.dumps(data, separators=(",", ":"), sort_keys=True).encode()).hexdigest()


@cache
def codec(declared: Any) -> Codec:
    """Return the two functions, to JSON and from it, for a type as it stands in an annotation."""
    if declared is TableName:
        return list, _table_name
    if is_dataclass(declared):
        return dataclass_codec(declared)
    if get_origin(declared) is tuple:
        return tuple_codec(get_args(declared)[0])
    if get_origin(declared) is UnionType:
        inner = next(argument for argument in get_args(declared) if argument is not type(None))
        return optional_codec(inner)
    return _same, _same


def tuple_codec(item: Any) -> Codec:
    """Return the functions for a tuple of any length, a list in JSON."""
    encode, decode = codec(item)
    if encode is _same:
        return list, tuple
    return (lambda values: [encode(value) for value in values]), (lambda values: tuple([decode(value) for value in values]))


def optional_codec(inner: Any) -> Codec:
    """Return the functions for a value that may be None."""
    if inner in (str, int):
        return _same, _same

    # looked up when used: ColumnType refers to itself
    def encode(value: Any) -> Any:
        return None if value is None else codec(inner)[0](value)

    def decode(value: Any) -> Any:
        return None if value is None else codec(inner)[1](value)

    return encode, decode


def dataclass_codec(cls: Any) -> Codec:
    """Return the functions for one of the dataclasses, an object in JSON."""
    declared = get_type_hints(cls)
    parts = [(part.name, part.default, *codec(declared[part.name])) for part in fields(cls)]
    plain = {name: decode for name, _, _, decode in parts if decode is not _same}

    def encode(value: Any) -> dict[str, Any]:
        found = {}
        for name, default, to_data, _ in parts:
            item = getattr(value, name)
            if default is MISSING or item != default:
                found[name] = to_data(item)
        return found

    def decode(data: dict[str, Any]) -> Any:
        for name, from_data in plain.items():
            if name in data:
                data[name] = from_data(data[name])
        return cls(**data)

    return encode, decode


def _same(value: Any) -> Any:
    return value


def _table_name(value: list[Any]) -> TableName:
    schema, name = value
    return TableName(schema, name)
