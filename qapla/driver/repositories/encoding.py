"""Values as text and back, exactly: JSON by msgspec, with what JSON lacks.

int of any size, float (``NaN`` and ``Infinity`` too, as Python's own JSON writes them), Decimal, datetime, UUID, Enum, bytes, None,
and whatever is made of these. A value that would not come back as it was is refused when it is written.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import msgspec.inspect

UNREADABLE = (msgspec.DecodeError, ValueError, TypeError, RecursionError)


def encode(value: Any) -> bytes:
    """Write *value*.

    Raises:
        TypeError: it has no JSON.
        ValueError: it is text that is none (half a surrogate), or too large.
        RecursionError: it contains itself.
    """
    text = msgspec.json.encode(value, enc_hook=_to_plain)
    if b"null" in text and value is not None:  # None, text about it, or a float that JSON does not have
        return json.dumps(msgspec.to_builtins(value, str_keys=True, enc_hook=_to_plain), separators=(",", ":"), ensure_ascii=False).encode()
    return text


class Decoder:
    """Reads values of one type.

    Args:
        type: any annotation that msgspec knows, and pydantic's models.

    Raises:
        TypeError: a value of it cannot be written, or msgspec cannot tell how to read one.
    """

    def __init__(self, type: Any) -> None:
        self._type = type
        self._decoder = msgspec.json.Decoder(type, dec_hook=_from_plain)
        self._is_loose = _has_any(type, set())

    def decode(self, text: bytes) -> Any:
        """Read what ``encode`` wrote.

        Raises:
            ValueError: it is of another type.
        """
        try:
            return self._decoder.decode(text)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:  # NaN, Infinity
            return msgspec.convert(json.loads(text), self._type, str_keys=True, dec_hook=_from_plain)

    def check(self, value: Any) -> bytes:
        """Write *value*, and see to it that it can be read again.

        Raises:
            TypeError, ValueError, RecursionError: it cannot.
        """
        text = encode(value)
        read = self.decode(text)
        if not _same(read, value) and (self._is_loose or not _is_alike(read, value)):
            raise TypeError("it would come back as another value")
        return text


def _has_any(type: Any, seen: set[int]) -> bool:
    """Tell whether a value somewhere in *type* is of no declared type; all of it is looked at, for types that cannot be written at all."""
    fields = getattr(type, "__pydantic_fields__", None)
    if fields is not None:
        if id(type) in seen:
            return False
        seen.add(id(type))
        found = [_has_any(field.annotation, seen) for field in fields.values()]
        return any(found)
    return _reaches_any(msgspec.inspect.type_info(type), seen)


def _reaches_any(info: Any, seen: set[int]) -> bool:
    if id(info) in seen:
        return False
    seen.add(id(info))
    if isinstance(info, msgspec.inspect.AnyType):
        return True
    if isinstance(info, msgspec.inspect.CustomType):
        if not hasattr(info.cls, "__pydantic_fields__"):
            raise TypeError(f"values of type {info.cls.__name__!r} have no JSON")
        return _has_any(info.cls, seen)
    parts = [getattr(info, name, None) for name in ("type", "item_type", "key_type", "value_type")]
    several = [part for name in ("types", "item_types", "fields") for part in getattr(info, name, ())]
    found = [_reaches_any(part, seen) for part in [*parts, *several] if part is not None]
    return any(found)


def _same(read: Any, value: Any) -> bool:
    try:
        is_equal = bool(read == value)
    except ArithmeticError:  # a Decimal may be a NaN that is not even compared
        is_equal = False
    return is_equal or repr(read) == repr(value)  # NaN is equal to nothing


def _is_alike(read: Any, value: Any) -> bool:
    """Tell whether the two are the same but for lists that were tuples: both are sequences, whatever is declared."""
    if isinstance(read, list | tuple) and isinstance(value, list | tuple):
        return len(read) == len(value) and all(map(_is_alike, read, value))
    if isinstance(read, dict) and isinstance(value, dict):
        return read.keys() == value.keys() and all(_is_alike(read[key], value[key]) for key in read)
    return _same(read, value) or (type(read) is type(value) and encode(read) == encode(value))  # a class may not say what is equal


def _to_plain(value: Any) -> Any:
    fields = getattr(type(value), "__pydantic_fields__", None)
    if fields is not None:
        return {name: getattr(value, name) for name in fields}
    raise TypeError(f"values of type {type(value).__name__!r} cannot be written")


def _from_plain(type: Any, value: Any) -> Any:
    fields = getattr(type, "__pydantic_fields__", None)
    if fields is None:
        raise TypeError(f"values of type {type.__name__!r} cannot be read")
    read = {
        name: msgspec.convert(value[name], field.annotation, str_keys=True, dec_hook=_from_plain)
        for name, field in fields.items()
        if name in value
    }
    return build_pydantic(type, read)


def build_pydantic(model: Any, values: dict[str, Any]) -> Any:
    """Make a pydantic model of values by the names of its fields, whatever their aliases are."""
    return model.model_validate(values, by_name=True, by_alias=False)
