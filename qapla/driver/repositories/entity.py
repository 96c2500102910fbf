"""What a repository has to know of a class of entities: its fields, their types, and how one is made.

Dataclasses, TypedDicts, attrs, pydantic models, msgspec's Structs and SQLAlchemy's mapped classes (``qapla.database.models``, too).
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import msgspec

from qapla.driver.repositories.encoding import UNREADABLE, Decoder, build_pydantic
from qapla.errors import EntityDamaged, EntityRefused, ModelError

Document = dict[str, bytes]  # an entity as stores have it: the JSON of each field, by its name
KINDS = "a dataclass, TypedDict, attrs or pydantic class, msgspec.Struct or mapped class"


class EntityType:
    """A class of entities.

    Args:
        cls: the class.
        without: fields that the repository keeps in its own way.

    Raises:
        ModelError: it is none of the kinds, or has a field whose type cannot be kept.
    """

    def __init__(self, cls: Any, without: tuple[str, ...] = ()) -> None:
        if not isinstance(cls, type) and not hasattr(cls, "__name__"):
            raise ModelError(f"{cls!r} is no class of entities", hint=f"entities are of {KINDS}")
        self.cls = cls
        self.name: str = cls.__name__
        self._is_dict = typing.is_typeddict(cls)
        self._without = set(without)
        try:
            self._required = _required(cls) if self._is_dict else frozenset()
            self._annotations, self._make = _describe(cls)
            kept = {name: annotation for name, annotation in self._annotations.items() if name not in without}
            self._decoders = {name: self._decoder(name, annotation) for name, annotation in kept.items()}
        except NameError as error:
            hint = "classes that are made inside of functions cannot be found by their names"
            raise ModelError(f"the types of entity {self.name!r} cannot be read: {error}", hint=hint) from error

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the names of the fields."""
        return tuple(self._annotations)

    def annotation(self, name: str) -> Any:
        """Return the type of the field *name*."""
        return self._annotations[name]

    def holds(self, entity: Any) -> bool:
        """Tell whether *entity* is one of this class."""
        return isinstance(entity, dict) if self._is_dict else isinstance(entity, self.cls)

    def get(self, entity: Any, name: str) -> Any:
        """Return one value of *entity*, None where it has none."""
        return entity.get(name) if self._is_dict else getattr(entity, name, None)

    def write(self, entity: Any, repository: str, key: str) -> Document:
        """Return *entity* as a document.

        Raises:
            EntityRefused: a value would not come back as it was.
        """
        if self._is_dict:
            unknown = entity.keys() - self._annotations.keys()
            if unknown:
                raise EntityRefused(f"entity {self.name!r} has no field {min(unknown, key=str)!r}", repository=repository, key=key)
            missing = self._required - entity.keys() - self._without
            if missing:
                raise EntityRefused(f"{min(missing)!r} is missing in an entity {self.name!r}", repository=repository, key=key)
        return self.write_some(entity, self._decoders, repository, key)

    def write_some(self, entity: Any, names: Iterable[str], repository: str, key: str) -> Document:
        """Return a document of some fields of *entity*; like ``write``."""
        document: Document = {}
        for name in names:
            decoder = self._decoders[name]
            if self._is_dict and name not in entity:
                continue
            try:
                document[name] = decoder.check(entity[name] if self._is_dict else getattr(entity, name))
            except (*UNREADABLE, AttributeError):
                hint = f"its class declares {_named(self._annotations[name])}"
                message = f"field {name!r} of entity {self.name!r} cannot be kept: its value does not fit"
                raise EntityRefused(message, repository=repository, key=key, hint=hint) from None  # its text may have the value
        return document

    def read(self, document: Mapping[str, bytes], repository: str, key: str) -> Any:
        """Make an entity of a document. A field that the document lacks has its default.

        Raises:
            EntityDamaged: the document is not one of this class.
        """
        try:
            return self._make({name: self._decoders[name].decode(document[name]) for name in self._annotations if name in document})
        except (*UNREADABLE, AttributeError) as error:
            raise EntityDamaged(f"what is kept as {key!r} is no {self.name!r}", repository=repository, key=key) from error

    def read_fields(self, document: Mapping[str, bytes], repository: str, key: str) -> dict[str, Any]:
        """Return the values of a part of a document."""
        try:
            return {name: self._decoders[name].decode(text) for name, text in document.items()}
        except UNREADABLE as error:
            raise EntityDamaged(f"what is kept as {key!r} is no {self.name!r}", repository=repository, key=key) from error

    def values(self, document: Mapping[str, bytes], names: Iterable[str]) -> dict[str, Any]:
        """Return the values of *names*, None where the document has none.

        Raises:
            ValueError, TypeError: one is of another type.
        """
        return {name: self._decoders[name].decode(document[name]) if name in document else None for name in names}

    def convert(self, name: str, value: Any) -> Any:
        """Return *value* as the type of the field *name*, where it is text of one; else as it is."""
        try:
            return msgspec.convert(value, self._annotations[name], strict=False)
        except (msgspec.ValidationError, TypeError):
            return value

    def make(self, values: dict[str, Any]) -> Any:
        """Make an entity of values."""
        return self._make(values)

    def _decoder(self, name: str, annotation: Any) -> Decoder:
        try:
            return Decoder(annotation)
        except (TypeError, ValueError) as error:
            raise ModelError(f"field {name!r} of entity {self.name!r} is of a type that cannot be kept: {error}") from error


def _describe(cls: Any) -> tuple[dict[str, Any], Callable[[dict[str, Any]], Any]]:
    """Return the types of the fields, and what makes an entity of values: it raises when a value is missing."""
    if hasattr(cls, "__mapper__"):
        return _describe_mapped(cls), partial(_make_object, cls)
    if typing.is_typeddict(cls):
        return typing.get_type_hints(cls), partial(_make_dict, _required(cls))
    if dataclasses.is_dataclass(cls):
        hints = typing.get_type_hints(cls)
        return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}, partial(_make_object, cls)
    if hasattr(cls, "__attrs_attrs__"):
        hints, fields = typing.get_type_hints(cls), [field for field in cls.__attrs_attrs__ if field.init]
        aliases = {field.name: field.alias for field in fields}
        return {field.name: hints.get(field.name, Any) for field in fields}, partial(_make_aliased, cls, aliases)
    if hasattr(cls, "__pydantic_fields__"):
        return {name: field.annotation for name, field in cls.__pydantic_fields__.items()}, partial(build_pydantic, cls)
    if hasattr(cls, "__struct_fields__"):
        hints = typing.get_type_hints(cls)
        return {name: hints[name] for name in cls.__struct_fields__}, partial(_make_object, cls)
    raise ModelError(f"{getattr(cls, '__name__', cls)!r} cannot be kept in a repository", hint=f"entities are of {KINDS}")


def _required(cls: Any) -> frozenset[str]:
    """Return the keys that must be there; Python's own list is wrong where annotations are text."""
    hints = typing.get_type_hints(cls, include_extras=True)
    marked = {name: typing.get_origin(hint) for name, hint in hints.items()}
    plain = {name for name in cls.__required_keys__ if marked[name] is not typing.NotRequired}
    return frozenset(plain | {name for name, mark in marked.items() if mark is typing.Required})


def _describe_mapped(cls: Any) -> dict[str, Any]:
    import sqlalchemy

    annotations: dict[str, Any] = {}
    for attribute in sqlalchemy.inspect(cls).column_attrs:
        column = attribute.columns[0]
        try:
            kind: Any = Any if isinstance(column.type, sqlalchemy.JSON) or column.type.python_type is object else column.type.python_type
        except NotImplementedError:
            kind = Any
        annotations[attribute.key] = kind | None
    return annotations


def _make_object(cls: Any, values: dict[str, Any]) -> Any:
    return cls(**values)


def _make_aliased(cls: Any, aliases: dict[str, str], values: dict[str, Any]) -> Any:
    return cls(**{aliases[name]: value for name, value in values.items()})


def _make_dict(required: frozenset[str], values: dict[str, Any]) -> Any:
    missing = required - values.keys()
    if missing:
        raise ValueError(f"{min(missing)!r} is missing")
    return values


def _named(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation)
